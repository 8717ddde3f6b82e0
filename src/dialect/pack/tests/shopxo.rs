//! What is ShopXO's own: routes by name, one member that is many things, and numbers that mean what the operation
//! lets them mean.

mod answers;
mod requests;

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::{READING, pack};
use crate::account::{Call, Operation, Phone};
use crate::clock::Moment;
use crate::dialect::Asked;

const NOW: i64 = 1_668_859_279;

fn asked<'a>(operation: Operation, call: Option<&'a Call>) -> Asked<'a> {
    Asked { call, ..Asked::new(Some(operation), READING.default_country, Moment::from_seconds(NOW), "cn") }
}

fn phone(e164: &str) -> Option<Phone> {
    Some(Phone::from_e164(e164).unwrap())
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}
