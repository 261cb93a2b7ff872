use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::base::{Clock, stand_back};
use crate::config::Period;

use super::Counter;
use super::desk::{Desk, Health, Message, Patience};
use super::error::{Problem, StoreError};
use super::file::{self, OpenDatabase, OwnedRow, QuotaFile};
use super::ledger::Ledger;
use super::succession::{CounterName, Lent, Successor, Surplus, Want};
use super::writer::Writer;

/// All quota counters, and the thread that makes them durable. Dropping it flushes and closes the file.
#[derive(Debug)]
pub struct Store {
    desk: Arc<Desk>,
    path: PathBuf,
    ledgers: Mutex<Ledgers>,
}

/// By plan; a plan has one ledger for each kind of period that it ever had.
type Ledgers = HashMap<Arc<str>, Vec<Arc<Ledger>>, ahash::RandomState>;

/// How long a flush or a close may take: a shutdown must not hang on a disk that does.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

impl Store {
    /// Opens `quota.redb` in `dir`, which is made if it is missing. Blocks until every counter is read. While the disk
    /// fails, a key may use `unsaved_max` requests that a crash would hand back.
    pub fn open(dir: &Path, unsaved_max: u64) -> Result<Store, StoreError> {
        let store = Store::closed(dir, unsaved_max)?;
        store.take_over()?;
        Ok(store)
    }

    /// The store in `dir`, which another process may have open: nothing is read until [`Store::take_over`].
    pub fn closed(dir: &Path, unsaved_max: u64) -> Result<Store, StoreError> {
        Store::prepare(file::path_in(dir)?, Box::new(file::open_file), unsaved_max, Patience::default())
    }

    /// A store without a file, for commands that compile a configuration beside a running gateway.
    pub fn in_memory() -> Result<Store, StoreError> {
        Store::start(PathBuf::from("(memory)"), Box::new(file::open_in_memory), u64::MAX, Patience::default())
    }

    pub(super) fn start(
        path: PathBuf,
        open: OpenDatabase,
        unsaved_max: u64,
        patience: Patience,
    ) -> Result<Store, StoreError> {
        let store = Store::prepare(path, open, unsaved_max, patience)?;
        store.take_over()?;
        Ok(store)
    }

    fn prepare(path: PathBuf, open: OpenDatabase, unsaved_max: u64, patience: Patience) -> Result<Store, StoreError> {
        let (sender, messages) = mpsc::channel();
        let desk = Arc::new(Desk::new(sender, path.clone(), unsaved_max, patience));
        let writer = Writer::new(QuotaFile::new(path.clone(), open), messages, Arc::clone(&desk));
        let run = || {
            // Reservations are written in bursts of milliseconds, and requests of other keys need not feel them.
            stand_back();
            writer.run();
        };
        let thread = thread::Builder::new().name("quota-store".to_owned()).spawn(run);
        thread.map_err(|error| StoreError::from_io(&path, &error))?;
        Ok(Store { desk, path, ledgers: Mutex::default() })
    }

    /// Opens the file and takes every counter up from it. To be called before anything is counted.
    pub fn take_over(&self) -> Result<(), StoreError> {
        let rows = self.open_file()?;
        let mut ledgers = self.lock();
        for (plan, key, period, row) in rows {
            ledger_in(&mut ledgers, &plan, period, &self.desk).restore(&key, row);
        }
        Ok(())
    }

    /// Closes the file, so that the process that takes our place can open it. Counting goes on within what is reserved,
    /// and waits beyond it for [`Store::follow`] or [`Store::reclaim`].
    pub fn release(&self) {
        let (reply, released) = mpsc::channel();
        self.desk.send(Message::Release { reply });
        // A disk that hangs keeps the file, and the other process will say so.
        let _ = released.recv_timeout(CLOSE_WAIT);
    }

    /// Opens the file again after the other process failed. What was counted since is not in it and stays counted.
    pub fn reclaim(&self) -> Result<(), StoreError> {
        self.open_file().map(drop)
    }

