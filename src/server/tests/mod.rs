//! The edge over real sockets, with raw clients that send what no client library would.

mod admission;
mod frames;
mod framing;
mod gateway;
mod http2;
mod http2_hostile;
mod lifecycle;
mod pass;
mod requests;
mod support;
pub mod whole;
