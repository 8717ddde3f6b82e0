//! The shipped example of three regions, and gateways in front of backends that name other regions.

use std::fs;
use std::net::SocketAddr;

use rusqlite::Connection;
use serde_json::json;

use crate::support::clients::{Client, For};
use crate::support::coolkit::{App, register};
use crate::support::gateway::{Gateway, House};
use crate::support::http;
use crate::support::legacy::LegacyServer;
use crate::support::redis::{RedisServer, wait_until};
use crate::support::third_party::{EWELINK_API, SONOFF_PYTHON};
use crate::support::tools::source;
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

const PASSWORD: &str = "a-fine-password";
/// Clients who know nothing of regions.
const UNAWARE: [&str; 3] = ["qingzhenyun", "discuzq", "shopxo"];

/// The example, running.
struct Regions {
    house: House,
    gateway: Gateway,
    /// The listeners of cn, eu and us.
    listeners: Vec<SocketAddr>,
}

impl Regions {
    fn start(app: &App) -> Self {
        let mut text = fs::read_to_string(source("config/examples/regions.toml")).unwrap();
        let listeners = ["8081", "8082", "8083"].map(|port| format!("address = \"127.0.0.1:{port}\""));
        let free = "address = \"127.0.0.1:0\"".to_owned();
        let changes = listeners.into_iter().map(|address| (address, free.clone())).chain([
            ("127.0.0.1:9090".to_owned(), "127.0.0.1:0".to_owned()),
            ("id = \"my-app\"".to_owned(), format!("id = {:?}", app.id)),
        ]);
        for (from, to) in changes {
            assert!(text.contains(&from), "{from} is not in the example");
            text = text.replace(&from, &to);
        }
        let house = House::of(text).with("[throttle]\ndestination_interval = \"off\"\n");
        let gateway = house.start_with(&[("MY_APP_SECRET", app.secret.as_str())]);
        let listeners = listening(&gateway);
        assert_eq!(listeners.len(), 3);
        Self { house, gateway, listeners }
    }

    /// Registers a phone of mainland China in a region.
    fn register(&self, region: usize, phone: &str) {
        let mut client = Client::new("canonical", self.listeners[region], &App::sample());
        assert_eq!(client.ask_code(For::Register, phone).status, 202);
        let code = self.gateway.code(&format!("+86{phone}"));
        let registered = client.register(phone, &code, PASSWORD);
        assert_eq!(registered.status, 201, "{registered:?}");
    }

    fn client(&self, dialect: &'static str, region: usize) -> Client {
        Client::new(dialect, self.listeners[region], &App::sample())
    }

    /// Moves an account from one region's database to another's, as its operator would.
    fn move_account(&self, phone: &str, from: &str, to: &str) {
        let data = self.house.directory().join("data");
        let database = |region: &str| match region {
            "cn" => data.join("accounts.db"),
            _ => data.join(region).join("accounts.db"),
        };
        let path = |region: &str| database(region).display().to_string();
        let connection = Connection::open(database(from)).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection.execute("ATTACH ?1 AS there", [path(to)]).unwrap();
        let number = format!("+86{phone}");
        let columns =
            "username, username_key, phone, email, email_key, password, nickname, created_at, updated_at";
        let account = |table: &str| -> i64 {
            let sql = format!("SELECT id FROM {table} WHERE phone = ?1");
            connection.query_row(&sql, [&number], |row| row.get(0)).unwrap()
        };
        let before = account("main.accounts");
        let copy = format!(
            "INSERT INTO there.accounts ({columns}) SELECT {columns} FROM main.accounts WHERE phone = ?1"
        );
        connection.execute(&copy, [&number]).unwrap();
        let after = account("there.accounts");
        connection.execute("DELETE FROM main.sessions WHERE account = ?1", [before]).unwrap();
        connection.execute("DELETE FROM main.accounts WHERE phone = ?1", [&number]).unwrap();
        let residents = Connection::open(data.join("residents.db")).unwrap();
        let sql = "UPDATE residents SET region = ?1, account = ?2 WHERE region = ?3 AND account = ?4";
        assert!(residents.execute(sql, (to, after, from, before)).unwrap() > 0);
    }

    /// The value of a metric; zero where it was never counted.
    fn count(&self, series: &str) -> u64 {
        count(&self.gateway, series)
    }
}

