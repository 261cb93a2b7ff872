use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::*;
use crate::base::Clock;
use crate::gateway::cache::AnswerHead;

const TTL: Duration = Duration::from_secs(60);

fn entry(key: &str, body_len: usize, now: Now) -> Arc<Entry> {
    let head = Arc::new(AnswerHead { status: StatusCode::OK, fields: Box::default(), content_length: None });
    Arc::new(Entry::new(key.as_bytes(), head, &[Bytes::from(vec![b'x'; body_len])], now, TTL))
}

#[test]
fn a_store_of_any_size_has_room_for_what_it_can_hold() {
    for (size, body_len, shards) in [(2 << 10, 1 << 10, 1), (4 << 20, BODY_BYTES_MAX, 1), (1 << 40, BODY_BYTES_MAX, 64)]
    {
        let (entries, now) = (Entries::new(size), Clock::manual(0).now());
        assert_eq!(entries.shards.len(), shards);
        entries.insert(&entry("a", body_len, now), now);
        assert!(entries.find(b"a", now).is_some() && entries.bytes() > body_len as u64, "{size}");
    }
    let (entries, now) = (Entries::new(1 << 10), Clock::manual(0).now());
    entries.insert(&entry("a", 100, now), now);
    entries.insert(&entry("a", 1 << 10, now), now);
    assert!(entries.find(b"a", now).is_none(), "what was replaced is not served, though the new one is too large");
}

#[test]
fn what_has_expired_leaves_the_memory_without_being_asked_for() {
    let (entries, clock) = (Entries::new(64 << 20), Clock::manual(0));
    for number in 0..5000 {
        entries.insert(&entry(&number.to_string(), 10, clock.now()), clock.now());
    }
    clock.advance(TTL / 2);
    entries.insert(&entry("fresh", 10, clock.now()), clock.now());
    clock.advance(TTL / 2);
    (0..SWEEPS_OF_ALL).for_each(|_| entries.sweep(clock.now()));
    assert_eq!(entries.len(), 1);
    assert!(entries.find(b"fresh", clock.now()).is_some());
}

#[test]
fn many_threads_find_what_they_stored_and_the_bytes_stay_exact() {
    for (size, body_len_max, shards) in [(256 << 10, 5 << 10, 1), (32 << 20, BODY_BYTES_MAX / 2, 4)] {
        let (entries, now) = (Entries::new(size), Clock::manual(0).now());
        assert_eq!(entries.shards.len(), shards);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let entries = &entries;
                scope.spawn(move || churn(entries, size, body_len_max, thread));
            }
        });
        let found = (0..KEYS).filter_map(|key| entries.find(key.to_string().as_bytes(), now));
        assert_eq!(found.map(|entry| u64::from(entry.weight())).sum::<u64>(), entries.bytes());
        assert!(entries.bytes() > size / 2, "they were too few to press on the bound");
        entries.clear();
        assert_eq!((entries.bytes(), entries.len()), (0, 0));
    }
}

const KEYS: usize = 300;

/// One thread's part; 4 share the keys, all of which are several times the size.
fn churn(entries: &Entries, size: u64, body_len_max: usize, thread: usize) {
    let now = Clock::manual(0).now();
    for number in 0..1000 {
        let key = (number * (thread + 1) % KEYS).to_string();
        match entries.find(key.as_bytes(), now) {
            Some(found) => assert_eq!(found.key(), key.as_bytes()),
            None => entries.insert(&entry(&key, number * 7919 % body_len_max, now), now),
        }
        if number % 100 == thread {
            entries.remove(key.as_bytes());
        }
        assert!(entries.bytes() <= size);
    }
}
