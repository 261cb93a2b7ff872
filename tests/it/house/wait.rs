use std::thread;
use std::time::{Duration, Instant};

/// How long anything in a test may take before the test fails. Generous: a loaded machine is no failure.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds, and fails naming `what` when it does not in time.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, || condition().then_some(()));
}

/// Waits until `find` finds something.
#[track_caller]
pub fn eventually_some<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "did not happen in {DEADLINE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
