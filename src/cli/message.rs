//! What `sign` and `verify` have in common: a secret, and the bytes that are signed.

use std::io::{self, Read};

use clap::Args;

use super::{Failure, variable};
use crate::account::Secret;
use crate::config::{SAMPLE_SECRET, resolve_secret};

const LIMIT: u64 = 64 * 1024 * 1024;

/// The secret and the message.
#[derive(Debug, Args)]
pub struct Message {
    /// The app's secret: env:NAME or file:PATH
    #[arg(long, value_name = "WHERE", required_unless_present = "demo")]
    secret: Option<String>,
    /// Use the demo app's secret
    #[arg(long, conflicts_with = "secret")]
    demo: bool,
    /// The request's body, exactly as it is sent; stdin without --body and --query
    #[arg(long, value_name = "TEXT", conflicts_with = "query")]
    body: Option<String>,
    /// The request's query, for a GET, exactly as it is sent
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
}

/// The bytes of a message, in the place where they are sent.
pub enum Bytes {
    /// A body.
    Body(Vec<u8>),
    /// A query, without the question mark.
    Query(String),
}

impl Message {
    /// The secret, from where it is kept.
    pub fn secret(&self) -> Result<Secret, Failure> {
        let place = match &self.secret {
            Some(place) => place,
            None => return Ok(Secret::from(SAMPLE_SECRET)),
        };
        let hint = "keep the secret out of the process list: --secret env:NAME or --secret file:PATH";
        if !place.starts_with("env:") && !place.starts_with("file:") {
            return Err(Failure::new("--secret names no place").hint(hint));
        }
        resolve_secret(place, &variable)
            .map_err(|cause| Failure::new("there is no secret").because(cause).hint(hint))
    }

    /// The message, from the arguments or stdin.
    pub fn bytes(&self) -> Result<Bytes, Failure> {
        if let Some(query) = &self.query {
            return Ok(Bytes::Query(query.strip_prefix('?').unwrap_or(query).to_owned()));
        }
        if let Some(body) = &self.body {
            return Ok(Bytes::Body(body.clone().into_bytes()));
        }
        let mut body = Vec::new();
        io::stdin()
            .take(LIMIT)
            .read_to_end(&mut body)
            .map_err(|error| Failure::new("can't read the body from stdin").because(error))?;
        Ok(Bytes::Body(body))
    }
}
