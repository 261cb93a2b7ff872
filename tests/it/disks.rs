//! Disks that are full, read-only or slow: requests are served, counted in memory, told of, and saved later.
//!
//! The disks are file systems of the test's own. Where they cannot be mounted (it takes root) these tests pass without
//! having looked, and say so; `src/store/tests.rs` has the same disks in miniature for everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::house::{ALICE, Disk, Folder, Gateway, Wire, eventually, get, post, tollgate_in};

/// All state is on the disk `disk`: counters, access log and the file that a promotion edits.
const MAIN: &str = r#"
include = ["disk/*.toml"]

[state]
dir = "disk/data"
unsaved_max = 50

[telemetry]
access_log = { path = "{LOG}", format = "json" }

[usage_plans.basic]
stages = ["shop/prod"]
quota = { limit = 1000, period = "month" }

[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["basic"]
"#;

const SHOP: &str = r#"
[apis.shop]
routes = [
    { method = "GET", path = "/a", api_key_required = true, integration = { type = "MOCK", body = "a" } },
    { method = "GET", path = "/open", integration = { type = "MOCK", body = "open" } },
]
[apis.shop.stages.prod]
variables = { colour = "blue" }

[apis.shop.stages.prod.canary]
variables = { colour = "green" }
percent = 10
"#;

/// Blocks of a quota of 1,000 are 5: a block and a half may be reserved and not used.
const RESERVED_MAX: usize = 8;

struct Shop {
    gateway: Gateway,
    // After the gateway, which has files open on it.
    disk: Disk,
}

impl Shop {
    fn start(disk: impl FnOnce(&std::path::Path) -> Option<Disk>, log: &str) -> Option<Shop> {
        let folder = Folder::new(&MAIN.replace("{LOG}", log), &[]);
        let disk = disk(&folder.path().join("disk"))?;
        folder.write("disk/shop.toml", SHOP);
        disk.sync();
        let gateway = Gateway::start_in(Arc::new(folder), &[]);
        Some(Shop { gateway, disk })
    }

    /// Asks up to `times` times; how many were let in before the first refusal, which may only be a 503.
    #[track_caller]
    fn admitted(&self, times: usize) -> usize {
        let mut wire = self.gateway.connect();
        for done in 0..times {
            let answer = wire.ask(&get("/shop/prod/a").key(ALICE));
            if answer.status != 200 {
                assert_eq!((answer.status, &*answer.code()), (503, "unavailable"), "{}", answer.text());
                assert_eq!(answer.field("retry-after"), Some("1"));
                return done;
            }
        }
        times
    }

    #[track_caller]
    fn expect_failing(&self, why: &str) {
        let text = self.gateway.admin(get("/readyz?verbose")).expect(200).text().to_owned();
        let line = text.lines().find(|line| line.starts_with("[-] state: counting in memory only"));
        assert!(line.is_some_and(|line| line.contains(why)), "{why:?} is not in\n{text}");
        self.gateway.expect_metric("tollgate_store_healthy", &[], 0.0);
        self.gateway.admin(get("/readyz")).expect(200);
    }

    #[track_caller]
    fn expect_durable(&self, used: usize) {
        eventually("quotas are durable again", || self.gateway.metric("tollgate_store_healthy", &[]) == 1.0);
        self.gateway.expect_metric("tollgate_state_unsaved_requests", &[], 0.0);
        let text = self.gateway.admin(get("/readyz?verbose")).expect(200).text().to_owned();
        assert!(text.contains("[+] state: ok"), "{text}");
        assert_eq!(self.gateway.usage("alice", "basic", "used"), used as u64);
    }

    /// After a kill nothing is handed back, and two blocks are lost at most.
    #[track_caller]
    fn expect_kept(&mut self, used: usize) {
        self.gateway.kill9();
        self.gateway.restart();
        let kept = self.gateway.usage("alice", "basic", "used") as usize;
        assert!((used..=used + 10).contains(&kept), "{kept} of {used}");
    }
}

#[test]
fn a_full_disk_stops_no_request_until_the_bound_and_is_caught_up_with() {
    let Some(mut shop) = Shop::start(|at| Disk::small(at, 6 << 20), "disk/access.log") else { return };
    let mut used = shop.admitted(10);
    shop.disk.fill();
    used += shop.admitted(30);
    assert_eq!(used, 40);
    shop.expect_failing("free space");
    let unsaved = shop.gateway.metric("tollgate_state_unsaved_requests", &[]) as usize;
    assert!((30 - RESERVED_MAX..=30).contains(&unsaved), "{unsaved}");
    eventually("lines of the access log are lost and counted", || {
        shop.gateway.get("/shop/prod/open").expect(200);
        shop.gateway.metric("tollgate_access_log_dropped_total", &[]) > 0.0
    });
    let promoted = shop.gateway.admin(post("/v1/promote", r#"{"stage":"shop/prod"}"#)).expect(409);
    assert!(promoted.text().contains("No space left"), "{}", promoted.text());
    assert_eq!(shop.gateway.folder().read("disk/shop.toml"), SHOP);

    used += shop.admitted(99);
    assert!((10 + 50..=10 + 50 + RESERVED_MAX).contains(&used), "{used}");
    shop.gateway.get("/shop/prod/open").expect(200);

    shop.disk.free();
    shop.expect_durable(used);
    used += shop.admitted(100);
    shop.gateway.admin(post("/v1/promote", r#"{"stage":"shop/prod"}"#)).expect(200);
    assert!(!shop.gateway.folder().read("disk/shop.toml").contains("canary"));
    eventually("the access log goes on", || {
        let lost = shop.gateway.metric("tollgate_access_log_dropped_total", &[]);
        shop.gateway.get("/shop/prod/open").expect(200);
        shop.gateway.folder().read("disk/access.log").lines().count() > 100
            && shop.gateway.metric("tollgate_access_log_dropped_total", &[]) == lost
    });
    assert_eq!(shop.gateway.usage("alice", "basic", "used"), used as u64);
    shop.expect_kept(used);
}

#[test]
fn a_disk_that_turns_read_only_stops_no_request_and_is_taken_up_again_when_it_is_mended() {
    let Some(mut shop) = Shop::start(Disk::journalled, "stdout") else { return };
    let mut used = shop.admitted(10);
    shop.disk.abort();
    used += shop.admitted(30);
    assert_eq!(used, 40);
    shop.expect_failing("the quota store");
    let promoted = shop.gateway.admin(post("/v1/promote", r#"{"stage":"shop/prod"}"#)).expect(409);
    assert!(promoted.text().contains("shop.toml"), "{}", promoted.text());
    shop.disk.repair();
    shop.expect_durable(used);
    used += shop.admitted(30);
    shop.expect_kept(used);
}

#[test]
fn a_disk_that_hangs_holds_no_request_for_longer_than_its_patience() {
    let Some(mut shop) = Shop::start(Disk::journalled, "stdout") else { return };
    let mut used = shop.admitted(10);
    shop.disk.freeze();
    let start = Instant::now();
    used += shop.admitted(30);
    let took = start.elapsed();
    shop.expect_failing("does not answer");
    shop.gateway.get("/shop/prod/open").expect(200);
    shop.disk.thaw();
    assert_eq!(used, 40);
    assert!(took < Duration::from_secs(4), "30 requests took {took:?}: one waits for a second");
    shop.expect_durable(used);
    used += shop.admitted(30);
    shop.expect_kept(used);
}

/// Raises a flag when it goes.
struct Over<'f>(&'f AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_slow_disk_slows_a_request_by_a_write_and_refuses_none() {
    let Some(mut shop) = Shop::start(Disk::journalled, "stdout") else { return };
    let is_over = AtomicBool::new(false);
    let (mut used, mut slowest) = (0, Duration::ZERO);
    thread::scope(|scope| {
        // However this ends: the scope waits for who freezes the disk.
        let _over = Over(&is_over);
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                shop.disk.freeze();
                thread::sleep(Duration::from_millis(150));
                shop.disk.thaw();
                thread::sleep(Duration::from_millis(100));
            }
        });
        let start = Instant::now();
        let mut wire = Wire::open(shop.gateway.http());
        // As many as the quota has, on a machine that is fast enough.
        while start.elapsed() < Duration::from_secs(3) && used < 1000 {
            let sent = Instant::now();
            wire.ask(&get("/shop/prod/a").key(ALICE)).expect(200);
            slowest = slowest.max(sent.elapsed());
            used += 1;
        }
    });
    assert!(used >= 20, "{used}");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    shop.expect_durable(used);
    shop.expect_kept(used);
}

#[test]
fn a_start_without_a_disk_to_write_says_so_in_a_line() {
    let folder = Folder::new(&MAIN.replace("{LOG}", "stdout"), &[]);
    let Some(disk) = Disk::small(&folder.path().join("disk"), 1 << 20) else { return };
    folder.write("disk/shop.toml", SHOP);
    disk.fill();
    let said = tollgate_in(folder.path(), &["run", "tollgate.toml"]).expect(1).stderr;
    assert!(said.contains("quota.redb cannot grow; free space on its file system"), "{said}");
    drop(disk);
    let disk = Disk::read_only(&folder.path().join("disk")).expect("another is mounted");
    assert!(disk.path().is_dir());
    let said = tollgate_in(folder.path(), &["run", "tollgate.toml"]).expect(1).stderr;
    assert!(said.contains("may not be written"), "{said}");
}
