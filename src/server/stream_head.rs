//! The head of an HTTP/2 request, made what it would be over HTTP/1.1, so that everything behind
//! sees one form; and the refusals that are the same for both.
//!
//! Fields of the connection, wrong pseudo fields and lengths that the body does not have never get
//! here: the library resets such streams.

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri, header, request};
use pingora::http::RequestHeader;

use super::fault::EdgeFault;
use super::head::{HeadFault, MAX_FIELDS};

/// Puts the authority into `Host` and joins the cookies that HTTP/2 may send one by one. `limit` is
/// for all bytes as HTTP/1.1 would write them.
pub fn settle(head: &mut RequestHeader, limit: usize) -> Result<(), EdgeFault> {
    if length(head) > limit {
        return Err(EdgeFault::HeadTooLarge);
    }
    if head.headers.len() > MAX_FIELDS {
        return Err(EdgeFault::Head(HeadFault::TooManyFields));
    }
    if !head.method.as_str().bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(EdgeFault::Head(HeadFault::RequestLine));
    }
    // The library takes no digits for zero; a backend may take them for no length at all.
    if head.headers.get_all(header::CONTENT_LENGTH).iter().any(HeaderValue::is_empty) {
        return Err(EdgeFault::Head(HeadFault::Framing));
    }
    let unescaped = |byte: &u8| *byte <= b' ' || *byte == 0x7f || *byte == b'#';
    let target = head.raw_path();
    if target.first() != Some(&b'/') || target.iter().any(unescaped) {
        return Err(EdgeFault::Head(HeadFault::Target));
    }
    let host = match head.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => head.headers.get(header::HOST).cloned(),
    };
    let host = host.filter(|host| !host.is_empty()).ok_or(EdgeFault::Head(HeadFault::HostMissing))?;
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    head.set_uri(Uri::from(path));
    let replaced = head.insert_header(header::HOST, host);
    replaced.map_err(|_| EdgeFault::Malformed)?;
    // Nobody could send `100 Continue` here, and the backend must not wait for it either.
    head.remove_header(&header::EXPECT);
    join_cookies(head)
}

/// Takes the head out of a session, without copying a field.
pub fn take_head(head: &mut RequestHeader) -> request::Parts {
    let (nothing, ()) = Request::new(()).into_parts();
    std::mem::replace(head, RequestHeader::from(nothing)).into()
}

/// Its bytes, as HTTP/1.1 would write them.
pub fn length(head: &RequestHeader) -> usize {
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let authority = head.uri.authority().map_or(0, |authority| authority.as_str().len());
    head.method.as_str().len() + head.raw_path().len() + authority + fields.sum::<usize>()
}

/// RFC 9113, section 8.2.3: they are one field to whoever does not speak HTTP/2.
fn join_cookies(head: &mut RequestHeader) -> Result<(), EdgeFault> {
    let cookies: Vec<&[u8]> =
        head.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() < 2 {
        return Ok(());
    }
    let joined = HeaderValue::from_bytes(&cookies.join(b"; ".as_slice()));
    let joined = joined.map_err(|_| EdgeFault::Malformed)?;
    head.insert_header(header::COOKIE, joined).map_err(|_| EdgeFault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, uri: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = http::Request::builder().method(method).uri(uri).version(http::Version::HTTP_2);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0.into()
    }

    fn settled(method: &str, uri: &str, fields: &[(&'static str, &str)]) -> Result<RequestHeader, EdgeFault> {
        let mut head = head(method, uri, fields);
        settle(&mut head, 1024).map(|()| head)
    }

    #[test]
    fn it_looks_as_it_would_over_the_older_version() {
        let fields = [("cookie", "a=1"), ("cookie", "b=2"), ("expect", "100-continue")];
        let head = settled("GET", "https://shop.example:8443/a/b?c=d", &fields).unwrap();
        assert_eq!(head.uri.to_string(), "/a/b?c=d");
        assert_eq!(head.headers["host"], "shop.example:8443");
        let cookies: Vec<_> = head.headers.get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2"]);
        assert!(!head.headers.contains_key("expect"));
        let without_authority = settled("GET", "/a", &[("host", "shop.example")]).unwrap();
        assert_eq!(without_authority.headers["host"], "shop.example");
    }

    #[test]
    fn what_is_refused_there_is_refused_here() {
        let many: Vec<_> = (0..=MAX_FIELDS).map(|_| ("a", "b")).collect();
        for (result, fault) in [
            (settled("GET", "https://a/", &many), EdgeFault::Head(HeadFault::TooManyFields)),
            (settled("GET", "https://a/", &[("x", &"y".repeat(1024))]), EdgeFault::HeadTooLarge),
            (settled("G-T", "https://a/", &[]), EdgeFault::Head(HeadFault::RequestLine)),
            (settled("POST", "https://a/", &[("content-length", "")]), EdgeFault::Head(HeadFault::Framing)),
            (settled("CONNECT", "a:80", &[]), EdgeFault::Head(HeadFault::Target)),
            (settled("OPTIONS", "*", &[("host", "a")]), EdgeFault::Head(HeadFault::Target)),
            (settled("GET", "/a", &[]), EdgeFault::Head(HeadFault::HostMissing)),
            (settled("GET", "/a", &[("host", "")]), EdgeFault::Head(HeadFault::HostMissing)),
        ] {
            assert_eq!(result.map(|head| head.uri.to_string()), Err(fault));
        }
    }
}
