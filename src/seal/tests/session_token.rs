//! Sessions as JSON Web Tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::Value;

use super::super::session_token::{Claims, LIFETIME_SECONDS, SessionToken, UpstreamSession, issue, read};
use super::*;

fn claims() -> Claims {
    Claims {
        uuid: 9_007_199_254_740_991,
        name: "清真".to_owned(),
        email: String::new(),
        phone: "13800138001".to_owned(),
        version: 3,
    }
}

fn upstream() -> UpstreamSession {
    UpstreamSession {
        access_token: "access of the upstream".into(),
        access_expires: Some(LATER),
        refresh_token: Some("refresh of the upstream".into()),
    }
}

fn token() -> Secret {
    issue(&keys(), &claims(), &upstream(), AUDIENCE, NOW).unwrap()
}

fn opened(text: &str, now: Moment) -> Result<SessionToken, SealError> {
    read(&keys(), text, AUDIENCE, now)
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn anybody_reads_the_claims_and_nobody_the_upstreams_tokens() {
    let token = token();
    let parts: Vec<&str> = token.expose().split('.').collect();
    assert_eq!(URL_SAFE_NO_PAD.decode(parts[0]).unwrap(), br#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = decoded(parts[1]);
    let members: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["uuid", "name", "email", "phone", "version", "iat", "exp", "sealed"]);
    assert_eq!((&claims["uuid"], &claims["name"]), (&9_007_199_254_740_991_u64.into(), &"清真".into()));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 30 * 86_400);
    let sealed = URL_SAFE_NO_PAD.decode(claims["sealed"].as_str().unwrap()).unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("upstream"));
    assert_eq!(parts.len(), 3);
}

#[test]
fn a_session_comes_back_as_it_was_issued() {
    let token = opened(token().expose(), NOW).unwrap();
    assert_eq!((token.claims, token.upstream, token.key.as_str()), (claims(), upstream(), "new"));
    assert_eq!((token.issued, token.expires), (NOW, NOW.plus_seconds(LIFETIME_SECONDS)));
    let bare = UpstreamSession { access_expires: None, refresh_token: None, ..upstream() };
    let token = issue(&keys(), &claims(), &bare, AUDIENCE, NOW).unwrap();
    assert_eq!(opened(token.expose(), NOW).unwrap().upstream, bare);
}

#[test]
fn a_session_ends_after_thirty_days() {
    let token = token();
    assert!(opened(token.expose(), NOW.plus_seconds(LIFETIME_SECONDS - 1)).is_ok());
    assert_eq!(opened(token.expose(), NOW.plus_seconds(LIFETIME_SECONDS)), Err(SealError::Expired));
}

#[test]
fn a_session_of_another_dialect_app_or_region_is_refused() {
    let token = token();
    for audience in [
        Audience { dialect: "discuzq", ..AUDIENCE },
        Audience { app: None, ..AUDIENCE },
        Audience { app: Some("other"), ..AUDIENCE },
        Audience { region: "eu", ..AUDIENCE },
    ] {
        assert_eq!(read(&keys(), token.expose(), audience, NOW), Err(SealError::NotOurs), "{audience:?}");
    }
}

#[test]
fn sessions_outlive_a_rotation_and_end_with_their_key() {
    let old = SealKeys::new(&key("old", 2), &[]);
    let token = issue(&old, &claims(), &upstream(), AUDIENCE, NOW).unwrap();
    assert_eq!(opened(token.expose(), NOW).unwrap().key, "old");
    let removed = SealKeys::new(&key("new", 1), &[]);
    assert_eq!(read(&removed, token.expose(), AUDIENCE, NOW), Err(SealError::NotOurs));
}

