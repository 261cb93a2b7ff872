use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::Entry;
use super::ghosts::Ghosts;
use super::queue::{Linked, Links, Queue};
use crate::base::Now;

/// Some of a store's entries, behind one lock and within their part of the store's bytes.
///
/// Which entry gives way is decided by S3-FIFO (Yang and others, SOSP 2023): an entry comes into a small first queue,
/// whose end it leaves for the main queue if it was asked for twice, else for good. So what is asked for once does not
/// drive out what is asked for often. A hit writes at most one byte, which needs no exclusive lock.
///
/// In lines of the processor's cache of its own: that of the lock is written by every hit, this is read by all.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Shard {
    /// Numbers of slots, by the hash of the key.
    index: HashTable<u32>,
    slots: Vec<Slot>,
    /// The slots that hold nothing.
    free: Vec<u32>,
    first: Queue,
    main: Queue,
    ghosts: Ghosts,
    size_bytes: u64,
    /// Where the next look for expired entries begins.
    swept: AtomicUsize,
}

/// What is looked at without touching the entry itself, which is in other lines of the processor's cache.
#[derive(Debug)]
struct Slot {
    hash: u64,
    entry: Option<Arc<Entry>>,
    fresh_until_ns: u64,
    weight: u32,
    links: Links,
    is_main: bool,
    /// How often it was asked for since it came or was last passed over; up to [`VISITS_MAX`].
    visits: AtomicU8,
}

/// Entries that are no longer stored. To be dropped when the shard is unlocked: each takes some calls of the allocator.
pub(super) type Gone = SmallVec<[Arc<Entry>; 4]>;

/// One in so many bytes is for the first queue.
const FIRST_SHARE: u64 = 10;

const VISITS_MAX: u8 = 3;

/// So often must an entry be asked for to leave the first queue for the main one.
const VISITS_OF_MAIN: u8 = 2;

impl Shard {
    pub(super) fn new(size_bytes: u64) -> Shard {
        Shard {
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            first: Queue::default(),
            main: Queue::default(),
            ghosts: Ghosts::default(),
            size_bytes,
            swept: AtomicUsize::new(0),
        }
    }

