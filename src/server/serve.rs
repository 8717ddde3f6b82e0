//! Puts the edge together from the settings: binds, serves, runs to the end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

use super::accept::{BindError, Bound};
use super::admin::{AdminError, AdminPages, AdminSite};
use super::application::{Application, NoRecords, RecordSink};
use super::doors::Doors;
use super::entrance::Entrance;
use super::lifecycle::{Lifecycle, Phase, StopSignal, Stopped};
use super::load::Load;
use super::service::{PassTargets, Service};
use super::sockets::{Role, Sockets};
use crate::config::{Limits, Settings};
use crate::guard::ClientAddresses;

/// The edge could not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// An address could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Certificates are of no use.
    #[error("the listeners' certificates: {0}")]
    Certificates(String),
    /// The admin listener would be open to strangers.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// The runtime that the edge runs on.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().thread_name("dragoman").build()
}

/// How the edge begins.
pub enum Opening {
    /// It accepts at once; the service manager may hold sockets for it.
    AtOnce(Sockets),
    /// It accepts at the sockets of the process before, when its doors are opened.
    After(Sockets),
}

/// The running edge.
pub struct Edge<A: Application> {
    lifecycle: Lifecycle,
    service: Arc<Service<A>>,
    load: Arc<Load>,
    clients: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl<A: Application> Edge<A> {
    /// Binds every listener of the settings, where its socket is not open already, and serves from
    /// then on; what is no account call goes to `passing`. Must be called within a runtime.
    ///
    /// # Errors
    /// When an address can't be bound or the settings can't be served safely; nothing is served
    /// then.
    pub fn start(
        settings: &Settings,
        application: Arc<A>,
        passing: PassTargets,
        pages: AdminPages,
        load: Arc<Load>,
        sink: Arc<dyn RecordSink>,
        opening: Opening,
    ) -> Result<Self, ServeError> {
        let (mut sockets, phase) = match opening {
            Opening::AtOnce(sockets) => (sockets, Phase::Running),
            Opening::After(sockets) => (sockets, Phase::Paused),
        };
        let mut service = Service::new(application, settings.limits.clone(), Arc::clone(&load), sink)
            .entered_by(Entrance::of(&settings.listeners).map_err(ServeError::Certificates)?);
        // Nobody stands in front of the demo, where everybody has one address.
        if !settings.demo {
            service = service.behind(ClientAddresses::new(settings.clients.clone()));
        }
        let service = service.passing_to(passing);
        let service = Arc::new(service);
        let mut lifecycle = Lifecycle::starting(phase);
        let bind = |listener: &crate::config::Listener| {
            Bound::take_or_bind(listener.address, Role::Clients, &mut sockets)
        };
        let bound = settings.listeners.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
        let admin = match &settings.admin {
            None => None,
            Some(admin) => {
                let bound = Bound::take_or_bind(admin.address, Role::Admin, &mut sockets)?;
                let site = AdminSite::new(admin, bound.address(), pages, lifecycle.phase())?;
                Some((bound, site))
            }
        };
        sockets.close();
        let clients = bound.iter().map(Bound::address).collect();
        for (index, bound) in bound.into_iter().enumerate() {
            lifecycle.serve(bound, index, Arc::clone(&service));
        }
        let admin = admin.map(|(bound, site)| serve_admin(&mut lifecycle, bound, site));
        Ok(Self { lifecycle, service, load, clients, admin })
    }

    /// The addresses that clients connect to, in the order of the settings.
    pub fn clients(&self) -> &[SocketAddr] {
        &self.clients
    }

    /// The address of the admin listener.
    pub const fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// What is carried right now.
    pub const fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// Where clients and operators are accepted, for handing that over.
    pub fn doors(&self) -> Doors {
        self.lifecycle.doors()
    }

    /// While this is held the process does not end, until its grace is over.
    pub fn hold(&self) -> mpsc::Sender<()> {
        self.lifecycle.hold()
    }

    /// Tells where the process stands, now and later.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.lifecycle.phase()
    }

    /// What serves the clients: a reload replaces the application in it.
    pub const fn service(&self) -> &Arc<Service<A>> {
        &self.service
    }

    /// Runs until a signal comes and stops in order; `save` is done when the last call is over.
    pub async fn run(
        self,
        settings: &Settings,
        signals: &mut mpsc::Receiver<StopSignal>,
        save: impl Future<Output = ()>,
    ) -> Stopped {
        let stopped = self.lifecycle.run(&settings.shutdown, signals).await;
        if stopped != Stopped::Forced {
            save.await;
        }
        stopped
    }
}

/// Operators are served beside the clients' limits, so that a flood of calls does not blind them.
fn serve_admin(lifecycle: &mut Lifecycle, bound: Bound, site: AdminSite) -> SocketAddr {
    let limits = Limits {
        connections: 256,
        connections_per_address: None,
        calls_per_second_per_address: None,
        in_flight: 64,
        ..Limits::default()
    };
    let load = Load::new(&limits);
    let address = bound.address();
    let service = Service::new(Arc::new(site), limits, load, Arc::new(NoRecords));
    lifecycle.serve(bound, 0, Arc::new(service));
    address
}
