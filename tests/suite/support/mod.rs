//! What the tests share: a running gateway, a coolkit client, a faulty upstream, plain HTTP.

pub mod authority;
pub mod clients;
pub mod coolkit;
pub mod document;
pub mod gateway;
pub mod http;
pub mod legacy;
pub mod load;
pub mod passed;
pub mod redis;
pub mod third_party;
pub mod tls;
pub mod tools;
pub mod upstream;

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch.
pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}
