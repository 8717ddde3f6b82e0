//! Three regions, each with a fake backend that fails the test when it is asked once too often.

use super::*;
use crate::config::{Region, RegionMode};
use crate::observe::RoutedBy;

mod memory;

/// A gateway of the region cn, and what its three backends are asked. The one of eu speaks coolkit.
struct House {
    bench: Bench,
    eu: Arc<FakeUpstream>,
    us: Arc<FakeUpstream>,
}

const DIALECTS: [&str; 5] = ["coolkit", "qingzhenyun", "discuzq", "shopxo", "canonical"];

fn eu_of_coolkit() -> config::Upstream {
    config::Upstream::Http(HttpUpstream {
        app: Some(config::UpstreamApp { id: "gate-eu".to_owned(), secret: "eu-secret".into() }),
        ..HttpUpstream::new("coolkit", &[], "eu.example")
    })
}

fn house(eu: config::Upstream, change: impl FnOnce(&mut Settings)) -> House {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path());
    settings.listeners[0].dialects = DIALECTS.map(str::to_owned).to_vec();
    settings.listeners[0].unsigned = DIALECTS[1..].iter().map(|name| (*name).to_owned()).collect();
    let region = |name: &str, code, upstream| Region {
        base_url: Some(format!("https://{name}.example")),
        calling_codes: vec![code],
        upstream,
        ..Region::named(name)
    };
    settings.regions.table = vec![
        region("cn", 86, None),
        region("eu", 44, Some(eu)),
        region("us", 1, Some(config::Upstream::Embedded)),
        region("as", 65, None),
    ];
    change(&mut settings);
    let upstream = || Arc::new(FakeUpstream::default());
    let (cn, eu, us) = (upstream(), upstream(), upstream());
    let upstreams = Upstreams::new(cn.clone()).with("eu", eu.clone()).with("us", us.clone());
    let clock = Arc::new(ManualClock::at(Moment::from_seconds(NOW)));
    let gateway = Gateway::new(&settings, upstreams, clock.clone()).unwrap();
    House { bench: Bench { gateway, clock, upstream: cn, _directory: directory }, eu, us }
}

fn canonical_house() -> House {
    house(config::Upstream::Embedded, |_| {})
}

impl FakeUpstream {
    fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        assert!(self.answers.lock().unwrap().is_empty(), "an answer was never asked for");
        self.answers.lock().unwrap().extend(answers);
    }

    fn paths(&self) -> Vec<String> {
        assert!(self.answers.lock().unwrap().is_empty(), "an answer was never asked for");
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.iter().map(|request| request.uri().path().to_owned()).collect()
    }
}

impl House {
    async fn outcome(&self, request: Request<Bytes>) -> (Outcome, CallRecord) {
        let (_, record) = self.bench.call(request).await;
        (record.outcome, record)
    }

    /// How often each backend was asked since the last time.
    fn asked(&self) -> [usize; 3] {
        [&self.bench.upstream, &self.eu, &self.us].map(|upstream| upstream.paths().len())
    }
}

fn wrong_region(region: Option<&str>) -> Answer {
    let body = json!({"type": "urn:dragoman:problem:wrong_region", "code": "wrong_region", "region": region});
    Ok((421, body.to_string()))
}

fn bad(status: u16, code: &str) -> Answer {
    Ok((status, json!({"code": code, "status": status}).to_string()))
}

fn session(name: &str) -> Answer {
    let body =
        canonical_session().replace("at-1", &format!("at-{name}")).replace("rt-1", &format!("rt-{name}"));
    Ok((201, body.replace("\"region\":\"cn\"", "\"region\":null")))
}

fn me() -> Answer {
    Ok((200, json!({"account": {"id": "7", "phone": "+8613800138001"}, "region": null}).to_string()))
}

const CLIENTS: [&str; 3] = ["qingzhenyun", "discuzq", "shopxo"];

/// A login by password as a dialect's client sends it.
pub(super) fn login_of(dialect: &str) -> Request<Bytes> {
    login_as(dialect, "13800138001")
}

fn login_as(dialect: &str, who: &str) -> Request<Bytes> {
    let (path, members) = match dialect {
        "qingzhenyun" => {
            ("/v1/user/login", json!({"value": who, "password": "12345678", "countryCode": "86"}))
        }
        "discuzq" => {
            ("/api/login", json!({"data": {"attributes": {"username": who, "password": "12345678"}}}))
        }
        _ => ("/api.php?s=user/login", json!({"accounts": who, "pwd": "12345678", "type": "username"})),
    };
    request("POST", path, &[("content-type", "application/json")], &members.to_string())
}

pub(super) fn token_of(dialect: &str, response: &Response<Bytes>) -> String {
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    let pointer = match dialect {
        "qingzhenyun" => "/token",
        "discuzq" => "/data/attributes/access_token",
        _ => "/data/token",
    };
    answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{dialect}: {answer}"))
        .to_owned()
}

