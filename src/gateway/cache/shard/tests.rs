use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::gateway::cache::AnswerHead;

const TTL_S: u64 = 60;

fn at_s(seconds: u64) -> Now {
    Now { mono_ns: 1 + seconds * 1_000_000_000, unix_ms: 0 }
}

fn entry(key: u8, body_len: usize, now: Now, ttl_s: u64) -> Arc<Entry> {
    let head = Arc::new(AnswerHead { status: StatusCode::OK, fields: Box::default(), content_length: None });
    let body = Bytes::from(vec![key; body_len]);
    Arc::new(Entry::new(&[key], head, &[body], now, Duration::from_secs(ttl_s)))
}

/// Eight keys share each hash, so that only the comparison in full tells them apart.
fn hash(key: u8) -> u64 {
    u64::from(key / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What one entry of `body_len` weighs.
fn weight(body_len: usize) -> u64 {
    u64::from(entry(0, body_len, at_s(0), TTL_S).weight())
}

/// A shard that has room for `entries` of 1000 bytes.
fn shard(entries: u64) -> Shard {
    Shard::new(entries * weight(1000))
}

impl Shard {
    fn store(&mut self, key: u8) {
        self.insert(hash(key), &entry(key, 1000, at_s(0), TTL_S), at_s(0));
    }

    fn has(&self, key: u8) -> bool {
        self.find(hash(key), &[key], at_s(0)).is_some()
    }

    /// Whether what is counted is what is there.
    fn check(&self) {
        let held = self.slots.iter().filter(|slot| slot.entry.is_some());
        assert_eq!(held.clone().map(|slot| u64::from(slot.weight)).sum::<u64>(), self.bytes());
        assert_eq!(held.count(), self.len());
        assert_eq!(self.slots.len(), self.len() + self.free.len());
        assert!(self.bytes() <= self.size_bytes);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert { key: u8, body_len: usize, ttl_s: u64 },
    Find(u8),
    Remove(u8),
    Pass(u64),
    Sweep(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..24_u8;
    prop_oneof![
        4 => (key.clone(), 0..3000_usize, 1..20_u64).prop_map(|(key, body_len, ttl_s)| Step::Insert { key, body_len, ttl_s }),
        4 => key.clone().prop_map(Step::Find),
        1 => key.prop_map(Step::Remove),
        1 => (0..5_u64).prop_map(Step::Pass),
        1 => (1..8_usize).prop_map(Step::Sweep),
    ]
}

proptest! {
    #[test]
    fn what_is_found_was_stored_last_and_is_fresh_and_the_bytes_are_exact(
        size in 500..20_000_u64, steps in prop::collection::vec(step(), 1..200),
    ) {
        let (mut shard, mut seconds) = (Shard::new(size), 0);
        let mut last: HashMap<u8, (Arc<Entry>, u64)> = HashMap::new();
        for step in steps {
            let now = at_s(seconds);
            match step {
                Step::Insert { key, body_len, ttl_s } => {
                    let entry = entry(key, body_len, now, ttl_s);
                    shard.insert(hash(key), &entry, now);
                    let is_found = shard.find(hash(key), &[key], now).is_some_and(|found| Arc::ptr_eq(found, &entry));
                    prop_assert_eq!(is_found, u64::from(entry.weight()) <= size);
                    last.insert(key, (entry, seconds + ttl_s));
                }
                Step::Find(key) => {
                    if let Some(found) = shard.find(hash(key), &[key], now) {
                        let (entry, until_s) = &last[&key];
                        prop_assert!(Arc::ptr_eq(found, entry) && seconds < *until_s);
                    }
                }
                Step::Remove(key) => {
                    shard.remove(hash(key), &[key]);
                    prop_assert!(shard.find(hash(key), &[key], now).is_none());
                }
                Step::Pass(by) => seconds += by,
                Step::Sweep(count) => {
                    let expired = shard.expired(count, now);
                    let gone = shard.remove_expired(&expired, now);
                    prop_assert!(gone.len() == expired.len() && gone.iter().all(|entry| entry.remaining_s(now) == 0));
                }
            }
            shard.check();
        }
        for key in last.keys() {
            shard.remove(hash(*key), &[*key]);
        }
        prop_assert!(shard.bytes() == 0 && shard.len() == 0);
        prop_assert!(shard.first.oldest().is_none() && shard.main.oldest().is_none());
    }
}

#[test]
fn what_is_asked_for_once_does_not_drive_out_what_is_asked_for_often() {
    let mut shard = shard(20);
    for key in 0..10 {
        shard.store(key);
        assert!(shard.has(key) && shard.has(key));
    }
    for key in 100..=255 {
        shard.store(key);
    }
    assert!((0..10).all(|key| shard.has(key)));
}

#[test]
fn what_is_not_asked_for_any_more_gives_way() {
    let mut shard = shard(20);
    for old in 0..20 {
        shard.store(old);
        assert!(shard.has(old) && shard.has(old));
    }
    for _ in 0..20 {
        for new in 100..115 {
            shard.store(new);
            shard.has(new);
        }
    }
    assert!((100..115).filter(|new| shard.has(*new)).count() >= 14);
}

#[test]
fn what_is_fetched_again_soon_after_it_gave_way_stays() {
    let mut shard = shard(20);
    for key in 0..=20 {
        shard.store(key);
    }
    assert!(!shard.has(0));
    shard.store(0);
    for key in 100..=255 {
        shard.store(key);
    }
    assert!(shard.has(0));
}

#[test]
fn what_has_expired_gives_way_before_what_is_fresh() {
    let mut shard = shard(4);
    shard.insert(hash(0), &entry(0, 1000, at_s(0), 1), at_s(0));
    shard.store(1);
    assert!((0..3).all(|_| shard.has(0)));
    shard.store(2);
    shard.store(3);
    shard.insert(hash(4), &entry(4, 1000, at_s(2), TTL_S), at_s(2));
    assert!((1..=4).all(|key| shard.find(hash(key), &[key], at_s(2)).is_some()));
}
