use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use super::StoreError;
use super::counter::Counter;
use super::desk::{Ask, Desk, Message};
use super::file::{OwnedRow, QuotaFile, Row, RowKey};
use super::succession::{CounterName, Successor, Surplus, Want};

/// Messages that are taken up before what they ask for is committed.
const BATCH_MAX: usize = 10_000;

/// The one thread that touches the file: everything that is asked meanwhile goes into one transaction.
pub(super) struct Writer {
    file: QuotaFile,
    holder: Holder,
    messages: Receiver<Message>,
    desk: Arc<Desk>,
    /// Unanswered, at most one of each counter. They stay here while the disk fails.
    asks: Vec<Ask>,
    /// When to try again what failed.
    retry_at: Option<Instant>,
}

/// Who has the file.
enum Holder {
    Us,
    /// Nobody knows yet: it changes hands.
    Nobody,
    Successor(Box<dyn Successor>),
}

impl Writer {
    /// Nothing is read or written before the file is opened.
    pub fn new(file: QuotaFile, messages: Receiver<Message>, desk: Arc<Desk>) -> Writer {
        Writer { file, holder: Holder::Nobody, messages, desk, asks: Vec::new(), retry_at: None }
    }

    /// Runs until the store is closed.
    pub fn run(mut self) {
        loop {
            match self.turn() {
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(None) => return,
                ControlFlow::Break(Some(closed)) => {
                    // The file's lock is released before the one who closes goes on.
                    drop(self);
                    let _ = closed.send(());
                    return;
                }
            }
        }
    }

    /// Waits for a message, takes up all that are there, and commits.
    fn turn(&mut self) -> ControlFlow<Option<Sender<()>>> {
        if let Some(first) = self.wait()? {
            let batch: Vec<Message> = std::iter::once(first).chain(self.messages.try_iter()).take(BATCH_MAX).collect();
            for message in batch {
                self.handle(message)?;
            }
        }
        self.reserve();
        ControlFlow::Continue(())
    }

