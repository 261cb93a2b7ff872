use std::cell::RefCell;
use std::ops::Deref;

use prometheus::IntCounter;

use super::civil::Civil;
use super::{Line, Log};
use crate::base::Now;
use crate::config::LogDestination;

/// The access log: a line a request.
pub struct AccessLog(Log);

/// What a thread builds its lines with.
#[derive(Default)]
struct Desk {
    line: Vec<u8>,
    civil: Civil,
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::default();
}

impl AccessLog {
    /// Starts the writer. `dropped` counts lines that are lost. The error names a file that cannot be opened.
    pub fn open(destination: &LogDestination, dropped: IntCounter) -> Result<AccessLog, String> {
        Log::open("the access log", destination, dropped).map(AccessLog)
    }

    /// Leaves one line for the writer. Never waits for it.
    pub fn write(&self, line: &Line<'_>, now: Now) {
        if !self.0.is_on() {
            return;
        }
        DESK.with_borrow_mut(|desk| {
            desk.line.clear();
            line.format.push(&mut desk.line, &mut desk.civil, line, now);
            desk.line.push(b'\n');
            self.0.push(&desk.line);
        });
    }
}

impl Deref for AccessLog {
    type Target = Log;

    fn deref(&self) -> &Log {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::telemetry::line::tests::{STARTED, facts, line};

    fn counter() -> IntCounter {
        IntCounter::new("dropped_total", "Dropped.").expect("well-formed")
    }

    #[test]
    fn a_flushed_log_holds_every_line_of_every_thread() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("access.log");
        let log = AccessLog::open(&LogDestination::File(path.clone()), counter()).expect("it opens");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| log.write(&line(&facts()), STARTED)));
            }
        });
        assert!(log.flush(Duration::from_secs(10)));
        let text = std::fs::read_to_string(&path).expect("the log");
        assert_eq!(text.lines().filter(|line| line.starts_with('{') && line.ends_with('}')).count(), 400);
    }

    #[test]
    fn a_log_that_cannot_be_written_loses_counted_lines_and_no_request() {
        let full = LogDestination::File("/dev/full".into());
        let dropped = counter();
        let log = AccessLog::open(&full, dropped.clone()).expect("it opens");
        log.write(&line(&facts()), STARTED);
        assert!(log.flush(Duration::from_secs(10)));
        assert_eq!(dropped.get(), 1);
    }

    #[test]
    fn a_log_moves_while_it_runs_and_stays_where_it_was_when_it_cannot() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("access.log");
        let log = AccessLog::open(&LogDestination::Off, counter()).expect("it opens");
        log.write(&line(&facts()), STARTED);
        log.retarget(&LogDestination::File(path.clone())).expect("it opens");
        assert!(log.retarget(&LogDestination::File(dir.path().join("no/folder"))).is_err());
        log.write(&line(&facts()), STARTED);
        assert!(log.flush(Duration::from_secs(10)));
        assert_eq!(std::fs::read_to_string(&path).expect("the log").lines().count(), 1);
    }
}
