//! What the store promises, with a hand-moved clock and disks that fail on command.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use redb::backends::FileBackend;
use redb::{Builder, StorageBackend};

use crate::base::Clock;
use crate::config::Period;

use super::desk::Patience;
use super::*;

/// 2028-02-28T00:00:00Z, a Monday in a leap year.
const MONDAY: u64 = 1_835_308_800_000;
const DAY: Duration = Duration::from_secs(86_400);

fn quota(limit: u64) -> Quota {
    Quota { limit, offset: 0 }
}

fn alice(store: &Store) -> Arc<Counter> {
    key(store, "alice")
}

fn key(store: &Store, name: &str) -> Arc<Counter> {
    store.ledger("basic", Period::Day).counter(&Arc::from(name))
}

/// Takes up to `n` and returns how many there were.
async fn take(counter: &Arc<Counter>, quota: Quota, clock: &Clock, n: u64) -> u64 {
    for taken in 0..n {
        if counter.take(&quota, clock, clock.now()).await.is_err() {
            return taken;
        }
    }
    n
}

/// Waits until the writer has done all that was asked before.
async fn writer_is_idle(store: &Store, clock: &Clock) {
    let other = key(store, "somebody else");
    for _ in 0..2 {
        other.extend(1, &quota(1), clock.now()).await.unwrap();
    }
}

/// What a `kill -9` leaves: the file as it is, without what dropping the store would write.
fn crash(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(dir.join("quota.redb"), copy.path().join("quota.redb")).unwrap();
    copy
}

fn open(dir: &Path) -> Result<Store, StoreError> {
    Store::open(dir, u64::MAX)
}

/// A disk that can be made full, or to hang.
#[derive(Clone, Debug)]
struct Disk {
    is_full: Arc<AtomicBool>,
    /// Held by the test to make the disk hang.
    hangs: Arc<Mutex<()>>,
    unsaved_max: u64,
}

impl Default for Disk {
    fn default() -> Disk {
        Disk { is_full: Arc::default(), hangs: Arc::default(), unsaved_max: u64::MAX }
    }
}

#[derive(Debug)]
struct OnDisk(FileBackend, Disk);

impl Disk {
    fn store(&self, dir: &Path) -> Result<Store, StoreError> {
        let disk = self.clone();
        let open = move |path: &Path, _| {
            let options = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let backend = OnDisk(FileBackend::new(options)?, disk.clone());
            Ok(Builder::new().create_with_backend(backend)?)
        };
        let patience = Patience { reservation: Duration::from_millis(20), retry: Duration::from_millis(2) };
        Store::start(file::path_in(dir)?, Box::new(open), self.unsaved_max, patience)
    }

    fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::SeqCst);
    }

    fn try_write(&self) -> std::io::Result<()> {
        drop(self.hangs.lock().unwrap());
        if self.is_full.load(Ordering::SeqCst) { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for OnDisk {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.1.try_write()?;
        self.0.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.1.try_write()?;
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.1.try_write()?;
        self.0.write(offset, data)
    }
}

/// Until the disk works again, and what was counted without it is written, which comes after.
fn wait_until_durable(store: &Store) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while store.health() != Health::Durable || store.unsaved() > 0 {
        assert!(std::time::Instant::now() < deadline, "{:?}", store.health());
        std::thread::yield_now();
    }
}

fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// Lets eight threads do the same at once and adds up what they return.
fn eight_threads<F: Future<Output = u64>>(work: impl Fn() -> F + Sync) -> u64 {
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        let one = || {
            start.wait();
            block_on(work())
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn eight_threads_on_a_quota_of_1000_get_exactly_1000() {
    let dir = tempfile::tempdir().unwrap();
    let (store, clock) = (open(dir.path()).unwrap(), Clock::manual(MONDAY));
    let counter = alice(&store);
    assert_eq!(eight_threads(|| take(&counter, quota(1_000), &clock, 1_000)), 1_000);
    assert_eq!(counter.usage(&quota(1_000), clock.now()).remaining, 0);
}

#[test]
fn what_is_given_back_can_be_taken_again_and_only_once() {
    let (store, clock) = (Store::in_memory().unwrap(), Clock::manual(MONDAY));
    let counter = alice(&store);
    let keep_every_other = || async {
        let mut kept = 0;
        while let Ok(taken) = counter.take(&quota(1_000), &clock, clock.now()).await {
            if fastrand::bool() {
                counter.give_back(taken);
            } else {
                kept += 1;
            }
        }
        kept
    };
    // A thread may end while another holds what it then gives back; the rest is still there.
    let kept = eight_threads(keep_every_other);
    assert_eq!(kept, counter.usage(&quota(1_000), clock.now()).used);
    assert!(kept <= 1_000);
    assert_eq!(kept + eight_threads(|| take(&counter, quota(1_000), &clock, 1_000)), 1_000);
}

#[tokio::test]
async fn what_belongs_to_a_past_period_is_not_given_back() {
    let (store, clock) = (Store::in_memory().unwrap(), Clock::manual(MONDAY));
    let counter = alice(&store);
    let yesterday = counter.take(&quota(5), &clock, clock.now()).await.unwrap();
    clock.advance(DAY);
    assert_eq!(take(&counter, quota(5), &clock, 2).await, 2);
    counter.give_back(yesterday);
    assert_eq!(counter.usage(&quota(5), clock.now()).used, 2);
}

#[tokio::test]
async fn a_crash_hands_nothing_back_and_loses_two_blocks_at_most() {
    let clock = Clock::manual(MONDAY);
    for (limit, first) in [(1, 1), (1, 0), (3, 2), (100, 57), (1_000, 1), (1_000, 999), (4_000, 1_234), (250_000, 3)] {
        let quota = quota(limit);
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        assert_eq!(take(&alice(&store), quota, &clock, first).await, first);
        writer_is_idle(&store, &clock).await;
        let dir = crash(dir.path());
        let store = open(dir.path()).unwrap();
        let total = first + take(&alice(&store), quota, &clock, limit + 1).await;
        assert!(total <= limit, "{total} of {limit}");
        assert!(total + 2 * quota.block() >= limit, "{total} of {limit}");
    }
}

#[tokio::test]
async fn no_number_of_crashes_admits_more_than_the_limit() {
    let clock = Clock::manual(MONDAY);
    let (quota, mut total) = (quota(2_000), 0);
    let mut dir = tempfile::tempdir().unwrap();
    for round in 0..40 {
        let store = open(dir.path()).unwrap();
        total += take(&alice(&store), quota, &clock, round * 7).await;
        writer_is_idle(&store, &clock).await;
        dir = crash(dir.path());
    }
    assert!(total <= 2_000 && total >= 2_000 - 40 * 2 * quota.block(), "{total}");
}

#[tokio::test]
async fn a_clean_shutdown_loses_nothing() {
    let clock = Clock::manual(MONDAY);
    let dir = tempfile::tempdir().unwrap();
    let mut used = 0;
    for n in [1, 12, 100, 0, 333] {
        let store = open(dir.path()).unwrap();
        used += take(&alice(&store), quota(10_000), &clock, n).await;
        store.flush().unwrap();
        assert_eq!(alice(&store).usage(&quota(10_000), clock.now()).used, used);
    }
    let store = open(dir.path()).unwrap();
    let usage = alice(&store).usage(&quota(10_000), clock.now());
    assert_eq!((usage.used, usage.remaining), (446, 9_554));
}

#[test]
fn flushing_while_requests_are_counted_hands_nothing_back() {
    let clock = Clock::manual(MONDAY);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let counter = alice(&store);
    let total = eight_threads(|| async {
        let mut total = 0;
        for _ in 0..20 {
            total += take(&counter, quota(3_000), &clock, 15).await;
            store.flush().unwrap();
        }
        total
    });
    assert_eq!(total, 2_400);
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(alice(&store).usage(&quota(3_000), clock.now()).used, 2_400);
}

#[tokio::test]
async fn a_new_period_begins_unused_at_midnight_on_monday_and_on_the_first() {
    // From 2028-02-28, a Monday: the day has 24 hours, the week 7 days, the month 2 days more, for it is a leap year.
    for (period, days, window_days) in [(Period::Day, 1, 1), (Period::Week, 7, 7), (Period::Month, 2, 29)] {
        let (store, clock) = (Store::in_memory().unwrap(), Clock::manual(MONDAY));
        let counter = store.ledger("basic", period).counter(&Arc::from("alice"));
        assert_eq!(take(&counter, quota(3), &clock, 9).await, 3);
        clock.advance(days * DAY - Duration::from_millis(1_500));
        let denied = counter.take(&quota(3), &clock, clock.now()).await.expect_err("the last seconds of the period");
        let Denied::Exhausted(Exhausted { limit, window_s, reset_s }) = denied else { panic!("{denied:?}") };
        assert_eq!((limit, window_s, reset_s), (3, window_days * 86_400, 2), "{period:?}");
        let usage = counter.usage(&quota(3), clock.now());
        assert_eq!(usage.resets_at_unix_ms, MONDAY + u64::from(days) * 86_400_000);
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(counter.usage(&quota(3), clock.now()).used, 0);
        assert_eq!(take(&counter, quota(3), &clock, 9).await, 3, "{period:?}");
    }
}

#[tokio::test]
async fn a_clock_that_goes_back_hands_nothing_out_again() {
    let store = Store::in_memory().unwrap();
    let (today, yesterday) = (Clock::manual(MONDAY), Clock::manual(MONDAY - 1));
    let counter = alice(&store);
    assert_eq!(take(&counter, quota(5), &today, 3).await, 3);
    assert_eq!(take(&counter, quota(5), &yesterday, 9).await, 2);
    assert_eq!(take(&counter, quota(5), &today, 9).await, 0);
}

/// Takes all that is left on the day that is so many days from Monday, and returns how much that was.
async fn take_all_on(day: u64, store: &Store, quota: Quota) -> u64 {
    let clock = Clock::manual(MONDAY + day * 86_400_000);
    let taken = take(&alice(store), quota, &clock, u64::MAX).await;
    store.flush().unwrap();
    taken
}

#[tokio::test]
async fn a_clock_that_was_days_ahead_neither_hands_back_nor_blocks_the_days_until_then() {
    let quota = quota(10);
    for is_restarted in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path()).unwrap();
        let restarted = |store: Store| {
            drop(store);
            open(dir.path()).unwrap()
        };
        let today = Clock::manual(MONDAY);
        assert_eq!(take(&alice(&store), quota, &today, 4).await, 4);
        store.flush().unwrap();
        let ahead = Clock::manual(MONDAY + 300 * 86_400_000);
        assert_eq!(take(&alice(&store), quota, &ahead, 3).await, 3, "a day that begins is unused");
        store.flush().unwrap();
        store = if is_restarted { restarted(store) } else { store };
        assert_eq!(take_all_on(0, &store, quota).await, 3, "4 were used today, and 3 while the clock was ahead");
        store = if is_restarted { restarted(store) } else { store };
        assert_eq!(take_all_on(300, &store, quota).await, 0, "ahead again, nothing is new");
        assert_eq!(take_all_on(0, &store, quota).await, 0);
        assert_eq!(take_all_on(1, &store, quota).await, 10, "tomorrow is a day as any");
        assert_eq!(take_all_on(300, &store, quota).await, 10);
    }
}

