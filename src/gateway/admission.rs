//! The throttle around the backend: reserved before a call is forwarded, settled by how it ended,
//! and told to the caller.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};

use super::exchange::Told;
use super::{Arrival, Gateway};
use crate::account::{Call, Problem, Reply};
use crate::guard::{Admission, End, RateLimit};
use crate::observe::CallRecord;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl Gateway {
    /// Reserves what a call takes from its limits, or says how long to wait.
    pub(super) async fn admit(
        &self,
        arrival: &Arrival,
        call: &Call,
        record: &mut CallRecord,
    ) -> Result<Admission, Problem> {
        let admission = match self.throttle.admit(call, arrival.client).await {
            Ok(admission) => admission,
            Err(throttled) => {
                record.refusal = Some(throttled.refusal);
                record.rate_limit = throttled.rate_limit;
                return Err(throttled.problem);
            }
        };
        if !admission.delay.is_zero() {
            tokio::time::sleep(admission.delay).await;
            record.slowed = true;
            // Nobody but the caller is the cause of this wait.
            record.client_duration += admission.delay;
        }
        Ok(admission)
    }

    /// Returns to the call's limits what its end says was not used.
    pub(super) async fn settle(
        &self,
        admission: Admission,
        told: &Result<Reply, Told>,
        record: &mut CallRecord,
    ) {
        let end = match told {
            Ok(_) => End::Success,
            Err(Told { problem, undone }) => End::Problem { code: problem.code, undone: *undone },
        };
        let settled = self.throttle.settle(admission, end).await;
        record.limits = settled.limits;
        record.rate_limit = settled.rate_limit;
    }
}

/// Tells the limit that the caller has come up against, in the fields of the IETF httpapi draft.
pub(super) fn announce(response: &mut Response<Bytes>, rate_limit: Option<RateLimit>) {
    let Some(RateLimit { limit, quota, window_seconds, reset_seconds }) = rate_limit else { return };
    let name = limit.name();
    for (field, text) in [
        (RATE_LIMIT_POLICY, format!("\"{name}\";q={quota};w={window_seconds}")),
        (RATE_LIMIT, format!("\"{name}\";r=0;t={reset_seconds}")),
    ] {
        // Names and numbers always make a field value.
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(field, value);
        }
    }
}