    /// Counts from here on against what the other process lends, which has the file now.
    pub fn follow(&self, successor: Box<dyn Successor>) {
        self.desk.send(Message::Follow(successor));
    }

    fn open_file(&self) -> Result<Vec<OwnedRow>, StoreError> {
        let (reply, rows) = mpsc::channel();
        self.desk.send(Message::Open { reply });
        rows.recv().unwrap_or_else(|_| Err(self.desk.closed()))
    }

    /// Lends requests to the process whose place this one has taken: they are used from here on.
    pub async fn lend(&self, want: &Want, clock: &Clock) -> Lent {
        let mut lent = Lent { number: want.number, count: 0 };
        let Some(counter) = self.counter_of(&want.of) else { return lent };
        while lent.count < want.count {
            match counter.take(&want.quota(), clock, clock.now()).await {
                Ok(taken) if lent.count == 0 || taken.number == lent.number => {
                    lent = Lent { number: taken.number, count: lent.count + 1 };
                }
                // The period ended in between, and what was lent of it is worth nothing.
                Ok(taken) => lent = Lent { number: taken.number, count: 1 },
                Err(_) => break,
            }
        }
        lent
    }

    /// Takes back what that process did not use, or counts what it used beyond.
    pub fn take_back(&self, surplus: &Surplus) {
        if let Some(counter) = self.counter_of(&surplus.of) {
            counter.adjust(surplus.number, -surplus.count);
        }
    }

    fn counter_of(&self, of: &CounterName) -> Option<Arc<Counter>> {
        Some(self.ledger(&of.plan, of.period()?).counter(&of.key))
    }

    /// The counters of a plan's keys for this kind of period. A plan whose period changes begins another ledger.
    pub fn ledger(&self, plan: &str, period: Period) -> Arc<Ledger> {
        Arc::clone(ledger_in(&mut self.lock(), plan, period, &self.desk))
    }

    /// Whether counters are durable at this moment.
    pub fn health(&self) -> Health {
        self.desk.health()
    }

    /// Requests that are counted in memory only and that a crash would hand back: 0 while counters are durable.
    /// Otherwise it looks at every counter.
    pub fn unsaved(&self) -> u64 {
        match self.health() {
            Health::Durable => 0,
            Health::Failing { .. } => self.counters().iter().map(|counter| counter.unsaved()).sum(),
        }
    }

    /// Writes what is used instead of what is reserved, so that closing loses nothing. Blocks, 10 s at most.
    ///
    /// Counting may go on meanwhile and after it, and reserves anew.
    pub fn flush(&self) -> Result<(), StoreError> {
        let counters = self.counters();
        let (reply, answer) = mpsc::channel();
        self.desk.send(Message::Flush { counters, reply });
        let stalled = || StoreError::new(&self.path, Problem::Stalled);
        answer.recv_timeout(CLOSE_WAIT).unwrap_or_else(|_| Err(stalled()))
    }

    fn counters(&self) -> Vec<Arc<Counter>> {
        self.lock().values().flatten().flat_map(|ledger| ledger.all()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Ledgers> {
        // Nothing in here can stop half-way.
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ledger_in<'a>(ledgers: &'a mut Ledgers, plan: &str, period: Period, desk: &Arc<Desk>) -> &'a Arc<Ledger> {
    // Not `entry`: that would copy the name for every row that is read.
    if !ledgers.contains_key(plan) {
        ledgers.insert(Arc::from(plan), Vec::new());
    }
    let of_plan = ledgers.get_mut(plan).expect("it was inserted above");
    let place = of_plan.iter().position(|ledger| ledger.period() == period).unwrap_or_else(|| {
        of_plan.push(Arc::new(Ledger::new(Arc::from(plan), period, Arc::clone(desk))));
        of_plan.len() - 1
    });
    &of_plan[place]
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::error!(%error, "what is reserved and not used is lost");
        }
        let (reply, closed) = mpsc::channel();
        self.desk.send(Message::Close { reply });
        // A disk that hangs is left to the end of the process.
        let _ = closed.recv_timeout(CLOSE_WAIT);
    }
}
