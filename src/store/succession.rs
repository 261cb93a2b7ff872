//! A process takes another's place while both serve, and no request is counted twice or not at all.
//!
//! The old process closes the file and keeps what it has reserved. To the new one, which opens it, all of that is used.
//! What the old one does not need it gives back, and what it needs beyond it borrows, so that at every moment a request
//! of a quota is with one of the two.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::Period;

use super::counter::{Counter, Quota};
use super::file;

/// The process that has the file now, as the one before it sees it.
pub trait Successor: Debug + Send {
    /// Borrows; the answers are in the order of what is wanted.
    fn borrow(&mut self, wants: Vec<Want>) -> io::Result<Vec<Lent>>;

    /// Gives back what was not used.
    fn give_back(&mut self, surplus: Vec<Surplus>) -> io::Result<()>;
}

/// Which counter it is, in words that both processes know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterName {
    pub plan: Arc<str>,
    pub key: Arc<str>,
    /// As in the file.
    period: u8,
}

/// Requests that the old process would like to admit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    pub of: CounterName,
    /// The period that it counts in, see `calendar`.
    pub number: u32,
    pub count: u64,
    limit: u64,
    offset: u64,
}

/// Requests that it may admit; 0: the quota is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    /// The period that the new process counts in.
    pub number: u32,
    pub count: u64,
}

/// Requests that were reserved and not used; negative: used and not reserved, as happens while a disk fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surplus {
    pub of: CounterName,
    pub number: u32,
    pub count: i64,
}

impl CounterName {
    pub(super) fn of(counter: &Counter) -> CounterName {
        let scope = counter.scope();
        let (plan, key) = (Arc::clone(&scope.plan), Arc::clone(counter.key()));
        CounterName { plan, key, period: file::code_of_period(scope.period) }
    }

    /// `None`: a kind of period of another version.
    pub(super) fn period(&self) -> Option<Period> {
        file::period_of_code(self.period)
    }
}

impl Want {
    pub(super) fn new(counter: &Counter, quota: Quota, number: u32, count: u64) -> Want {
        Want { of: CounterName::of(counter), number, count, limit: quota.limit, offset: quota.offset }
    }

    pub(super) fn quota(&self) -> Quota {
        Quota { limit: self.limit, offset: self.offset }
    }
}
