//! What operators see: metrics and the access log, both fed by one [`CallRecord`] a request.

mod record;

pub use crate::guard::{Guard, Refusal};
pub use record::{Attempt, CallRecord, Outcome};
