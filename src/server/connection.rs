//! One client connection: waits for a head, has it served, goes on with the next.
//!
//! An account call takes a short way: Pingora's session parses head and body, the application
//! answers, and head and body of the answer leave in one write. Only what passes through goes
//! into Pingora's proxy, with the head put back in front of the stream for it to read again.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pingora::protocols::{ALPN, Stream, l4};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::application::Application;
use super::call::{Call, Origin};
use super::fault::EdgeFault;
use super::head::{self, HeadScan};
use super::http2::{self, PREFACE};
use super::lifecycle::Phase;
use super::load::ConnectionShare;
use super::service::Service;

/// How much is read at once while a head comes in; most heads fit.
const HEAD_READ: usize = 2048;

/// How long a closed connection is still read, so that the client sees the answer and no reset.
pub const LINGER_TIME: Duration = Duration::from_secs(1);

/// How many bytes are read away meanwhile.
const LINGER_BYTES: usize = 256 * 1024;

/// How long the first request of a connection may take when the process stops: whoever has just
/// connected can't know that.
pub const FIRST_REQUEST_TIME: Duration = Duration::from_secs(1);

/// A stream that can carry another request, and what was already read of that.
pub type Reusable = Option<(Stream, BytesMut)>;

/// A client's connection.
pub struct Connection<A: Application> {
    /// What serves it.
    pub service: Arc<Service<A>>,
    /// Which of the config's listeners it came in at.
    pub listener: usize,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// Whether it is encrypted.
    pub secure: bool,
    /// Whether it may begin HTTP/2 without having asked; ALPN is asking.
    pub http2: bool,
    /// Whether the process is about to stop.
    pub phase: watch::Receiver<Phase>,
}

/// What came of waiting for a head.
enum Head {
    /// It is whole; its first byte was there then.
    Whole(Instant),
    /// It is none: HTTP/2 begins.
    Preface,
    /// It is refused.
    Refused(Instant, EdgeFault),
    /// Nobody waits for an answer.
    Gone,
}

/// What is at the start of a buffer.
enum Found {
    /// A whole head.
    Head,
    /// The preface of HTTP/2.
    Preface,
}

/// What a connection goes on with.
enum Next {
    /// Another request, if there may be one.
    Request(Reusable),
    /// HTTP/2.
    Http2(Stream),
}

impl<A: Application> Connection<A> {
    /// Serves the connection until it ends; its share of the load is held as long.
    pub async fn run(mut self, stream: Stream, _share: ConnectionShare) {
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            return Box::pin(http2::serve(self, stream)).await;
        }
        let mut next = Some((stream, BytesMut::new()));
        let mut is_new = true;
        while let Some((stream, buffer)) = next {
            match self.serve_next(stream, buffer, is_new).await {
                Next::Request(reusable) => next = reusable,
                Next::Http2(stream) => return Box::pin(http2::serve(self, stream)).await,
            }
            self.http2 = false;
            is_new = false;
        }
    }

    async fn serve_next(&mut self, mut stream: Stream, mut buffer: BytesMut, is_new: bool) -> Next {
        let head = self.read_head(&mut stream, &mut buffer, is_new).await;
        let keep_alive = self.phase.borrow().keeps_connections();
        Next::Request(match head {
            Head::Gone => None,
            Head::Preface => return put_back(stream, &buffer).map_or(Next::Request(None), Next::Http2),
            Head::Whole(arrived) => {
                let call = self.call(arrived);
                call.serve(stream, buffer, keep_alive).await
            }
            Head::Refused(arrived, fault) => {
                let call = self.call(arrived);
                Box::pin(call.refuse_head(stream, &head::salvage(&buffer), fault)).await;
                None
            }
        })
    }

    /// Where its requests come from.
    pub const fn origin(&self) -> Origin {
        Origin { listener: self.listener, client: self.client, secure: self.secure }
    }

    fn call(&self, arrived: Instant) -> Call<'_, A> {
        Call::new(&self.service, self.origin(), arrived)
    }

    async fn read_head(&mut self, stream: &mut Stream, buffer: &mut BytesMut, is_new: bool) -> Head {
        if buffer.is_empty() && !self.wait_for_first_byte(stream, buffer, is_new).await {
            return Head::Gone;
        }
        let arrived = Instant::now();
        let serving = self.service.serving();
        let limits = &serving.limits;
        let whole = read_to_end(stream, buffer, limits.header_bytes, self.http2);
        match timeout_at(arrived + limits.header_timeout, whole).await {
            Ok(Some(Ok(Found::Head))) => Head::Whole(arrived),
            Ok(Some(Ok(Found::Preface))) => Head::Preface,
            Ok(Some(Err(fault))) => Head::Refused(arrived, fault),
            Ok(None) => Head::Gone,
            // A line end too many after the last body begins no request.
            Err(_) if buffer.trim_ascii().is_empty() => Head::Gone,
            Err(_) => Head::Refused(arrived, EdgeFault::HeadTooSlow),
        }
    }

    /// Waits between requests, as long as an idle connection is kept.
    async fn wait_for_first_byte(
        &mut self,
        stream: &mut Stream,
        buffer: &mut BytesMut,
        is_new: bool,
    ) -> bool {
        buffer.reserve(HEAD_READ);
        let keepalive = self.service.serving().limits.keepalive;
        tokio::select! {
            biased;
            read = timeout(keepalive, stream.read_buf(buffer)) => return matches!(read, Ok(Ok(1..))),
            _ = self.phase.wait_for(|phase| *phase == Phase::Stopping) => {}
        }
        let last = timeout(FIRST_REQUEST_TIME, stream.read_buf(buffer));
        is_new && matches!(last.await, Ok(Ok(1..)))
    }
}

/// Reads until the head is whole; `None` when the client goes away before.
async fn read_to_end(
    stream: &mut Stream,
    buffer: &mut BytesMut,
    limit: usize,
    http2: bool,
) -> Option<Result<Found, EdgeFault>> {
    let mut scan = HeadScan::default();
    loop {
        if http2 && buffer.starts_with(PREFACE) {
            return Some(Ok(Found::Preface));
        }
        let may_be_preface = http2 && PREFACE.starts_with(buffer);
        match if may_be_preface { Ok(None) } else { scan.advance(buffer) } {
            Err(fault) => return Some(Err(EdgeFault::Head(fault))),
            Ok(Some(length)) if length <= limit => return Some(Ok(Found::Head)),
            Ok(None) if buffer.len() <= limit => {}
            Ok(_) => return Some(Err(EdgeFault::HeadTooLarge)),
        }
        buffer.reserve(HEAD_READ);
        match stream.read_buf(buffer).await {
            Ok(1..) => {}
            _ => return None,
        }
    }
}

/// The stream with these bytes in front of it again.
fn put_back(stream: Stream, bytes: &[u8]) -> Option<Stream> {
    let mut stream = stream.into_any().downcast::<l4::stream::Stream>().ok()?;
    stream.rewind(bytes);
    Some(stream)
}

/// Ends a connection whose client may still be sending: closes the way out, then reads what comes
/// for a moment. Closing with unread bytes would reset the connection and take the answer along.
pub async fn linger(mut stream: Stream) {
    let drain = async {
        if AsyncWriteExt::shutdown(&mut stream).await.is_err() {
            return;
        }
        let mut left = LINGER_BYTES;
        // On the heap: every connection, however idle, would carry it.
        let mut scratch = vec![0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut scratch).await {
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    };
    // Whether or not all of it came in time, the stream is dropped now.
    let _ = timeout(LINGER_TIME, drain).await;
}
