//! Sends traces to a collector, aside from the calls: a bounded queue, batches, and no second try. What does not fit is
//! dropped, and what is dropped or not taken is counted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use prometheus::IntCounterVec;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::otlp::{self, Finished};
use crate::config::Traces;
use crate::upstream::Upstream;

/// Calls that may wait.
const QUEUE: usize = 2_048;
/// Calls that are sent at once, and how long they gather.
const BATCH: usize = 256;
const GATHER: Duration = Duration::from_secs(1);
/// The longest that one batch may take.
const SEND: Duration = Duration::from_secs(5);
/// The longest that a stop waits for the last one.
const FLUSH: Duration = Duration::from_secs(1);

/// What became of spans.
const EXPORTED: &str = "exported";
const DROPPED: &str = "dropped";
const FAILED: &str = "failed";

/// Takes the traces of calls that are over.
pub struct Exporter {
    queue: mpsc::Sender<Message>,
    spans: IntCounterVec,
}

enum Message {
    Call(Box<Finished>),
    /// Everything before it is to be sent at once.
    Flush(oneshot::Sender<()>),
}

impl Exporter {
    /// Sends to `collector` from now on, and counts what becomes of spans. Must be called within a runtime.
    pub fn start(settings: &Traces, collector: Arc<dyn Upstream>, spans: IntCounterVec) -> Self {
        for result in [EXPORTED, DROPPED, FAILED] {
            spans.with_label_values(&[result]);
        }
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (service, path) = (settings.service_name.clone(), settings.path.clone());
        let sender = Sender { collector, service, path, spans: spans.clone(), taken: true };
        tokio::spawn(sender.run(waiting));
        Self { queue, spans }
    }

    /// Takes one; never waits.
    pub(in crate::observe) fn take(&self, call: Finished) {
        let spans = call.trace.spans();
        if self.queue.try_send(Message::Call(Box::new(call))).is_err() {
            count(&self.spans, DROPPED, spans);
        }
    }

    /// Waits until everything that was taken is sent, though not long.
    pub async fn flush(&self) {
        let (done, sent) = oneshot::channel();
        let flushed = async {
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                // The sender that is gone has nothing left to send.
                let _ = sent.await;
            }
        };
        if timeout(FLUSH, flushed).await.is_err() {
            tracing::warn!("the last traces were not sent: the collector takes too long");
        }
    }
}

fn count(spans: &IntCounterVec, result: &str, number: usize) {
    spans.with_label_values(&[result]).inc_by(u64::try_from(number).unwrap_or(u64::MAX));
}

/// The other end of the queue.
struct Sender {
    collector: Arc<dyn Upstream>,
    service: String,
    path: String,
    spans: IntCounterVec,
    /// Whether the collector took the last batch; only a change is worth a line.
    taken: bool,
}

impl Sender {
    async fn run(mut self, mut waiting: mpsc::Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(message) = waiting.recv().await {
            let mut flushed = gather(message, &mut waiting, &mut batch).await;
            if !batch.is_empty() {
                self.send(&batch).await;
                batch.clear();
            }
            if let Some(flushed) = flushed.take() {
                // Nobody may wait for it any more.
                let _ = flushed.send(());
            }
        }
    }

    async fn send(&mut self, calls: &[Finished]) {
        let spans: usize = calls.iter().map(|call| call.trace.spans()).sum();
        let body = Bytes::from(otlp::request(&self.service, calls));
        let request = Request::post(&self.path).header(CONTENT_TYPE, "application/json").body(body);
        let refused = match request {
            Ok(request) => self.refused(request, spans).await,
            Err(error) => Err(error.to_string()),
        };
        let lost = match &refused {
            Ok(rejected) => spans.min(*rejected),
            Err(_) => spans,
        };
        count(&self.spans, EXPORTED, spans - lost);
        count(&self.spans, FAILED, lost);
        if let (Err(cause), true) = (&refused, self.taken) {
            tracing::warn!(%cause, "traces can't be sent; they are lost and counted, calls go on");
        }
        self.taken = refused.is_ok();
    }

    /// How many spans of a batch the collector did not want, or why it took none.
    async fn refused(&self, request: Request<Bytes>, spans: usize) -> Result<usize, String> {
        let answer = self.collector.send(request, Instant::now() + SEND).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("the collector answers {}", answer.status()));
        }
        let answer: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let rejected = answer.pointer("/partialSuccess/rejectedSpans");
        let rejected = rejected.and_then(|number| number.as_u64().or_else(|| number.as_str()?.parse().ok()));
        Ok(usize::try_from(rejected.unwrap_or(0)).unwrap_or(spans))
    }
}

/// Fills a batch until it is full, a while is over, or somebody waits for it.
async fn gather(
    first: Message,
    waiting: &mut mpsc::Receiver<Message>,
    batch: &mut Vec<Finished>,
) -> Option<oneshot::Sender<()>> {
    let until = Instant::now() + GATHER;
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Call(call) => batch.push(*call),
            Message::Flush(done) => return Some(done),
        }
        if batch.len() >= BATCH {
            return None;
        }
        next = timeout_at(until, waiting.recv()).await.ok().flatten();
    }
    None
}

#[cfg(test)]
mod tests;
