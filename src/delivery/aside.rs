use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;
use std::{io, thread};

use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, unix};

/// Does long work on a thread of its own that runs when a core has nothing else to do. The receiver gets what came out;
/// one that is dropped stops nothing.
///
/// A worker that wakes up must not wait until the scheduler thinks that the compiler's turn is over: that is some
/// milliseconds even for a thread of the lowest nice value, and nothing with `SCHED_IDLE` (sched(7)). Without rights
/// nobody can raise such a thread again, so who needs the outcome on busy cores too has to do the work once more.
pub fn aside<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<Receiver<T>> {
    let (done, outcome) = sync_channel(1);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        wait_for_an_idle_core();
        // Nobody may be waiting any more.
        let _ = done.send(work());
    })?;
    Ok(outcome)
}

/// Does long work aside, or once more in the caller's thread when all cores stay too busy for that.
pub(super) fn aside_for<T: Send + 'static>(
    name: &str,
    patience: Duration,
    work: impl Fn() -> T + Clone + Send + 'static,
) -> T {
    let outcome = aside(name, work.clone()).ok().and_then(|outcome| outcome.recv_timeout(patience).ok());
    outcome.unwrap_or_else(work)
}

/// Where the system does not let us, the work is done all the same.
fn wait_for_an_idle_core() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = unix::set_thread_priority_and_policy(unix::thread_native_id(), ThreadPriority::Min, idle) {
        tracing::debug!(?error, "a background thread has the priority of the others");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use super::*;

    #[test]
    fn the_work_is_done_at_the_lowest_priority_and_the_caller_keeps_its_own() {
        let policy = || unix::thread_schedule_policy().expect("a policy");
        let before = policy();
        let during = aside("test", policy).expect("a thread").recv().expect("an outcome");
        assert_eq!(during, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle));
        assert_eq!(policy(), before);
    }

    #[test]
    fn work_that_waits_for_a_core_for_too_long_is_done_by_who_wants_it() {
        let caller = thread::current().id();
        let busy = Arc::new(Barrier::new(2));
        let work = {
            let busy = Arc::clone(&busy);
            move || {
                if thread::current().id() != caller {
                    busy.wait();
                }
                thread::current().id()
            }
        };
        assert_eq!(aside_for("test", Duration::from_millis(1), work), caller);
        busy.wait();
    }

    #[test]
    fn work_that_gets_a_core_is_not_done_twice() {
        let caller = thread::current().id();
        assert_ne!(aside_for("test", Duration::MAX, || thread::current().id()), caller);
    }
}