#[tokio::test]
async fn a_clock_that_starts_in_1970_hands_out_nothing_that_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(take(&alice(&store), quota(10), &Clock::manual(MONDAY), 7).await, 7);
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(take(&alice(&store), quota(10), &Clock::manual(0), 1).await, 1);
    store.flush().unwrap();
    assert_eq!(take_all_on(0, &store, quota(10)).await, 2);
}

#[tokio::test]
async fn what_waited_for_the_disk_over_midnight_is_no_clock_that_was_set_back() {
    let clock = Clock::manual(MONDAY - 3_600_000);
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let store = disk.store(dir.path()).unwrap();
    assert_eq!(take(&alice(&store), quota(10), &clock, 4).await, 4);
    disk.set_full(true);
    assert_eq!(take(&alice(&store), quota(10), &clock, 3).await, 3);
    clock.advance(Duration::from_secs(2 * 3600));
    assert_eq!(take(&alice(&store), quota(10), &clock, 8).await, 8);
    disk.set_full(false);
    wait_until_durable(&store);
    assert_eq!(take(&alice(&store), quota(10), &clock, 99).await, 2);
}

#[tokio::test]
async fn no_more_than_the_bound_is_counted_without_a_disk() {
    let clock = Clock::manual(MONDAY);
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk { unsaved_max: 30, ..Disk::default() });
    let store = disk.store(dir.path()).unwrap();
    assert_eq!(take(&alice(&store), quota(100), &clock, 5).await, 5);
    writer_is_idle(&store, &clock).await;
    wait_until_durable(&store);
    assert_eq!(store.unsaved(), 0);
    disk.set_full(true);
    let taken = take(&alice(&store), quota(100), &clock, 99).await;
    assert!((30..=31).contains(&taken), "what was reserved, and the bound: {taken}");
    assert_eq!(alice(&store).take(&quota(100), &clock, clock.now()).await.unwrap_err(), Denied::Unsaved);
    assert_eq!(store.unsaved(), 30);
    assert_eq!(take(&key(&store, "bob"), quota(20), &clock, 99).await, 20, "the bound is of a key");
    disk.set_full(false);
    wait_until_durable(&store);
    assert_eq!(take(&alice(&store), quota(100), &clock, 99).await, 95 - taken);
    wait_until_durable(&store);
    assert_eq!(store.unsaved(), 0);
}

