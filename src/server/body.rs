//! Reads the body of a request into memory, within bounds of size, time and the memory of all.

use bytes::{Bytes, BytesMut};
use http::{Version, header};
use pingora::ErrorType;
use pingora::protocols::http::v1::server::HttpSession;
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

/// Reads the whole body, empty where the head announces none.
pub async fn read(
    session: &mut HttpSession,
    limit: usize,
    deadline: Instant,
    share: &mut BodyShare,
) -> Result<Bytes, NoBody> {
    if session.is_body_empty() {
        return Ok(Bytes::new());
    }
    let announced = announced_length(session);
    if announced.is_some_and(|length| length > limit) {
        return Err(NoBody::Refused(EdgeFault::BodyTooLarge));
    }
    if !share.cover(announced.unwrap_or_default()) {
        return Err(NoBody::Refused(EdgeFault::TooManyBytes));
    }
    match tokio::time::timeout_at(deadline, collect(session, limit, announced, share)).await {
        Ok(result) => result,
        Err(_) => Err(NoBody::Refused(EdgeFault::BodyTooSlow)),
    }
}

/// The largest body that is read away so that its connection can go on.
const SKIPPABLE: usize = 256 * 1024;

/// Whether a body that was not read can be read away, so that the next request can follow.
pub fn is_skippable(session: &HttpSession) -> bool {
    // A client that waits for `100 Continue` may send the body or not.
    let announced = announced_length(session).is_some_and(|length| length <= SKIPPABLE);
    announced && session.get_header(header::EXPECT).is_none()
}

fn announced_length(session: &HttpSession) -> Option<usize> {
    let value = session.get_header(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.trim().parse().ok()
}

async fn collect(
    session: &mut HttpSession,
    limit: usize,
    announced: Option<usize>,
    share: &mut BodyShare,
) -> Result<Bytes, NoBody> {
    invite(session).await?;
    let Some(first) = chunk(session).await? else {
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
        next = chunk(session).await?;
    }
    Ok(body.freeze())
}

/// Sends `100 Continue` to a client that waits for it; Pingora never does so by itself, and
/// forgets the keep-alive when it writes before the body is there.
async fn invite(session: &mut HttpSession) -> Result<(), NoBody> {
    let expects = session
        .get_header(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if !expects || session.req_header().version != Version::HTTP_11 {
        return Ok(());
    }
    let keep_alive = session.get_keepalive_timeout();
    let written = session.write_continue_response().await;
    session.set_server_keepalive(keep_alive);
    written.map_err(|_| NoBody::ClientGone)
}

async fn chunk(session: &mut HttpSession) -> Result<Option<Bytes>, NoBody> {
    session.read_body_bytes().await.map_err(|error| match error.etype() {
        ErrorType::ConnectionClosed | ErrorType::ReadError => NoBody::ClientGone,
        _ => NoBody::Refused(EdgeFault::BodyMalformed),
    })
}