#[test]
fn no_claim_can_be_changed_and_no_token_says_how_it_is_verified() {
    let token = token();
    let parts: Vec<&str> = token.expose().split('.').collect();
    let other = issue(&keys(), &Claims { uuid: 1, ..claims() }, &upstream(), AUDIENCE, NOW).unwrap();
    let theirs: Vec<&str> = other.expose().split('.').collect();
    let mut claims = decoded(parts[1]);
    claims["uuid"] = 1.into();
    let changed = URL_SAFE_NO_PAD.encode(claims.to_string());
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    for forged in [
        format!("{}.{changed}.{}", parts[0], parts[2]),
        format!("{}.{}.{}", parts[0], theirs[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.{}.{}", parts[0], parts[1], parts[2], parts[2]),
        claims["sealed"].as_str().unwrap().to_owned(),
    ] {
        assert_eq!(opened(&forged, NOW), Err(SealError::NotOurs), "{forged}");
    }
    let signed = format!("{none}.{}", parts[1]);
    let by_us = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(keys().sign(signed.as_bytes())));
    assert_eq!(opened(&by_us, NOW), Err(SealError::NotOurs), "only the one header is read");
    for changed in with_one_bit_flipped(token.expose()) {
        assert_eq!(opened(&changed, NOW), Err(SealError::NotOurs), "{changed}");
    }
}

#[test]
fn a_sealed_token_is_no_session_and_a_session_no_sealed_token() {
    let context = Context { kind: Kind::Session, operation: None, purpose: None, audience: AUDIENCE };
    let content = Content { phone: None, email: None, challenge: None, issued: NOW, expires: LATER };
    let sealed = keys().seal(&context, &content).unwrap();
    assert_eq!(opened(sealed.expose(), NOW), Err(SealError::NotOurs));
    assert_eq!(keys().open(token().expose(), &context, NOW), Err(SealError::NotOurs));
    let inner = decoded(token().expose().split('.').nth(1).unwrap())["sealed"].clone();
    assert_eq!(keys().open(inner.as_str().unwrap(), &context, NOW), Err(SealError::NotOurs));
}

#[test]
fn hostile_texts_are_refused() {
    for text in hostile_texts(token().expose()) {
        assert_eq!(opened(&text, NOW), Err(SealError::NotOurs), "{text:.50}");
    }
}

#[test]
fn tokens_of_the_upstream_that_do_not_fit_are_refused() {
    let with = |length| UpstreamSession { access_token: "a".repeat(length).into(), ..upstream() };
    let issued = |length| issue(&keys(), &claims(), &with(length), AUDIENCE, NOW);
    assert_eq!(issued(10_000), Err(SealingError::TooLong));
    assert_eq!(issued(100_000), Err(SealingError::TooLong));
    assert_eq!(opened(issued(6_000).unwrap().expose(), NOW).unwrap().upstream, with(6_000));
}

#[test]
fn nothing_of_the_person_is_printed() {
    let printed = format!("{:?}", opened(token().expose(), NOW).unwrap());
    for secret in ["清真", "13800138001", "upstream'", "of the upstream"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

/// Sessions live for 30 days, so they have to survive an upgrade.
#[test]
fn a_session_of_the_first_version_still_opens() {
    let token = opened(include_str!("session-v1.txt").trim(), NOW).unwrap();
    assert_eq!((token.claims, token.upstream), (claims(), upstream()));
}

proptest! {
    #[test]
    fn whatever_is_issued_comes_back(
        uuid in any::<u64>(), name in ".{0,50}", email in ".{0,50}", phone in ".{0,20}",
        access in ".{0,500}", refresh in proptest::option::of(".{0,500}"), version in any::<u64>(),
    ) {
        let claims = Claims { uuid, name, email, phone, version };
        let upstream = UpstreamSession {
            access_token: access.into(),
            access_expires: None,
            refresh_token: refresh.map(Secret::from),
        };
        let token = issue(&keys(), &claims, &upstream, AUDIENCE, NOW).unwrap();
        let back = opened(token.expose(), NOW).unwrap();
        prop_assert_eq!((back.claims, back.upstream), (claims, upstream));
    }

    #[test]
    fn no_text_is_a_session_by_chance(text in "[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}") {
        prop_assert_eq!(opened(&text, NOW), Err(SealError::NotOurs));
    }
}