#[tokio::test]
async fn the_offset_is_used_in_the_first_period_of_a_key_only() {
    let clock = Clock::manual(MONDAY);
    let quota = Quota { limit: 10, offset: 7 };
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(alice(&store).usage(&quota, clock.now()).remaining, 3);
    assert_eq!(take(&alice(&store), quota, &clock, 1).await, 1);
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(take(&alice(&store), quota, &clock, 99).await, 2);
    clock.advance(DAY);
    assert_eq!(take(&alice(&store), quota, &clock, 99).await, 10);
    assert_eq!(take(&key(&store, "bob"), quota, &clock, 99).await, 3);
}

#[tokio::test]
async fn an_extension_is_durable_at_once_and_ends_with_its_period() {
    let clock = Clock::manual(MONDAY);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(take(&alice(&store), quota(10), &clock, 99).await, 10);
    alice(&store).extend(4, &quota(10), clock.now()).await.unwrap();
    assert_eq!(take(&alice(&store), quota(10), &clock, 1).await, 1);
    writer_is_idle(&store, &clock).await;
    let copy = crash(dir.path());
    let store = open(copy.path()).unwrap();
    assert_eq!(alice(&store).usage(&quota(10), clock.now()).extension, 4);
    assert!(take(&alice(&store), quota(10), &clock, 99).await <= 3);
    clock.advance(DAY);
    assert_eq!(take(&alice(&store), quota(10), &clock, 99).await, 10);
}