fn me_of(dialect: &str, token: &str) -> Request<Bytes> {
    let bearer = format!("Bearer {token}");
    let bearer = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    match dialect {
        "qingzhenyun" => request("POST", "/v1/user/info", &bearer, "{}"),
        "discuzq" => request("GET", "/api/users/7", &bearer, ""),
        _ => request("POST", &format!("/api.php?s=user/tokenuserinfo&token={token}"), &bearer[1..], "{}"),
    }
}

fn shopxo_send(who: &str) -> Request<Bytes> {
    let members = json!({"accounts": who, "type": "sms"}).to_string();
    request("POST", "/api.php?s=user/loginverifysend", &[("content-type", "application/json")], &members)
}

#[tokio::test]
async fn a_login_in_the_wrong_region_succeeds_unnoticed_and_the_second_one_goes_straight() {
    for dialect in CLIENTS {
        let house = canonical_house();
        house.bench.upstream.will([wrong_region(Some("eu"))]);
        house.eu.will([session("eu")]);
        let (response, record) = house.bench.call(login_of(dialect)).await;
        assert_eq!((record.outcome, record.hops), (Outcome::Success, 1), "{dialect}");
        assert_eq!(record.region.as_deref(), Some("eu"));
        assert_eq!(record.hop.as_ref().map(|hop| (hop.region.as_str(), hop.attempts)), Some(("cn", 1)));
        assert_eq!(house.asked(), [1, 1, 0]);
        // The session works, where it was opened.
        house.eu.will([me()]);
        let (_, record) = house.bench.call(me_of(dialect, &token_of(dialect, &response))).await;
        assert_eq!((record.outcome, record.routed), (Outcome::Success, Some(RoutedBy::Session)), "{dialect}");
        assert_eq!(house.asked(), [0, 1, 0], "{dialect}");
        // Another spelling of the same account.
        house.eu.will([session("eu")]);
        let (outcome, record) = house.outcome(login_as(dialect, "+8613800138001")).await;
        if dialect != "qingzhenyun" {
            assert_eq!((outcome, record.routed), (Outcome::Success, Some(RoutedBy::Learned)), "{dialect}");
            assert_eq!((record.hops, house.asked()), (0, [0, 1, 0]));
        }
    }
}

#[tokio::test]
async fn the_second_regions_backend_gets_its_own_dialect_app_and_signature() {
    let house = house(eu_of_coolkit(), |_| {});
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    let answer = json!({"at": "a", "rt": "r", "user": {"_id": "5"}, "region": "eu"});
    house.eu.will([Ok((200, answer.to_string()))]);
    let (response, record) = house.bench.call(login_of("shopxo")).await;
    assert_eq!((record.outcome, record.upstream), (Outcome::Success, Some("coolkit")));
    assert_eq!(token_of("shopxo", &response), "a");
    let asked = house.eu.asked.lock().unwrap().remove(0);
    assert_eq!(asked.uri().path(), "/api/user/login");
    let expected = SigningKey::new(&"eu-secret".into()).sign(asked.body()).to_authorization();
    assert_eq!(asked.headers()["authorization"], expected);
    assert_eq!(body(&asked)["appid"], "gate-eu");
}

#[tokio::test]
async fn refresh_and_log_out_of_a_followed_session_go_to_its_region() {
    let house = canonical_house();
    house.bench.upstream.will([wrong_region(Some("us"))]);
    house.us.will([session("us")]);
    let (response, _) = house.bench.call(login_of("discuzq")).await;
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    let refresh = json!({"data": {"attributes": answer["data"]["attributes"]}}).to_string();
    house.us.will([session("us-2")]);
    let json = [("content-type", "application/json")];
    let (response, record) = house.bench.call(request("POST", "/api/refresh-token", &json, &refresh)).await;
    assert_eq!((record.outcome, record.routed), (Outcome::Success, Some(RoutedBy::Session)));
    assert_eq!(token_of("discuzq", &response), "at-us-2");
    assert_eq!(house.us.paths(), ["/v1/sessions", "/v1/sessions/refresh"]);
    house.us.will([me()]);
    assert_eq!(house.outcome(me_of("discuzq", "at-us-2")).await.0, Outcome::Success);

    let house = canonical_house();
    house.bench.upstream.will([wrong_region(Some("us"))]);
    house.us.will([session("us"), Ok((204, String::new()))]);
    let (response, _) = house.bench.call(login_of("qingzhenyun")).await;
    let bearer = format!("Bearer {}", token_of("qingzhenyun", &response));
    let log_out = request("POST", "/v1/user/logout", &[("authorization", &bearer)], "{}");
    assert_eq!(house.outcome(log_out).await.0, Outcome::Success);
    assert_eq!(house.us.paths(), ["/v1/sessions", "/v1/sessions/current"]);
    assert_eq!(house.asked(), [1, 0, 0]);
}

