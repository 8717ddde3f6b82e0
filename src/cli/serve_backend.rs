//! Runs the embedded backend alone: the one place where the command line meets the backend without
//! a gateway.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response};

use super::Failure;
use super::serve::{create, ended, no_backend, no_start, runtime};
use crate::account::Problem;
use crate::backend::{Backend, OPENAPI};
use crate::clock::SystemClock;
use crate::config::{self, Limits, Shutdown};
use crate::server::signals::Signals;
use crate::server::{self, Handler, Lifecycle, Load, NoRecords, Plain, Role, Service, problem_json};

const DATABASE_HINT: &str = "--data-dir or DRAGOMAN_DATA_DIR names the directory of the database";

/// Serves the embedded backend alone until the process is told to stop.
pub(super) fn serve(
    settings: &config::Backend,
    address: SocketAddr,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    if let Some(directory) = settings.database.parent() {
        create(directory)?;
    }
    runtime()?.block_on(async {
        let Signals { mut stops, mut reloads, upgrades: _, stop: _ } = Signals::listen().map_err(no_start)?;
        tokio::spawn(async move {
            loop {
                reloads.next().await;
                tracing::warn!("SIGHUP ignored: the backend alone has no config file");
            }
        });
        let backend = Backend::open(settings, Arc::new(SystemClock))
            .map_err(|error| no_backend(error).hint(DATABASE_HINT))?;
        let bound = server::Bound::bind(address, Role::Clients)
            .map_err(|error| no_start(error).hint("name a free address with --listen or DRAGOMAN_LISTEN"))?;
        let address = bound.address();
        // A gateway stands in front: to the backend all clients have its address.
        let limits =
            Limits { connections_per_address: None, calls_per_second_per_address: None, ..Limits::default() };
        let load = Load::new(&limits);
        let alone = Arc::new(Plain(Alone(backend.clone())));
        let service = Service::new(alone, limits, load, Arc::new(NoRecords));
        let mut lifecycle = Lifecycle::default();
        lifecycle.serve(bound, 0, Arc::new(service));
        listening(address);
        let stopped = lifecycle.run(&Shutdown::default(), &mut stops).await;
        backend.checkpoint().await.map_err(no_backend)?;
        ended(stopped)
    })
}

/// Copies the database, which may be in use, to `target`.
pub(super) fn backup(database: &Path, target: &Path) -> Result<(), Failure> {
    crate::backend::backup(database, target).map_err(|error| no_backend(error).hint(DATABASE_HINT))
}

/// Puts the copy `source` in the place of the database.
pub(super) fn restore(source: &Path, database: &Path) -> Result<(), Failure> {
    if let Some(directory) = database.parent() {
        create(directory)?;
    }
    crate::backend::restore(source, database).map_err(no_backend)
}

/// The embedded backend behind a socket of its own, which also serves the document of its API.
struct Alone(Backend);

impl Handler for Alone {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        if request.method() != Method::GET || request.uri().path() != "/openapi.json" {
            return self.0.handle(request).await;
        }
        let mut document = Response::new(Bytes::from_static(OPENAPI.as_bytes()));
        document.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        document
    }

    fn problem(&self, problem: &Problem) -> Response<Bytes> {
        problem_json(problem)
    }
}
