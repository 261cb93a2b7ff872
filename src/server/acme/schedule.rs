use std::time::Duration;

use super::trouble::{Kind, Trouble};

/// Between two tries while the authority is away, or has forgotten us: at first, and at the most.
const AWAY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3600));
/// Between two tries that it refuses. Let's Encrypt allows five failed validations an hour for a name.
const REFUSED: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(6 * 3600));

/// However long an authority wants to be left alone, it is asked again after a day.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// When a certificate is to be renewed, in seconds since 1970: after two thirds of its life, or up to a thirtieth of it
/// earlier. `spread`, from 0 to 1, keeps those apart that were issued together.
pub(super) fn renewal_unix_s(begins_unix_s: i64, expires_unix_s: i64, spread: f64) -> i64 {
    let life_s = expires_unix_s.saturating_sub(begins_unix_s).max(0) as f64;
    begins_unix_s.saturating_add((life_s * (2.0 / 3.0 - spread / 30.0)) as i64)
}

/// The least time from an order to the next, in seconds: a thirtieth of the certificate's life. Whatever clocks and
/// windows say, an authority is not asked for one certificate after the other.
pub(super) fn rest_s(begins_unix_s: i64, expires_unix_s: i64) -> i64 {
    expires_unix_s.saturating_sub(begins_unix_s).max(0) / 30
}

/// The moment within the window that the authority suggests (RFC 9773 section 4.2), but while the certificate has a
/// twentieth of its life left.
pub(super) fn suggested_unix_s(window: (i64, i64), life: (i64, i64), spread: f64) -> i64 {
    let ((start, end), (begins, expires)) = (window, life);
    let suggested = start.saturating_add((end.saturating_sub(start).max(0) as f64 * spread) as i64);
    suggested.min(expires.saturating_sub(expires.saturating_sub(begins).max(0) / 20))
}

/// How long to wait after `trouble`, the last of `failures` in a row. Doubles up to a bound, a fifth more or less.
pub(super) fn pause(trouble: &Trouble, failures: u32, spread: f64) -> Duration {
    let (first, most) = if trouble.kind == Kind::Refused { REFUSED } else { AWAY };
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(most);
    let pause = doubled.mul_f64(0.8 + 0.4 * spread);
    pause.max(trouble.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life() {
        assert_eq!(renewal_unix_s(1_000, 1_000 + 90, 0.0), 1_060);
        assert_eq!(renewal_unix_s(1_000, 1_000 + 90, 1.0), 1_057);
        assert_eq!(renewal_unix_s(1_000, 900, 0.5), 1_000);
    }

    #[test]
    fn an_authority_s_window_is_kept_to_while_there_is_life() {
        assert_eq!(suggested_unix_s((40, 60), (0, 100), 0.5), 50);
        assert_eq!(suggested_unix_s((99, 200), (0, 100), 0.5), 95);
        assert_eq!(suggested_unix_s((60, 40), (0, 100), 0.5), 60);
    }

    #[test]
    fn failures_are_tried_again_ever_more_seldom_and_not_before_the_authority_says() {
        let check = |kind: Kind, retry_after_s: Option<u64>, failures: u32, expected_s: u64| {
            let retry_after = retry_after_s.map(Duration::from_secs);
            let trouble = Trouble { why: String::new(), kind, retry_after };
            let pause = pause(&trouble, failures, 0.5);
            assert_eq!(pause.as_secs_f64().round() as u64, expected_s, "{kind:?} {failures}");
        };
        check(Kind::Away, None, 1, 5);
        check(Kind::Away, None, 3, 20);
        check(Kind::Away, None, 40, 3600);
        check(Kind::Refused, None, 1, 300);
        check(Kind::Refused, None, 4, 2400);
        check(Kind::Refused, None, 40, 6 * 3600);
        check(Kind::Refused, Some(7_200), 1, 7_200);
        check(Kind::Refused, Some(1), 1, 300);
        check(Kind::Refused, Some(u64::MAX), 1, 24 * 3600);
    }
}
