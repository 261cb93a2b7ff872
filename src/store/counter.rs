use std::sync::Arc;

use crate::base::{Clock, Now};
use crate::config::Period;

use super::desk::{Ask, Beyond, Message};
use super::file::Row;
use super::ledger::Scope;
use super::succession::Lent;
use super::tally::{Seen, Tally, TallyCell};
use super::{StoreError, calendar};

mod turn;

/// What a counter counts up to. Given with every call, so that a changed limit holds at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests per period, at most [`Quota::LIMIT_MAX`].
    pub limit: u64,
    /// Counts as used in the first period in which the key is used.
    pub offset: u64,
}

/// A clock that goes back by less is taken for one that is being adjusted.
const SET_BACK_MIN_MS: u64 = 60_000;

impl Quota {
    /// About 10^12.
    pub const LIMIT_MAX: u64 = Tally::COUNT_MAX;

    /// Requests that are reserved at a time.
    pub fn block(&self) -> u64 {
        (self.limit / 200).clamp(1, 1_000)
    }
}

/// The requests of one key under one plan, over all stages, in the current period. With its reference counts it is as
/// large as a cache line.
#[derive(Debug)]
pub struct Counter {
    key: Arc<str>,
    scope: Arc<Scope>,
    used: TallyCell,
    /// The durable mark. Written by the writer thread only.
    reserved: TallyCell,
    /// What the operator granted on top of the limit. Written by the writer thread only. Its flag: the writer has been
    /// asked for the next block and has not answered.
    extension: TallyCell,
}

/// A request that was counted.
#[derive(Debug)]
pub struct Taken {
    pub(super) number: u32,
    /// Requests left in the period.
    pub remaining: u64,
    /// When it was counted: later than the `now` that came in, if the counter had to wait for the disk.
    pub at: Now,
}

/// Why a request was not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    Exhausted(Exhausted),
    /// The disk fails, and what a crash may hand back is counted already.
    Unsaved,
}

/// The quota of the period is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// The limit with what was granted on top of it.
    pub limit: u64,
    /// The length of the period.
    pub window_s: u64,
    /// Until the period ends, rounded up; at least 1.
    pub reset_s: u64,
}

/// How much of a quota is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    pub key: Arc<str>,
    pub plan: Arc<str>,
    /// As configured, without `extension`.
    pub limit: u64,
    /// Granted on top of the limit for this period.
    pub extension: u64,
    pub used: u64,
    pub remaining: u64,
    pub period: Period,
    pub resets_at_unix_ms: u64,
}

/// The outcome of one look at a counter.
enum Look {
    Taken(Taken),
    Denied(Denied),
    /// The limit is not reached, the durable mark is.
    Unreserved,
}

impl Counter {
    pub(super) fn new(key: Arc<str>, scope: Arc<Scope>) -> Counter {
        let (used, reserved, extension) = Default::default();
        Counter { key, scope, used, reserved, extension }
    }

    /// Begins where the store says. Nothing has been counted yet.
    pub(super) fn restore(&self, row: Row) {
        self.publish(row);
        self.used.store(Tally::new(row.number, row.mark));
    }

    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Decides and counts in one step. Completes at once, unless the key is faster than the disk.
    pub async fn take(self: &Arc<Self>, quota: &Quota, clock: &Clock, now: Now) -> Result<Taken, Denied> {
        match self.look(quota, now) {
            Look::Taken(taken) => Ok(taken),
            Look::Denied(denied) => Err(denied),
            Look::Unreserved => self.take_when_reserved(quota, clock).await,
        }
    }

    /// Waits for the writer; when it takes too long the store counts as failing, and counting needs no mark.
    async fn take_when_reserved(self: &Arc<Self>, quota: &Quota, clock: &Clock) -> Result<Taken, Denied> {
        let desk = &self.scope.desk;
        let deadline = tokio::time::Instant::now() + desk.patience.reservation;
        loop {
            // Listening begins before looking: an answer in between is not missed.
            let answered = desk.answered();
            let now = clock.now();
            match self.look(quota, now) {
                Look::Taken(taken) => return Ok(taken),
                Look::Denied(denied) => return Err(denied),
                Look::Unreserved if tokio::time::timeout_at(deadline, answered).await.is_err() => {
                    desk.stalled();
                    // If the writer has just answered after all, it must hear of this to end it.
                    self.ask(quota, now);
                }
                Look::Unreserved => {}
            }
        }
    }

