//! SIGHUP: the config changes between two requests, and none of them notices.

use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::coolkit::{App, assert_error, call, is_session, login};
use crate::support::gateway::House;
use crate::support::http::Connection;
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

const LOGIN: &str = "/api/user/login";
const PHONE: &str = "+8613800138801";

/// A backend to whom everybody is welcome.
fn backend() -> FaultyUpstream {
    FaultyUpstream::start(Fault::Stalls(signed_in(PHONE)))
}

fn app_entry(app: &App) -> String {
    format!("\n[[app]]\nid = {:?}\nsecrets = [{:?}]\n", app.id, app.secret)
}

#[test]
fn twenty_reloads_five_of_them_broken_fail_no_request_of_a_steady_load() {
    let app = App::sample();
    let (first, second) = (backend(), backend());
    let mut house = House::in_front_of(first.address, &[&app]);
    let gateway = house.start();
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut taken = Vec::new();
    thread::scope(|scope| {
        for keeps_its_connection in [true, true, false] {
            let (stop, answered, app, address) = (&stop, &answered, &app, gateway.http);
            scope.spawn(move || {
                let mut connection = Connection::open(address);
                while !stop.load(Ordering::SeqCst) {
                    if !keeps_its_connection {
                        connection = Connection::open(address);
                    }
                    let request = app.post(LOGIN, app.body(login(PHONE, "secret")).as_bytes());
                    let answer = connection.exchange(&request).json();
                    assert!(is_session(&answer), "{answer}");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let mut upstreams = [first.address.to_string(), second.address.to_string()];
        for round in 0..20 {
            // Some requests in between, so that each reload meets a load.
            let goal = answered.load(Ordering::SeqCst) + 10;
            let deadline = Instant::now() + Duration::from_secs(30);
            while answered.load(Ordering::SeqCst) < goal && Instant::now() < deadline {
                thread::yield_now();
            }
            if round % 4 == 3 {
                house.change("[limits]", "[limits]\nno_such_key = 1");
                taken.push(gateway.reload());
                house.change("\nno_such_key = 1", "");
            } else {
                house.change(&upstreams[0], &upstreams[1]);
                upstreams.reverse();
                taken.push(gateway.reload());
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    let expected: Vec<bool> = (0..20).map(|round| round % 4 != 3).collect();
    assert_eq!(taken, expected);
    let answered = answered.load(Ordering::SeqCst);
    assert!(answered >= 200, "{answered}");
    assert_eq!(first.requests() + second.requests(), answered);
    assert!(first.requests() > 0 && second.requests() > 0);
    let refused = gateway.metrics().lines().any(|line| line.starts_with("dragoman_refusals_total{"));
    assert!(!refused, "{}", gateway.metrics());
}

#[test]
fn a_replay_across_a_reload_is_refused_and_what_the_file_says_takes_effect() {
    let app = App::sample();
    let (first, second) = (backend(), backend());
    let mut house = House::in_front_of(first.address, &[&app]);
    let gateway = house.start();
    let mut kept = Connection::open(gateway.http);
    let accepted = app.post(LOGIN, app.body(login(PHONE, "secret")).as_bytes());
    assert!(is_session(&kept.exchange(&accepted).json()));
    let hash = |metrics: String| {
        let line = metrics.lines().find(|line| line.starts_with("dragoman_config_info{")).unwrap().to_owned();
        assert_eq!(metrics.matches("\ndragoman_config_info{").count(), 1);
        line
    };
    let hash_before = hash(gateway.metrics());

    let newcomer = App::new("NewApp", "s3cr3t-of-the-new-app");
    assert_eq!(call(gateway.http, &newcomer, LOGIN, login(PHONE, "secret"))["error"], 406);
    house.append(&app_entry(&newcomer));
    house.change(&first.address.to_string(), &second.address.to_string());
    house.change("[limits]", "[limits]\nbody_size = \"1KiB\"");
    house.change("127.0.0.1:0\"\ndialects", "127.0.0.1:1\"\ndialects");
    assert!(gateway.reload());

    assert_error(&kept.exchange(&accepted), 406, "a replay on the connection that saw it");
    assert_error(&Connection::open(gateway.http).exchange(&accepted), 406, "a replay");
    assert_eq!((first.requests(), second.requests()), (1, 0));
    assert!(is_session(&call(gateway.http, &newcomer, LOGIN, login(PHONE, "secret"))));
    assert_eq!((first.requests(), second.requests()), (1, 1));
    let long = app.post(LOGIN, app.body(login(PHONE, &"x".repeat(1500))).as_bytes());
    assert_error(&kept.exchange(&long), 400, "the new limit on the old connection");
    assert_ne!(hash(gateway.metrics()), hash_before);
    let printed = gateway.printed();
    for part in ["app \"NewApp\" (added)", "upstream.addresses", "limits.body_size", "listener.address"] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    assert!(!printed.contains("s3cr3t"), "{printed}");
}

#[test]
fn a_reload_warns_of_a_weaker_guard_and_of_what_needs_a_restart_and_shows_no_value() {
    let app = App::sample();
    let mut house = House::in_front_of(backend().address, &[&app]);
    let gateway = house.start();
    house.change("replay = \"enforce\"", "replay = \"report\"");
    house.change("drain_delay = \"0s\"", "drain_delay = \"4321ms\"");
    assert!(gateway.reload());
    let printed = gateway.printed();
    let told = |text: &str, key: &str| printed.lines().any(|line| line.contains(text) && line.contains(key));
    assert!(told("a guard is weaker than before", "replay"), "{printed}");
    assert!(told("this one needs a restart", "shutdown"), "{printed}");
    assert!(!printed.contains("4321ms"), "{printed}");
}

#[test]
fn a_broken_file_changes_nothing_and_is_told() {
    let app = App::sample();
    let backend = backend();
    let mut house = House::in_front_of(backend.address, &[&app]);
    let gateway = house.start();
    let newcomer = App::new("NewApp", "s3cr3t-of-the-new-app");
    house.append(&app_entry(&newcomer));
    house.append("signature = \"sometimes\"\n");
    assert!(!gateway.reload());
    assert_eq!(call(gateway.http, &newcomer, LOGIN, login(PHONE, "secret"))["error"], 406);
    assert!(is_session(&call(gateway.http, &app, LOGIN, login(PHONE, "secret"))));
    let metrics = gateway.metrics();
    for line in
        ["dragoman_config_last_reload_successful 0", "dragoman_config_reloads_total{result=\"failure\"} 1"]
    {
        assert!(metrics.lines().any(|other| other == line), "{line} in {metrics}");
    }
    let printed = gateway.printed();
    assert!(printed.contains("dragoman.toml:") && printed.contains("sometimes"), "{printed}");
    house.change("sometimes", "enforce");
    assert!(gateway.reload());
    assert!(is_session(&call(gateway.http, &newcomer, LOGIN, login(PHONE, "secret"))));
    assert!(gateway.metrics().contains("\ndragoman_config_last_reload_successful 1\n"));
}

#[test]
fn the_service_manager_learns_of_the_start_a_reload_and_the_stop() {
    let app = App::sample();
    let backend = backend();
    let house = House::in_front_of(backend.address, &[&app]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut gateway = house.start_with(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    let heard = || {
        let mut buffer = [0; 512];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(heard().starts_with("READY=1"));
    assert!(gateway.reload());
    assert!(heard().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert!(heard().starts_with("READY=1"));
    let (status, _) = gateway.interrupt();
    assert!(status.success());
    assert!(heard().starts_with("STOPPING=1"));
}
