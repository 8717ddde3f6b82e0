//! The token of what passes through stands where the backend wants it.

use super::regions::{login_of, token_of};
use super::routes::arrival;
use super::*;
use crate::config::HttpUpstream;
use crate::dialect::MovedToken;

const APP: &str = "gate";

/// Clients of one dialect in front of a backend of another one, with the token of `/api/devices` moved.
fn between(client: &str, upstream: &str, answers: Vec<Answer>) -> Bench {
    bench_with(answers, |settings| {
        settings.listeners[0].dialects = vec![client.to_owned()];
        settings.listeners[0].unsigned = vec![client.to_owned()];
        settings.upstream = config::Upstream::Http(HttpUpstream {
            app: (upstream == "coolkit")
                .then(|| config::UpstreamApp { id: APP.to_owned(), secret: "for-this-test".into() }),
            ..HttpUpstream::new(upstream, &["127.0.0.1:1"], "backend.example")
        });
        let rule = |prefix: &str, move_token| config::PassThrough {
            methods: Vec::new(),
            prefix: prefix.to_owned(),
            move_token,
        };
        settings.pass_through = vec![rule("/api/devices", true), rule("/api/pictures", false)];
    })
}

async fn moved(bench: &Bench, target: &str, fields: &[(&str, &str)]) -> Option<MovedToken> {
    let (head, _) = request("GET", target, fields, "").into_parts();
    assert_eq!(bench.gateway.route(&arrival(), &head), Route::PassThrough, "{target}");
    let mut record = CallRecord::new(Moment::from_seconds(NOW), String::new(), None);
    bench.gateway.passes_to(&arrival(), &head, &mut record).await.unwrap().token
}

fn inserted(moved: &MovedToken) -> Option<(&str, &str)> {
    let (name, value) = moved.inserted.as_ref()?;
    Some((name.as_str(), value.to_str().unwrap()))
}

#[tokio::test]
async fn it_leaves_the_clients_place_and_nothing_else_changes() {
    let bench = between("shopxo", "canonical", Vec::new());
    let told = moved(&bench, "/api/devices/7?a=1&%74oken=t%2Dk&b=%20x", &[]).await.unwrap();
    assert_eq!(inserted(&told), Some(("authorization", "Bearer t-k")));
    assert_eq!((told.target.as_deref(), told.removed.len()), (Some("/api/devices/7?a=1&b=%20x"), 0));
    let alone = moved(&bench, "/api/devices?token=tk", &[]).await.unwrap();
    assert_eq!(alone.target.as_deref(), Some("/api/devices"));

    let bench = between("canonical", "shopxo", Vec::new());
    let told = moved(&bench, "/api/devices?a=1", &[("authorization", "Bearer a b&c")]).await.unwrap();
    assert_eq!(told.removed, ["authorization"]);
    assert_eq!((inserted(&told), told.target.as_deref()), (None, Some("/api/devices?a=1&token=a%20b%26c")));

    let bench = between("qingzhenyun", "coolkit", Vec::new());
    let told = moved(&bench, "/api/devices?auth=tk", &[("token", "tk")]).await.unwrap();
    assert_eq!(
        (told.removed.as_slice(), inserted(&told)),
        (&["token".parse().unwrap()][..], Some(("authorization", "Bearer tk")))
    );
    assert_eq!(told.target.as_deref(), Some("/api/devices"));
}

#[tokio::test]
async fn it_stays_where_it_stands_well_or_nothing_was_asked_for() {
    let bearer = [("authorization", "Bearer tk")];
    assert!(moved(&between("coolkit", "canonical", Vec::new()), "/api/devices", &bearer).await.is_none());
    let bench = between("shopxo", "canonical", Vec::new());
    assert!(moved(&bench, "/api/pictures?token=tk", &[]).await.is_none());
    assert!(moved(&bench, "/api/devices?tokens=tk", &[]).await.is_none());
}

#[tokio::test]
async fn a_session_that_the_gateway_had_issued_is_opened_for_the_backend() {
    let bench = between("qingzhenyun", "canonical", vec![Ok((201, canonical_session()))]);
    let (response, _) = bench.call(login_of("qingzhenyun")).await;
    let bearer = format!("Bearer {}", token_of("qingzhenyun", &response));
    let told = moved(&bench, "/api/devices", &[("authorization", &bearer)]).await.unwrap();
    assert_eq!((inserted(&told), told.target.as_deref()), (Some(("authorization", "Bearer at-1")), None));
}
