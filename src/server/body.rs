//! Reads the body of a request into memory, within bounds of size, time and the memory of all.

use bytes::{Bytes, BytesMut};
use http::{Version, header};
use pingora::ErrorType;
use pingora::http::RequestHeader;
use pingora::protocols::http::v1::server::HttpSession;
use pingora::protocols::http::v2;
use tokio::time::Instant;

use super::fault::EdgeFault;
use super::load::BodyShare;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBody {
    /// It is refused.
    Refused(EdgeFault),
    /// The client went away.
    ClientGone,
}

/// A request whose head was read, over either version of HTTP.
pub trait Incoming: Send {
    /// Its head.
    fn head(&self) -> &RequestHeader;

    /// Whether it has no body.
    fn is_empty(&mut self) -> bool;

    /// Tells a client that waits for it to send the body.
    fn invite(&mut self) -> impl Future<Output = Result<(), NoBody>> + Send;

    /// The next part of the body; `None` at its end.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, NoBody>> + Send;
}

/// Reads the whole body, empty where the head announces none.
pub async fn read(
    incoming: &mut impl Incoming,
    limit: usize,
    deadline: Instant,
    share: &mut BodyShare,
) -> Result<Bytes, NoBody> {
    if incoming.is_empty() {
        return Ok(Bytes::new());
    }
    let announced = announced_length(incoming.head());
    if announced.is_some_and(|length| length > limit) {
        return Err(NoBody::Refused(EdgeFault::BodyTooLarge));
    }
    if !share.cover(announced.unwrap_or_default()) {
        return Err(NoBody::Refused(EdgeFault::TooManyBytes));
    }
    match tokio::time::timeout_at(deadline, collect(incoming, limit, announced, share)).await {
        Ok(result) => result,
        Err(_) => Err(NoBody::Refused(EdgeFault::BodyTooSlow)),
    }
}

/// The largest body that is read away so that its connection can go on.
const SKIPPABLE: usize = 256 * 1024;

/// Whether a body that was not read can be read away, so that the next request can follow.
pub fn is_skippable(session: &HttpSession) -> bool {
    // A client that waits for `100 Continue` may send the body or not.
    let announced = announced_length(session.req_header()).is_some_and(|length| length <= SKIPPABLE);
    announced && session.get_header(header::EXPECT).is_none()
}

fn announced_length(head: &RequestHeader) -> Option<usize> {
    let value = head.headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.trim().parse().ok()
}

async fn collect(
    incoming: &mut impl Incoming,
    limit: usize,
    announced: Option<usize>,
    share: &mut BodyShare,
) -> Result<Bytes, NoBody> {
    incoming.invite().await?;
    let Some(first) = incoming.chunk().await? else {
        return Ok(Bytes::new());
    };
    if announced == Some(first.len()) {
        return Ok(first);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(first.len()));
    let mut next = Some(first);
    while let Some(part) = next {
        if body.len() + part.len() > limit {
            return Err(NoBody::Refused(EdgeFault::BodyTooLarge));
        }
        if !share.cover(body.len() + part.len()) {
            return Err(NoBody::Refused(EdgeFault::TooManyBytes));
        }
        body.extend_from_slice(&part);
        next = incoming.chunk().await?;
    }
    Ok(body.freeze())
}

impl Incoming for HttpSession {
    fn head(&self) -> &RequestHeader {
        self.req_header()
    }

    fn is_empty(&mut self) -> bool {
        self.is_body_empty()
    }

    /// Pingora never does so by itself, and forgets the keep-alive when it writes before the body is there.
    async fn invite(&mut self) -> Result<(), NoBody> {
        let expects = self
            .get_header(header::EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        if !expects || self.req_header().version != Version::HTTP_11 {
            return Ok(());
        }
        let keep_alive = self.get_keepalive_timeout();
        let written = self.write_continue_response().await;
        self.set_server_keepalive(keep_alive);
        written.map_err(|_| NoBody::ClientGone)
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, NoBody> {
        self.read_body_bytes().await.map_err(|error| match error.etype() {
            ErrorType::ConnectionClosed | ErrorType::ReadError => NoBody::ClientGone,
            _ => NoBody::Refused(EdgeFault::BodyMalformed),
        })
    }
}

impl Incoming for v2::server::HttpSession {
    fn head(&self) -> &RequestHeader {
        self.req_header()
    }

    fn is_empty(&mut self) -> bool {
        self.is_body_empty()
    }

    /// Pingora's session has no way to say it; clients that wait go on after a moment.
    async fn invite(&mut self) -> Result<(), NoBody> {
        Ok(())
    }

    /// A body of another length than announced ends its stream, as if the client had gone.
    async fn chunk(&mut self) -> Result<Option<Bytes>, NoBody> {
        self.read_body_bytes().await.map_err(|_| NoBody::ClientGone)
    }
}