#[tokio::test]
async fn what_an_answer_names_is_only_an_index_into_the_table() {
    let hostile = ["http://169.254.169.254/", "../", "mars", "EU", "eu ", "", "https://eu.example"];
    for name in hostile {
        let house = canonical_house();
        house.bench.upstream.will([wrong_region(Some(name))]);
        let (outcome, record) = house.outcome(login_of("shopxo")).await;
        assert_eq!(outcome, Outcome::Problem(ProblemCode::UpstreamUnintelligible), "{name}");
        assert_eq!((record.hops, house.asked()), (0, [1, 0, 0]), "{name}");
    }
    for (status, location) in [(301, "http://169.254.169.254/"), (307, "../"), (308, "https://mars.example/")]
    {
        let house = canonical_house();
        house.bench.upstream.will([Ok((status, location.to_owned()))]);
        let (outcome, record) = house.outcome(login_of("shopxo")).await;
        assert_eq!(outcome, Outcome::Problem(ProblemCode::UpstreamUnintelligible), "{location}");
        assert_eq!((record.hops, house.asked()), (0, [1, 0, 0]), "{location}");
    }
}

#[tokio::test]
async fn a_region_that_names_itself_is_a_disagreement_and_nobody_is_sent_in_circles() {
    for dialect in CLIENTS {
        // Itself; then two that name each other; then two that name a third one.
        let house = canonical_house();
        house.bench.upstream.will([wrong_region(Some("cn"))]);
        let (outcome, record) = house.outcome(login_of(dialect)).await;
        assert_eq!(outcome, Outcome::Problem(ProblemCode::Internal));
        assert_eq!((record.regions_disagree, record.hops, house.asked()), (true, 0, [1, 0, 0]));

        house.bench.upstream.will([wrong_region(Some("eu"))]);
        house.eu.will([wrong_region(Some("cn"))]);
        let (outcome, record) = house.outcome(login_of(dialect)).await;
        assert_eq!(outcome, Outcome::Problem(ProblemCode::Internal));
        assert_eq!((record.regions_disagree, record.hops, house.asked()), (true, 1, [1, 1, 0]));

        house.bench.upstream.will([wrong_region(Some("eu"))]);
        house.eu.will([wrong_region(Some("us"))]);
        let (outcome, record) = house.outcome(login_of(dialect)).await;
        assert_eq!(outcome, Outcome::Problem(ProblemCode::WrongRegion));
        assert_eq!((record.hops, house.asked()), (1, [1, 1, 0]));

        // A region of the table without a backend can't be followed to.
        house.bench.upstream.will([wrong_region(Some("as"))]);
        let (outcome, record) = house.outcome(login_of(dialect)).await;
        assert_eq!(outcome, Outcome::Problem(ProblemCode::WrongRegion));
        assert_eq!((record.hops, house.asked()), (0, [1, 0, 0]));
    }
}

#[tokio::test]
async fn every_form_of_a_wrong_region_answer_is_followed() {
    let coded = |settings: &mut Settings| settings.regions.wrong_region_codes = vec!["moved_away".to_owned()];
    let british = |house: &House| {
        house.eu.will([session("eu")]);
        login_as("discuzq", "+447700900123")
    };
    for answer in [
        wrong_region(None),
        bad(403, "moved_away"),
        Ok((301, "https://eu.example/api/user/login".to_owned())),
        Ok((308, "//EU.example".to_owned())),
    ] {
        let house = house(config::Upstream::Embedded, coded);
        house.bench.upstream.will([answer.clone()]);
        let request = british(&house);
        let (outcome, record) = house.outcome(request).await;
        assert_eq!((outcome, record.hops), (Outcome::Success, 1), "{answer:?}");
        assert_eq!(house.asked(), [1, 1, 0]);
    }
    // Without a name and without a country, or with one that is served here, nobody knows where to go.
    for who in ["somebody", "13800138001"] {
        let house = canonical_house();
        house.bench.upstream.will([wrong_region(None)]);
        let (outcome, _) = house.outcome(login_as("discuzq", who)).await;
        assert_eq!(outcome, Outcome::Problem(ProblemCode::UpstreamUnintelligible), "{who}");
        assert_eq!(house.asked(), [1, 0, 0]);
    }
    for error in [json!(301), json!("301")] {
        let house = house(config::Upstream::Embedded, |settings| {
            settings.upstream = eu_of_coolkit();
        });
        let body = json!({"error": error, "msg": "", "region": "us"}).to_string();
        house.bench.upstream.will([Ok((200, body))]);
        house.us.will([session("us")]);
        assert_eq!(house.outcome(login_of("shopxo")).await.0, Outcome::Success, "{error}");
    }
}

