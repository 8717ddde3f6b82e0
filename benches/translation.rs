//! What translating costs: a coolkit login to canonical and back, by the packs and by code written for just that;
//! and a login of each of the 25 pairs by the packs. No guards, no sockets.

mod hand_written;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use dragoman::account::{Account, Call, Country, Operation, Phone, Reply, Session};
use dragoman::clock::Moment;
use dragoman::config::UpstreamApp;
use dragoman::dialect::{Asked, Dialect, Dialects, Pack, Proof, Reading, Sending, Understood};
use http::{Request, Response};

const READING: Reading = Reading { default_country: Country::CHINA, json_depth: 64 };
const LOGIN: &str = r#"{"appid":"BenchApp000000000000000000000001","nonce":"q3wz95p6","password":"12345678","phoneNumber":"+8613800138001","ts":1558004249,"version":8}"#;
const ANSWER: &str = concat!(
    r#"{"account":{"id":"1024","phone":"+8613800138001","email":null,"nickname":"Li","#,
    r#""gender":null,"status":"active","created_at":"2026-01-02T03:04:05Z"},"#,
    r#""session":{"access_token":"0123456789abcdef0123456789abcdef0123","token_type":"Bearer","#,
    r#""expires_in":2592000,"refresh_token":"89abcdef0123456789abcdef01234567","refresh_expires_in":5184000},"#,
    r#""region":"cn"}"#
);

fn sending(app: &UpstreamApp) -> Sending<'_> {
    Sending {
        app: Some(app),
        random: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
        client_address: "192.0.2.7".parse().ok(),
        ..Sending::new(
            Moment::from_seconds(1_558_004_249),
            Country::CHINA,
            "01234567-89ab-cdef-0123-456789abcdef",
        )
    }
}

fn asked(understood: &Understood) -> Asked<'_> {
    let signed = match &understood.proof {
        Proof::Signature(signed) => Some(signed),
        Proof::Token | Proof::None => None,
    };
    Asked {
        call: Some(&understood.call),
        signed,
        ..Asked::new(
            Some(understood.call.operation),
            Country::CHINA,
            Moment::from_seconds(1_558_004_249),
            "cn",
        )
    }
}

fn by_packs(
    client: &Pack,
    upstream: &Pack,
    (head, body): (&http::request::Parts, &Bytes),
    answer: &Response<Bytes>,
    app: &UpstreamApp,
) -> (Request<Bytes>, Response<Bytes>) {
    let mut understood = client.read_call(Operation::Login, head, body, READING).expect("it is understood");
    understood.call.client.dialect = client.name();
    let request = upstream.write_call(&understood.call, &sending(app)).expect("it has a form");
    let reply = upstream.read_answer(&understood.call, answer, READING).expect("it is good");
    (request, client.write_reply(&asked(&understood), &reply).expect("it has a form"))
}

fn by_hand(body: &Bytes, answer: &Response<Bytes>, app: &UpstreamApp) -> (Request<Bytes>, Response<Bytes>) {
    let (mut call, signed) = hand_written::read_login(body, READING).expect("it is understood");
    call.client.dialect = "coolkit";
    let request = hand_written::write_login(&call, &sending(app));
    let reply = hand_written::read_answer(answer.body(), READING).expect("it is good");
    let understood = Understood { call, proof: Proof::Signature(signed) };
    (request, hand_written::write_reply(&asked(&understood), &reply).expect("it has a form"))
}

fn against_hand(criterion: &mut Criterion) {
    let dialects = Dialects::built_in();
    let (coolkit, canonical) =
        (dialects.get("coolkit").expect("built in"), dialects.get("canonical").expect("built in"));
    let request = Request::post("/api/user/login").header("content-type", "application/json");
    let (head, body) = request.body(Bytes::from_static(LOGIN.as_bytes())).expect("it is valid").into_parts();
    let answer =
        Response::builder().status(201).body(Bytes::from_static(ANSWER.as_bytes())).expect("it is valid");
    let app = UpstreamApp { id: "app".to_owned(), secret: "secret".into() };
    // Both do the same work, or the ratio says nothing.
    let (packs, hand) =
        (by_packs(coolkit, canonical, (&head, &body), &answer, &app), by_hand(&body, &answer, &app));
    assert_eq!(packs.1.body(), hand.1.body());
    let json = |bytes: &Bytes| serde_json::from_slice::<serde_json::Value>(bytes).expect("it is JSON");
    assert_eq!(json(packs.0.body()), json(hand.0.body()));
    let mut group = criterion.benchmark_group("coolkit login to canonical and back");
    group.bench_function("by packs", |bencher| {
        bencher.iter(|| black_box(by_packs(coolkit, canonical, (&head, &body), &answer, &app)));
    });
    group.bench_function("by hand", |bencher| {
        bencher.iter(|| black_box(by_hand(&body, &answer, &app)));
    });
    group.finish();
}

fn sample_call() -> Call {
    let mut call = Call::new(Operation::Login);
    call.phone = Phone::from_e164("+8613800138001").ok();
    call.password = Some("12345678".into());
    call.client.dialect = "canonical";
    call
}

fn sample_reply() -> Reply {
    Reply {
        account: Some(Account {
            id: Some("1024".to_owned()),
            phone: Phone::from_e164("+8613800138001").ok(),
            nickname: Some("Li".to_owned()),
            ..Account::default()
        }),
        session: Some(Session::of_access_token("0123456789abcdef0123456789abcdef".into())),
        region: Some("cn".to_owned()),
        ..Reply::default()
    }
}

fn all_pairs(criterion: &mut Criterion) {
    let built_in = Dialects::built_in();
    // The sample's password is plain, which newer qingzhenyun clients never send.
    let plain = BTreeMap::from([("password_form".to_owned(), "plain".to_owned())]);
    let none = BTreeMap::new();
    let settings = |name: &str| if name == "qingzhenyun" { &plain } else { &none };
    let chosen = |pack: &Arc<Pack>| built_in.with_settings(pack.name(), settings(pack.name()));
    let dialects: Vec<Arc<Pack>> =
        built_in.iter().map(|pack| chosen(pack).expect("it has them").expect("it is there")).collect();
    let app = UpstreamApp { id: "app".to_owned(), secret: "secret".into() };
    let mut group = criterion.benchmark_group("login");
    for client in &dialects {
        let (head, body) =
            client.write_call(&sample_call(), &sending(&app)).expect("it has a form").into_parts();
        for upstream in &dialects {
            let understood = Understood { call: sample_call(), proof: Proof::None };
            let answer = upstream.write_reply(&asked(&understood), &sample_reply()).expect("it has a form");
            group.bench_function(format!("{} at {}", client.name(), upstream.name()), |bencher| {
                bencher.iter(|| black_box(by_packs(client, upstream, (&head, &body), &answer, &app)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, against_hand, all_pairs);
criterion_main!(benches);
