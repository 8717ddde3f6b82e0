//! What operators see: metrics and the access log, both fed by one [`CallRecord`] a request, and
//! the diagnostic log.

mod access_log;
mod diagnostics;
mod figures;
mod labels;
mod line;
mod metrics;
mod observer;
mod record;
mod traces;

pub use access_log::AccessLog;
pub use diagnostics::{StartLogError, start_log};
pub use labels::Labels;
pub use metrics::Metrics;
pub use observer::{ObserveError, Observer};
pub use record::{Attempt, CallRecord, Hop, Outcome, RoutedBy};
pub use traces::{Begun, Exporter, StepKind, TRACE_PARENT, Trace, Tracer};

pub use crate::guard::{Guard, Refusal};
