//! From the model to the wire and back: what a dialect can carry is the same afterwards, whatever it was.

use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::account::{
    AccountStatus, Captcha, Channel, Email, Extensions, Federated, Gender, Identifier, Operation,
    ProblemCode, Purpose, Secret, Session, Verification,
};
use crate::config::UpstreamApp;

const DIALECTS: [&str; 5] = ["coolkit", "qingzhenyun", "discuzq", "shopxo", "canonical"];

/// JSON that readers like to change: digits, empty and absent things, other scripts, escapes, depth.
const VALUES: [&str; 12] = [
    "12345678901234567890.10",
    "9007199254740993",
    "1e400",
    "-0",
    "null",
    "\"\"",
    "\"爱丽丝 🐇 e\u{301}\"",
    "\"\\u0000\\\"\\\\\"",
    "[]",
    "{}",
    "[1,[2,{\"a\":null}],\"b\"]",
    "{\"x\":{\"y\":0.10},\"z\":true}",
];

fn a_pack(name: &str) -> Arc<Pack> {
    // Plain passwords come back as they went; hashes have tests of their own.
    if name == "qingzhenyun" { pack_with(name, "password_form", "plain") } else { pack(name) }
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z][A-Za-z0-9_]{1,11}", "\\PC{1,10}", "[a-z&=%+\"\\\\ ]{1,8}x"]
}

/// Names that are none by their shape are taken for an e-mail address or a phone: that is the model's rule.
fn usernames() -> impl Strategy<Value = String> {
    let is_name = |text: &String| {
        matches!(Identifier::classify(text, READING.default_country), Identifier::Username(_))
    };
    words().prop_filter("a name by its shape", is_name)
}

fn secrets() -> impl Strategy<Value = Secret> {
    prop_oneof!["[!-~]{1,16}", "[一-龥🐇a-z]{1,10}"].prop_map(Secret::new)
}

fn tokens() -> impl Strategy<Value = Secret> {
    // With a subject, which Discuz! Q's paths name.
    "[A-Za-z0-9_-]{4,20}".prop_map(|rest| Secret::new(format!("e30.eyJzdWIiOiI3In0.{rest}")))
}

fn phones() -> impl Strategy<Value = Phone> {
    prop_oneof!["\\+861[3-9][0-9]{9}", "\\+1202555[0-9]{4}", "\\+4420794[0-9]{5}"]
        .prop_filter_map("a possible number", |text| Phone::from_e164(&text).ok())
}

fn emails() -> impl Strategy<Value = Email> {
    prop_oneof!["[a-zA-Z0-9.+]{1,8}@[a-z]{1,8}\\.cn", "[一-龥]{1,4}@[a-z]{1,8}\\.com"]
        .prop_map(|text| Email::parse(&text).unwrap())
}

fn operations() -> impl Strategy<Value = Operation> {
    prop::sample::select(Operation::ALL)
}

fn calls() -> impl Strategy<Value = Call> {
    let names = (of(usernames()), of(phones()), of(emails()));
    let passwords = (of(secrets()), of(secrets()), of(secrets()));
    let proofs = (of(secrets()), of(tokens()), of(tokens()), tokens(), tokens());
    let texts = (of(words()), of(words()), of(words()), of(words()), of(words()));
    let rest = (prop::sample::select(Purpose::ALL), of(secrets()), of(1_u16..999), 0..VALUES.len());
    (operations(), names, passwords, proofs, texts, rest).prop_map(
        |(operation, names, passwords, proofs, texts, (purpose, wechat, code, value))| {
            let mut call = Call::new(operation);
            (call.username, call.phone, call.email) = names;
            (call.password, call.new_password, call.old_password) = passwords;
            let (verification, challenge, bind, token, refresh) = proofs;
            call.verification = verification.map(|code| Verification { code, challenge });
            (call.bind_token, call.token, call.refresh_token) = (bind, Some(token), Some(refresh));
            let answer;
            (call.nickname, call.avatar_url, call.invite_code, call.reason, answer) = texts;
            call.captcha = answer.map(|answer| Captcha {
                kind: "picture".to_owned(),
                answer: Some(answer),
                ..Captcha::default()
            });
            call.federated = wechat.map(|code| Federated {
                provider: "wechat".to_owned(),
                code: Some(code),
                ..Federated::default()
            });
            call.country_calling_code = code;
            if operation == Operation::SendCode {
                call.purpose = Some(purpose);
                call.channel = call.phone.as_ref().map(|_| Channel::Sms).or(Some(Channel::Email));
            }
            for dialect in DIALECTS {
                call.extensions.keep(dialect, "zz", VALUES[value]);
            }
            call
        },
    )
}

fn moments() -> impl Strategy<Value = Moment> {
    // The year 1970 to the year 3000, and not zero, which some write for never.
    (1_i64..32_503_680_000_000).prop_map(Moment::from_millis)
}

