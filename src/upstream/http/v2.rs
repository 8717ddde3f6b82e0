//! One exchange over a stream of HTTP/2.

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, Uri, header};
use pingora::http::RequestHeader;
use pingora::protocols::http::v2::client::Http2Session;
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora::{BError, Error};
use tokio::time::{Instant, timeout_at};

use super::{HttpBackend, IDLE, kept_head};
use crate::upstream::FailureKind;

/// Why an exchange over HTTP/2 came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The backend vouches that it did nothing: it refused the stream, or said that it would serve
    /// no more before this one came (RFC 9113, section 8.7).
    Refused,
    /// It failed.
    Failed(FailureKind),
}

impl From<FailureKind> for Unanswered {
    fn from(kind: FailureKind) -> Self {
        Self::Failed(kind)
    }
}

impl HttpBackend {
    /// The exchange over one stream.
    pub(super) async fn exchange_v2(
        &self,
        mut session: Http2Session,
        peer: &HttpPeer,
        request: &Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Bytes>, Unanswered> {
        let answer = self.over_stream(&mut session, request, deadline).await;
        let late = [FailureKind::AnswerTimeout, FailureKind::BodyTimeout].map(Unanswered::Failed);
        if answer.as_ref().is_err_and(|unanswered| late.contains(unanswered)) {
            // Perhaps the whole connection is dead: no other call is sent over it.
            self.connector.in_use_pool().release(peer.reuse_hash(), session.conn.id());
        } else {
            self.connector.release_http_session(session, peer, Some(IDLE));
        }
        answer
    }

    async fn over_stream(
        &self,
        session: &mut Http2Session,
        request: &Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Bytes>, Unanswered> {
        let head = self.head_v2(request)?;
        let body = request.body();
        session.write_request_header(Box::new(head), body.is_empty()).map_err(|error| unanswered(&error))?;
        if !body.is_empty() {
            let write = session.write_request_body(body.clone(), true);
            // A backend that refuses a body early stops reading it: its answer is read all the same.
            let _written = timeout_at(deadline, write).await.map_err(|_| FailureKind::AnswerTimeout)?;
        }
        let until = deadline.min(Instant::now() + self.settings.first_byte_timeout);
        match timeout_at(until, session.read_response_header()).await {
            Err(_) => return Err(FailureKind::AnswerTimeout.into()),
            Ok(Err(error)) => return Err(unanswered(&error)),
            Ok(Ok(())) => {}
        }
        let head = session.response_header().ok_or(FailureKind::Malformed)?;
        let (mut response, coding) = kept_head(head.status, &head.headers)?;
        let length = head.headers.get(header::CONTENT_LENGTH);
        let announced = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if *request.method() != Method::HEAD && announced.is_some_and(|all| all > self.settings.answer_bytes)
        {
            return Err(FailureKind::TooLarge.into());
        }
        let body = timeout_at(deadline, self.body_v2(session));
        *response.body_mut() = body.await.map_err(|_| FailureKind::BodyTimeout)??;
        Ok(self.decoded(response, coding)?)
    }

    fn head_v2(&self, request: &Request<Bytes>) -> Result<RequestHeader, FailureKind> {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let uri = Uri::builder()
            .scheme(self.template.scheme())
            .authority(self.template.host.as_bytes())
            .path_and_query([&self.settings.base_path, target].concat())
            .build()
            .map_err(|_| FailureKind::Malformed)?;
        let mut head = Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = uri;
        let fields = head.headers_mut();
        for (name, value) in request.headers().iter().filter(|(name, _)| !self.sets_itself(name)) {
            fields.append(name.clone(), value.clone());
        }
        if let Some((name, value)) = &self.template.secret {
            fields.insert(name.clone(), value.clone());
        }
        if !request.body().is_empty() {
            fields.insert(header::CONTENT_LENGTH, request.body().len().into());
        }
        Ok(head.into_parts().0.into())
    }

    async fn body_v2(&self, session: &mut Http2Session) -> Result<Bytes, FailureKind> {
        let bound = self.settings.answer_bytes;
        let mut body = BytesMut::new();
        loop {
            match session.read_response_body().await {
                Ok(None) => return Ok(body.freeze()),
                Ok(Some(part)) if body.len() + part.len() > bound => return Err(FailureKind::TooLarge),
                Ok(Some(part)) => body.extend_from_slice(&part),
                Err(error) if is_ours(&error) => return Err(FailureKind::Malformed),
                Err(_) => return Err(FailureKind::ClosedWithinAnswer),
            }
        }
    }
}

fn cause(error: &Error) -> Option<&h2::Error> {
    error.root_cause().downcast_ref()
}

/// Whether it was this side that ended the exchange, since the other one kept to no rule.
fn is_ours(error: &Error) -> bool {
    cause(error).is_none_or(|cause| !cause.is_remote() && !cause.is_io())
}

fn unanswered(error: &BError) -> Unanswered {
    let refused = cause(error).is_some_and(|cause| {
        let reason = cause.reason();
        let never_begun = cause.is_go_away() && reason == Some(h2::Reason::NO_ERROR);
        let turned_away = cause.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM);
        cause.is_remote() && (never_begun || turned_away)
    });
    match (refused, is_ours(error)) {
        (true, _) => Unanswered::Refused,
        (false, true) => Unanswered::Failed(FailureKind::Malformed),
        (false, false) => Unanswered::Failed(FailureKind::ClosedBeforeAnswer),
    }
}