    fn look(self: &Arc<Self>, quota: &Quota, now: Now) -> Look {
        let mut seen = self.used.seen();
        loop {
            let standing = self.standing(seen, quota, now);
            let Tally { number, count } = standing;
            let total = self.total(quota, number);
            if count >= total {
                return Look::Denied(Denied::Exhausted(self.exhausted(number, total, now)));
            }
            let mark = self.reserved.load().count_in(number);
            if let Some(beyond) = count.checked_sub(mark) {
                match self.scope.desk.beyond_mark(beyond) {
                    Beyond::IsCounted => {}
                    Beyond::Waits => {
                        self.ask(quota, now);
                        return Look::Unreserved;
                    }
                    Beyond::IsDenied => {
                        self.ask(quota, now);
                        return Look::Denied(Denied::Unsaved);
                    }
                }
            }
            match self.used.replace(seen, Tally::new(number, count + 1)) {
                Ok(()) => {
                    if mark < total && mark.saturating_sub(count + 1) <= quota.block() / 2 {
                        self.ask_ahead(quota, now);
                    }
                    return Look::Taken(Taken { number, remaining: total - count - 1, at: now });
                }
                Err(other) => seen = other,
            }
        }
    }

    /// What is used in the period of `now`, or in the latest one that was counted in, unless the clock was set back.
    fn standing(&self, seen: Seen, quota: &Quota, now: Now) -> Tally {
        let used = seen.tally();
        let latest = used.number.max(self.reserved.load().number);
        let shown = calendar::number(self.scope.period, now.unix_ms);
        let number = if shown < latest && self.is_set_back(used, latest, now) { shown } else { shown.max(latest) };
        let is_first_period = used.number == 0;
        Tally::new(number, if is_first_period { quota.offset } else { used.count_in(number) })
    }

    /// Whether the clock was ahead when the latest period began. A little is no reason to leave that: a request may have
    /// read the clock before another did. Without a disk only the writer's own last step is followed, see `turn`.
    fn is_set_back(&self, used: Tally, latest: u32, now: Now) -> bool {
        let is_far = now.unix_ms + SET_BACK_MIN_MS < calendar::start_unix_ms(self.scope.period, latest);
        let was_turned = used.number == calendar::number(self.scope.period, now.unix_ms);
        is_far && (was_turned || !self.scope.desk.is_failing())
    }

    /// What may be used in this period.
    fn total(&self, quota: &Quota, number: u32) -> u64 {
        quota.limit.saturating_add(self.extension.load().count_in(number)).min(Quota::LIMIT_MAX)
    }

    fn exhausted(&self, number: u32, limit: u64, now: Now) -> Exhausted {
        let left_ms = calendar::end_unix_ms(self.scope.period, number).saturating_sub(now.unix_ms);
        let window_s = calendar::length_s(self.scope.period, number);
        Exhausted { limit, window_s, reset_s: left_ms.div_ceil(1_000).max(1) }
    }

    /// Asks the writer for the next block, once.
    fn ask(self: &Arc<Self>, quota: &Quota, now: Now) {
        if self.begin_asking() {
            self.scope.desk.send(Message::Reserve(Ask::new(self, quota, now)));
        }
    }

    /// The same before any request has to wait for it.
    fn ask_ahead(self: &Arc<Self>, quota: &Quota, now: Now) {
        if self.begin_asking() {
            self.scope.desk.send(Message::Reserve(Ask { is_ahead: true, ..Ask::new(self, quota, now) }));
        }
    }

    /// Whether the caller is the one to ask.
    pub(super) fn begin_asking(&self) -> bool {
        self.extension.raise_flag()
    }

    /// Takes back a count of a request that another limit refused. Nothing happens if its period is over.
    pub fn give_back(&self, taken: Taken) {
        self.adjust(taken.number, -1);
    }

    /// Counts so many more, or fewer, whatever the limit. Nothing happens if the period is over.
    pub(super) fn adjust(&self, number: u32, by: i64) {
        let mut seen = self.used.seen();
        loop {
            let Tally { number: standing, count } = seen.tally();
            if standing != number {
                return;
            }
            match self.used.replace(seen, Tally::new(number, count.saturating_add_signed(by))) {
                Ok(()) => return,
                Err(other) => seen = other,
            }
        }
    }

    /// Grants `n` more requests in the current period. Durable when it returns `Ok`.
    pub async fn extend(self: &Arc<Self>, n: u64, quota: &Quota, now: Now) -> Result<(), StoreError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.scope.desk.send(Message::Extend { ask: Ask::new(self, quota, now), n, reply });
        answer.await.unwrap_or_else(|_| Err(self.scope.desk.closed()))
    }

    /// How much is used now.
    pub fn usage(&self, quota: &Quota, now: Now) -> Usage {
        let Tally { number, count: used } = self.standing(self.used.seen(), quota, now);
        let total = self.total(quota, number);
        Usage {
            key: Arc::clone(&self.key),
            plan: Arc::clone(&self.scope.plan),
            limit: quota.limit,
            extension: self.extension.load().count_in(number),
            used,
            remaining: total.saturating_sub(used),
            period: self.scope.period,
            resets_at_unix_ms: calendar::end_unix_ms(self.scope.period, number),
        }
    }
}