fn replies() -> impl Strategy<Value = Reply> {
    let names = ("[1-9][0-9]{0,14}", of(words()), of(phones()), of(emails()), of(words()), of(words()));
    let times = (of(moments()), of(moments()), of(moments()));
    let kinds = (of(prop::sample::select(Gender::ALL)), of(prop::sample::select(AccountStatus::ALL)));
    let session = (tokens(), of(0_u64..1 << 62), of(tokens()), of(0_u64..1 << 62));
    let sent = (of(tokens()), of(0_u64..1 << 62), of(0_u64..1 << 62));
    (names, times, kinds, session, sent).prop_map(|(names, times, kinds, session, sent)| {
        let mut reply = Reply::default();
        let (id, username, phone, email, nickname, avatar_url) = names;
        let mut account =
            crate::account::Account { id: Some(id), username, phone, email, ..Default::default() };
        (account.nickname, account.avatar_url) = (nickname, avatar_url);
        (account.created_at, account.updated_at, account.last_login_at) = times;
        (account.gender, account.status) = kinds;
        account.last_login_ip = Some("198.51.100.9".to_owned());
        account.locale = Some("en".to_owned());
        reply.account = Some(account);
        let (access_token, expires_in, refresh_token, refresh_expires_in) = session;
        reply.session = Some(Session { access_token, expires_in, refresh_token, refresh_expires_in });
        reply.region = Some("cn".to_owned());
        (reply.challenge, reply.expires_in, reply.resend_in) = sent;
        reply
    })
}

/// What a call says, by the model's names; of several names for the account any one.
fn facts(call: &Call) -> Vec<(&'static str, Option<String>)> {
    let text = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    let proof = call.verification.as_ref();
    vec![
        ("phone", call.phone.as_ref().map(|phone| phone.e164().to_owned())),
        ("email", call.email.as_ref().map(|email| email.as_str().to_owned())),
        ("username", call.username.clone()),
        ("password", text(&call.password)),
        ("new_password", text(&call.new_password)),
        ("old_password", text(&call.old_password)),
        ("code", proof.map(|proof| proof.code.expose().to_owned())),
        ("challenge", proof.and_then(|proof| text(&proof.challenge))),
        ("bind_token", text(&call.bind_token)),
        ("token", text(&call.token)),
        ("refresh_token", text(&call.refresh_token)),
        ("nickname", call.nickname.clone()),
        ("avatar_url", call.avatar_url.clone()),
        ("invite_code", call.invite_code.clone()),
        ("reason", call.reason.clone()),
        ("captcha", call.captcha.as_ref().and_then(|captcha| captcha.answer.clone())),
        ("wechat", call.federated.as_ref().and_then(|federated| text(&federated.code))),
        ("purpose", call.purpose.map(|purpose| purpose.name().to_owned())),
    ]
}

/// There and back: `None` where the dialect has no form for the call.
fn there_and_back(pack: &Pack, call: &Call) -> Option<Call> {
    let app = UpstreamApp { id: "app".to_owned(), secret: "secret".into() };
    let sending = Sending {
        app: Some(&app),
        random: 7,
        ..Sending::new(Moment::from_seconds(1_558_004_249), READING.default_country, "r")
    };
    let (head, body) = pack.write_call(call, &sending).ok()?.into_parts();
    let read = pack.read_call(call.operation, &head, &body, READING);
    let told = format!("{} {} {body:?}", pack.name(), head.uri);
    Some(read.unwrap_or_else(|problem| panic!("{told} is not read: {problem:?}")).call)
}

fn back_at_client(pack: &Pack, call: &Call, reply: &Reply) -> Option<Reply> {
    let answer = pack.write_reply(&asked(call), reply).ok()?;
    let read = pack.read_answer(call, &answer, READING);
    Some(read.unwrap_or_else(|problem| panic!("{} {answer:?}: {problem:?}", pack.name())))
}

