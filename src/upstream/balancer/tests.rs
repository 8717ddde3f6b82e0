//! Whose turn it is, without a socket.

use std::time::Duration;

use super::*;
use crate::config::{Ejection, Policy};

fn balancer(ports: &[u16], policy: Policy) -> Balancer {
    let addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut settings = HttpUpstream::new("canonical", &addresses, "backend.example");
    settings.balancing.policy = policy;
    settings.balancing.ejection =
        Some(Ejection { failures: 2, first: Duration::from_secs(10), longest: Duration::from_secs(60) });
    Balancer::new(&settings, RegionFigures::unseen().unwrap())
}

fn port(lease: Option<Lease>) -> Option<u16> {
    lease.map(|lease| lease.address().port())
}

fn ports(balancer: &Balancer, calls: usize) -> Vec<u16> {
    (0..calls).map(|_| port(balancer.pick(&[])).unwrap()).collect()
}

/// Has calls at this port fail until it would be ejected.
fn fail(balancer: &Balancer, wanted: u16) {
    for _ in 0..2 {
        let all = balancer.all();
        let lease = all.iter().find(|lease| lease.address().port() == wanted).unwrap();
        balancer.failed(lease, FailureKind::ConnectFailed);
    }
}

#[tokio::test]
async fn addresses_take_turns() {
    let balancer = balancer(&[1, 2, 3], Policy::RoundRobin);
    assert_eq!(ports(&balancer, 6), [1, 2, 3, 1, 2, 3]);
    let tried = [SocketAddr::from(([127, 0, 0, 1], 1)), SocketAddr::from(([127, 0, 0, 1], 3))];
    assert_eq!(port(balancer.pick(&tried)), Some(2));
    assert!(
        balancer.has_other(&tried) && !balancer.has_other(&[tried[0], tried[1], ([127, 0, 0, 1], 2).into()])
    );
}

#[tokio::test]
async fn the_address_with_the_fewest_calls_under_way_is_next() {
    let balancer = balancer(&[1, 2, 3], Policy::LeastConnections);
    let mut held: Vec<Lease> = (0..3).map(|_| balancer.pick(&[]).unwrap()).collect();
    let mut taken: Vec<u16> = held.iter().map(|lease| lease.address().port()).collect();
    taken.sort_unstable();
    assert_eq!(taken, [1, 2, 3]);
    let free = held.swap_remove(1).address().port();
    assert_eq!(port(balancer.pick(&[])), Some(free));
    assert_eq!(port(balancer.pick(&[])), Some(free));
}

#[tokio::test(start_paused = true)]
async fn an_ejected_address_gets_no_calls_until_its_time_is_up() {
    let balancer = balancer(&[1, 2, 3], Policy::RoundRobin);
    fail(&balancer, 2);
    let mut taken = ports(&balancer, 6);
    taken.sort_unstable();
    assert_eq!(taken, [1, 1, 1, 3, 3, 3], "the others share its calls");
    tokio::time::advance(Duration::from_secs(10)).await;
    let held: Vec<Lease> = (0..9).map(|_| balancer.pick(&[]).unwrap()).collect();
    let back = held.iter().filter(|lease| lease.address().port() == 2).count();
    assert_eq!(back, 1, "one call at a time at first");
}

#[tokio::test]
async fn at_most_half_are_ejected_and_those_are_tried_last() {
    let balancer = balancer(&[1, 2, 3, 4, 5], Policy::RoundRobin);
    for port in 1..=5 {
        fail(&balancer, port);
    }
    let taken = ports(&balancer, 30);
    assert!([3, 4, 5].iter().all(|port| taken.contains(port)) && !taken.contains(&1) && !taken.contains(&2));
    let mut tried = Vec::new();
    while let Some(lease) = balancer.pick(&tried) {
        tried.push(lease.address());
    }
    let order: Vec<u16> = tried.iter().map(SocketAddr::port).collect();
    assert_eq!(order.len(), 5);
    assert!(order[3..].iter().all(|port| [1, 2].contains(port)), "{order:?}");
}

#[tokio::test]
async fn a_lone_address_is_never_ejected() {
    let balancer = balancer(&[1], Policy::RoundRobin);
    fail(&balancer, 1);
    fail(&balancer, 1);
    assert_eq!(ports(&balancer, 2), [1, 1]);
}

#[tokio::test]
async fn only_failures_of_the_connection_count() {
    for kind in FailureKind::ALL {
        let balancer = balancer(&[1, 2], Policy::RoundRobin);
        for _ in 0..5 {
            balancer.failed(&balancer.all()[0], *kind);
        }
        let harmless = matches!(kind, FailureKind::Malformed | FailureKind::TooLarge | FailureKind::Busy);
        assert_eq!(ports(&balancer, 4).contains(&1), harmless, "{kind:?}");
    }
}
