use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};

use crate::base::Now;

use super::counter::{Counter, Quota};
use super::error::{Problem, StoreError};
use super::file::OwnedRow;
use super::succession::Successor;

/// How long a disk may take, and how long it is left alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How long a request waits for the disk before counting goes on in memory.
    pub reservation: Duration,
    /// How long the writer waits before it tries again what failed.
    pub retry: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { reservation: Duration::from_secs(1), retry: Duration::from_secs(1) }
    }
}

/// Whether quota counters are durable at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Durable,
    /// Requests are counted exactly, in memory only: a crash hands back what was counted since then.
    Failing { reason: Arc<str>, since_unix_ms: u64 },
}

/// Where counters and the writer thread meet.
#[derive(Debug)]
pub(super) struct Desk {
    writer: mpsc::Sender<Message>,
    /// Told after every attempt of the writer.
    answers: Notify,
    /// Says what `health` says, for the hot path.
    is_failing: AtomicBool,
    health: Mutex<Health>,
    /// What the store's errors are named by.
    path: PathBuf,
    /// Requests of a key that may be counted without a mark while the disk fails.
    unsaved_max: u64,
    pub patience: Patience,
}

/// What becomes of a request that finds all that is reserved used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// Until the writer has reserved more.
    Waits,
    /// In memory only.
    IsCounted,
    IsDenied,
}

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Message {
    Reserve(Ask),
    Extend {
        ask: Ask,
        n: u64,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    /// Open the file, which another process may have had, and tell what is in it.
    Open {
        reply: mpsc::Sender<Result<Vec<OwnedRow>, StoreError>>,
    },
    /// Close the file, so that another process can open it; what is asked waits.
    Release {
        reply: mpsc::Sender<()>,
    },
    /// Another process has the counters from here on: ask it.
    Follow(Box<dyn Successor>),
    /// Write the exact numbers.
    Flush {
        counters: Vec<Arc<Counter>>,
        reply: mpsc::Sender<Result<(), StoreError>>,
    },
    /// Close the file and end.
    Close {
        reply: mpsc::Sender<()>,
    },
}

/// A counter, its limit and the time of the request.
#[derive(Debug)]
pub(super) struct Ask {
    pub counter: Arc<Counter>,
    pub quota: Quota,
    pub now: Now,
    pub asked_at: Instant,
    /// No request waits for it yet.
    pub is_ahead: bool,
}

/// The time of an older request is no evidence that the clock was set back. Less than a clock is set back by at least.
const EVIDENCE_AGE_MAX: Duration = Duration::from_secs(30);

impl Ask {
    pub fn new(counter: &Arc<Counter>, quota: &Quota, now: Now) -> Ask {
        Ask { counter: Arc::clone(counter), quota: *quota, now, asked_at: Instant::now(), is_ahead: false }
    }

    /// The time to answer it for, after it has waited for the disk.
    pub fn refresh(&mut self) {
        if self.asked_at.elapsed() > EVIDENCE_AGE_MAX {
            self.now = self.counter.no_earlier(self.now);
        }
    }
}

impl Desk {
    pub fn new(writer: mpsc::Sender<Message>, path: PathBuf, unsaved_max: u64, patience: Patience) -> Desk {
        let (answers, is_failing, health) = (Notify::new(), AtomicBool::new(false), Mutex::default());
        Desk { writer, answers, is_failing, health, path, unsaved_max, patience }
    }

    /// Hands a message to the writer. After the store was closed there is none, and counting goes on in memory.
    pub fn send(&self, message: Message) {
        if self.writer.send(message).is_err() {
            self.fail(&self.closed());
        }
    }

    /// Completes with the writer's next answer after this call, even if it is awaited later.
    pub fn answered(&self) -> Notified<'_> {
        self.answers.notified()
    }

    /// Lets all who wait look again.
    pub fn answer(&self) {
        self.answers.notify_waiters();
    }

    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Acquire)
    }

    /// What becomes of a request when `count` of its key are counted beyond the mark.
    pub fn beyond_mark(&self, count: u64) -> Beyond {
        match self.is_failing() {
            false => Beyond::Waits,
            true if count < self.unsaved_max => Beyond::IsCounted,
            true => Beyond::IsDenied,
        }
    }

    pub fn health(&self) -> Health {
        self.lock().clone()
    }

    /// From now on counting needs no mark. A later reason replaces an earlier one; the time stays.
    pub fn fail(&self, error: &StoreError) {
        let reason: Arc<str> = Arc::from(error.to_string());
        let mut health = self.lock();
        let since_unix_ms = match *health {
            Health::Failing { since_unix_ms, .. } => since_unix_ms,
            Health::Durable => {
                tracing::error!(%reason, "quotas are counted in memory only");
                SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
            }
        };
        *health = Health::Failing { reason, since_unix_ms };
        self.is_failing.store(true, Ordering::Release);
    }

    /// A request has waited long enough.
    pub fn stalled(&self) {
        self.fail(&StoreError::new(&self.path, Problem::Stalled));
    }

    /// From now on counting needs a mark.
    pub fn recover(&self) {
        let mut health = self.lock();
        self.is_failing.store(false, Ordering::Release);
        *health = Health::Durable;
        tracing::info!("quotas are durable again");
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn closed(&self) -> StoreError {
        StoreError::new(&self.path, Problem::Closed)
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        // Nothing in here can stop half-way.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
