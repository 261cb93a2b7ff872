use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus::IntCounter;

use super::sink::Sink;
use crate::config::LogDestination;

/// Lines that wait for the writer, in bytes; more are dropped and counted.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// The writer goes to work at once for this much.
const BATCH_BYTES: usize = 64 << 10;

/// For less it waits this long for company, so that a line costs no wake-up and no system call of its own.
const LINGER: Duration = Duration::from_millis(10);

/// A log: who has something to tell leaves lines, one thread writes them in batches.
pub struct Log {
    /// Such as "the access log".
    what: &'static str,
    queue: Arc<Queue>,
    is_on: AtomicBool,
}

impl Log {
    /// Starts the writer. `dropped` counts lines that are lost. The error names a file that cannot be opened.
    pub(super) fn open(what: &'static str, to: &LogDestination, dropped: IntCounter) -> Result<Log, String> {
        let sink = Sink::open(what, to)?;
        let queue = Arc::new(Queue::new(WAITING_BYTES_MAX, dropped));
        let writer = Writer { queue: queue.clone(), sink, batch: Vec::new() };
        thread::Builder::new()
            .name(String::from("log"))
            .spawn(move || writer.run())
            .map_err(|error| format!("cannot start the thread of {what}: {error}"))?;
        Ok(Log { what, queue, is_on: AtomicBool::new(*to != LogDestination::Off) })
    }

    /// Whether lines go anywhere.
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Leaves one line, its end included, for the writer. Never waits for it.
    pub(super) fn push(&self, line: &[u8]) {
        self.queue.push(line);
    }

    /// Sends what follows, and what waits, somewhere else. On an error the log goes on where it was.
    pub fn retarget(&self, destination: &LogDestination) -> Result<(), String> {
        let sink = Sink::open(self.what, destination)?;
        self.queue.order(|orders| orders.sink = Some(sink));
        self.is_on.store(*destination != LogDestination::Off, Ordering::Relaxed);
        Ok(())
    }

    /// Opens the file by its path again, for logrotate.
    pub fn reopen(&self) {
        self.queue.order(|orders| orders.is_reopened = true);
    }

    /// Waits until every line so far is written or lost, at most `patience`. Says whether that is so.
    pub fn flush(&self, patience: Duration) -> bool {
        self.queue.flush(patience)
    }
}

impl Drop for Log {
    /// The writer takes what waits and ends by itself; nobody waits for a log that may be stuck.
    fn drop(&mut self) {
        self.queue.order(|orders| orders.is_last = true);
    }
}

/// Between the requests and the writer.
struct Queue {
    waiting: Mutex<Waiting>,
    bytes_max: usize,
    dropped: IntCounter,
    has_work: Condvar,
    has_written: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    orders: Orders,
    /// Bytes that were ever taken in, and of these the ones that are dealt with.
    taken_bytes: u64,
    done_bytes: u64,
}

/// What the writer is told beside lines. It obeys before it writes what waits.
#[derive(Default)]
struct Orders {
    sink: Option<Sink>,
    is_reopened: bool,
    is_urgent: bool,
    is_last: bool,
}

impl Queue {
    fn new(bytes_max: usize, dropped: IntCounter) -> Queue {
        let waiting = Mutex::new(Waiting { lines: Vec::with_capacity(BATCH_BYTES), ..Waiting::default() });
        Queue { waiting, bytes_max, dropped, has_work: Condvar::new(), has_written: Condvar::new() }
    }

    /// Takes a line in if there is room. Wakes the writer for the first line and for a full batch.
    fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        let before = waiting.lines.len();
        if before + line.len() > self.bytes_max {
            drop(waiting);
            self.dropped.inc();
            return;
        }
        waiting.lines.extend_from_slice(line);
        waiting.taken_bytes += line.len() as u64;
        let after = waiting.lines.len();
        drop(waiting);
        if before == 0 || (before < BATCH_BYTES && after >= BATCH_BYTES) {
            self.has_work.notify_one();
        }
    }

    fn order(&self, give: impl FnOnce(&mut Orders)) {
        give(&mut self.lock().orders);
        self.has_work.notify_one();
    }

    fn flush(&self, patience: Duration) -> bool {
        self.order(|orders| orders.is_urgent = true);
        let waiting = self.lock();
        let target = waiting.taken_bytes;
        let is_pending = |waiting: &mut Waiting| waiting.done_bytes < target;
        let (waiting, _) =
            self.has_written.wait_timeout_while(waiting, patience, is_pending).unwrap_or_else(PoisonError::into_inner);
        waiting.done_bytes >= target
    }

    /// Waits for work, swaps the waiting lines for the empty `batch` and returns what was ordered.
    fn take(&self, batch: &mut Vec<u8>) -> Orders {
        let mut waiting = self.lock();
        while waiting.lines.is_empty() && waiting.orders.is_none() {
            waiting = self.has_work.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.lines.len() < BATCH_BYTES && waiting.orders.is_none() {
            let waited = self.has_work.wait_timeout(waiting, LINGER).unwrap_or_else(PoisonError::into_inner);
            waiting = waited.0;
        }
        std::mem::swap(batch, &mut waiting.lines);
        std::mem::take(&mut waiting.orders)
    }

    /// `bytes` of what was taken are dealt with; `lost` of their lines were not written.
    fn done(&self, bytes: usize, lost: u64) {
        self.dropped.inc_by(lost);
        self.lock().done_bytes += bytes as u64;
        self.has_written.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Orders {
    fn is_none(&self) -> bool {
        self.sink.is_none() && !self.is_reopened && !self.is_urgent && !self.is_last
    }
}

/// The thread that writes.
struct Writer {
    queue: Arc<Queue>,
    sink: Sink,
    batch: Vec<u8>,
}

impl Writer {
    fn run(mut self) {
        while self.turn() {}
    }

    /// Writes one batch. False after the last one.
    fn turn(&mut self) -> bool {
        let orders = self.queue.take(&mut self.batch);
        if let Some(sink) = orders.sink {
            self.sink = sink;
        }
        if orders.is_reopened {
            self.sink.reopen();
        }
        let lost = self.sink.write(&self.batch);
        self.queue.done(self.batch.len(), lost);
        self.batch.clear();
        !orders.is_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> IntCounter {
        IntCounter::new("dropped_total", "Dropped.").expect("well-formed")
    }

    #[test]
    fn lines_beyond_the_limit_are_dropped_and_counted() {
        let queue = Queue::new(10, counter());
        for line in ["one\n", "two\n", "three\n", "4\n", "5\n"] {
            queue.push(line.as_bytes());
        }
        let mut batch = Vec::new();
        queue.order(|orders| orders.is_urgent = true);
        queue.take(&mut batch);
        assert_eq!(String::from_utf8_lossy(&batch), "one\ntwo\n4\n");
        assert_eq!(queue.dropped.get(), 2);
        queue.push(b"room again\n".as_slice().split_at(1).1);
        assert_eq!(queue.dropped.get(), 2);
    }
}