/// The writer's side: what to make durable, and saying that it is.
impl Counter {
    /// The row that lets this counter go on for a block and a half; `None` when it needs none.
    pub(super) fn next_reservation(&self, quota: &Quota, now: Now) -> Option<Row> {
        let Tally { number, count } = self.standing(self.used.seen(), quota, now);
        let mark = self.reserved.load().count_in(number);
        let wanted = (count + quota.block() + quota.block() / 2).min(self.total(quota, number).max(count));
        let row = Row { number, mark: wanted, extension: self.extension.load().count_in(number) };
        (wanted > mark).then_some(row)
    }

    /// The period to count in and how many requests to borrow for it; `None` when it needs none. Few at a time and
    /// none ahead: what is borrowed is missing where most requests are.
    pub(super) fn next_loan(&self, quota: &Quota, now: Now) -> Option<(u32, u64)> {
        let Tally { number, count } = self.standing(self.used.seen(), quota, now);
        let mark = self.reserved.load().count_in(number);
        let wanted = (count + quota.block().div_ceil(10)).min(self.total(quota, number).max(count));
        (wanted > mark).then(|| (number, wanted - mark))
    }

    /// The row that grants `n` more in the current period.
    pub(super) fn next_extension(&self, n: u64, quota: &Quota, now: Now) -> Row {
        let Tally { number, count } = self.standing(self.used.seen(), quota, now);
        let extension = self.extension.load().count_in(number).saturating_add(n).min(Quota::LIMIT_MAX);
        Row { number, mark: self.reserved.load().count_in(number).max(count), extension }
    }

    /// The row is durable: counting may go up to it.
    pub(super) fn publish(&self, row: Row) {
        self.extension.store(Tally::new(row.number, row.extension));
        self.reserved.store(Tally::new(row.number, row.mark));
    }

    /// What there is to give back or to make up for before the exact row holds: reserved less used.
    pub(super) fn surplus(&self, exact: Row, reserved: Tally) -> i64 {
        reserved.count_in(exact.number).cast_signed() - exact.mark.cast_signed()
    }

    pub(super) fn reserved(&self) -> Tally {
        self.reserved.load()
    }

    /// So many were lent to this process by the one that has the counters now. None: the rest of the quota was used there.
    pub(super) fn borrow(&self, lent: Lent, quota: &Quota) {
        let Lent { number, count } = lent;
        let (used, mark) = (self.used.seen(), self.reserved.load().count_in(number));
        let extension = self.extension.load().count_in(number);
        let is_spent = count == 0 && used.tally().count_in(number) >= mark;
        let mark = if is_spent { self.total(quota, number).max(used.tally().count) } else { mark + count };
        if is_spent && self.used.replace(used, Tally::new(number, mark)).is_err() {
            // Somebody counted or gave back meanwhile, and asks again.
            return;
        }
        self.publish(Row { number, mark, extension });
    }

    /// The next block may be asked for. Not a plain store: who asked meanwhile in vain is heard of after this.
    pub(super) fn answer(&self) {
        self.extension.lower_flag();
    }

    /// Requests that are counted and would be unknown after a crash.
    pub(super) fn unsaved(&self) -> u64 {
        let used = self.used.load();
        used.count.saturating_sub(self.reserved.load().count_in(used.number))
    }

    /// Whether requests were counted beyond the mark, as they are while the disk fails. Asked when it works again:
    /// from here on whoever is counting has seen that a mark is needed.
    pub(super) fn has_overrun(&self) -> bool {
        let used = self.used.end_era();
        used.count > self.reserved.load().count_in(used.number)
    }

    /// Withdraws what is reserved and not used, and returns the exact row; `None` when the durable one is exact.
    ///
    /// Whoever is counting meanwhile either is in the row or finds the mark withdrawn and asks anew.
    pub(super) fn settle(&self) -> Option<Row> {
        let (used, reserved) = (self.used.load(), self.reserved.load());
        if used == reserved || used.number == 0 {
            return None;
        }
        if used.count < reserved.count_in(used.number) {
            self.reserved.store(used);
        }
        let Tally { number, count } = self.used.end_era();
        Some(Row { number, mark: count, extension: self.extension.load().count_in(number) })
    }
}
