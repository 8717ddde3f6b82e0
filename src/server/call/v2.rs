//! A call over HTTP/2: one stream of a connection that carries others beside it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use pingora::BError;
use pingora::protocols::http::v2::server::HttpSession;
use tokio::time::{Instant, timeout};

use super::{Application, Call, Decision, EdgeFault, NoBody, answer_head, whole};
use crate::observe::Outcome;
use crate::server::pass;
use crate::server::stream_head;

/// What a stream takes besides its head and body, about.
const STREAM_BYTES: usize = 4 * 1024;

impl<A: Application> Call<'_, A> {
    /// Serves it.
    pub async fn serve_stream(mut self, mut session: HttpSession) {
        if let Err(fault) = stream_head::settle(session.req_header_mut(), self.serving.limits.header_bytes) {
            self.find_client(session.req_header());
            let route = self.serving.application.route(&self.arrival, session.req_header());
            return self.refuse_stream(session, route, fault).await;
        }
        let (route, decision) = self.decide(session.req_header());
        match decision {
            Decision::Refuse(fault) => return self.refuse_stream(session, route, fault).await,
            Decision::PassThrough(share) => {
                let proxy = match self.proxy(session.req_header()).await {
                    Ok(proxy) => proxy,
                    Err(fault) => return self.refuse_stream(session, route, fault).await,
                };
                let serving = Arc::clone(&self.serving);
                let passage = self.into_passage(route, session.req_header(), share, true);
                return pass::serve_stream(&proxy, session, passage, &serving.limits).await;
            }
            Decision::Answer => {}
        }
        // A connection holds one head over HTTP/1.1, and over HTTP/2 as many as it has streams that wait for
        // their bodies: what they take comes out of the memory for bodies.
        let mut waiting = self.service.load().body();
        if !waiting.cover(STREAM_BYTES + stream_head::length(session.req_header())) {
            return self.refuse_stream(session, route, EdgeFault::TooManyBytes).await;
        }
        let (body, _shares) = match self.read_body(&mut session).await {
            Ok(body) => body,
            Err(NoBody::Refused(fault)) => return self.refuse_stream(session, route, fault).await,
            Err(NoBody::ClientGone) => return self.finish(Outcome::ClientGone),
        };
        let request = whole(session.req_header_mut(), body);
        let head_only = *request.method() == Method::HEAD;
        let response = self.ask(route, request).await;
        self.send(session, response, head_only).await;
    }

    async fn refuse_stream(&mut self, session: HttpSession, route: A::Route, fault: EdgeFault) {
        let head_only = session.req_header().method == Method::HEAD;
        let response = self.refusal(route, fault);
        self.send(session, response, head_only).await;
    }

    /// Sends the answer and records the call. What is still unread of the body goes with the stream:
    /// the library then tells the client to stop sending.
    async fn send(&mut self, mut session: HttpSession, response: Response<Bytes>, head_only: bool) {
        let waited = Instant::now();
        let (status, length) = (response.status().as_u16(), response.body().len());
        let write = write(&mut session, response, &self.arrival.request_id, head_only);
        let sent = matches!(timeout(self.serving.limits.body_timeout, write).await, Ok(Ok(())));
        self.answered(status, length, sent, waited);
    }
}

async fn write(
    session: &mut HttpSession,
    response: Response<Bytes>,
    request_id: &str,
    head_only: bool,
) -> Result<(), BError> {
    let (parts, body) = response.into_parts();
    let bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut head = answer_head(Response::from_parts(parts, ()), body.len(), request_id)?;
    if bodiless {
        head.remove_header(&http::header::CONTENT_LENGTH);
    }
    let ends = bodiless || body.is_empty() || head_only;
    session.write_response_header(Box::new(head), ends)?;
    if !ends {
        session.write_body(body, true).await?;
    }
    Ok(())
}
