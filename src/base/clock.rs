use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One reading of the clock, taken once per request and handed to every phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Nanoseconds on the monotonic clock. Never 0, never goes back; buckets and durations use it.
    pub mono_ns: u64,
    /// Milliseconds since 1970 in UTC. May jump when the system's clock is set; quota periods and logs use it.
    pub unix_ms: u64,
}

impl Now {
    /// The time that has passed since `earlier`, zero if `earlier` is later.
    pub fn since(self, earlier: Now) -> Duration {
        Duration::from_nanos(self.mono_ns.saturating_sub(earlier.mono_ns))
    }
}

/// Where time comes from: the system, or a hand that tests move.
///
/// A reading costs one `clock_gettime`: the wall clock is the monotonic one plus an offset that
/// [`Clock::resync`] refreshes once a second.
#[derive(Debug)]
pub struct Clock {
    source: Source,
    /// Wall clock minus monotonic clock, in nanoseconds.
    unix_offset_ns: AtomicI64,
}

#[derive(Debug)]
enum Source {
    System(Instant),
    Manual(AtomicU64),
}

/// Monotonic readings start here, so that 0 can mean "never" where a reading is stored.
const FIRST_NS: u64 = 1;

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        let clock = Clock { source: Source::System(Instant::now()), unix_offset_ns: AtomicI64::new(0) };
        clock.resync();
        clock
    }

    /// A clock that stands still at `unix_ms` until [`Clock::advance`] moves it.
    pub fn manual(unix_ms: u64) -> Clock {
        let offset = i64::try_from(unix_ms).unwrap_or(i64::MAX / 1_000_000).saturating_mul(1_000_000);
        Clock { source: Source::Manual(AtomicU64::new(FIRST_NS)), unix_offset_ns: AtomicI64::new(offset) }
    }

    /// Reads the clock.
    pub fn now(&self) -> Now {
        let mono_ns = self.mono_ns();
        // Good until the year 2262.
        let unix_ns = (mono_ns as i64).saturating_add(self.unix_offset_ns.load(Ordering::Relaxed));
        Now { mono_ns, unix_ms: u64::try_from(unix_ns).unwrap_or(0) / 1_000_000 }
    }

    /// Moves a manual clock forward. A system clock is not moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(ns) = &self.source {
            ns.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX / 2), Ordering::Relaxed);
        }
    }

    /// Takes the wall clock's offset anew, so that a clock that was set is followed within a second.
    pub fn resync(&self) {
        if let Source::System(_) = &self.source {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let unix_ns = i64::try_from(unix.as_nanos()).unwrap_or(i64::MAX);
            self.unix_offset_ns.store(unix_ns - self.mono_ns() as i64, Ordering::Relaxed);
        }
    }

    fn mono_ns(&self) -> u64 {
        match &self.source {
            Source::System(origin) => origin.elapsed().as_nanos() as u64 + FIRST_NS,
            Source::Manual(ns) => ns.load(Ordering::Relaxed),
        }
    }
}