    /// The next message, or nothing when it is time to try again.
    fn wait(&self) -> ControlFlow<Option<Sender<()>>, Option<Message>> {
        let received = match self.retry_at {
            None => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => self.messages.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match received {
            Ok(message) => ControlFlow::Continue(Some(message)),
            Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(None),
            Err(RecvTimeoutError::Disconnected) => ControlFlow::Break(None),
        }
    }

    fn handle(&mut self, message: Message) -> ControlFlow<Option<Sender<()>>> {
        match message {
            Message::Reserve(ask) => self.asks.push(ask),
            // Who asked may have gone away: what was done stands.
            Message::Extend { ask, n, reply } => drop(reply.send(self.extend(ask, n))),
            Message::Open { reply } => drop(reply.send(self.open())),
            Message::Release { reply } => {
                self.reserve();
                self.file.close();
                self.holder = Holder::Nobody;
                let _ = reply.send(());
            }
            Message::Follow(successor) => self.hold(Holder::Successor(successor)),
            Message::Flush { counters, reply } => {
                // What was asked before is answered before, so that nothing is reserved after.
                self.reserve();
                drop(reply.send(self.settle(counters)));
            }
            Message::Close { reply } => return ControlFlow::Break(Some(reply)),
        }
        ControlFlow::Continue(())
    }

    /// Answers all asks with one transaction, unless the disk is failing and its pause is not over.
    fn reserve(&mut self) {
        if matches!(self.holder, Holder::Nobody) {
            self.retry_at = None;
            return;
        }
        let is_retrying = self.retry_at.is_some();
        let is_pausing = self.retry_at.is_some_and(|at| Instant::now() < at);
        if is_pausing || (self.asks.is_empty() && !is_retrying) {
            return;
        }
        match self.holder {
            Holder::Successor(_) => self.borrow(),
            _ => self.reserve_in_file(is_retrying),
        }
    }

    fn reserve_in_file(&mut self, is_retrying: bool) {
        if let Err(error) = self.asks.iter_mut().try_for_each(|ask| turn(&mut self.file, ask)) {
            return self.failed(&error);
        }
        let rows: Vec<_> = self.asks.iter().map(|ask| ask.counter.next_reservation(&ask.quota, ask.now)).collect();
        let changed = || self.asks.iter().zip(&rows).filter_map(|(ask, row)| Some((&*ask.counter, (*row)?)));
        // An empty transaction finds out whether the disk works again.
        if (is_retrying || changed().next().is_some())
            && let Err(error) = self.file.write(changed().map(keyed))
        {
            return self.failed(&error);
        }
        changed().for_each(|(counter, row)| counter.publish(row));
        self.answer();
    }

    /// Asks the process that has the file.
    fn borrow(&mut self) {
        let Holder::Successor(successor) = &mut self.holder else { return };
        let wanted = |ask: &Ask| {
            // Who has to wait after all asks again.
            if ask.is_ahead {
                return None;
            }
            let (number, count) = ask.counter.next_loan(&ask.quota, ask.now)?;
            Some(Want::new(&ask.counter, ask.quota, number, count))
        };
        let wants: Vec<_> = self.asks.iter().map(wanted).collect();
        match successor.borrow(wants.iter().flatten().cloned().collect()) {
            Ok(lent) => {
                let asks = self.asks.iter().zip(&wants).filter_map(|(ask, want)| want.as_ref().map(|_| ask));
                asks.zip(lent).for_each(|(ask, lent)| ask.counter.borrow(lent, &ask.quota));
                self.answer();
            }
            Err(error) => self.failed(&StoreError::lost(&self.desk, &error)),
        }
    }

    fn answer(&mut self) {
        let answered = std::mem::take(&mut self.asks);
        answered.iter().for_each(|ask| ask.counter.answer());
        self.retry_at = None;
        if self.desk.is_failing() {
            self.recover(answered);
        }
        self.desk.answer();
    }

    /// Ends counting without marks, and asks for the counters that went beyond theirs while this was written.
    fn recover(&mut self, answered: Vec<Ask>) {
        self.desk.recover();
        self.asks = answered;
        self.asks.retain(|ask| ask.counter.has_overrun() && ask.counter.begin_asking());
        if !self.asks.is_empty() {
            self.retry_at = Some(Instant::now());
        }
    }

    fn open(&mut self) -> Result<Vec<OwnedRow>, StoreError> {
        self.hold(Holder::Us);
        self.file.open().inspect_err(|error| self.failed(error))
    }

    fn hold(&mut self, holder: Holder) {
        self.holder = holder;
        // Who waited too long meanwhile goes on in memory, until an answer ends that.
        self.retry_at = self.desk.is_failing().then(Instant::now);
    }

    fn extend(&mut self, mut ask: Ask, n: u64) -> Result<(), StoreError> {
        if !matches!(self.holder, Holder::Us) {
            return Err(self.desk.closed());
        }
        turn(&mut self.file, &mut ask).inspect_err(|error| self.failed(error))?;
        let row = ask.counter.next_extension(n, &ask.quota, ask.now);
        self.write(&[(Arc::clone(&ask.counter), row)])
    }

    /// Writes what is used instead of what is reserved.
    fn settle(&mut self, counters: Vec<Arc<Counter>>) -> Result<(), StoreError> {
        match self.holder {
            Holder::Us => {}
            // Before the file was ever opened nothing is reserved, and all is well.
            Holder::Nobody if counters.iter().all(|counter| counter.settle().is_none()) => return Ok(()),
            Holder::Nobody => return Err(self.desk.closed()),
            Holder::Successor(_) => return self.give_back(&counters),
        }
        let exact = |counter: Arc<Counter>| counter.settle().map(|row| (counter, row));
        let rows: Vec<_> = counters.into_iter().filter_map(exact).collect();
        if rows.is_empty() { Ok(()) } else { self.write(&rows) }
    }

    /// Gives what is reserved and not used to the process that has the file.
    fn give_back(&mut self, counters: &[Arc<Counter>]) -> Result<(), StoreError> {
        let Holder::Successor(successor) = &mut self.holder else { return Ok(()) };
        let exact = |counter: &Arc<Counter>| {
            let reserved = counter.reserved();
            let row = counter.settle()?;
            Some((Arc::clone(counter), row, counter.surplus(row, reserved)))
        };
        let settled: Vec<_> = counters.iter().filter_map(exact).collect();
        let surplus = |(counter, row, count): &(Arc<Counter>, Row, i64)| {
            let of = CounterName::of(counter);
            (*count != 0).then_some(Surplus { of, number: row.number, count: *count })
        };
        let given = successor.give_back(settled.iter().filter_map(surplus).collect());
        given.map_err(|error| StoreError::lost(&self.desk, &error)).inspect_err(|error| self.failed(error))?;
        settled.iter().for_each(|(counter, row, _)| counter.publish(*row));
        Ok(())
    }

    fn write(&mut self, rows: &[(Arc<Counter>, Row)]) -> Result<(), StoreError> {
        let written = self.file.write(rows.iter().map(|(counter, row)| keyed((counter, *row))));
        written.inspect_err(|error| self.failed(error))?;
        rows.iter().for_each(|(counter, row)| counter.publish(*row));
        Ok(())
    }

    fn failed(&mut self, error: &StoreError) {
        self.retry_at = Some(Instant::now() + self.desk.patience.retry);
        self.desk.fail(error);
        self.desk.answer();
    }
}

/// Begins another period with what the file knows of it, if it is time.
fn turn(file: &mut QuotaFile, ask: &mut Ask) -> Result<(), StoreError> {
    ask.refresh();
    if ask.counter.is_turning(&ask.quota, ask.now) {
        let (of, _) = keyed((&ask.counter, Row::default()));
        ask.counter.turn(file.left(of)?, &ask.quota, ask.now);
    }
    Ok(())
}

fn keyed((counter, row): (&Counter, Row)) -> (RowKey<'_>, Row) {
    let scope = counter.scope();
    (RowKey { plan: &scope.plan, key: counter.key(), period: scope.period }, row)
}
