//! One client connection of HTTP/2. Each stream is a call of its own, with the guards and bounds that
//! a call over HTTP/1.1 has; what only HTTP/2 can do to a server is bounded here.
//!
//! A client may reset a stream at once and open the next. The library forgets a stream that was
//! reset, but its call may be with the backend by then and is not called back. So calls under way
//! are counted by connection, whatever became of their streams.

use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use h2::server::Connection as Streams;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake};
use pingora::protocols::{Digest, Stream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::application::Application;
use super::call::{Call, Origin};
use super::connection::{Connection, LINGER_TIME};
use super::lifecycle::Phase;
use super::service::Service;
use crate::config::Limits;

/// Calls under way at once over one connection.
const STREAMS: u32 = 100;

/// Streams of one connection that may be malformed or over the bound, before all of it ends.
const MISDEEDS: usize = 100;

/// Bytes of bodies that a connection may send before they are read. Each stream has 64 KiB of its
/// own, so that a slow one does not stop the others.
const WINDOW: u32 = 1 << 20;

/// Bytes of an answer that wait for a slow client.
const SEND_BUFFER: usize = 64 * 1024;

/// What every connection of HTTP/2 begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves the connection until it ends, and until the last of its calls did.
pub async fn serve<A: Application>(connection: Connection<A>, stream: Stream) {
    let limits = connection.service.serving().limits.clone();
    let shaken = timeout(limits.header_timeout, handshake(stream, Some(options(&limits)))).await;
    let Ok(Ok(streams)) = shaken else { return };
    let mut calls = JoinSet::new();
    accept(&connection, streams, &mut calls, &limits).await;
    // Nobody waits for the answers any more, but what the backend was asked is still recorded.
    while calls.join_next().await.is_some() {}
}

fn options(limits: &Limits) -> H2Options {
    let mut options = default_h2_options();
    // The library counts 32 bytes more a field and refuses by itself; up to twice the bound it is
    // the call that refuses, in its caller's dialect.
    let header_list = u32::try_from(limits.header_bytes.saturating_mul(2)).unwrap_or(u32::MAX);
    options
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(header_list)
        .initial_connection_window_size(WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    options
}

/// Takes streams until the connection ends: by the client, by silence, or because the process stops.
async fn accept<A: Application>(
    connection: &Connection<A>,
    mut streams: Streams<Stream, Bytes>,
    calls: &mut JoinSet<()>,
    limits: &Limits,
) {
    let digest = Arc::new(Digest::default());
    let (mut phase, mut last_phase) = (connection.phase.clone(), connection.phase.clone());
    let (mut leaving, mut stopping, mut misdeeds) = (false, false, 0);
    let mut idle_until = Instant::now() + limits.keepalive;
    loop {
        tokio::select! {
            biased;
            // The client is told to take its next request elsewhere.
            _ = phase.wait_for(|phase| !phase.keeps_connections()), if !leaving => {
                streams.graceful_shutdown();
                leaving = true;
            }
            _ = last_phase.wait_for(|phase| *phase == Phase::Stopping), if leaving && !stopping => {
                stopping = true;
                idle_until = Instant::now() + LINGER_TIME;
            }
            Some(_) = calls.join_next(), if !calls.is_empty() => {
                idle_until = Instant::now() + if stopping { LINGER_TIME } else { limits.keepalive };
            }
            accepted = HttpSession::from_h2_conn(&mut streams, Arc::clone(&digest)) => match accepted {
                Ok(Some(H2Accept::Session(session))) if calls.len() < STREAMS as usize => {
                    calls.spawn(call(Arc::clone(&connection.service), connection.origin(), session));
                }
                Ok(Some(refused)) => {
                    misdeeds += 1;
                    if let H2Accept::Session(mut session) = refused {
                        session.shutdown_with_reason(Reason::REFUSED_STREAM);
                    }
                    if misdeeds >= MISDEEDS {
                        streams.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                    }
                }
                Ok(None) | Err(_) => return,
            },
            () = sleep_until(idle_until), if calls.is_empty() => {
                if leaving {
                    // It had its time to say goodbye.
                    return;
                }
                streams.graceful_shutdown();
                leaving = true;
                idle_until = Instant::now() + LINGER_TIME;
            }
        }
    }
}

async fn call<A: Application>(service: Arc<Service<A>>, origin: Origin, session: HttpSession) {
    Call::new(&service, origin, Instant::now()).serve_stream(session).await;
}
