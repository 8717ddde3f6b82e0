//! The steps of an exchange that a trace tells apart. Without a trace they cost nothing.

use super::exchange::{Exchange, Told};
use crate::account::{Call, Problem, Reply};
use crate::dialect::Signed;
use crate::guard::Admission;
use crate::observe::{Begun, CallRecord, StepKind, Trace};
use crate::store::Receipt;

impl Exchange<'_> {
    /// Lets the guards decide.
    pub(super) async fn traced_guard(
        &self,
        call: &mut Call,
        signed: &Signed,
        record: &mut CallRecord,
    ) -> Result<Option<Receipt>, Problem> {
        let begun = begin(record);
        let decided = self.guard(call, signed, record).await;
        end(record, begun, |record| StepKind::Guards(record.refusal));
        decided
    }

    /// Reserves what the call takes from the limits.
    pub(super) async fn traced_limits(
        &self,
        call: &Call,
        record: &mut CallRecord,
    ) -> Result<Admission, Problem> {
        let begun = begin(record);
        let admitted = self.gateway.admit(self.arrival, call, record).await;
        end(record, begun, |record| StepKind::Limits(record.refusal));
        admitted
    }

    /// One try at the backend.
    pub(super) async fn ask(&self, call: &Call, record: &mut CallRecord) -> Result<Reply, Told> {
        let begun = begin(record);
        let before = record.attempts.len();
        let traceparent = begun.as_ref().map(|begun| begun.traceparent.clone());
        let told = self.try_once(call, traceparent.as_ref(), record).await;
        end(record, begun, |record| StepKind::Attempt(record.upstream, record.attempts.get(before).copied()));
        told
    }
}

fn begin(record: &CallRecord) -> Option<Begun> {
    record.trace.as_deref().and_then(Trace::step)
}

fn end(record: &mut CallRecord, begun: Option<Begun>, kind: impl FnOnce(&CallRecord) -> StepKind) {
    let Some(begun) = begun else { return };
    let kind = kind(record);
    if let Some(trace) = &mut record.trace {
        trace.end(begun, kind);
    }
}
