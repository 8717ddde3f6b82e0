//! One exchange over HTTP/1.1: the request in one write, the answer read by Pingora's client session.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, Method, Request, Response, StatusCode, header};
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora::{BError, ErrorType};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use super::{HttpBackend, IDLE, kept_head};
use crate::upstream::FailureKind;
use crate::upstream::peer::PeerTemplate;

impl HttpBackend {
    /// The exchange over one connection, from the first byte written on.
    pub(super) async fn exchange_v1(
        &self,
        mut stream: Stream,
        peer: &HttpPeer,
        request: &Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Bytes>, FailureKind> {
        let wire = self.encode(request);
        let write = async {
            stream.write_all(&wire).await?;
            stream.flush().await
        };
        // A backend that refuses a body early may close before it has read it: its answer is read
        // all the same.
        let written = timeout_at(deadline, write).await.map_err(|_| FailureKind::AnswerTimeout)?.is_ok();
        let mut session = HttpSession::new(stream);
        self.read_head(&mut session, deadline).await?;
        let head = session.resp_header().ok_or(FailureKind::Malformed)?;
        let (mut response, coding) = kept_head(head.status, &head.headers)?;
        if request.method() == Method::HEAD {
            return Ok(response);
        }
        *response.body_mut() = timeout_at(deadline, self.read_body(&mut session))
            .await
            .map_err(|_| FailureKind::BodyTimeout)??;
        if written {
            self.release(session, peer).await;
        }
        self.decoded(response, coding)
    }

    /// The request's bytes, head and body.
    fn encode(&self, request: &Request<Bytes>) -> BytesMut {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let body = request.body();
        let mut wire =
            BytesMut::with_capacity(256 + request.headers().len() * 64 + target.len() + body.len());
        wire.put_slice(request.method().as_str().as_bytes());
        wire.put_u8(b' ');
        wire.put_slice(self.settings.base_path.as_bytes());
        wire.put_slice(target.as_bytes());
        wire.put_slice(b" HTTP/1.1\r\n");
        wire.put_slice(&self.fixed_fields);
        for (name, value) in request.headers() {
            if !self.sets_itself(name) {
                put_field(&mut wire, name.as_str(), value.as_bytes());
            }
        }
        if !body.is_empty() || !matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE) {
            put_field(&mut wire, "content-length", body.len().to_string().as_bytes());
        }
        wire.put_slice(b"\r\n");
        wire.put_slice(body);
        wire
    }

    /// Fields of the connection and of the gateway: a caller's own are not sent.
    pub(super) fn sets_itself(&self, name: &HeaderName) -> bool {
        *name == header::HOST
            || *name == header::CONTENT_LENGTH
            || *name == header::CONNECTION
            || *name == header::TRANSFER_ENCODING
            || *name == header::ACCEPT_ENCODING
            || *name == header::EXPECT
            || *name == header::UPGRADE
            || self.template.secret.as_ref().is_some_and(|(secret, _)| secret == name)
    }

    /// Reads the answer's head, past informational ones.
    async fn read_head(&self, session: &mut HttpSession, deadline: Instant) -> Result<(), FailureKind> {
        let until = deadline.min(Instant::now() + self.settings.first_byte_timeout);
        let final_head = async {
            loop {
                session.read_response().await?;
                if !session.get_status().is_some_and(|status| status.is_informational() && status != 101) {
                    return Ok::<_, BError>(());
                }
            }
        };
        match timeout_at(until, final_head).await {
            Err(_) => Err(FailureKind::AnswerTimeout),
            Ok(Err(error)) if is_closed(&error) => Err(FailureKind::ClosedBeforeAnswer),
            Ok(Err(_)) => Err(FailureKind::Malformed),
            Ok(Ok(())) => Ok(()),
        }
    }

    async fn read_body(&self, session: &mut HttpSession) -> Result<Bytes, FailureKind> {
        let announced = session
            .get_header(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let bound = self.settings.answer_bytes;
        if announced.is_some_and(|length| length > bound) {
            return Err(FailureKind::TooLarge);
        }
        let mut body = BytesMut::with_capacity(announced.unwrap_or_default());
        loop {
            match session.read_body_ref().await {
                Ok(None) => return Ok(body.freeze()),
                Ok(Some(part)) if body.len() + part.len() > bound => return Err(FailureKind::TooLarge),
                Ok(Some(part)) => body.extend_from_slice(part),
                Err(error) if is_closed(&error) => return Err(FailureKind::ClosedWithinAnswer),
                Err(_) => return Err(FailureKind::Malformed),
            }
        }
    }

    /// Puts the connection of a complete exchange back into the pool.
    async fn release(&self, mut session: HttpSession, peer: &HttpPeer) {
        let idle = idle_time(&session);
        session.respect_keepalive();
        let gives_up = [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];
        if idle.is_zero() || session.get_status().is_some_and(|status| gives_up.contains(&status)) {
            return;
        }
        if let Some(stream) = session.reuse().await {
            self.connector.transport().release_stream(stream, peer.reuse_hash(), Some(idle));
        }
    }
}

/// The fields that every request carries, as they stand on the wire.
pub(super) fn fixed_fields(template: &PeerTemplate) -> Vec<u8> {
    let mut fields = BytesMut::new();
    put_field(&mut fields, "host", template.host.as_bytes());
    if let Some((name, value)) = &template.secret {
        put_field(&mut fields, name.as_str(), value.as_bytes());
    }
    fields.to_vec()
}

fn put_field(wire: &mut BytesMut, name: &str, value: &[u8]) {
    wire.put_slice(name.as_bytes());
    wire.put_slice(b": ");
    wire.put_slice(value);
    wire.put_slice(b"\r\n");
}

/// How long the connection may idle: a second less than the backend keeps it.
fn idle_time(session: &HttpSession) -> Duration {
    let parameters = session.get_header("keep-alive").and_then(|value| value.to_str().ok());
    let seconds = parameters.and_then(|parameters| {
        let timeout = |parameter: &str| parameter.trim().strip_prefix("timeout=")?.trim().parse::<u64>().ok();
        parameters.split(',').find_map(timeout)
    });
    match seconds {
        Some(seconds) => Duration::from_secs(seconds.saturating_sub(1)).min(IDLE),
        None => IDLE,
    }
}

fn is_closed(error: &BError) -> bool {
    matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::ReadError)
}
