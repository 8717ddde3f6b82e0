//! Active health checks: each address is asked in turn, over a connection of its own.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::Request;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{HttpBackend, Link};
use crate::config::HealthCheck;
use crate::upstream::balancer::Lease;

impl HttpBackend {
    /// Checks the addresses from now on, if the settings say so, until the backend is dropped. Must
    /// be called within a runtime.
    pub fn start_checks(self: &Arc<Self>) {
        if let Some(check) = self.settings.balancing.health_check.clone() {
            tokio::spawn(keep_checking(Arc::downgrade(self), check));
        }
    }

    async fn check_all(self: &Arc<Self>, check: &HealthCheck) {
        self.balancer.resolve().await;
        let checks: Vec<_> = self
            .balancer
            .all()
            .into_iter()
            .map(|lease| {
                let (backend, check) = (Arc::clone(self), check.clone());
                tokio::spawn(async move {
                    let good = backend.is_well(&lease, &check).await;
                    backend.balancer.checked(&lease, good, &check);
                })
            })
            .collect();
        for check in checks {
            // Fails only when the process ends.
            let _ = check.await;
        }
    }

    /// Whether an address gives a good answer. A new connection each time: one that stands already
    /// says nothing of whether others are accepted.
    async fn is_well(&self, lease: &Lease, check: &HealthCheck) -> bool {
        let deadline = Instant::now() + check.timeout;
        let Ok(request) = Request::get(check.path.as_str()).body(Bytes::new()) else { return false };
        let peer = self.template.peer(lease.address());
        let answer = match self.connect_anew(&peer, deadline).await {
            Ok(Link::V1(stream)) => self.exchange_v1(stream, &peer, &request, deadline).await.ok(),
            Ok(Link::V2(session)) => self.exchange_v2(*session, &peer, &request, deadline).await.ok(),
            Err(_) => None,
        };
        answer.is_some_and(|answer| answer.status().is_success())
    }
}

async fn keep_checking(backend: Weak<HttpBackend>, check: HealthCheck) {
    let mut ticks = interval(check.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(backend) = backend.upgrade() else { return };
        backend.check_all(&check).await;
    }
}
