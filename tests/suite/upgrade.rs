//! One gateway takes over from another while clients are connected.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::coolkit::{App, assert_error, call, is_session, login, refresh, register};
use crate::support::gateway::{Gateway, House};
use crate::support::http::{Connection, field};
use crate::support::redis::{RedisServer, wait_until};
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

const LOGIN: &str = "/api/user/login";
const PHONE: &str = "+8613800138901";

/// A backend to whom everybody is welcome.
fn backend() -> FaultyUpstream {
    FaultyUpstream::start(Fault::Stalls(signed_in(PHONE)))
}

fn request(app: &App) -> Vec<u8> {
    app.post(LOGIN, app.body(login(PHONE, "secret")).as_bytes())
}

/// Starts a gateway that lets the test talk to it for as long as it likes after an upgrade.
fn start(house: &mut House, app: &App) -> Gateway {
    house.change("drain_delay = \"0s\"", "drain_delay = \"60s\"");
    let gateway = house.start();
    // A new server of Redis is not believed for its first second.
    wait_until("signed calls pass", || {
        is_session(&Connection::open(gateway.http).exchange(&request(app)).json())
    });
    gateway
}

/// Both processes serve, and neither takes what the other took.
fn each_request_passes_once(mut house: House, app: &App, backend: &FaultyUpstream) {
    let mut old = start(&mut house, app);
    let address = old.http;
    let passed = backend.requests();
    let (mut kept, mut idle) = (Connection::open(address), Connection::open(address));
    let before = request(app);
    assert!(is_session(&kept.exchange(&before).json()));
    idle.get("/v1/region");

    let new = house.upgrade();
    assert_eq!((new.http, new.admin()), (address, old.admin()));
    // The old process ends the connection, but not before it has answered.
    let between = request(app);
    let answer = kept.exchange(&between);
    assert!(is_session(&answer.json()), "{answer:?}");
    assert_eq!(field(&answer.head, "connection"), Some("close"));
    assert_error(&idle.exchange(&before), 406, "the old process, of what it took itself");
    let mut fresh = Connection::open(address);
    assert_error(&fresh.exchange(&before), 406, "the new process, of what the old one took before");
    assert_error(&fresh.exchange(&between), 406, "the new process, of what the old one took since");
    let answer = fresh.exchange(&request(app));
    assert!(is_session(&answer.json()), "{answer:?}");
    assert_eq!(field(&answer.head, "connection"), Some("keep-alive"));

    // It ends with its last connection, long before the drain delay is over.
    assert!(old.wait().success(), "{}", old.printed());
    assert_error(&Connection::open(address).exchange(&between), 406, "the old process is gone");
    assert!(is_session(&call(address, app, LOGIN, login(PHONE, "secret"))));
    assert_eq!(backend.requests() - passed, 4);
}

#[test]
fn an_upgrade_keeps_connections_and_the_memory_of_this_process() {
    let (app, backend) = (App::sample(), backend());
    each_request_passes_once(House::in_front_of(backend.address, &[&app]), &app, &backend);
}

#[test]
fn an_upgrade_keeps_connections_beside_a_shared_memory() {
    let redis = RedisServer::start();
    let (app, backend) = (App::sample(), backend());
    let house = House::in_front_of(backend.address, &[&app]).sharing(redis.url());
    each_request_passes_once(house, &app, &backend);
}

#[test]
fn what_the_new_process_took_the_old_one_refuses_and_without_it_everything_signed() {
    let (app, backend) = (App::sample(), backend());
    let mut house = House::in_front_of(backend.address, &[&app]);
    let old = start(&mut house, &app);
    let mut connections: Vec<_> = (0..2).map(|_| Connection::open(old.http)).collect();
    for connection in &mut connections {
        connection.get("/v1/region");
    }
    let mut new = house.upgrade();
    let taken = request(&app);
    assert!(is_session(&Connection::open(new.http).exchange(&taken).json()));
    assert_error(&connections[0].exchange(&taken), 406, "what the new process took");
    new.crash();
    let answer = connections[1].exchange(&request(&app));
    assert_error(&answer, 500, "nobody knows what the new process took");
    // A start after the crash knows both.
    drop(connections);
    drop(old);
    let again = house.start();
    assert_error(&Connection::open(again.http).exchange(&taken), 406, "after a crash");
}

