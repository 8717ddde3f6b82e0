//! The edge: sockets in, answers out, over Pingora.
//!
//! `accept` → `entrance` (PROXY protocol, TLS) → `connection` (waits for a head; `head` lets only unambiguous ones in) → `call`
//! (routes, reads the body, answers) or `pass` (Pingora's proxy streams it on).
//! What is served is an [`Application`]: the gateway, the admin pages, the embedded backend.
//! `load` bounds what is carried at once, `lifecycle` ends it in order.
//!
//! Account calls are not answered within Pingora's `request_filter`: `HttpProxy` takes over only
//! sessions whose head is unread, reads heads of up to 1 MiB without a deadline, and runs a dozen
//! boxed hooks for each request. So the edge runs the loop over requests itself, on Pingora's
//! streams and HTTP/1.1 session, and hands only pass-through requests to `HttpProxy`.

pub mod accept;
pub mod admin;
mod answer;
pub mod application;
mod body;
mod call;
mod callers;
mod connection;
mod cross_origin;
pub mod doors;
mod entrance;
pub mod fault;
mod gateway;
pub mod head;
mod http2;
pub mod lifecycle;
pub mod load;
pub mod notify;
mod pass;
mod pass_fields;
mod pass_target;
pub mod plain;
mod rate;
mod request_id;
mod serve;
mod service;
pub mod signals;
pub mod sockets;
mod stream_head;
mod tracing_fields;

pub use accept::{BindError, Bound};
pub use application::{Application, NoRecords, RecordSink, Step};
pub use entrance::{Entrance, Entrances};
pub use lifecycle::{Lifecycle, Phase, StopSignal, Stopped};
pub use load::Load;
pub use pass_target::PassTarget;
pub use plain::{Handler, Plain, problem_json};
pub use serve::{Edge, Opening, ServeError, runtime};
pub use service::{PassTargets, Passing, Service};
pub use sockets::{Role, Sockets};

#[cfg(test)]
pub(crate) mod tests;
