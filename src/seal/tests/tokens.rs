//! Tokens that are sealed whole.

use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::account::{Country, Email, Phone};

fn content() -> Content {
    Content {
        phone: Some(Phone::from_e164("+8613800138001").unwrap()),
        email: None,
        challenge: Some(Secret::from("the upstream's own")),
        issued: NOW,
        expires: LATER,
    }
}

fn token() -> Secret {
    keys().seal(&CONTEXT, &content()).unwrap()
}

fn open(text: &str, context: &Context<'_>) -> Result<Opened, SealError> {
    keys().open(text, context, NOW)
}

#[test]
fn a_token_opens_with_all_that_was_sealed_and_tells_its_key() {
    let opened = open(token().expose(), &CONTEXT).unwrap();
    assert_eq!((opened.content, opened.key.as_str()), (content(), "new"));
}

#[test]
fn a_token_is_short_fit_for_a_url_and_never_the_same_twice() {
    let (one, other) = (token(), token());
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(one.expose().chars().all(fit));
    assert!(one.expose().len() < 150, "{} characters", one.expose().len());
    assert_ne!(one, other);
    let digest = |token: &Secret| open(token.expose(), &CONTEXT).unwrap().digest;
    assert_ne!(digest(&one), digest(&other));
    assert_eq!(digest(&one), digest(&one));
}

#[test]
fn no_kind_opens_as_another() {
    for kind in Kind::ALL {
        let sealed = keys().seal(&Context { kind: *kind, ..CONTEXT }, &content()).unwrap();
        for other in Kind::ALL {
            let opened = open(sealed.expose(), &Context { kind: *other, ..CONTEXT });
            assert_eq!(opened.is_ok(), kind == other, "{kind:?} as {other:?}");
        }
    }
    let names: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
}

#[test]
fn a_token_of_another_dialect_app_region_operation_or_purpose_is_refused() {
    let token = token();
    let audience = |audience| Context { audience, ..CONTEXT };
    for other in [
        audience(Audience { dialect: "discuzq", ..AUDIENCE }),
        audience(Audience { app: Some("other"), ..AUDIENCE }),
        audience(Audience { app: Some(""), ..AUDIENCE }),
        audience(Audience { app: None, ..AUDIENCE }),
        audience(Audience { region: "eu", ..AUDIENCE }),
        audience(Audience { dialect: "", ..AUDIENCE }),
        Context { operation: Some(Operation::LoginCode), ..CONTEXT },
        Context { operation: None, ..CONTEXT },
        Context { purpose: Some(Purpose::Login), ..CONTEXT },
        Context { purpose: None, ..CONTEXT },
    ] {
        assert_eq!(open(token.expose(), &other), Err(SealError::NotOurs), "{other:?}");
    }
}

#[test]
fn no_two_contexts_are_one_by_moving_a_border() {
    let context = |dialect, region| Context { audience: Audience { dialect, app: None, region }, ..CONTEXT };
    let sealed = keys().seal(&context("ab", "c"), &content()).unwrap();
    assert_eq!(open(sealed.expose(), &context("a", "bc")), Err(SealError::NotOurs));
}

#[test]
fn an_expired_token_is_told_from_a_forged_one() {
    let token = token();
    let at = |now| keys().open(token.expose(), &CONTEXT, now).map(|_| ());
    assert_eq!(at(Moment::from_millis(LATER.millis() - 1)), Ok(()));
    assert_eq!(at(LATER), Err(SealError::Expired));
    let login = Context { purpose: Some(Purpose::Login), ..CONTEXT };
    assert_eq!(keys().open(token.expose(), &login, LATER), Err(SealError::NotOurs));
}

#[test]
fn after_a_rotation_old_tokens_open_until_their_key_is_removed() {
    let old = SealKeys::new(&key("old", 2), &[]);
    let sealed = old.seal(&CONTEXT, &content()).unwrap();
    assert_eq!(open(sealed.expose(), &CONTEXT).unwrap().key, "old");
    assert_eq!(open(token().expose(), &CONTEXT).unwrap().key, "new");
    assert_eq!(old.open(token().expose(), &CONTEXT, NOW), Err(SealError::NotOurs));
    let removed = SealKeys::new(&key("new", 1), &[]);
    assert_eq!(removed.open(sealed.expose(), &CONTEXT, NOW), Err(SealError::NotOurs));
}

