//! Clocks that jump: buckets do not notice, quota periods follow the calendar and hand nothing out twice.
//!
//! libfaketime sets the clock of the running binary. Where it is not installed (Debian: `faketime`) these tests pass
//! without having looked, and say so; `src/store/tests.rs` moves a clock by hand.

use std::path::PathBuf;
use std::sync::Arc;

use crate::house::{ALICE, BOB, Folder, Gateway, eventually, get};

const SHOP: &str = r#"
[apis.shop]
routes = [{ method = "GET", path = "/a", api_key_required = true, integration = { type = "MOCK", body = "a" } }]
[apis.shop.stages.prod]

[usage_plans]
daily = { stages = ["shop/prod"], quota = { limit = 100, period = "day" } }
slow = { stages = ["shop/prod"], throttle = { rate = 0.001, burst = 5 } }

[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["daily"]
[api_keys.bob]
value = "bob-0123456789-0123456789-bob"
usage_plans = ["slow"]
"#;

/// A gateway whose wall clock is set by hand. Its monotonic clock runs as it does when an operator sets the system's.
struct Jumping {
    gateway: Gateway,
}

impl Jumping {
    fn start() -> Option<Jumping> {
        let Some(library) = library() else {
            eprintln!("skipped what needs a clock that jumps: libfaketime is not installed");
            return None;
        };
        let folder = Folder::new(SHOP, &[]);
        // Noon: no test goes over midnight by itself.
        folder.write("clock", &noon(0));
        let clock = folder.path().join("clock").display().to_string();
        let env = [
            ("LD_PRELOAD", library.to_str().expect("a plain path")),
            ("FAKETIME_TIMESTAMP_FILE", &clock),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ];
        Some(Jumping { gateway: Gateway::start_in(Arc::new(folder), &env) })
    }

    /// Sets the clock to noon of the day that is so many days from the first, and waits until the gateway knows.
    #[track_caller]
    fn set(&self, day: i64) {
        self.gateway.folder().write("clock", &noon(day));
        let date = date(day);
        eventually("the gateway follows the clock", || {
            let answer = self.gateway.get("/shop/prod/a");
            let line = self.gateway.log_of(answer.field("x-request-id").expect("an id"));
            line["time"].as_str().is_some_and(|time| time.starts_with(&date))
        });
    }

    #[track_caller]
    fn admitted(&self, key: &str, times: usize) -> usize {
        let mut wire = self.gateway.connect();
        (0..times).filter(|_| wire.ask(&get("/shop/prod/a").key(key)).status == 200).count()
    }

    /// How many of the day's 100 requests alice had left.
    #[track_caller]
    fn rest(&self) -> usize {
        self.admitted(ALICE, 101)
    }
}

fn library() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let files = folders.map(|folder| PathBuf::from(folder).join("faketime/libfaketimeMT.so.1"));
    files.into_iter().find(|file| file.exists())
}

fn date(day: i64) -> String {
    let days = u64::try_from(day + 20).expect("a day of these tests");
    let (month, day) = if days < 31 { (1, days + 1) } else { (2, days - 30) };
    format!("2030-{month:02}-{day:02}")
}

fn noon(day: i64) -> String {
    format!("@{} 12:00:00\n", date(day))
}

#[test]
fn a_clock_that_jumps_ahead_begins_the_next_period_and_one_that_comes_back_hands_nothing_out() {
    let Some(clock) = Jumping::start() else { return };
    assert_eq!(clock.admitted(ALICE, 30), 30);
    clock.set(10);
    assert_eq!(clock.admitted(ALICE, 20), 20);
    assert_eq!(clock.gateway.usage("alice", "daily", "used"), 20);
    clock.set(0);
    // What was counted ahead counts twice, and a block and a half was reserved each time.
    let rest = clock.rest();
    assert!((46..=50).contains(&rest), "{rest}");
    assert_eq!(clock.gateway.usage("alice", "daily", "remaining"), 0);
    clock.set(1);
    assert_eq!(clock.rest(), 100, "the day after begins as any day does");
}

#[test]
fn a_clock_that_is_set_back_keeps_what_is_used() {
    let Some(clock) = Jumping::start() else { return };
    assert_eq!(clock.admitted(ALICE, 60), 60);
    clock.set(-15);
    assert_eq!(clock.admitted(ALICE, 20), 20, "the clock is wrong, and nobody is shut out");
    clock.set(0);
    let rest = clock.rest();
    assert!((16..=20).contains(&rest), "{rest}");
}

#[test]
fn a_kill_while_the_clock_is_wrong_changes_nothing_of_that() {
    let Some(mut clock) = Jumping::start() else { return };
    assert_eq!(clock.admitted(ALICE, 60), 60);
    clock.gateway.folder().write("clock", "@1970-01-02 00:00:00\n");
    clock.gateway.restart();
    assert_eq!(clock.admitted(ALICE, 10), 10);
    clock.gateway.folder().write("clock", &noon(0));
    clock.gateway.restart();
    let rest = clock.rest();
    assert!((24..=30).contains(&rest), "{rest}");
}

#[test]
fn a_bucket_does_not_notice_a_clock_that_jumps() {
    let Some(clock) = Jumping::start() else { return };
    assert_eq!(clock.admitted(BOB, 9), 5);
    for day in [10, 0, -15, 0] {
        clock.set(day);
        let answer = clock.gateway.ask(&get("/shop/prod/a").key(BOB)).expect(429);
        assert_eq!(answer.code(), "rate_exceeded");
        let seconds: u64 = answer.field("retry-after").expect("Retry-After").parse().expect("seconds");
        assert!((900..=1_000).contains(&seconds), "{seconds} on day {day}: a token comes every 1,000 s");
    }
}