proptest! {
    #[test]
    fn calls_come_back_as_they_were(call in calls(), of in prop::sample::select(&DIALECTS[..])) {
        let pack = a_pack(of);
        let Some(read) = there_and_back(&pack, &call) else { return Ok(()) };
        prop_assert_eq!(read.operation, call.operation);
        for ((name, was), (_, is)) in facts(&call).into_iter().zip(facts(&read)) {
            // A name has no other place there, and one code serves to register and to log in.
            let moved = name == "nickname" && is == call.username
                || name == "purpose" && of == "discuzq" && is.as_deref() == Some("login");
            prop_assert!(is.is_none() || is == was || moved, "{} {}: {:?} became {:?}", of, name, was, is);
        }
        let unsaid = |extensions: &Extensions| extensions.get(of, "zz").map(str::to_owned);
        if let Some(kept) = unsaid(&read.extensions) {
            prop_assert_eq!(Some(kept), unsaid(&call.extensions));
        }
        // What proves the caller, or is set, is never left out.
        let secret = match call.operation {
            Operation::Login | Operation::Register => read.password == call.password,
            Operation::ResetPassword | Operation::ChangePassword => read.new_password == call.new_password,
            Operation::LoginCode => {
                let code = |call: &Call| call.verification.as_ref().map(|proof| proof.code.clone());
                code(&read) == code(&call)
            }
            Operation::Refresh => read.refresh_token == call.refresh_token,
            _ => true,
        };
        prop_assert!(secret, "{} lost the secret of {:?}", of, call.operation);
        // What it can carry it carries for ever.
        prop_assert_eq!(there_and_back(&pack, &read), Some(read));
    }

    #[test]
    fn replies_come_back_as_they_were(
        operation in operations(), reply in replies(), of in prop::sample::select(&DIALECTS[..])
    ) {
        let pack = a_pack(of);
        let mut call = Call::new(operation);
        call.purpose = Some(Purpose::Register);
        let Some(read) = back_at_client(&pack, &call, &reply) else { return Ok(()) };
        if let (Some(was), Some(is)) = (&reply.account, &read.account) {
            let same = |was: &Option<String>, is: &Option<String>| is.is_none() || is == was;
            prop_assert!(same(&was.id, &is.id) && same(&was.username, &is.username), "{} {:?}", of, is);
            prop_assert!(same(&was.nickname, &is.nickname) && same(&was.avatar_url, &is.avatar_url));
            prop_assert!(is.email.is_none() || is.email == was.email);
        }
        if let (Some(was), Some(is)) = (&reply.session, &read.session) {
            prop_assert_eq!(&was.access_token, &is.access_token);
        }
        prop_assert_eq!(back_at_client(&pack, &call, &read), Some(read));
    }

    #[test]
    fn canonical_replies_lose_nothing(reply in replies(), value in 0..VALUES.len()) {
        let mut reply = Reply { challenge: None, expires_in: None, resend_in: None, ..reply };
        for dialect in DIALECTS {
            reply.account.as_mut().unwrap().extensions.keep(dialect, "a.zz", VALUES[value]);
        }
        let call = Call::new(Operation::Login);
        prop_assert_eq!(back_at_client(&pack("canonical"), &call, &reply), Some(reply));
    }

    #[test]
    fn what_the_model_does_not_name_comes_back_digit_by_digit(
        reply in replies(), value in prop::sample::select(&VALUES[..]), of in prop::sample::select(&DIALECTS[..4])
    ) {
        let pack = a_pack(of);
        let call = Call::new(Operation::Login);
        let answer = pack.write_reply(&asked(&call), &reply).unwrap();
        // Into the object of the account, wherever it stands: behind the member that names it.
        let body = String::from_utf8(answer.body().to_vec()).unwrap();
        let id = match of { "coolkit" => "\"_id\":", "qingzhenyun" => "\"uuid\":", "shopxo" => "\"number_code\":", _ => "\"username\":" };
        let at = body.find(id).unwrap();
        let more = format!("{}\"zz\":{value},{}", &body[..at], &body[at..]);
        let read = told(&pack, &call, 200, &more).unwrap();
        let extensions = read.account.clone().unwrap().extensions;
        let kept: Vec<&str> =
            extensions.of(of).filter(|one| one.path.ends_with("zz")).map(|one| one.json.as_str()).collect();
        prop_assert_eq!(kept, [value]);
        let again = back_at_client(&pack, &call, &read).unwrap();
        // Members come in the order of the pack's lines, so their order is none of theirs.
        let sorted = |extensions: &Extensions| {
            let mut all: Vec<_> = extensions.iter().map(|one| (one.path.clone(), one.json.clone())).collect();
            all.sort();
            all
        };
        prop_assert_eq!(sorted(&again.account.unwrap().extensions), sorted(&extensions));
    }

    #[test]
    fn problems_come_back_as_themselves_or_as_their_row_says(
        operation in operations(), code in prop::sample::select(ProblemCode::ALL), reason in of("\\PC{1,12}"),
        retry_after in of(0_u64..1 << 62), left in of(0_u32..100), field in of("[a-z_.]{1,12}"),
        of in prop::sample::select(&DIALECTS[..])
    ) {
        let pack = a_pack(of);
        prop_assume!(pack.has(operation));
        let mut problem = Problem::new(code);
        problem.reason = reason.map(Into::into);
        problem.field = field.map(Into::into);
        (problem.retry_after, problem.attempts_left) = (retry_after, left);
        let call = Call::new(operation);
        let answer = pack.write_problem(&asked(&call), &problem);
        let read = pack.read_answer(&call, &answer, READING).unwrap_err();
        let others = pack.reads_as(&asked(&call), &problem);
        prop_assert!(
            if others.is_empty() { read.code == code } else { others.contains(&read.code) },
            "{} {:?} {:?} was read as {:?}", of, answer.body(), problem, read
        );
        if of == "canonical" {
            let operation = (code == ProblemCode::NotSupported).then_some(operation);
            prop_assert_eq!(read, Problem { operation, ..problem });
        }
    }
}
