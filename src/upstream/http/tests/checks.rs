//! Active health checks.

use super::raw::{Act, Raw};
use super::*;
use crate::config::{Balancing, HealthCheck};

fn checked(addresses: &[&str], figures: &Read) -> Arc<HttpBackend> {
    let health_check = HealthCheck {
        path: "/livez".to_owned(),
        interval: Duration::from_millis(20),
        timeout: Duration::from_secs(5),
        unhealthy: 2,
        healthy: 2,
    };
    let balancing = Balancing { ejection: None, health_check: Some(health_check), ..Balancing::default() };
    let settings = HttpUpstream { balancing, ..settings(addresses) };
    let backend = Arc::new(HttpBackend::counted(settings, figures.0.region("cn", addresses.len())).unwrap());
    backend.start_checks();
    backend
}

#[tokio::test]
async fn an_address_whose_checks_fail_gets_no_calls_until_they_are_good_again() {
    let (good, bad) =
        (Raw::start(HttpVersion::One, Act::Answer).await, Raw::start(HttpVersion::One, Act::Break).await);
    let (address, figures) = (bad.address, Read::new());
    let backend = checked(&[&good.text(), &bad.text()], &figures);
    wait_until("it is out", || figures.sum("dragoman_upstream_address_up", "1") < 1.0).await;
    assert_eq!(figures.sum("dragoman_upstream_ejections_total", "check"), 1.0);
    for _ in 0..20 {
        assert_eq!(backend.send(login(), far()).await.unwrap().status(), 201);
    }
    drop(bad);
    let mended = Raw::start_at(address, HttpVersion::One, Act::Answer).await;
    wait_until("it is back", || figures.sum("dragoman_upstream_address_up", "") > 1.0).await;
    let checks = mended.seen.deliveries();
    for _ in 0..80 {
        assert!(backend.send(login(), far()).await.is_ok());
    }
    assert!(mended.seen.deliveries() > checks + 30);
    assert_eq!(figures.sum("dragoman_upstream_recoveries_total", "1"), 1.0);
}

#[tokio::test]
async fn with_all_of_them_out_all_are_tried() {
    let (one, two) =
        (Raw::start(HttpVersion::One, Act::Break).await, Raw::start(HttpVersion::One, Act::Break).await);
    let figures = Read::new();
    let backend = checked(&[&one.text(), &two.text()], &figures);
    wait_until("both are out", || figures.sum("dragoman_upstream_address_up", "") == 0.0).await;
    for _ in 0..10 {
        assert_eq!(backend.send(login(), far()).await.unwrap().status(), 500);
    }
}

#[tokio::test]
async fn checks_end_with_the_backend() {
    let raw = Raw::start(HttpVersion::One, Act::Answer).await;
    let backend = checked(&[&raw.text()], &Read::new());
    wait_until("it is checked", || raw.seen.deliveries() > 2).await;
    let weak = Arc::downgrade(&backend);
    drop(backend);
    wait_until("no check holds it", || weak.strong_count() == 0).await;
}
