use std::hash::{BuildHasher, Hasher};
use std::mem;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ahash::RandomState;

use super::shard::Shard;
use super::{BODY_BYTES_MAX, Entry};
use crate::base::Now;

/// The stored answers of one stage, never of more bytes than its size: what is over gives way before the new is stored.
///
/// A hit takes a shard's lock for reading, for as long as it takes to compare the key. Entries are dropped when the lock
/// is free again.
#[derive(Debug)]
pub(super) struct Entries {
    /// A power of two of them.
    shards: Box<[RwLock<Shard>]>,
    hasher: RandomState,
}

const SHARDS_MAX: u64 = 64;

/// A shard holds at least so many of the largest answers, if the size allows it.
const SHARD_BYTES_MIN: u64 = 8 * BODY_BYTES_MAX as u64;

/// For so many slots at once a shard is locked to look for expired entries: some microseconds.
const SWEEP_SLOTS: usize = 256;

/// After so many sweeps every entry has been looked at.
const SWEEPS_OF_ALL: usize = 8;

impl Entries {
    pub(super) fn new(size_bytes: u64) -> Entries {
        let shards = (size_bytes / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        // Rounded down to a power of two.
        let shards = 1 << shards.ilog2();
        let shard = || RwLock::new(Shard::new(size_bytes / shards));
        Entries { shards: (0..shards).map(|_| shard()).collect(), hasher: RandomState::new() }
    }

    /// What all entries weigh, exact at any time.
    pub(super) fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| read(shard).bytes()).sum()
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    /// The entry of `key` if it is fresh.
    pub(super) fn find(&self, key: &[u8], now: Now) -> Option<Arc<Entry>> {
        let hash = self.hash(key);
        read(self.shard(hash)).find(hash, key, now).cloned()
    }

    /// Stores `entry` under its key.
    pub(super) fn insert(&self, entry: &Arc<Entry>, now: Now) {
        let hash = self.hash(entry.key());
        let gone = write(self.shard(hash)).insert(hash, entry, now);
        drop(gone);
    }

    /// Removes the entry of `key`. Whether there was one.
    pub(super) fn remove(&self, key: &[u8]) -> bool {
        let hash = self.hash(key);
        let gone = write(self.shard(hash)).remove(hash, key);
        gone.is_some()
    }

    /// Removes all. Requests wait for no more than the exchange of a shard.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let empty = Shard::new(read(shard).size_bytes());
            let full = mem::replace(&mut *write(shard), empty);
            drop(full);
        }
    }

    /// Removes expired entries of an eighth of the slots, after those that were looked at before.
    pub(super) fn sweep(&self, now: Now) {
        for shard in &self.shards {
            let slots = read(shard).slots();
            for _ in 0..slots.div_ceil(SWEEPS_OF_ALL).div_ceil(SWEEP_SLOTS) {
                let expired = read(shard).expired(SWEEP_SLOTS, now);
                if !expired.is_empty() {
                    let gone = write(shard).remove_expired(&expired, now);
                    drop(gone);
                }
            }
        }
    }

    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish()
    }

    /// By bits from the middle: a shard's index uses those at both ends.
    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        &self.shards[(hash >> 40) as usize & (self.shards.len() - 1)]
    }
}

fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
