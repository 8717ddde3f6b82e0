//! The gateway as something that the edge serves.

use std::future::Future;

use bytes::Bytes;
use http::{Request, Response, request};

use super::application::{Application, Step};
use crate::account::Problem;
use crate::gateway::{Arrival, Gateway, Onward, Route};
use crate::observe::{CallRecord, Refusal};

impl Application for Gateway {
    type Route = Route;

    fn route(&self, arrival: &Arrival, head: &request::Parts) -> Route {
        Self::route(self, arrival, head)
    }

    fn step(&self, route: Route) -> Step {
        match route {
            Route::Account { .. } => Step::Answer,
            Route::PassThrough => Step::PassThrough,
            Route::Refused { code, .. } => Step::Refuse(code),
        }
    }

    async fn passes_to(
        &self,
        arrival: &Arrival,
        head: &request::Parts,
        record: &mut CallRecord,
    ) -> Result<Onward, Problem> {
        Self::passes_to(self, arrival, head, record).await
    }

    fn answer(
        &self,
        arrival: &Arrival,
        route: Route,
        request: Request<Bytes>,
        record: &mut CallRecord,
    ) -> impl Future<Output = Response<Bytes>> + Send {
        self.exchange(arrival, route, request, record)
    }

    fn refuse(
        &self,
        arrival: &Arrival,
        route: Route,
        problem: &Problem,
        refusal: Refusal,
        record: &mut CallRecord,
    ) -> Response<Bytes> {
        Self::refuse(self, arrival, route, problem, refusal, record)
    }
}
