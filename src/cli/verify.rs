//! `dragoman verify`: checks a coolkit Sign.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::message::{Bytes, Message};
use crate::sign::{Carrier, Signature, SigningKey, messages};

const EXAMPLES: &str = r#"Exit code 0 means that the Sign holds, 1 that it does not. Time and nonce are not looked at.

Examples:
  $ dragoman verify --demo --signature 'Sign 2CqlYZcS8x6LI27DgfX3QdqnVCFqbEz8sZXtOGEFuGc=' --query 'appid=McFJj4Noke1mGDZCR1QarGW7P9Ycp0Vr&deviceid=1000012345&nonce=2323dfgh&ts=1558004249'
  $ printf %s '{"appid":"my-app"}' | dragoman verify --secret file:my-app.secret --signature 'uefsPkyNAUSuRBzb9iXNoDJkIrBi2EK8R9ZWYSHcnRM='"#;

/// Check a coolkit Sign
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Verify {
    #[command(flatten)]
    message: Message,
    /// The Sign: the value of the Authorization field, or its base64 alone
    #[arg(long, value_name = "SIGN")]
    signature: String,
    /// The query is that of /api/user/refresh, which may be signed as JSON
    #[arg(long, requires = "query")]
    refresh: bool,
}

impl Verify {
    pub fn execute(&self, out: &mut impl Write) -> Result<ExitCode, Failure> {
        let text = self.signature.trim();
        let signature = Signature::from_authorization(text).or_else(|| Signature::from_base64(text));
        let signature = signature.ok_or_else(|| {
            Failure::new("--signature is no Sign")
                .hint("give 32 bytes in base64, such as 'Sign XuOzGxtG50CiF4H3odUfZsvKVl5+qSPzhfLEuUd4eJw='")
        })?;
        let key = SigningKey::new(&self.message.secret()?);
        let holds = match self.message.bytes()? {
            Bytes::Body(body) => key.sign(&body) == signature,
            Bytes::Query(query) => messages(Carrier::Query, &query, b"", self.refresh)
                .iter()
                .any(|message| key.sign(message) == signature),
        };
        if holds {
            writeln!(out, "the Sign holds")?;
            return Ok(ExitCode::SUCCESS);
        }
        Err(Failure::new("the Sign does not hold")
            .because("another secret made it, or the signed bytes are not these")
            .hint("give the bytes exactly as they are sent, without a line end at their end"))
    }
}
