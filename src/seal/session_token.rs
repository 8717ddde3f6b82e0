//! A session as a JSON Web Token, for dialects whose clients decode its claims (qingzhenyun's web
//! client does, without verifying them). The claims are for everybody to read; the upstream's own
//! tokens ride along sealed. We verify what comes back: HS256 by a key that follows from the seal key.
//!
//! Only the one header that we write is read, so no token chooses how it is verified.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::binary::{Reader, Writer};
use super::{Audience, Context, Kind, MOST_TEXT, SealError, SealKeys, SealingError};
use crate::account::Secret;
use crate::clock::Moment;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// How long a session token holds, in seconds: 30 days.
pub const LIFETIME_SECONDS: i64 = 30 * 86_400;

/// Stands for an end that the upstream did not tell.
const NEVER: Moment = Moment::from_millis(i64::MAX);

/// Whose session it is, in the spelling of the dialect. `Debug` prints nothing of the person.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims {
    /// The account's number.
    pub uuid: u64,
    /// The account's name.
    pub name: String,
    /// Its e-mail address, or an empty text.
    pub email: String,
    /// Its phone, or an empty text.
    pub phone: String,
    /// How often the account's sessions were ended together.
    pub version: u64,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claims({}, ***)", self.uuid)
    }
}

/// The session that the upstream opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSession {
    /// Its access token.
    pub access_token: Secret,
    /// When that one ends, where the upstream said so.
    pub access_expires: Option<Moment>,
    /// Its refresh token, where it has one.
    pub refresh_token: Option<Secret>,
}

/// A session token that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// Whose session it is.
    pub claims: Claims,
    /// The session at the upstream.
    pub upstream: UpstreamSession,
    /// When it was issued, in whole seconds.
    pub issued: Moment,
    /// From when on it no longer holds, in whole seconds.
    pub expires: Moment,
    /// The id of the key that verified it.
    pub key: String,
}

/// The claims as they are written, in this order.
#[derive(Serialize, Deserialize)]
struct Wire {
    uuid: u64,
    name: String,
    email: String,
    phone: String,
    version: u64,
    iat: i64,
    exp: i64,
    sealed: String,
}

/// Issues a token at `now`, for [`LIFETIME_SECONDS`].
///
/// # Errors
/// When there are no random bytes, or the upstream's tokens are too long.
pub fn issue(
    keys: &SealKeys,
    claims: &Claims,
    upstream: &UpstreamSession,
    audience: Audience<'_>,
    now: Moment,
) -> Result<Secret, SealingError> {
    let sealed = keys.seal_bytes(&context(audience), &upstream.to_bytes()?)?;
    let wire = Wire {
        uuid: claims.uuid,
        name: claims.name.clone(),
        email: claims.email.clone(),
        phone: claims.phone.clone(),
        version: claims.version,
        iat: now.seconds(),
        exp: now.plus_seconds(LIFETIME_SECONDS).seconds(),
        sealed: sealed.expose().to_owned(),
    };
    // Texts and numbers always have a JSON form.
    let json = serde_json::to_vec(&wire).map_err(|_| SealingError::TooLong)?;
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(json));
    let signature = URL_SAFE_NO_PAD.encode(keys.sign(token.as_bytes()));
    token.push('.');
    token.push_str(&signature);
    if token.len() > MOST_TEXT { Err(SealingError::TooLong) } else { Ok(Secret::new(token)) }
}

/// Reads a token that was issued to the same audience. Any text may come.
///
/// # Errors
/// When it is not such a token, or its time is over at `now`.
pub fn read(
    keys: &SealKeys,
    text: &str,
    audience: Audience<'_>,
    now: Moment,
) -> Result<SessionToken, SealError> {
    verified(keys, text, audience)
        .ok_or(SealError::NotOurs)
        .and_then(|token| if now >= token.expires { Err(SealError::Expired) } else { Ok(token) })
}

fn verified(keys: &SealKeys, text: &str, audience: Audience<'_>) -> Option<SessionToken> {
    if text.len() > MOST_TEXT {
        return None;
    }
    let (signed, signature) = text.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    if header != URL_SAFE_NO_PAD.encode(HEADER) {
        return None;
    }
    let key = keys.signed_by(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?)?;
    let wire: Wire = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let (decrypted, _) = keys.open_bytes(&wire.sealed, &context(audience)).ok()?;
    let Wire { uuid, name, email, phone, version, .. } = wire;
    Some(SessionToken {
        claims: Claims { uuid, name, email, phone, version },
        upstream: UpstreamSession::from_bytes(&decrypted.content)?,
        issued: Moment::from_seconds(wire.iat),
        expires: Moment::from_seconds(wire.exp),
        key: key.to_owned(),
    })
}

fn context(audience: Audience<'_>) -> Context<'_> {
    Context { kind: Kind::Session, operation: None, purpose: None, audience }
}

impl UpstreamSession {
    fn to_bytes(&self) -> Result<Vec<u8>, SealingError> {
        let mut writer = Writer::default();
        writer.text(self.access_token.expose())?;
        writer.moment(self.access_expires.unwrap_or(NEVER));
        writer.optional(self.refresh_token.as_ref().map(Secret::expose))?;
        Ok(writer.into_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let access_token = reader.text()?.into();
        let access_expires = reader.moment().map(|moment| (moment != NEVER).then_some(moment))?;
        let refresh_token = reader.optional()?.map(Secret::from);
        reader.is_at_end().then_some(Self { access_token, access_expires, refresh_token })
    }
}
