use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Period;

use super::Counter;
use super::desk::Desk;
use super::file::Row;

/// What the counters of one ledger have in common.
#[derive(Debug)]
pub(super) struct Scope {
    pub plan: Arc<str>,
    pub period: Period,
    pub desk: Arc<Desk>,
}

/// The counters of all keys of one plan and kind of period.
#[derive(Debug)]
pub struct Ledger {
    scope: Arc<Scope>,
    counters: Mutex<HashSet<ByKey, ahash::RandomState>>,
}

/// A counter that is found by its key's name, without a second copy of the name.
#[derive(Debug)]
struct ByKey(Arc<Counter>);

impl Borrow<str> for ByKey {
    fn borrow(&self) -> &str {
        self.0.key()
    }
}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().as_ref().hash(state);
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &ByKey) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for ByKey {}

impl Ledger {
    pub(super) fn new(plan: Arc<str>, period: Period, desk: Arc<Desk>) -> Ledger {
        Ledger { scope: Arc::new(Scope { plan, period, desk }), counters: Mutex::default() }
    }

    pub(super) fn period(&self) -> Period {
        self.scope.period
    }

    /// The one counter of this key. A key that has none begins unused.
    pub fn counter(&self, key: &Arc<str>) -> Arc<Counter> {
        let mut counters = self.lock();
        if let Some(ByKey(counter)) = counters.get(key.as_ref()) {
            return Arc::clone(counter);
        }
        let counter = Arc::new(Counter::new(Arc::clone(key), Arc::clone(&self.scope)));
        counters.insert(ByKey(Arc::clone(&counter)));
        counter
    }

    /// Takes up a counter from the store.
    pub(super) fn restore(&self, key: &Arc<str>, row: Row) {
        self.counter(key).restore(row);
    }

    pub(super) fn all(&self) -> Vec<Arc<Counter>> {
        self.lock().iter().map(|ByKey(counter)| Arc::clone(counter)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<ByKey, ahash::RandomState>> {
        // Nothing in here can stop half-way.
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