#[tokio::test]
async fn a_changed_limit_holds_for_what_is_used_already() {
    let (store, clock) = (Store::in_memory().unwrap(), Clock::manual(MONDAY));
    assert_eq!(take(&alice(&store), quota(10), &clock, 8).await, 8);
    assert_eq!(take(&alice(&store), quota(5), &clock, 9).await, 0);
    assert_eq!(take(&alice(&store), quota(12), &clock, 9).await, 4);
}

#[tokio::test]
async fn a_full_disk_is_told_and_counting_stays_exact_and_durable_again_when_there_is_room() {
    let clock = Clock::manual(MONDAY);
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let store = disk.store(dir.path()).unwrap();
    assert_eq!(take(&alice(&store), quota(1_000), &clock, 3).await, 3);
    disk.set_full(true);
    assert_eq!(take(&alice(&store), quota(1_000), &clock, 500).await, 500);
    let Health::Failing { reason, since_unix_ms } = store.health() else { panic!("{:?}", store.health()) };
    assert!(reason.contains("quota.redb cannot grow; free space") && since_unix_ms > 0, "{reason}");
    assert_eq!(take(&key(&store, "bob"), quota(20), &clock, 99).await, 20);
    assert_eq!(alice(&store).extend(1, &quota(20), clock.now()).await.unwrap_err().problem, Problem::Full);
    assert_eq!(store.flush().unwrap_err().problem, Problem::Full);

    disk.set_full(false);
    wait_until_durable(&store);
    writer_is_idle(&store, &clock).await;
    let copy = crash(dir.path());
    let recovered = open(copy.path()).unwrap();
    assert_eq!(take(&key(&recovered, "bob"), quota(20), &clock, 99).await, 0);
    assert!(take(&alice(&recovered), quota(1_000), &clock, 999).await <= 497);
    assert_eq!(take(&alice(&store), quota(1_000), &clock, 999).await, 497);
}

#[test]
fn eight_threads_over_a_disk_that_fails_now_and_then_get_exactly_the_limit() {
    let clock = Clock::manual(MONDAY);
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let store = disk.store(dir.path()).unwrap();
    let counter = alice(&store);
    let total = eight_threads(|| async {
        let mut total = 0;
        for round in 0..40 {
            disk.set_full(round % 3 == 1);
            total += take(&counter, quota(2_000), &clock, 9).await;
        }
        total
    });
    assert_eq!(total, 2_000);
    disk.set_full(false);
    wait_until_durable(&store);
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(alice(&store).usage(&quota(2_000), clock.now()).remaining, 0);
}

#[test]
fn a_disk_that_hangs_holds_no_request_for_long() {
    let clock = Clock::manual(MONDAY);
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let store = disk.store(dir.path()).unwrap();
    let hanging = disk.hangs.lock().unwrap();
    assert_eq!(block_on(take(&alice(&store), quota(100), &clock, 30)), 30);
    assert!(matches!(store.health(), Health::Failing { reason, .. } if reason.contains("does not answer")));
    drop(hanging);
    wait_until_durable(&store);
    assert_eq!(block_on(take(&alice(&store), quota(100), &clock, 99)), 70);
}

#[track_caller]
fn check_refused(dir: &Path, expected: &str) {
    let text = open(dir).unwrap_err().to_string();
    assert!(text.contains(expected) && !text.contains('\n'), "{text}");
}

