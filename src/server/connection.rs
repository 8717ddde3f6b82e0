//! One client connection: waits for a head, has it served, goes on with the next.
//!
//! An account call takes a short way: Pingora's session parses head and body, the application
//! answers, and head and body of the answer leave in one write. Only what passes through goes
//! into Pingora's proxy, with the head put back in front of the stream for it to read again.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pingora::protocols::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::application::Application;
use super::call::{Call, Origin};
use super::fault::EdgeFault;
use super::head::{self, HeadScan};
use super::lifecycle::Phase;
use super::load::ConnectionShare;
use super::service::Service;

/// How much is read at once while a head comes in; most heads fit.
const HEAD_READ: usize = 2048;

/// How long a closed connection is still read, so that the client sees the answer and no reset.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// How many bytes are read away meanwhile.
const LINGER_BYTES: usize = 256 * 1024;

/// How long the first request of a connection may take when the process stops: whoever has just
/// connected can't know that.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(1);

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
    /// Whether the process is about to stop.
    pub phase: watch::Receiver<Phase>,
}

/// What came of waiting for a head.
enum Head {
    /// It is whole; its first byte was there then.
    Whole(Instant),
    /// It is refused.
    Refused(Instant, EdgeFault),
    /// Nobody waits for an answer.
    Gone,
}

impl<A: Application> Connection<A> {
    /// Serves the connection until it ends; its share of the load is held as long.
    pub async fn run(mut self, stream: Stream, _share: ConnectionShare) {
        let mut next = Some((stream, BytesMut::new()));
        let mut is_new = true;
        while let Some((stream, buffer)) = next {
            next = self.serve_next(stream, buffer, is_new).await;
            is_new = false;
        }
    }

    async fn serve_next(&mut self, mut stream: Stream, mut buffer: BytesMut, is_new: bool) -> Reusable {
        let head = self.read_head(&mut stream, &mut buffer, is_new).await;
        let keep_alive = self.phase.borrow().keeps_connections();
        match head {
            Head::Gone => None,
            Head::Whole(arrived) => {
                let call = self.call(arrived);
                call.serve(stream, buffer, keep_alive).await
            }
            Head::Refused(arrived, fault) => {
                let call = self.call(arrived);
                Box::pin(call.refuse_head(stream, &head::salvage(&buffer), fault)).await;
                None
            }
        }
    }

    fn call(&self, arrived: Instant) -> Call<'_, A> {
        let origin = Origin { listener: self.listener, client: self.client, secure: self.secure };
        Call::new(&self.service, origin, arrived)
    }

    async fn read_head(&mut self, stream: &mut Stream, buffer: &mut BytesMut, is_new: bool) -> Head {
        if buffer.is_empty() && !self.wait_for_first_byte(stream, buffer, is_new).await {
            return Head::Gone;
        }
        let arrived = Instant::now();
        let serving = self.service.serving();
        let limits = &serving.limits;
        let whole = read_to_end(stream, buffer, limits.header_bytes);
        match timeout_at(arrived + limits.header_timeout, whole).await {
            Ok(Some(Ok(()))) => Head::Whole(arrived),
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
) -> Option<Result<(), EdgeFault>> {
    let mut scan = HeadScan::default();
    loop {
        match scan.advance(buffer) {
            Err(fault) => return Some(Err(EdgeFault::Head(fault))),
            Ok(Some(length)) if length <= limit => return Some(Ok(())),
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
