//! The edge over real sockets, with raw clients that send what no client library would.

mod admission;
mod framing;
mod gateway;
mod lifecycle;
mod pass;
mod requests;
mod support;
pub mod whole;
