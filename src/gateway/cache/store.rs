use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ahash::RandomState;
use moka::Expiry;
use moka::sync::Cache;

use super::flight::Position;
use super::flights::{Flights, Joined};
use super::{Entry, Follower, Key, Leader};
use crate::base::Now;

/// The stored answers of one stage and the fetches for them. Outlives reloads of the configuration.
#[derive(Debug)]
pub struct Store {
    entries: Cache<Arc<[u8]>, Arc<Entry>, RandomState>,
    pub(super) flights: Flights,
    size_bytes: u64,
    /// Bytes inserted since the bound was last enforced.
    unsettled_bytes: AtomicU64,
    /// In every key: a flush of the stage moves it on.
    generation: AtomicU32,
    /// In the keys of one route, by "METHOD /path": a flush of the route moves it on.
    route_generations: Mutex<HashMap<Box<str>, Arc<AtomicU32>>>,
    /// The last number given to a route. Never given twice, so a route that went and came back finds nothing old.
    last_route_generation: AtomicU32,
}

/// Where a stage's store came from at a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarryOver {
    /// The stage had none.
    New,
    Kept,
    /// The size changed: a new store, and the entries of the old one are gone.
    Resized,
}

/// What a request finds.
#[derive(Debug)]
pub enum Lookup {
    Hit(Arc<Entry>),
    /// Fetch, and hand the answer on.
    Lead(Leader),
    /// Read another request's fetch.
    Follow(Follower),
    /// Fetch for yourself alone; nothing is stored.
    Alone,
}

impl Store {
    /// A store for a stage whose cache has this size: the stage's previous one if it had the same.
    pub fn carry_over(previous: Option<&Arc<Store>>, size_bytes: u64) -> (Arc<Store>, CarryOver) {
        match previous {
            Some(store) if store.size_bytes == size_bytes => {
                store.forget_unused_routes();
                (Arc::clone(store), CarryOver::Kept)
            }
            Some(_) => (Arc::new(Store::new(size_bytes)), CarryOver::Resized),
            None => (Arc::new(Store::new(size_bytes)), CarryOver::New),
        }
    }

    fn new(size_bytes: u64) -> Store {
        let entries = Cache::builder()
            .max_capacity(size_bytes)
            .weigher(|key: &Arc<[u8]>, entry: &Arc<Entry>| entry.weight(key.len()))
            .expire_after(EntryTtl)
            .build_with_hasher(RandomState::new());
        Store {
            entries,
            flights: Flights::default(),
            size_bytes,
            unsettled_bytes: AtomicU64::new(0),
            generation: AtomicU32::new(0),
            route_generations: Mutex::default(),
            last_route_generation: AtomicU32::new(0),
        }
    }

    /// The bytes of all entries, keys and heads included, as of the last maintenance.
    pub fn bytes(&self) -> u64 {
        self.entries.weighted_size()
    }

    /// How many entries there are, as of the last maintenance.
    pub fn entries(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Enforces the bound and drops what has expired; the server calls it once a second.
    pub fn maintain(&self, now: Now) {
        self.flights.maintain(now);
        self.settle();
    }

    /// Forgets every entry of the stage. Fetches under way still answer who follows them; nothing of them is stored.
    pub fn flush_all(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.flights.forget_all();
        self.entries.invalidate_all();
    }

    /// Forgets every entry of a route, such as "GET /items/{id}"; their memory is freed as they expire.
    /// False if the stage caches no such route.
    pub fn flush_route(&self, route: &str) -> bool {
        let generations = self.route_generations.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(generation) = generations.get(route) else { return false };
        generation.store(self.next_route_generation(), Ordering::Relaxed);
        true
    }

    /// Forgets one entry. False if there was none.
    pub fn flush_key(&self, key: &Key) -> bool {
        self.flights.forget(key.as_bytes());
        self.entries.remove(key.as_bytes()).is_some()
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    /// The number in the keys of `route`, which [`Store::flush_route`] moves on.
    pub(super) fn route_generation(&self, route: &str) -> Arc<AtomicU32> {
        let mut generations = self.route_generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(generation) = generations.get(route) {
            return Arc::clone(generation);
        }
        let generation = Arc::new(AtomicU32::new(self.next_route_generation()));
        generations.insert(route.into(), Arc::clone(&generation));
        generation
    }

    fn next_route_generation(&self) -> u32 {
        self.last_route_generation.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Drops the numbers of routes that no configuration in use has.
    fn forget_unused_routes(&self) {
        let mut generations = self.route_generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.retain(|_, generation| Arc::strong_count(generation) > 1);
    }

    /// The entry of `key` if it is fresh by our clock; the cache's own only frees its memory.
    pub(super) fn find(&self, key: &[u8], now: Now) -> Option<Arc<Entry>> {
        self.entries.get(key).filter(|entry| entry.is_fresh(now))
    }

    /// Joins the fetch of `key` or leads one.
    pub(super) fn join(
        self: &Arc<Store>,
        key: &[u8],
        ttl: Duration,
        is_refresh: bool,
        retries: u8,
        now: Now,
    ) -> Lookup {
        match self.flights.join(key, is_refresh, now) {
            Joined::Alone => Lookup::Alone,
            Joined::Following(key, flight) => {
                let (store, position) = (Arc::clone(self), Position::default());
                Lookup::Follow(Follower { store, key, flight, ttl, position, is_own: false, retries })
            }
            Joined::Leading(key, flight) => {
                let leader = Leader::new(self, (Arc::clone(&key), flight), ttl, is_refresh, retries);
                if is_refresh {
                    return Lookup::Lead(leader);
                }
                // Between our look and our lead another fetch may have ended: then there is nothing left to fetch.
                match self.find(&key, now) {
                    Some(entry) => {
                        leader.serve(&entry);
                        Lookup::Hit(entry)
                    }
                    None => Lookup::Lead(leader),
                }
            }
        }
    }

    /// After a leader failed.
    pub(super) fn look_again(self: &Arc<Store>, key: &[u8], ttl: Duration, retries: u8, now: Now) -> Lookup {
        match self.find(key, now) {
            Some(entry) => Lookup::Hit(entry),
            None => self.join(key, ttl, false, retries, now),
        }
    }

    /// Stores an entry. The cache enforces its bound late, so when an eighth of it is unsettled we do it here.
    pub(super) fn insert(&self, key: &Arc<[u8]>, entry: &Arc<Entry>) {
        let weight = u64::from(entry.weight(key.len()));
        self.entries.insert(Arc::clone(key), Arc::clone(entry));
        if self.unsettled_bytes.fetch_add(weight, Ordering::Relaxed) + weight > self.size_bytes / 8 {
            self.settle();
        }
    }

    pub(super) fn remove(&self, key: &[u8]) {
        self.entries.invalidate(key);
    }

    /// Removes `entry` if it is still what is stored under `key`.
    pub(super) fn take_back(&self, key: &[u8], entry: &Arc<Entry>) {
        if self.entries.get(key).is_some_and(|stored| Arc::ptr_eq(&stored, entry)) {
            self.entries.invalidate(key);
        }
    }

    fn settle(&self) {
        self.unsettled_bytes.store(0, Ordering::Relaxed);
        self.entries.run_pending_tasks();
    }
}

/// Each entry lives for its own ttl, and one that replaces another for its own too: the default would keep the old
/// one's deadline.
struct EntryTtl;

impl Expiry<Arc<[u8]>, Arc<Entry>> for EntryTtl {
    fn expire_after_create(&self, _: &Arc<[u8]>, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(
        &self,
        _: &Arc<[u8]>,
        entry: &Arc<Entry>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ttl)
    }
}
