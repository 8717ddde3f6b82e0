//! A call over HTTP/1.1: the answer's head and body leave in one write, and the connection goes on.

use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Method, Response, request};
use pingora::BError;
use pingora::protocols::Stream;
use pingora::protocols::http::v1::server::HttpSession;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Application, Call, Decision, EdgeFault, NoBody, answer_head, whole};
use crate::observe::Outcome;
use crate::server::answer::{self, Framing};
use crate::server::body;
use crate::server::connection::{Reusable, linger};
use crate::server::head;
use crate::server::load::CallShare;
use crate::server::pass;

impl<A: Application> Call<'_, A> {
    /// Serves it; `buffer` holds its head and what came with it.
    pub async fn serve(mut self, stream: Stream, buffer: BytesMut, keep_alive: bool) -> Reusable {
        let raw = (!self.serving.proxies.is_empty()).then(|| buffer.clone());
        let mut session = HttpSession::new(stream);
        session.set_pipelining_enabled(true);
        session.set_read_timeout(None);
        session.set_pipelined_prefix(buffer);
        if !matches!(session.read_request().await, Ok(Some(_))) {
            let unread = head::salvage(b"");
            Box::pin(self.refuse_head(session.into_inner(), &unread, EdgeFault::Malformed)).await;
            return None;
        }
        match self.decide(session.req_header()) {
            (route, Decision::Answer) => self.answer(session, route, keep_alive).await,
            (route, Decision::Refuse(fault)) => self.refuse(session, route, fault, keep_alive).await,
            (route, Decision::PassThrough(share)) => {
                Box::pin(self.pass(session, raw?, route, share, keep_alive)).await
            }
        }
    }

    /// Passes it on; `raw` is its head and what came with it.
    async fn pass(
        mut self,
        session: HttpSession,
        raw: BytesMut,
        route: A::Route,
        share: CallShare,
        keep_alive: bool,
    ) -> Reusable {
        let proxy = match self.proxy(session.req_header()).await {
            Ok(proxy) => proxy,
            Err(fault) => return self.refuse(session, route, fault, keep_alive).await,
        };
        let serving = Arc::clone(&self.serving);
        let passage = self.into_passage(route, session.req_header(), share, keep_alive);
        pass::serve(&proxy, session.into_inner(), raw, passage, &serving.limits).await
    }

    /// Refuses a request whose head was not let in, and ends the connection.
    pub async fn refuse_head(mut self, mut stream: Stream, head: &request::Parts, fault: EdgeFault) {
        let route = self.serving.application.route(&self.arrival, head);
        let response = self.refusal(route, fault);
        let framing = Framing { head_only: head.method == Method::HEAD, keep_alive: false };
        if self.write(&mut stream, &response, framing).await {
            linger(stream).await;
        }
    }

    async fn answer(&mut self, mut session: HttpSession, route: A::Route, keep_alive: bool) -> Reusable {
        let (body, _shares) = match self.read_body(&mut session).await {
            Ok(body) => body,
            Err(NoBody::Refused(fault)) => {
                // After malformed chunks nobody knows where the next request would begin.
                let readable = matches!(
                    fault,
                    EdgeFault::BodyTooLarge | EdgeFault::TooManyBytes | EdgeFault::TooManyCalls
                );
                return self.refuse(session, route, fault, keep_alive && readable).await;
            }
            Err(NoBody::ClientGone) => {
                self.finish(Outcome::ClientGone);
                return None;
            }
        };
        let request = whole(session.req_header_mut(), body);
        let head_only = *request.method() == Method::HEAD;
        let (mut stream, rest, keep_alive) = release(session, keep_alive).await?;
        let response = self.ask(route, request).await;
        let framing = Framing { head_only, keep_alive };
        let sent = self.write(&mut stream, &response, framing).await;
        if sent && keep_alive {
            return Some((stream, rest));
        }
        if sent {
            // Nothing can be done for a client that is gone by now.
            let _ = AsyncWriteExt::shutdown(&mut stream).await;
        }
        None
    }

    /// Refuses a request whose head was let in. The connection goes on if its body can be skipped.
    /// Boxed, since every idle connection would otherwise keep room for this rare way.
    fn refuse<'b>(
        &'b mut self,
        mut session: HttpSession,
        route: A::Route,
        fault: EdgeFault,
        keep_alive: bool,
    ) -> Pin<Box<dyn Future<Output = Reusable> + Send + 'b>> {
        Box::pin(async move {
            let head_only = session.req_header().method == Method::HEAD;
            let unread = !session.is_body_done();
            let response = self.refusal(route, fault);
            if unread && keep_alive && body::is_skippable(&session) {
                return self.answer_and_skip(session, response).await;
            }
            let (mut stream, rest, keep_alive) = release(session, keep_alive && !unread).await?;
            let sent = self.write(&mut stream, &response, Framing { head_only, keep_alive }).await;
            if sent && keep_alive {
                return Some((stream, rest));
            }
            if sent {
                linger(stream).await;
            }
            None
        })
    }

    /// Writes the answer while the body still comes in, then reads that away. Pingora's session
    /// writes here: it alone knows where the body ends.
    async fn answer_and_skip(&mut self, mut session: HttpSession, response: Response<Bytes>) -> Reusable {
        let waited = Instant::now();
        let until = self.arrival.deadline.min(waited + self.serving.limits.body_timeout);
        let status = response.status().as_u16();
        let length = response.body().len();
        let sent = timeout_at(until, write_through(&mut session, response, &self.arrival.request_id)).await;
        let sent = matches!(sent, Ok(Ok(())));
        self.answered(status, length, sent, waited);
        if !sent || !matches!(timeout_at(until, session.drain_request_body()).await, Ok(Ok(()))) {
            return None;
        }
        let (stream, rest, keep_alive) = release(session, true).await?;
        keep_alive.then_some((stream, rest))
    }

    /// Writes the answer and records the call; whether the client took it.
    async fn write(&mut self, stream: &mut Stream, response: &Response<Bytes>, framing: Framing) -> bool {
        let waited = Instant::now();
        let wire = answer::encode(response, framing, &self.arrival.request_id);
        let write = async {
            stream.write_all(&wire).await?;
            stream.flush().await
        };
        let sent = matches!(timeout(self.serving.limits.body_timeout, write).await, Ok(Ok(())));
        self.answered(response.status().as_u16(), response.body().len(), sent, waited);
        sent
    }
}

/// Writes an answer by Pingora's session, which may go on after it although the body is unread.
async fn write_through(
    session: &mut HttpSession,
    response: Response<Bytes>,
    request_id: &str,
) -> Result<(), BError> {
    let (parts, body) = response.into_parts();
    let head = answer_head(Response::from_parts(parts, ()), body.len(), request_id)?;
    session.set_close_on_response_before_downstream_finish(false);
    session.write_response_header(Box::new(head)).await?;
    session.write_body(&body).await?;
    session.finish_body().await?;
    Ok(())
}

/// The stream of a session that is over, what was read of the next request, and whether there
/// may be one.
async fn release(session: HttpSession, keep_alive: bool) -> Option<(Stream, BytesMut, bool)> {
    if !keep_alive || !session.will_keepalive() {
        return Some((session.into_inner(), BytesMut::new(), false));
    }
    let (stream, rest) = session.reuse().await.ok()??.into_parts();
    Some((stream, rest.unwrap_or_default(), true))
}