#[tokio::test]
async fn tell_asks_home_alone_and_auto_tells_those_who_know_what_to_do() {
    let tells = |settings: &mut Settings| settings.regions.mode = RegionMode::Tell;
    let house = house(config::Upstream::Embedded, tells);
    for dialect in CLIENTS {
        house.bench.upstream.will([wrong_region(Some("eu"))]);
        let (outcome, record) = house.outcome(login_of(dialect)).await;
        assert_eq!(outcome, Outcome::Problem(ProblemCode::WrongRegion), "{dialect}");
        assert_eq!((record.hops, house.asked()), (0, [1, 0, 0]));
    }
    let house = canonical_house();
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    let answer = house.bench.json(login("n1")).await;
    assert_eq!((&answer["error"], &answer["region"]), (&json!(301), &json!("eu")));
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    let canonical = json!({"phone": "+8613800138001", "password": "12345678", "password_form": "plain"});
    let answer = house.bench.json(request("POST", "/v1/sessions", &[], &canonical.to_string())).await;
    assert_eq!((&answer["code"], &answer["region"]), (&json!("wrong_region"), &json!("eu")));
    assert_eq!(house.asked(), [2, 0, 0]);
}

fn following(settings: &mut Settings) {
    settings.regions.mode = RegionMode::Follow;
    settings.regions.table.retain(|region| region.name != "as");
}

#[tokio::test]
async fn a_signed_request_passes_once_although_two_regions_were_asked() {
    let house = house(config::Upstream::Embedded, following);
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    house.eu.will([session("eu")]);
    let answer = house.bench.json(login("followed")).await;
    assert_eq!((&answer["at"], &answer["region"]), (&json!("at-eu"), &json!("eu")));
    assert_eq!(house.asked(), [1, 1, 0]);
    let replayed = house.outcome(login("followed")).await.0;
    assert_eq!((replayed, house.asked()), (Outcome::Problem(ProblemCode::RequestReplayed), [0, 0, 0]));
}

#[tokio::test]
async fn a_followed_request_is_given_back_only_if_no_region_did_anything() {
    let failure = |delivered| Err(Failure { kind: FailureKind::ConnectFailed, delivered });
    for (second, passes_again) in
        [(failure(false), true), (failure(true), false), (wrong_region(Some("us")), true)]
    {
        let house = house(config::Upstream::Embedded, following);
        house.bench.upstream.will([wrong_region(Some("eu"))]);
        house.eu.will([second]);
        house.outcome(login("n")).await;
        assert_eq!(house.asked(), [1, 1, 0]);
        if passes_again {
            house.bench.upstream.will([session("cn")]);
        }
        assert_eq!(house.outcome(login("n")).await.0 == Outcome::Success, passes_again);
    }
    // The region that was learned knew the account no more: that was an attempt.
    let house = house(config::Upstream::Embedded, following);
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    house.eu.will([session("eu")]);
    house.outcome(login("first")).await;
    house.eu.will([bad(404, "account_not_found")]);
    house.bench.upstream.will([failure(false)]);
    house.outcome(login("second")).await;
    assert_eq!(house.outcome(login("second")).await.0, Outcome::Problem(ProblemCode::RequestReplayed));
}

#[tokio::test]
async fn a_listener_may_serve_a_region_of_its_own() {
    let house = house(config::Upstream::Embedded, |settings| {
        settings.listeners[0].region = Some("eu".to_owned());
    });
    house.eu.will([wrong_region(Some("cn"))]);
    house.bench.upstream.will([session("cn")]);
    let (outcome, record) = house.outcome(login_of("discuzq")).await;
    assert_eq!((outcome, record.region.as_deref()), (Outcome::Success, Some("cn")));
    let query = request("GET", "/v1/region", &[], "");
    assert_eq!(house.bench.json(query).await["region"], "eu");
    // Nobody is told the region that he has just asked.
    house.eu.will([wrong_region(Some("eu"))]);
    assert_eq!(house.bench.json(login("own")).await["error"], 500);
}

#[tokio::test]
async fn a_hop_is_one_attempt_for_the_limits() {
    let house = house(config::Upstream::Embedded, |settings| settings.throttle.wrong_logins = Some(3));
    for _ in 0..3 {
        house.bench.upstream.will([wrong_region(Some("eu"))]);
        house.eu.will([bad(401, "credentials_invalid")]);
        let (outcome, _) = house.outcome(login_of("shopxo")).await;
        assert_eq!(outcome, Outcome::Problem(ProblemCode::CredentialsInvalid));
    }
    let (outcome, _) = house.outcome(login_of("shopxo")).await;
    assert!(matches!(outcome, Outcome::Problem(ProblemCode::AccountLocked | ProblemCode::RateLimited)));
    assert_eq!(house.asked(), [3, 3, 0]);
}
