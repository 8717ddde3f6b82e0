//! The access log: one JSON line a request. Requests append their line to a buffer in memory; a
//! thread of its own writes it out, so that a slow terminal or pipe never holds up a request.

use std::cell::RefCell;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::CallRecord;
use super::line::write_line;

/// Bytes that may wait for the writer; lines beyond them are dropped and counted.
const BOUND: usize = 8 * 1024 * 1024;

/// How long the writer gathers lines, so that many leave in one write.
const GATHER: Duration = Duration::from_millis(5);

thread_local! {
    static LINE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(1024));
}

/// Writes access-log lines in the background.
pub struct AccessLog {
    shared: Arc<Shared>,
    bound: usize,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    closed: bool,
}

impl AccessLog {
    /// Starts a writer to `output`. `lost` hears of lines that could not be written.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        output: impl Write + Send + 'static,
        lost: impl Fn(usize) + Send + 'static,
    ) -> io::Result<Self> {
        Self::with_bound(output, lost, BOUND)
    }

    fn with_bound(
        output: impl Write + Send + 'static,
        lost: impl Fn(usize) + Send + 'static,
        bound: usize,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let writer = thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || theirs.write_out(output, lost))?;
        Ok(Self { shared, bound, writer: Mutex::new(Some(writer)) })
    }

    /// Appends the line of a request; false when it had to be dropped.
    pub fn append(&self, record: &CallRecord) -> bool {
        LINE.with_borrow_mut(|line| {
            line.clear();
            write_line(line, record);
            self.shared.append(line, self.bound)
        })
    }

    /// Writes out what waits, and ends the writer. Lines that come later are dropped.
    pub fn close(&self) {
        self.shared.waiting().closed = true;
        self.shared.changed.notify_all();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A writer that panicked has nothing left to write.
            let _ = writer.join();
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, line: &[u8], bound: usize) -> bool {
        let mut waiting = self.waiting();
        if waiting.closed || waiting.lines.len() + line.len() > bound {
            return false;
        }
        let was_empty = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if was_empty {
            self.changed.notify_one();
        }
        true
    }

    fn write_out(&self, mut output: impl Write, lost: impl Fn(usize)) {
        let mut lines = Vec::new();
        let mut broken = false;
        while self.take(&mut lines) {
            let written = output.write_all(&lines).and_then(|()| output.flush());
            if let Err(error) = &written {
                lost(memchr::memchr_iter(b'\n', &lines).count());
                // The requests go on, and one line is enough to say so.
                if !broken {
                    tracing::error!(%error, "the access log can't be written; its lines are lost and counted");
                }
            }
            broken = written.is_err();
            lines.clear();
        }
    }

    /// Swaps the waiting lines into `lines`; false when there are none and none will come.
    fn take(&self, lines: &mut Vec<u8>) -> bool {
        let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.closed;
        let waiting = self.changed.wait_while(self.waiting(), idle);
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let gathered = self.changed.wait_timeout_while(waiting, GATHER, |waiting| !waiting.closed);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut waiting.lines, lines);
        !lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::clock::Moment;

    /// Hands each write to a test, and waits until the test lets it go on.
    struct Gate {
        written: mpsc::Sender<Vec<u8>>,
        go_on: mpsc::Receiver<()>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            self.go_on.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn record(id: String) -> CallRecord {
        CallRecord::new(Moment::from_seconds(0), id, None)
    }

    #[test]
    fn closing_loses_no_line_of_any_thread() {
        let memory = Memory::default();
        let log = AccessLog::start(memory.clone(), |_| ()).unwrap();
        thread::scope(|scope| {
            for thread in 0..4 {
                let log = &log;
                scope.spawn(move || {
                    for call in 0..500 {
                        assert!(log.append(&record(format!("{thread}-{call}"))));
                    }
                });
            }
        });
        log.close();
        let written = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        let mut ids: Vec<String> = written
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["request_id"].to_string())
            .collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 2_000);
    }

    #[test]
    fn a_stuck_output_holds_up_nobody_and_drops_are_told() {
        let (written, writes) = mpsc::channel();
        let (let_go, go_on) = mpsc::channel();
        let log = AccessLog::with_bound(Gate { written, go_on }, |_| (), 2_000).unwrap();
        assert!(log.append(&record("first".to_owned())));
        writes.recv().unwrap();
        let kept = (0..100).filter(|id| log.append(&record(id.to_string()))).count();
        assert!((1..20).contains(&kept), "{kept} lines kept");
        drop(let_go);
        log.close();
    }

    #[test]
    fn nothing_is_appended_after_the_end() {
        let log = AccessLog::start(Memory::default(), |_| ()).unwrap();
        log.close();
        assert!(!log.append(&record("late".to_owned())));
    }
}