fn listening(gateway: &Gateway) -> Vec<SocketAddr> {
    let printed = gateway.printed();
    let addresses = printed.lines().filter_map(|line| line.split_once("listening http "));
    addresses.map(|(_, address)| address.trim().parse().unwrap()).collect()
}

fn count(gateway: &Gateway, series: &str) -> u64 {
    let metrics = gateway.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

fn routed(region: &str, by: &str) -> String {
    format!("dragoman_region_routed_total{{by=\"{by}\",region=\"{region}\"}}")
}

fn hops(region: &str) -> String {
    format!("dragoman_region_hops_total{{region=\"{region}\"}}")
}

#[test]
fn clients_that_know_nothing_of_regions_log_in_from_the_wrong_one_and_stay_logged_in() {
    let regions = Regions::start(&App::sample());
    for (number, dialect) in UNAWARE.into_iter().enumerate() {
        let phone = format!("1380013870{number}");
        regions.register(0, &phone);
        let mut client = regions.client(dialect, 1);
        let before = (regions.count(&hops("cn")), regions.count(&routed("cn", "learned")));
        let answer = client.login(&phone, PASSWORD);
        assert!(client.is_good(&answer), "{dialect}: {answer:?}");
        wait_until("the hop is counted", || regions.count(&hops("cn")) == before.0 + 1);
        // The session works at the listener where it was opened.
        let me = client.me().unwrap();
        assert!(client.is_good(&me), "{dialect}: {me:?}");
        if let Some(refreshed) = client.refresh() {
            assert!(client.is_good(&refreshed), "{dialect}: {refreshed:?}");
            assert!(client.is_good(&client.me().unwrap()), "{dialect}");
        }
        if let Some(gone) = client.log_out() {
            assert!(client.is_good(&gone), "{dialect}: {gone:?}");
            assert!(!client.is_good(&client.me().unwrap()), "{dialect}");
        }
        // The second time goes straight.
        assert!(client.logs_in(&phone, PASSWORD), "{dialect}");
        wait_until("the straight way is counted", || regions.count(&routed("cn", "learned")) == before.1 + 1);
        assert_eq!(regions.count(&hops("cn")), before.0 + 1, "{dialect}");
        // A wrong password is wrong everywhere.
        assert!(!client.logs_in(&phone, "another-password"), "{dialect}");
    }
    assert_eq!(regions.count("dragoman_region_disagreements_total{region=\"cn\"}"), 0);
}

#[test]
fn an_account_that_moved_corrects_itself() {
    let regions = Regions::start(&App::sample());
    let phone = "13800138711";
    regions.register(0, phone);
    let mut client = regions.client("shopxo", 1);
    assert!(client.logs_in(phone, PASSWORD));
    regions.move_account(phone, "cn", "us");
    // cn was learned and names us; from then on us is asked at once.
    assert!(client.logs_in(phone, PASSWORD));
    assert!(client.is_good(&client.me().unwrap()));
    wait_until("the hop is counted", || regions.count(&hops("us")) == 1);
    assert!(client.logs_in(phone, PASSWORD));
    wait_until("the straight way is counted", || regions.count(&routed("us", "learned")) == 1);
    // It comes home to where the client is.
    regions.move_account(phone, "us", "eu");
    assert!(client.logs_in(phone, PASSWORD));
    wait_until("the hop is counted", || regions.count(&hops("eu")) == 1);
    assert!(client.logs_in(phone, PASSWORD));
    assert_eq!(regions.count(&routed("us", "learned")), 2);
}

#[test]
fn third_party_clients_log_in_from_the_wrong_region_by_being_told() {
    for client in [&EWELINK_API, &SONOFF_PYTHON] {
        let app = client.app();
        let regions = Regions::start(&app);
        let phone = "+8613800138721";
        regions.register(1, "13800138721");
        let url = |region: usize| format!("http://{}", regions.listeners[region]);
        let input = json!({"base_url": url(0), "base_urls": {"cn": url(0), "eu": url(1), "us": url(2)},
                           "region": "cn", "phone": phone, "password": PASSWORD});
        let answer = client.login(&input);
        assert_eq!(answer["outcome"], "logged_in", "{}: {answer}", client.name);
        assert_eq!(answer["asked"], json!(["cn", "eu"]), "{}", client.name);
        assert_eq!(regions.count(&hops("eu")), 0, "{} was told", client.name);
    }
}

#[test]
fn a_name_is_free_in_all_regions_or_in_none() {
    let app = App::sample();
    let regions = Regions::start(&app);
    regions.register(2, "13800138731");
    // A code for it is refused before any is sent: to register it, or to log in with it here.
    let mut client = regions.client("canonical", 0);
    let taken = client.ask_code(For::Register, "13800138731");
    assert_eq!(taken.json()["code"], "account_exists", "{taken:?}");
    let elsewhere = client.ask_code(For::Reset, "13800138731");
    assert_eq!(
        (&elsewhere.json()["code"], &elsewhere.json()["region"]),
        (&json!("wrong_region"), &json!("us"))
    );
    // Bare names too.
    let mut client = regions.client("shopxo", 1);
    let named = client.register_name("anna_of_eu", PASSWORD);
    assert!(client.is_good(&named), "{named:?}");
    let mut other = regions.client("shopxo", 0);
    let named = other.register_name("anna_of_eu", PASSWORD);
    assert_eq!(named.json()["code"], -3, "{named:?}");
    assert!(other.logs_in("anna_of_eu", PASSWORD));
    // A coolkit client is told each other region and never its own.
    let gateway = &regions.gateway;
    register(gateway, &app, "+8613800138732", PASSWORD);
    let mut coolkit = regions.client("coolkit", 2);
    let answer = coolkit.login("13800138732", PASSWORD).json();
    assert_eq!((&answer["error"], &answer["region"]), (&json!(301), &json!("cn")));
}

/// A gateway of cn whose backend says that everybody lives in eu, in front of that one's.
fn between(home: &FaultyUpstream, eu: &FaultyUpstream) -> House {
    let region = format!(
        "[region]\n[[region.table]]\nname = \"cn\"\n[[region.table]]\nname = \"eu\"\n\
         upstream = {{ kind = \"http\", dialect = \"canonical\", addresses = [\"{}\"] }}\n\
         [[pass_through]]\nprefix = \"/goods\"\n",
        eu.address
    );
    House::in_front_of(home.address, &[&App::sample()])
        .for_clients_of(&["discuzq", "shopxo", "coolkit"])
        .with(&region)
}

fn wrong_region(name: &str) -> FaultyUpstream {
    let body = json!({"code": "wrong_region", "status": 421, "region": name}).to_string();
    let head = "HTTP/1.1 421 Misdirected Request\r\nContent-Type: application/problem+json\r\nContent-Length";
    FaultyUpstream::start(Fault::Ends(format!("{head}: {}\r\n\r\n{body}", body.len()).into_bytes()))
}

#[test]
fn two_processes_on_one_redis_share_the_regions_of_sessions() {
    let redis = RedisServer::start();
    let (home, eu) = (wrong_region("eu"), FaultyUpstream::start(Fault::Ends(signed_in("+8613800138741"))));
    let start = || between(&home, &eu).sharing(redis.url()).start();
    let (one, two) = (start(), start());
    let app = App::sample();
    let mut client = Client::new("shopxo", one.http, &app);
    assert!(client.logs_in("13800138741", PASSWORD));
    assert_eq!((home.requests(), eu.requests()), (1, 1));
    // The other process never saw the login.
    client.address = two.http;
    assert!(client.is_good(&client.me().unwrap()));
    assert_eq!((home.requests(), eu.requests()), (1, 2));
    // A token that nobody remembers is shown at home first.
    client.token = Some("0123456789abcdef0123456789abcdef".to_owned());
    client.me();
    assert_eq!(home.requests(), 2);
}

#[test]
fn what_passes_through_goes_where_its_session_is() {
    let (home, eu) = (wrong_region("eu"), FaultyUpstream::start(Fault::Ends(signed_in("+8613800138751"))));
    let gateway = between(&home, &eu).start();
    let mut client = Client::new("discuzq", gateway.http, &App::sample());
    assert!(client.logs_in("13800138751", PASSWORD));
    let before = (home.requests(), eu.requests());
    let bearer = format!("Bearer {}", client.token.clone().unwrap());
    assert_eq!(client.send("GET", "/goods/1", &[("Authorization", &bearer)], "").status, 201);
    assert_eq!((home.requests(), eu.requests()), (before.0, before.1 + 1));
    for fields in [&[("Authorization", "Bearer of-somebody-else")][..], &[]] {
        let requests = home.requests();
        assert_eq!(client.send("GET", "/goods/1", fields, "").status, 421);
        assert_eq!((home.requests(), eu.requests()), (requests + 1, before.1 + 1));
    }
}

#[test]
fn a_coolkit_backend_of_the_second_region_sees_that_regions_own_app() {
    // It checks every signature, and knows no other app than this one.
    let options = ["--appid", "the-gateway-in-eu", "--secret", "the-secret-of-the-gateway-in-eu"];
    let eu = LegacyServer::start("coolkit", &options);
    let home = wrong_region("eu");
    let table = format!(
        "[region]\n[[region.table]]\nname = \"cn\"\n[[region.table]]\nname = \"eu\"\n\
         upstream = {{ kind = \"http\", dialect = \"coolkit\", addresses = [\"{}\"], \
         app = {{ id = \"the-gateway-in-eu\", secret = \"the-secret-of-the-gateway-in-eu\" }} }}\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\nregion = \"eu\"\nunsigned = [\"canonical\"]\n",
        eu.address
    );
    let gateway = House::in_front_of(home.address, &[&App::sample()])
        .for_clients_of(&["qingzhenyun", "discuzq", "shopxo", "coolkit"])
        .with(&table)
        .start();
    let there = listening(&gateway)[1];
    for (number, dialect) in UNAWARE.into_iter().enumerate() {
        let phone = format!("1380013878{number}");
        let mut local = Client::new("canonical", there, &App::sample());
        assert_eq!(local.ask_code(For::Register, &phone).status, 202);
        let registered = local.register(&phone, &eu.code(&format!("+86{phone}")), PASSWORD);
        assert_eq!(registered.status, 201, "{registered:?}");
        let before = home.requests();
        let mut client = Client::new(dialect, gateway.http, &App::sample());
        assert!(client.logs_in(&phone, PASSWORD), "{dialect}");
        assert!(!client.logs_in(&phone, "another-password"), "{dialect}");
        // The second login went straight there.
        assert_eq!(home.requests(), before + 1, "{dialect}");
    }
}

#[test]
fn nothing_that_an_answer_names_is_ever_connected_to() {
    // Whoever listens here must never hear anything: its address stands in answers only.
    let trap = FaultyUpstream::start(Fault::Ends(signed_in("+8613800138761")));
    let eu = FaultyUpstream::start(Fault::Ends(signed_in("+8613800138761")));
    let named = [
        format!("http://{}/", trap.address),
        trap.address.to_string(),
        "http://169.254.169.254/".to_owned(),
        "../".to_owned(),
        "mars".to_owned(),
        "cn".to_owned(),
    ];
    let redirects = named.iter().flat_map(|location| {
        ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"]
            .map(|status| format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
    });
    let redirects = redirects.map(|answer| FaultyUpstream::start(Fault::Ends(answer.into_bytes())));
    for home in named.iter().map(|name| wrong_region(name)).chain(redirects) {
        let gateway = between(&home, &eu).start();
        let mut client = Client::new("shopxo", gateway.http, &App::sample());
        let answer = client.login("13800138761", PASSWORD);
        assert_eq!((answer.status, &answer.json()["code"]), (200, &json!(-500)), "{answer:?}");
        assert_eq!((home.requests(), eu.requests(), trap.requests()), (1, 0, 0));
    }
}

#[test]
fn a_reload_takes_another_regions_backend() {
    let (home, old) = (wrong_region("eu"), FaultyUpstream::start(Fault::Ends(signed_in("+8613800138771"))));
    let new = FaultyUpstream::start(Fault::Ends(signed_in("+8613800138771")));
    let mut house = between(&home, &old);
    let gateway = house.start();
    let mut client = Client::new("shopxo", gateway.http, &App::sample());
    assert!(client.logs_in("13800138771", PASSWORD));
    house.change(&old.address.to_string(), &new.address.to_string());
    assert!(gateway.reload());
    assert!(client.is_good(&client.me().unwrap()));
    assert_eq!((old.requests(), new.requests()), (1, 1));
    house.change("[region]\n", "[region]\nmode = \"tell\"\n");
    assert!(gateway.reload());
    assert!(!client.logs_in("13800138771", PASSWORD));
    assert_eq!((old.requests(), new.requests()), (1, 1));
    assert_eq!(http::get(gateway.admin(), "/readyz").status, 200);
}