#[test]
fn the_next_upgrade_may_come_while_the_process_before_still_serves() {
    let (app, backend) = (App::sample(), backend());
    let mut house = House::in_front_of(backend.address, &[&app]);
    let first = start(&mut house, &app);
    let mut of_first = Connection::open(first.http);
    of_first.get("/v1/region");
    let second = house.upgrade();
    let mut of_second = Connection::open(first.http);
    of_second.get("/v1/region");
    let third = house.upgrade();
    let taken = request(&app);
    assert!(is_session(&Connection::open(third.http).exchange(&taken).json()));
    assert_error(&of_second.exchange(&taken), 406, "asked the third");
    assert_error(&of_first.exchange(&taken), 406, "asked the second, which asked the third");
    assert_eq!(second.http, third.http);
}

#[test]
fn listeners_may_change_with_an_upgrade() {
    let (app, backend) = (App::sample(), backend());
    let mut house = House::in_front_of(backend.address, &[&app])
        .with("[[listener]]\naddress = \"[::1]:0\"\ndialects = [\"coolkit\"]\n");
    let old = house.start();
    let printed = old.printed();
    let second = printed.lines().find_map(|line| line.strip_prefix("listening http [::1]:")).unwrap();
    let second: SocketAddr = format!("[::1]:{second}").parse().unwrap();
    assert!(TcpStream::connect(second).is_ok());
    house.change("[::1]:0", "127.0.0.2:0");
    let new = house.upgrade();
    assert_eq!(new.http, old.http);
    assert!(new.printed().contains("listening http 127.0.0.2:"), "{}", new.printed());
    drop(old);
    assert!(TcpStream::connect(second).is_err(), "nobody is to wait at a listener that is gone");
    assert!(is_session(&call(new.http, &app, LOGIN, login(PHONE, "secret"))));
}

#[test]
fn accounts_codes_and_limits_of_the_embedded_backend_outlive_an_upgrade() {
    let app = App::sample();
    let mut house = House::embedded(&[&app]);
    house.change("drain_delay = \"0s\"", "drain_delay = \"60s\"");
    let old = house.start();
    let registered = register(&old, &app, PHONE, "a-fine-password");
    let mut kept: Vec<_> = (0..2).map(|_| Connection::open(old.http)).collect();
    kept.iter_mut().for_each(|connection| drop(connection.get("/v1/region")));

    let new = house.upgrade();
    let renewed = refresh(new.http, &app, registered["rt"].as_str().unwrap());
    assert!(renewed["at"].is_string(), "{renewed}");
    assert!(is_session(&call(new.http, &app, LOGIN, login(PHONE, "a-fine-password"))));
    let ask =
        |kind: &str, to: &str| app.post("/api/sms", app.body(json!({"sendType": kind, "to": to})).as_bytes());
    let answer = Connection::open(new.http).exchange(&ask("1", PHONE));
    assert_ne!(answer.json(), json!({"error": 0}), "the code of before the upgrade counts");
    // The old process sends a code, and the new one knows of it.
    let other = "+8613800138902";
    assert_eq!(kept[0].exchange(&ask("0", other)).json(), json!({"error": 0}));
    let code = new.code(other);
    assert_ne!(Connection::open(new.http).exchange(&ask("0", other)).json(), json!({"error": 0}));
    let members = json!({"phoneNumber": other, "verificationCode": code, "password": "a-fine-password"});
    let request = app.post("/api/user/register", app.body(members).as_bytes());
    assert!(is_session(&kept[1].exchange(&request).json()));
    assert!(is_session(&call(new.http, &app, LOGIN, login(other, "a-fine-password"))));
}

