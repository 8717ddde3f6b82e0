//! Reloads, an upgrade, and a stop with a restart, under a steady load: no request fails, and no
//! signed one passes twice.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::support::clients::DIALECTS;
use crate::support::coolkit::App;
use crate::support::gateway::{Gateway, House};
use crate::support::load::Load;
use crate::support::redis::{RedisServer, wait_until};
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

/// For how many seconds the load lasts at its usual rate; DRAGOMAN_LOAD_SECONDS says otherwise.
const SECONDS: usize = 15;

const RELOADS: usize = 20;

fn seconds() -> usize {
    std::env::var("DRAGOMAN_LOAD_SECONDS").map_or(SECONDS, |seconds| seconds.parse().unwrap())
}

/// A listening socket that is held for whichever process serves, as systemd holds those of a socket
/// unit.
struct Held(TcpListener);

impl Held {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Starts a gateway with the socket as its first inherited descriptor.
    fn start(&self, house: &House) -> Gateway {
        let gateway = house.command();
        let mut command = Command::new("sh");
        command.arg("-c").arg("LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 0</dev/null");
        command.arg(gateway.get_program()).args(gateway.get_args());
        command.stdin(Stdio::from(OwnedFd::from(self.0.try_clone().unwrap())));
        house.spawn(command)
    }
}

/// The reload of this number: every fourth is of a broken file, the others change the backend.
fn reload(house: &mut House, gateway: &Gateway, upstreams: &mut [String; 2], number: usize) {
    if number % 4 == 3 {
        house.change("[limits]", "[limits]\nno_such_key = 1");
        assert!(!gateway.reload());
        house.change("\nno_such_key = 1", "");
    } else {
        house.change(&upstreams[0], &upstreams[1]);
        upstreams.reverse();
        assert!(gateway.reload());
    }
}

fn nothing_is_lost(share: impl Fn(House) -> House) {
    let app = App::sample();
    let backends = [0, 1].map(|_| FaultyUpstream::start(Fault::Stalls(signed_in("+8613800138001"))));
    let mut upstreams = backends.each_ref().map(|backend| backend.address.to_string());
    let held = Held::new();
    let mut house = share(House::in_front_of(backends[0].address, &[&app]).for_clients_of(&DIALECTS));
    house.change("127.0.0.1:0\"\ndialects", &format!("{}\"\ndialects", held.0.local_addr().unwrap()));
    house.change("drain_delay = \"0s\"", "drain_delay = \"1s\"");
    let mut gateway = held.start(&house);
    let mut before = crate::support::clients::Client::new("coolkit", gateway.http, &app);
    // A new server of Redis is not believed for its first second.
    wait_until("signed calls pass", || before.logs_in("13800138000", "a-fine-password"));

    let load = Load::new(gateway.http, &app, seconds());
    let took = load.run(|| {
        for number in 0..RELOADS {
            load.until(1000 * (number + 1) / (RELOADS + 2));
            reload(&mut house, &gateway, &mut upstreams, number);
            if number == RELOADS / 3 {
                let next = house.upgrade();
                assert!(gateway.wait().success(), "{}", gateway.printed());
                gateway = next;
            }
            if number == RELOADS * 2 / 3 {
                gateway.signal("TERM");
                assert!(gateway.wait().success(), "{}", gateway.printed());
                gateway = held.start(&house);
            }
        }
    });
    let figures = &load.figures;
    println!("{} requests in {took:?}: {figures:?}", load.requests());
    assert_eq!(figures.failed(), Vec::<String>::new());
    assert_eq!((figures.good(), figures.replays("passed")), (load.requests(), 0));
    assert!(figures.fewest_of_a_dialect() >= load.requests() / DIALECTS.len(), "{figures:?}");
    // Nearly all were refused for what they are; others met an instant in which nobody decided.
    assert!(figures.replays("refused") >= load.requests() / 20, "{figures:?}");
    assert!(figures.replays("by a process that drains") > 0, "{figures:?}");
    // What reached the backends is what passed, and nothing else.
    let delivered: usize = backends.iter().map(FaultyUpstream::requests).sum();
    assert!(delivered > load.requests(), "{delivered}");
}

#[test]
fn no_request_is_lost_and_none_passes_twice_with_the_memory_of_the_process() {
    nothing_is_lost(|house| house);
}

#[test]
fn no_request_is_lost_and_none_passes_twice_with_a_shared_memory() {
    let redis = RedisServer::start();
    nothing_is_lost(|house| house.sharing(redis.url()));
}
