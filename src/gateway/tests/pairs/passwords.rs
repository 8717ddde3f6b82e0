//! The password form rule over all pairs: plain passwords and hashes never get mixed up.

use md5::{Digest, Md5};

use super::samples::{OLD_PASSWORD, PASSWORD, Sample, samples};
use super::*;

pub(super) fn md5_hex(text: &str) -> String {
    crate::hexadecimal::encode(&Md5::digest(text.as_bytes()))
}

/// In which forms a side has passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forms {
    Plain,
    Hashed,
    /// As a client, told apart by their look; as an upstream, hashes.
    Auto,
    /// Either, and says which.
    AsTold,
}

type Settings = &'static [(&'static str, &'static str)];

/// Every dialect with every setting that it has for this.
const SIDES: [(&str, Settings, Forms); 7] = [
    ("coolkit", &[], Forms::Plain),
    ("discuzq", &[], Forms::Plain),
    ("shopxo", &[], Forms::Plain),
    ("qingzhenyun", &[("password_form", "plain")], Forms::Plain),
    ("qingzhenyun", &[("password_form", "md5_hex")], Forms::Hashed),
    ("qingzhenyun", &[("password_form", "auto")], Forms::Auto),
    ("canonical", &[], Forms::AsTold),
];

/// The calls that every dialect with a password has in this form.
const CALLS: [&str; 4] = ["login/phone", "register/phone", "reset_password/phone", "change_password/old"];

/// The sample with all passwords hashed.
fn hashed(sample: &Sample) -> Call {
    let mut call = sample.call.clone();
    for (password, text) in [
        (&mut call.password, PASSWORD),
        (&mut call.new_password, PASSWORD),
        (&mut call.old_password, OLD_PASSWORD),
    ] {
        *password = password.as_ref().map(|_| md5_hex(text).into());
    }
    call.password_form = PasswordForm::Md5Hex;
    call
}

/// What the backend must see, or `None` where the call is not supported.
fn expected(given: PasswordForm, upstream: Forms) -> Option<PasswordForm> {
    match (given, upstream) {
        (form, Forms::AsTold) => Some(form),
        (PasswordForm::Plain, Forms::Plain) => Some(PasswordForm::Plain),
        (_, Forms::Hashed | Forms::Auto) => Some(PasswordForm::Md5Hex),
        (PasswordForm::Md5Hex, Forms::Plain) => None,
    }
}

fn pack_with(name: &str, setting: &str, value: &str) -> Arc<Pack> {
    let settings = [(setting.to_owned(), value.to_owned())].into();
    Dialects::built_in().with_settings(name, &settings).unwrap().unwrap()
}

/// What is wrong with one call of a pair.
async fn wrong(pair: &mut Pair, call: &Call, expected: Option<PasswordForm>) -> Option<String> {
    let went = match pair.make_in_turn(call, None).await {
        Ok(went) => went,
        // Who can't log in with a hash has no token either.
        Err(problem) if problem.code == ProblemCode::NotSupported && expected.is_none() => return None,
        Err(problem) => return Some(format!("what comes before it: {problem:?}")),
    };
    let Some(form) = expected else {
        let refused = matches!(&went.told, Err(problem) if problem.code == ProblemCode::NotSupported);
        let names: Vec<_> = went.asked.iter().map(|asked| asked.call.operation.name()).collect();
        // Whether the path names the token's own account may be asked; no password goes along.
        let quiet = names.iter().all(|name| *name == "me");
        return (!refused || !quiet).then(|| format!("{:?}, asked {names:?}", went.told.is_ok()));
    };
    if let Err(problem) = went.told {
        return Some(format!("{problem:?}"));
    }
    let seen = |text: &str| match form {
        PasswordForm::Plain => text.to_owned(),
        PasswordForm::Md5Hex => md5_hex(text),
    };
    let mut passwords = 0;
    for asked in &went.asked {
        let whole = format!("{} {}", asked.request.uri(), String::from_utf8_lossy(asked.request.body()));
        for (password, text) in [
            (&asked.call.password, PASSWORD),
            (&asked.call.new_password, PASSWORD),
            (&asked.call.old_password, OLD_PASSWORD),
        ] {
            let Some(password) = password else { continue };
            passwords += 1;
            if password.expose() != seen(text) {
                return Some(format!("{} has {}", asked.call.operation.name(), password.expose()));
            }
        }
        let other = if form == PasswordForm::Plain { md5_hex(PASSWORD) } else { PASSWORD.to_owned() };
        if whole.contains(&other) {
            return Some(format!("the other form goes along: {whole}"));
        }
    }
    (passwords == 0).then(|| "no password was sent".to_owned())
}

#[tokio::test]
async fn plain_passwords_and_hashes_never_get_mixed_up() {
    let all = samples();
    let chosen: Vec<&Sample> = all.iter().filter(|sample| CALLS.contains(&sample.name)).collect();
    assert_eq!(chosen.len(), CALLS.len());
    let mut findings = Vec::new();
    let (mut carried, mut refused) = (0, 0);
    for (client, of_client, client_forms) in SIDES {
        for (upstream, of_upstream, upstream_forms) in SIDES {
            let mut pair = Pair::new((client, of_client), (upstream, of_upstream));
            let given: &[PasswordForm] = match client_forms {
                Forms::Plain => &[PasswordForm::Plain],
                Forms::Hashed => &[PasswordForm::Md5Hex],
                Forms::Auto | Forms::AsTold => &[PasswordForm::Plain, PasswordForm::Md5Hex],
            };
            for (form, sample) in
                given.iter().flat_map(|form| chosen.iter().map(move |sample| (*form, *sample)))
            {
                let call = if form == PasswordForm::Plain { sample.call.clone() } else { hashed(sample) };
                // Discuz! Q registers bare names, and changes no password where nobody says whose token it is.
                let without = client == "discuzq"
                    && (sample.name.starts_with("register")
                        || (upstream == "coolkit" && sample.name.starts_with("change")));
                if without {
                    continue;
                }
                if client_forms == Forms::Auto {
                    // Which apps send what: the old ones plain passwords, the new ones hashes.
                    let app = if form == PasswordForm::Plain { "plain" } else { "md5_hex" };
                    pair.client = pack_with(client, "password_form", app);
                }
                let expected = expected(form, upstream_forms);
                *if expected.is_some() { &mut carried } else { &mut refused } += 1;
                if let Some(finding) = wrong(&mut pair, &call, expected).await {
                    let name = sample.name;
                    findings.push(format!(
                        "{client} {of_client:?} > {upstream} {of_upstream:?}: {name} {form:?}: {finding}"
                    ));
                }
            }
        }
    }
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    assert_eq!((carried, refused), (196, 48));
}