#[test]
fn a_store_that_cannot_be_opened_says_in_a_sentence_what_to_try() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("a-file"), "x").unwrap();
    check_refused(&at("a-file"), "a-file is not one; name another in [state] dir");
    check_refused(&at("a-file/below"), "below is not one; name another");
    std::fs::create_dir_all(at("a-folder/quota.redb")).unwrap();
    check_refused(&at("a-folder"), "quota.redb is damaged or not a quota store (it is a folder)");
    std::fs::create_dir(at("other")).unwrap();
    std::fs::write(at("other/quota.redb"), "this is no database".repeat(1_000)).unwrap();
    check_refused(&at("other"), "move it away to begin with unused quotas");

    let store = open(&at("made/when/missing")).unwrap();
    check_refused(&at("made/when/missing"), "is open in another process; stop that gateway");
    drop(store);
    assert!(open(&at("made/when/missing")).is_ok());

    let full = Disk::default();
    full.set_full(true);
    assert_eq!(full.store(&at("full")).unwrap_err().problem, Problem::Full);
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_never_read_as_unused() {
    let clock = Clock::manual(MONDAY);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for n in 0..200 {
        take(&key(&store, &format!("key-{n}")), quota(10), &clock, 1).await;
    }
    drop(store);
    let path = dir.path().join("quota.redb");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 3]).unwrap();
    check_refused(dir.path(), "move it away");
    let mut scratched = whole.clone();
    for place in (0..whole.len() - 7).filter(|place| &whole[*place..place + 7] == b"key-100") {
        scratched[place + 4] = b'x';
    }
    std::fs::write(&path, &scratched).unwrap();
    check_refused(dir.path(), "move it away");
}

#[test]
fn a_counter_stays_small() {
    assert!(size_of::<Counter>() <= 48, "{}", size_of::<Counter>());
}

/// Another process, in this one.
#[derive(Debug)]
struct NextDoor(Arc<Store>);

impl Successor for NextDoor {
    fn borrow(&mut self, wants: Vec<Want>) -> std::io::Result<Vec<Lent>> {
        Ok(wants.iter().map(|want| block_on(self.0.lend(want, &Clock::manual(MONDAY)))).collect())
    }

    fn give_back(&mut self, surplus: Vec<Surplus>) -> std::io::Result<()> {
        surplus.iter().for_each(|surplus| self.0.take_back(surplus));
        Ok(())
    }
}

/// A store that has counted 10 of Alice's requests, and the one that has taken its file.
fn handed_over(dir: &Path, quota: Quota, clock: &Clock) -> (Store, Arc<Store>) {
    let old = Store::open(dir, u64::MAX).unwrap();
    assert_eq!(block_on(take(&alice(&old), quota, clock, 10)), 10);
    let new = Arc::new(Store::closed(dir, u64::MAX).unwrap());
    old.release();
    new.take_over().unwrap();
    (old, new)
}

#[test]
fn a_request_is_counted_once_while_one_process_takes_over_from_another() {
    let (dir, clock, quota) = (tempfile::tempdir().unwrap(), Clock::manual(MONDAY), quota(1_000));
    let (old, new) = handed_over(dir.path(), quota, &clock);
    let used = |store: &Store| alice(store).usage(&quota, clock.now()).used;
    assert!(used(&new) >= 10, "what the old process has reserved may be used there");
    old.follow(Box::new(NextDoor(Arc::clone(&new))));
    old.flush().unwrap();
    assert_eq!(used(&new), 10);
    assert_eq!(block_on(take(&alice(&old), quota, &clock, 7)), 7);
    old.flush().unwrap();
    assert_eq!(used(&new), 17);
    assert_eq!(block_on(take(&alice(&new), quota, &clock, 2_000)), 983);
    assert_eq!(block_on(take(&alice(&old), quota, &clock, 1)), 0, "the quota is spent, wherever it was");
    drop(old);
    assert_eq!(used(&new), 1_000);
}

#[test]
fn a_file_that_nobody_took_over_is_opened_again() {
    let (dir, clock, quota) = (tempfile::tempdir().unwrap(), Clock::manual(MONDAY), quota(1_000));
    let (old, new) = handed_over(dir.path(), quota, &clock);
    drop(new);
    old.reclaim().unwrap();
    assert_eq!(block_on(take(&alice(&old), quota, &clock, 2_000)), 990);
    drop(old);
    let again = Store::open(dir.path(), u64::MAX).unwrap();
    assert_eq!(alice(&again).usage(&quota, clock.now()).used, 1_000);
}
