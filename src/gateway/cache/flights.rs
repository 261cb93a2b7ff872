use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::RandomState;

use super::flight::Flight;
use crate::base::Now;

/// The fetches that are under way in one stage, and the keys whose last answer could not be shared.
///
/// Taken only on misses. One lock guards a sixteenth of the keys; who holds it may take one of the entries' locks, and
/// never the other way round.
#[derive(Debug, Default)]
pub(super) struct Flights {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Shard {
    flights: HashMap<Arc<[u8]>, Arc<Flight>, RandomState>,
    /// Key → when the mark ends, on the monotonic clock.
    marks: HashMap<Arc<[u8]>, u64, RandomState>,
}

/// What a request that found nothing stored does.
pub(super) enum Joined {
    Leading(Arc<[u8]>, Arc<Flight>),
    Following(Arc<[u8]>, Arc<Flight>),
    /// The key is marked.
    Alone,
}

const SHARDS: usize = 16;

/// For how long the next misses of a key that could not be shared do not wait for one another.
const MARK_NS: u64 = 2_000_000_000;

/// Marks are a help, not a promise: where there are more, further keys get none.
const MARKS_PER_SHARD_MAX: usize = 256;

impl Flights {
    /// Joins the fetch of `key`, or begins one. With `is_refresh` it always begins one, which takes the place of
    /// one that is under way: that might bring what the client has asked not to see.
    pub(super) fn join(&self, key: &[u8], is_refresh: bool, now: Now) -> Joined {
        let mut shard = self.shard(key);
        if !is_refresh {
            if let Some((key, flight)) = shard.flights.get_key_value(key) {
                return Joined::Following(Arc::clone(key), Arc::clone(flight));
            }
            if shard.marks.get(key).is_some_and(|until_ns| now.mono_ns < *until_ns) {
                return Joined::Alone;
            }
        }
        let (key, flight): (Arc<[u8]>, _) = (key.into(), Arc::<Flight>::default());
        shard.flights.insert(Arc::clone(&key), Arc::clone(&flight));
        Joined::Leading(key, flight)
    }

    /// Ends the fetch.
    pub(super) fn leave(&self, key: &[u8], flight: &Arc<Flight>) {
        self.shard(key).leave(key, flight);
    }

    /// Ends the fetch, and stores what it brought if it was still the fetch of `key`: neither flushed nor replaced by a
    /// refresh. All at once: a flush is before both or after both, and no second fetch begins between them.
    pub(super) fn leave_with(&self, key: &[u8], flight: &Arc<Flight>, store: impl FnOnce()) {
        let mut shard = self.shard(key);
        if shard.leave(key, flight) {
            store();
        }
    }

    /// Ends a fetch that cannot be shared, and marks its key if it was still the fetch of `key`.
    pub(super) fn leave_marked(&self, key: &Arc<[u8]>, flight: &Arc<Flight>, now: Now) {
        let mut shard = self.shard(key);
        if shard.leave(key, flight) && shard.marks.len() < MARKS_PER_SHARD_MAX {
            shard.marks.insert(Arc::clone(key), now.mono_ns.saturating_add(MARK_NS));
        }
    }

    /// Forgets the fetch and the mark of `key`. Who reads the fetch reads on; its answer is not stored.
    pub(super) fn forget(&self, key: &[u8]) {
        let mut shard = self.shard(key);
        shard.flights.remove(key);
        shard.marks.remove(key);
    }

    pub(super) fn forget_all(&self) {
        self.each_shard(|shard| {
            shard.flights.clear();
            shard.marks.clear();
        });
    }

    /// Drops the marks that have ended.
    pub(super) fn maintain(&self, now: Now) {
        self.each_shard(|shard| shard.marks.retain(|_, until_ns| now.mono_ns < *until_ns));
    }

    fn each_shard(&self, each: impl Fn(&mut Shard)) {
        self.shards.iter().for_each(|shard| each(&mut lock(shard)));
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hasher.hash_one(key) as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    /// True if it was still the fetch of `key`.
    fn leave(&mut self, key: &[u8], flight: &Arc<Flight>) -> bool {
        let is_current = self.flights.get(key).is_some_and(|current| Arc::ptr_eq(current, flight));
        if is_current {
            self.flights.remove(key);
        }
        is_current
    }
}