#[test]
fn a_failed_upgrade_leaves_the_old_process_as_it_was() {
    let (app, backend) = (App::sample(), backend());
    let mut house = House::in_front_of(backend.address, &[&app]);
    let old = start(&mut house, &app);
    let taken = request(&app);
    let mut kept = Connection::open(old.http);
    assert!(is_session(&kept.exchange(&taken).json()));
    let fails = |house: &House| {
        let output = house.command().arg("--upgrade").output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    house.change("[limits]", "[limits]\nno_such_key = 1");
    assert!(fails(&house).contains("no_such_key"));
    let data = format!("{:?}", house.data());
    let other = format!("{:?}", house.data().with_file_name("other"));
    let socket = house.data().join("upgrade.sock");
    house.change("\nno_such_key = 1", "");
    house.change(&data, &format!("{other}\nupgrade_socket = {socket:?}"));
    assert!(fails(&house).contains("`data_dir` differs"));
    wait_until("the old process tells of it", || {
        old.printed().contains("the upgrade failed, this process serves on")
    });
    house.change(&format!("{other}\nupgrade_socket = {socket:?}"), &data);
    let mut elsewhere = house.command();
    let missing = elsewhere.arg("--upgrade").env("DRAGOMAN_DATA_DIR", house.data().with_file_name("none"));
    let said = String::from_utf8(missing.output().unwrap().stderr).unwrap();
    assert!(said.contains("no gateway hands over at"), "{said}");

    let answer = kept.exchange(&request(&app));
    assert!(is_session(&answer.json()), "{answer:?}");
    assert_eq!(field(&answer.head, "connection"), Some("keep-alive"));
    assert_error(&Connection::open(old.http).exchange(&taken), 406, "a replay");
    let new = house.upgrade();
    assert_error(&Connection::open(new.http).exchange(&taken), 406, "a replay after a good upgrade");
}

#[test]
fn a_signal_starts_the_program_anew_and_the_service_manager_learns_which_process_serves() {
    let (app, backend) = (App::sample(), backend());
    let mut house = House::in_front_of(backend.address, &[&app]);
    house.change("drain_delay = \"0s\"", "drain_delay = \"60s\"");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let heard = || {
        let mut buffer = [0; 512];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut old = house.start_with(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    assert!(heard().starts_with("READY=1"));
    let taken = request(&app);
    let mut kept = Connection::open(old.http);
    assert!(is_session(&kept.exchange(&taken).json()));

    // One that can't start changes nothing.
    house.change("[limits]", "[limits]\nno_such_key = 1");
    old.signal("USR2");
    wait_until("the new process has ended", || old.printed().contains("the new process has ended"));
    assert!(old.printed().contains("no_such_key"), "{}", old.printed());
    house.change("\nno_such_key = 1", "");
    assert_error(&kept.exchange(&taken), 406, "a replay");

    old.signal("USR2");
    let told = heard();
    let process = told.strip_prefix("MAINPID=").unwrap_or_else(|| panic!("{told}"));
    let process = Process(process.lines().next().unwrap().to_owned());
    assert_ne!(process.0, old.process());
    assert!(heard().starts_with("READY=1"));
    assert_error(&Connection::open(old.http).exchange(&taken), 406, "a replay at the new process");
    assert!(is_session(&call(old.http, &app, LOGIN, login(PHONE, "secret"))));
    // It ends with its last connection. Its streams stay open: the new process writes to them.
    assert_error(&kept.exchange(&taken), 406, "a replay at the old process");
    assert!(old.wait_alone().success());
    process.signal("TERM");
    process.signal("TERM");
    assert!(heard().starts_with("STOPPING=1"), "the old process must not say that the service stops");
    old.wait_for_streams();
}

/// A process that another one started.
struct Process(String);

impl Process {
    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} \"$0\"");
        assert!(Command::new("sh").args(["-c", &kill, &self.0]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.signal("KILL");
        }
    }
}
