use std::time::Duration;

use pingora_proxy::Session;
use tokio::time::Instant;

use crate::base::{Answer, Refusal};
use crate::config::Limits;

/// How slowly a body may come: nothing for no longer than `patience`, and on the whole no less than a rate.
///
/// Only the time is counted in which a piece was waited for, so a client does not pay for a slow back end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    patience: Duration,
    /// In bytes a second; 0 is any.
    rate_min: u64,
    waited: Duration,
    since: Option<Instant>,
}

impl Pace {
    pub(super) fn new(limits: &Limits) -> Pace {
        Pace { patience: limits.body_timeout, rate_min: limits.body_rate_min, ..Pace::default() }
    }

    /// Begins to wait for a piece, after `moved` bytes. Returns for how long at most.
    pub(super) fn begin_wait(&mut self, moved: u64) -> Duration {
        self.since = Some(Instant::now());
        self.left(moved)
    }

    /// How long a piece may be waited for, after `moved` bytes.
    fn left(&self, moved: u64) -> Duration {
        let Some(earned_ms) = moved.saturating_mul(1000).checked_div(self.rate_min) else { return self.patience };
        let allowed = self.patience.saturating_add(Duration::from_millis(earned_ms));
        self.patience.min(allowed.saturating_sub(self.waited))
    }

    /// The piece has come.
    pub(super) fn end_wait(&mut self) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Whether a piece is waited for.
    pub(super) fn is_waiting(&self) -> bool {
        self.since.is_some()
    }
}

/// Holds the full lane's next read of a body to the pace, after `moved` bytes. A stream does so itself.
pub(super) fn keep(session: &mut Session, limits: &Limits, moved: u64) -> Result<(), Answer> {
    let Some(connection) = session.as_downstream().stream() else { return Ok(()) };
    let pace = Pace { waited: connection.get_read_pending_time(), ..Pace::new(limits) };
    match pace.left(moved) {
        Duration::ZERO => Err(Answer::new(Refusal::RequestTimeout, "the request's body came too slowly")),
        left => {
            session.set_read_timeout(Some(left));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_pause_and_may_not_trickle() {
        let limits = Limits { body_timeout: Duration::from_secs(30), body_rate_min: 100, ..Limits::default() };
        let mut pace = Pace::new(&limits);
        let waited = |pace: &mut Pace, s: u64| pace.waited += Duration::from_secs(s);
        assert_eq!(pace.begin_wait(0), Duration::from_secs(30));
        waited(&mut pace, 20);
        assert_eq!(pace.begin_wait(1), Duration::from_millis(10_010));
        waited(&mut pace, 11);
        assert_eq!(pace.begin_wait(2), Duration::ZERO, "31 seconds for two bytes");
        assert_eq!(pace.begin_wait(10_000), Duration::from_secs(30), "100 seconds are earned");
    }

    #[test]
    fn without_a_rate_only_pauses_count() {
        let limits = Limits { body_timeout: Duration::from_secs(30), body_rate_min: 0, ..Limits::default() };
        let mut pace = Pace::new(&limits);
        pace.waited = Duration::from_secs(3600);
        assert_eq!(pace.begin_wait(1), Duration::from_secs(30));
    }
}
