use std::time::Duration;

use crate::base::Now;

/// When an exchange must be over, whatever it is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    end_ns: u64,
}

impl Deadline {
    pub fn after(now: Now, timeout: Duration) -> Deadline {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        Deadline { end_ns: now.mono_ns.saturating_add(timeout_ns) }
    }

    /// What is left; `None` when nothing is.
    pub fn remaining(self, now: Now) -> Option<Duration> {
        let left_ns = self.end_ns.saturating_sub(now.mono_ns);
        (left_ns > 0).then(|| Duration::from_nanos(left_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;

    #[test]
    fn a_deadline_is_over_at_its_end_and_stays_so() {
        let clock = Clock::manual(0);
        let deadline = Deadline::after(clock.now(), Duration::from_secs(3));
        clock.advance(Duration::from_secs(2));
        assert_eq!(deadline.remaining(clock.now()), Some(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(deadline.remaining(clock.now()), None);
        clock.advance(Duration::from_secs(1));
        assert_eq!(deadline.remaining(clock.now()), None);
    }
}
