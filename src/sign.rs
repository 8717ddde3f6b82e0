//! Coolkit's `Sign` scheme: which bytes an app signs, and how a signature is made and compared.
//!
//! `Authorization: Sign <base64(HMAC-SHA256(secret, message))>`. Sign binds neither host, method
//! nor path, and app secrets live in shipped apps: it proves a copy of the app, no more.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::account::Secret;
use crate::clock::Moment;
use crate::query::{Pair, Query};

/// Where a request's members stand, and so which bytes its signature must cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// In the query; a body beside it says nothing.
    Query,
    /// In the body; a query beside it says nothing.
    Body,
}

/// The members of a message that its signature vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Which app says that it signed.
    pub app_id: String,
    /// The app's own number for this request.
    pub nonce: String,
    /// When the app says that it made the request.
    pub time: Moment,
    /// Where they were read.
    pub carrier: Carrier,
}

/// A secret, ready to sign with.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Prepares a secret.
    pub fn new(secret: &Secret) -> Self {
        match Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) {
            Ok(keyed) => Self(keyed),
            Err(_) => unreachable!("HMAC takes keys of any length"),
        }
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut keyed = self.0.clone();
        keyed.update(message);
        Signature(keyed.finalize().into_bytes().into())
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The 32 bytes of a signature. Compares in constant time.
#[derive(Clone, Copy)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Reads base64 strictly: the standard alphabet, padded, no spare bits, 32 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        let mut bytes = [0; 33];
        let length = STANDARD.decode_slice(text, &mut bytes).ok()?;
        bytes.get(..length)?.try_into().ok().map(Self)
    }

    /// Reads the value of an `Authorization` field: the scheme `Sign` in any case, one space.
    pub fn from_authorization(value: &str) -> Option<Self> {
        let (scheme, text) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("sign") {
            return None;
        }
        Self::from_base64(text)
    }

    /// The signature in base64.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// The value of an `Authorization` field.
    pub fn to_authorization(self) -> String {
        format!("Sign {}", self.to_base64())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Eight letters and digits, as the vendor documents.
pub fn nonce(mut random: u128) -> String {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut character = || {
        let digit = usize::try_from(random % 36).unwrap_or_default();
        random /= 36;
        ALPHABET.get(digit).map_or('0', |byte| char::from(*byte))
    };
    (0..8).map(|_| character()).collect()
}

/// Every form of a message that clients are known to sign, the likeliest first: of the part that the
/// members were read from and of no other, or one signature would vouch for members that it never
/// saw. A body is signed as it was sent. Of a query, the raw text, the pairs sorted as sent, and the pairs sorted and
/// decoded all occur; `refresh` is also signed as JSON (an oddity of the vendor's 2019 page).
pub fn messages<'a>(carrier: Carrier, query: &'a str, body: &'a [u8], refresh: bool) -> Vec<Cow<'a, [u8]>> {
    if carrier == Carrier::Body {
        return vec![Cow::Borrowed(body)];
    }
    let mut messages = vec![Cow::Borrowed(query.as_bytes())];
    let Some(pairs) = Query::parse(query) else {
        return messages;
    };
    if let Some(sorted) = sorted_pairs(&pairs) {
        messages.extend(sorted.into_iter().map(|text| Cow::Owned(text.into_bytes())));
    }
    if refresh {
        messages.push(Cow::Owned(as_json(&pairs).into_bytes()));
    }
    messages
}

/// The sorted forms, as sent and decoded, unless one text could then stand for two queries: a name
/// twice, `&` in a value, `&` or `=` in a name. The decoded one also not where what makes the
/// request unique could be decoded once more: read as sent, the same text is another nonce.
fn sorted_pairs(pairs: &Query<'_>) -> Option<Vec<String>> {
    let mut sorted: Vec<&Pair<'_>> = pairs.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let ambiguous = |pair: &&Pair<'_>| pair.value.contains('&') || pair.name.contains(['&', '=']);
    if pairs.has_duplicates() || sorted.iter().any(ambiguous) {
        return None;
    }
    let as_sent: Vec<&str> = sorted.iter().map(|pair| pair.raw).collect();
    let decoded: Vec<String> = sorted.iter().map(|pair| format!("{}={}", pair.name, pair.value)).collect();
    let unique = |pair: &&Pair<'_>| matches!(pair.name.as_ref(), "appid" | "nonce" | "ts");
    let decodes_again = sorted.iter().filter(|pair| unique(pair)).any(|pair| pair.value.contains(['%', '+']));
    let decoded = (!decodes_again).then(|| decoded.join("&"));
    Some(decoded.into_iter().chain([as_sent.join("&")]).collect())
}

/// Compact JSON of the pairs in their order, `ts` and `version` as numbers, without `grantType`.
fn as_json(pairs: &Query<'_>) -> String {
    let mut json = String::from("{");
    for pair in pairs.iter().filter(|pair| pair.name != "grantType") {
        if json.len() > 1 {
            json.push(',');
        }
        let digits = !pair.value.is_empty() && pair.value.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits && matches!(pair.name.as_ref(), "ts" | "version");
        let quote = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let value = if number { pair.value.clone().into_owned() } else { quote(&pair.value) };
        json.push_str(&format!("{}:{value}", quote(&pair.name)));
    }
    json.push('}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Vectors {
        secret: String,
        vectors: Vec<Vector>,
    }

    #[derive(serde::Deserialize)]
    struct Vector {
        id: String,
        signed: String,
        sign: String,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../tests/fixtures/coolkit-vectors.json")).unwrap()
    }

    #[test]
    fn all_ten_vectors_sign_and_verify() {
        let vectors = vectors();
        let key = SigningKey::new(&Secret::from(vectors.secret));
        assert_eq!(vectors.vectors.len(), 10);
        for vector in vectors.vectors {
            let signature = key.sign(vector.signed.as_bytes());
            assert_eq!(signature.to_base64(), vector.sign, "{}", vector.id);
            assert!(Signature::from_authorization(&format!("sign {}", vector.sign)) == Some(signature));
        }
    }

    fn forms(query: &str, refresh: bool) -> Vec<String> {
        let text = |message: &Cow<'_, [u8]>| String::from_utf8(message.to_vec()).unwrap();
        messages(Carrier::Query, query, b"{}", refresh).iter().map(text).collect()
    }

    #[test]
    fn a_query_may_be_signed_in_each_recorded_form() {
        let signed = |id: &str| vectors().vectors.into_iter().find(|vector| vector.id == id).unwrap().signed;
        let sorted = signed("get-sorted");
        let shuffled =
            "ts=1558004249&nonce=2323dfgh&deviceid=1000012345&appid=McFJj4Noke1mGDZCR1QarGW7P9Ycp0Vr";
        assert!(forms(shuffled, false).contains(&sorted));
        let raw = signed("get-refresh-raw-query");
        assert!(forms(&raw, true).contains(&raw));
        assert!(forms(&raw, true).contains(&signed("get-refresh-as-json")));
        assert!(!forms(&raw, false).contains(&signed("get-refresh-as-json")));
    }

    #[test]
    fn a_sorted_form_that_fits_two_queries_is_none() {
        for query in ["a=1&a=2", "a=1%26b=2", "a%3Db=1", "a%26b=1"] {
            assert_eq!(forms(query, false), [query], "{query}");
        }
    }

    #[test]
    fn a_text_signed_as_sent_is_not_the_decoded_form_of_another_nonce() {
        for (sent, alias) in [("x%2By", "x%252By"), ("x+y", "x%2By"), ("%41", "%2541")] {
            let signed = format!("appid=a&nonce={sent}&ts=1");
            assert!(forms(&signed, false).contains(&signed));
            assert!(!forms(&format!("appid=a&nonce={alias}&ts=1"), false).contains(&signed), "{alias}");
        }
        let decoded = "appid=a&nonce=n&phone=+86&ts=1".to_owned();
        assert!(forms("appid=a&nonce=n&phone=%2B86&ts=1", false).contains(&decoded));
    }

    #[test]
    fn base64_is_read_strictly() {
        let good = vectors().vectors.remove(0).sign;
        assert!(Signature::from_base64(&good).is_some());
        let unpadded = good.trim_end_matches('=');
        let url_safe = good.replace('+', "-").replace('/', "_");
        for bad in [unpadded, &url_safe, &format!("{good} "), &format!("{good}===="), "", "AAAA", &good[..40]]
        {
            assert!(bad == good || Signature::from_base64(bad).is_none(), "{bad}");
        }
        assert!(Signature::from_authorization(&format!("Bearer {good}")).is_none());
        assert!(Signature::from_authorization(&good).is_none());
    }
}