#[test]
fn instances_need_the_same_keys_and_not_the_same_ids() {
    let elsewhere = SealKeys::new(&key("another name", 1), &[]);
    assert_eq!(elsewhere.open(token().expose(), &CONTEXT, NOW).unwrap().key, "another name");
}

#[test]
fn no_bit_of_a_token_can_be_changed() {
    let token = token();
    for changed in with_one_bit_flipped(token.expose()) {
        assert_eq!(open(&changed, &CONTEXT), Err(SealError::NotOurs), "{changed}");
    }
}

#[test]
fn hostile_texts_are_refused() {
    for text in hostile_texts(token().expose()) {
        assert_eq!(open(&text, &CONTEXT), Err(SealError::NotOurs), "{text:.50}");
    }
}

#[test]
fn what_does_not_fit_is_refused_when_it_is_sealed() {
    for length in [13_000, 70_000] {
        let long = Content { challenge: Some("c".repeat(length).into()), ..content() };
        assert_eq!(keys().seal(&CONTEXT, &long), Err(SealingError::TooLong));
    }
    let fits = Content { challenge: Some("c".repeat(8_000).into()), ..content() };
    let sealed = keys().seal(&CONTEXT, &fits).unwrap();
    assert_eq!(open(sealed.expose(), &CONTEXT).unwrap().content, fits);
}

#[test]
fn nothing_secret_is_printed() {
    let opened = open(token().expose(), &CONTEXT).unwrap();
    let printed = format!("{opened:?} {:?} {:?} {:?}", keys(), key("k", 9), token());
    for secret in ["upstream's", "13800138001", "9, 9"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.contains("***"));
}

/// The form may not change while tokens of it are under way: a session lives for 30 days.
#[test]
fn a_token_of_the_first_version_still_opens() {
    let kept = include_str!("token-v1.txt").trim();
    let opened = open(kept, &CONTEXT).unwrap();
    assert_eq!((opened.content, opened.key.as_str()), (content(), "new"));
}

fn phones() -> impl Strategy<Value = Phone> {
    "\\+?[0-9]{5,14}".prop_filter_map("a possible number", |text| Phone::parse(&text, Country::CHINA).ok())
}

fn emails() -> impl Strategy<Value = Email> {
    "[\\PC]{1,20}@[\\PC]{1,20}".prop_filter_map("an address", |text| Email::parse(&text).ok())
}

fn contents() -> impl Strategy<Value = Content> {
    let parts = (option::of(phones()), option::of(emails()), option::of(".{0,200}"), any::<i64>());
    parts.prop_map(|(phone, email, challenge, issued)| Content {
        phone,
        email,
        challenge: challenge.map(Secret::from),
        issued: Moment::from_millis(issued),
        expires: LATER,
    })
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_as_it_was(
        content in contents(), dialect in ".{0,20}", app in option::of(".{0,20}"), region in ".{0,20}",
    ) {
        let audience = Audience { dialect: &dialect, app: app.as_deref(), region: &region };
        let context = Context { audience, ..CONTEXT };
        let sealed = keys().seal(&context, &content).unwrap();
        prop_assert_eq!(open(sealed.expose(), &context).map(|opened| opened.content), Ok(content));
    }

    #[test]
    fn no_text_opens_by_chance(text in "[A-Za-z0-9_-]{0,200}|.{0,50}") {
        prop_assert_eq!(open(&text, &CONTEXT), Err(SealError::NotOurs));
    }

    #[test]
    fn what_our_key_sealed_in_another_form_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let sealed = keys().seal_bytes(&CONTEXT, &bytes).unwrap();
        let opened = open(sealed.expose(), &CONTEXT);
        prop_assert!(opened.is_err() || bytes.len() >= 19);
    }
}
