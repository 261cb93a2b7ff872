use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::entries::Entries;
use super::flight::Position;
use super::flights::{Flights, Joined};
use super::{Entry, Follower, Key, Leader};
use crate::base::Now;

/// The stored answers of one stage and the fetches for them. Outlives reloads of the configuration.
#[derive(Debug)]
pub struct Store {
    entries: Entries,
    pub(super) flights: Flights,
    size_bytes: u64,
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
        Store {
            entries: Entries::new(size_bytes),
            flights: Flights::default(),
            size_bytes,
            generation: AtomicU32::new(0),
            route_generations: Mutex::default(),
            last_route_generation: AtomicU32::new(0),
        }
    }

    /// The bytes of all entries, keys and heads included. Never more than the size.
    pub fn bytes(&self) -> u64 {
        self.entries.bytes()
    }

    /// How many entries there are, with those that have expired and are not dropped yet.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Drops what has expired, within eight calls; the server calls it once a second.
    pub fn maintain(&self, now: Now) {
        self.flights.maintain(now);
        self.entries.sweep(now);
    }

    /// Forgets every entry of the stage. Fetches under way still answer who follows them; nothing of them is stored.
    pub fn flush_all(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.flights.forget_all();
        self.entries.clear();
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
        self.entries.remove(key.as_bytes())
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

    /// The entry of `key` if it is fresh.
    pub(super) fn find(&self, key: &[u8], now: Now) -> Option<Arc<Entry>> {
        self.entries.find(key, now)
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

    pub(super) fn insert(&self, entry: &Arc<Entry>, now: Now) {
        self.entries.insert(entry, now);
    }

    pub(super) fn remove(&self, key: &[u8]) {
        self.entries.remove(key);
    }
}