    /// What all its entries weigh; never more than its size.
    pub(super) fn bytes(&self) -> u64 {
        self.first.bytes() + self.main.bytes()
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The number of slots, with those that hold nothing.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The entry of `key` if it is fresh.
    pub(super) fn find(&self, hash: u64, key: &[u8], now: Now) -> Option<&Arc<Entry>> {
        let slot = self.slot(self.at(hash, key)?);
        if slot.fresh_until_ns <= now.mono_ns {
            return None;
        }
        slot.visit();
        slot.entry.as_ref()
    }

    /// Stores `entry` in the place of what its key had, and lets others give way to it. One that is larger than the
    /// shard is not stored.
    pub(super) fn insert(&mut self, hash: u64, entry: &Arc<Entry>, now: Now) -> Gone {
        let mut gone = Gone::new();
        let before = self.at(hash, entry.key());
        let (is_main, visits) = match before {
            Some(at) => self.rank(at),
            None => (self.ghosts.take(hash), 0),
        };
        gone.extend(before.and_then(|at| self.remove_at(at)));
        let weight = entry.weight();
        if u64::from(weight) <= self.size_bytes {
            self.make_room(weight, now, &mut gone);
            let slot = Slot {
                hash,
                entry: Some(Arc::clone(entry)),
                fresh_until_ns: entry.fresh_until_ns(),
                weight,
                links: Links::default(),
                is_main,
                visits: AtomicU8::new(visits),
            };
            self.add(slot);
        }
        gone
    }

    /// Removes the entry of `key`.
    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Arc<Entry>> {
        let at = self.at(hash, key)?;
        self.remove_at(at)
    }

    /// The slots of expired entries among the next `count`, after those that the last call looked at.
    pub(super) fn expired(&self, count: usize, now: Now) -> SmallVec<[u32; 16]> {
        let begin = self.swept.load(Ordering::Relaxed);
        let begin = if begin < self.slots.len() { begin } else { 0 };
        let slots = self.slots.iter().enumerate().skip(begin).take(count);
        let found = slots.filter(|(_, slot)| slot.is_expired(now)).map(|(at, _)| at as u32).collect();
        self.swept.store(begin + count, Ordering::Relaxed);
        found
    }

    /// Removes what is in these slots, if it is still expired.
    pub(super) fn remove_expired(&mut self, slots: &[u32], now: Now) -> Gone {
        let mut gone = Gone::new();
        for &at in slots {
            if !self.slots.get(at as usize).is_some_and(|slot| slot.is_expired(now)) {
                continue;
            }
            if self.slot(at).is_main {
                // What was in demand is likely to be fetched again.
                self.ghosts.add(self.slot(at).hash, self.index.len());
            }
            gone.extend(self.remove_at(at));
        }
        gone
    }

    fn make_room(&mut self, weight: u32, now: Now, gone: &mut Gone) {
        while self.bytes() + u64::from(weight) > self.size_bytes {
            let is_first = self.first.bytes() > self.size_bytes / FIRST_SHARE || self.main.oldest().is_none();
            let oldest = if is_first { self.first.oldest() } else { self.main.oldest() };
            let Some(at) = oldest else { return };
            gone.extend(self.judge(at, now));
        }
    }

    /// The oldest of a queue leaves it: for the main queue, or for good.
    fn judge(&mut self, at: u32, now: Now) -> Option<Arc<Entry>> {
        let (is_main, visits) = self.rank(at);
        let stays = !self.slot(at).is_expired(now) && visits >= if is_main { 1 } else { VISITS_OF_MAIN };
        if !stays {
            if !is_main {
                self.ghosts.add(self.slot(at).hash, self.index.len());
            }
            return self.remove_at(at);
        }
        self.unlink(at);
        let slot = self.slot_mut(at);
        slot.is_main = true;
        slot.visits = AtomicU8::new(if is_main { visits - 1 } else { 0 });
        self.link(at);
        None
    }

    fn rank(&self, at: u32) -> (bool, u8) {
        let slot = self.slot(at);
        (slot.is_main, slot.visits.load(Ordering::Relaxed))
    }

    fn at(&self, hash: u64, key: &[u8]) -> Option<u32> {
        self.index.find(hash, |&at| self.slot(at).is(hash, key)).copied()
    }

    fn add(&mut self, slot: Slot) {
        let hash = slot.hash;
        let at = match self.free.pop() {
            Some(at) => {
                *self.slot_mut(at) = slot;
                at
            }
            None => {
                self.slots.push(slot);
                // A slot stands for hundreds of bytes, so there are fewer than 2^32.
                (self.slots.len() - 1) as u32
            }
        };
        let slots = &self.slots;
        self.index.insert_unique(hash, at, |&at| slots[at as usize].hash);
        self.link(at);
    }

    fn remove_at(&mut self, at: u32) -> Option<Arc<Entry>> {
        self.unlink(at);
        let hash = self.slot(at).hash;
        if let Ok(found) = self.index.find_entry(hash, |&other| other == at) {
            found.remove();
        }
        self.free.push(at);
        self.slot_mut(at).entry.take()
    }

    fn link(&mut self, at: u32) {
        let Slot { is_main, weight, .. } = *self.slot(at);
        let queue = if is_main { &mut self.main } else { &mut self.first };
        queue.push(at, weight, &mut self.slots);
    }

    fn unlink(&mut self, at: u32) {
        let Slot { is_main, weight, .. } = *self.slot(at);
        let queue = if is_main { &mut self.main } else { &mut self.first };
        queue.remove(at, weight, &mut self.slots);
    }

    /// Every number in the index, the queues and the list of free ones is that of a slot: slots are never dropped.
    fn slot(&self, at: u32) -> &Slot {
        &self.slots[at as usize]
    }

    fn slot_mut(&mut self, at: u32) -> &mut Slot {
        &mut self.slots[at as usize]
    }
}

impl Linked for Vec<Slot> {
    fn links(&mut self, at: u32) -> &mut Links {
        &mut self[at as usize].links
    }
}

impl Slot {
    fn is(&self, hash: u64, key: &[u8]) -> bool {
        self.hash == hash && self.entry.as_ref().is_some_and(|entry| entry.key() == key)
    }

    fn is_expired(&self, now: Now) -> bool {
        self.entry.is_some() && self.fresh_until_ns <= now.mono_ns
    }

    /// Two at once may count as one: it is an estimate.
    fn visit(&self) {
        let visits = self.visits.load(Ordering::Relaxed);
        if visits < VISITS_MAX {
            self.visits.store(visits + 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
