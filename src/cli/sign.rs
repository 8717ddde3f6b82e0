//! `dragoman sign`: makes a coolkit Sign.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::message::{Bytes, Message};
use crate::sign::SigningKey;

const EXAMPLES: &str = r#"Prints the value of the Authorization field. It belongs to these very bytes: send the body unchanged,
without a line end that `echo` would add.

Examples:
  $ dragoman sign --demo --body '{"appid":"McFJj4Noke1mGDZCR1QarGW7P9Ycp0Vr"}'
  $ dragoman sign --secret env:MY_APP_SECRET --query 'country_code=86&appid=my-app&nonce=q3wz95p6&ts=1558004249'
  $ printf %s '{"appid":"my-app"}' | dragoman sign --secret file:my-app.secret"#;

/// Make a coolkit Sign
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Sign {
    #[command(flatten)]
    message: Message,
}

impl Sign {
    pub fn execute(&self, out: &mut impl Write) -> Result<ExitCode, Failure> {
        let key = SigningKey::new(&self.message.secret()?);
        let signature = match self.message.bytes()? {
            Bytes::Body(body) => key.sign(&body),
            Bytes::Query(query) => key.sign(query.as_bytes()),
        };
        writeln!(out, "{}", signature.to_authorization())?;
        Ok(ExitCode::SUCCESS)
    }
}
