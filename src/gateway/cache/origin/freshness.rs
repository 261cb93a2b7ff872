use std::time::Duration;

use super::Directives;
use crate::base::{Fields, Now};

/// How old an answer was when it arrived, and how old it may become: RFC 9111 section 4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// How long it is fresh, counted from its generation. `None`: nothing says so, and nothing is guessed.
    pub lifetime: Option<Duration>,
    /// `corrected_initial_age`
    pub age: Duration,
}

/// More than any lifetime, so that an answer of this age is stale.
const ANCIENT: Duration = Duration::from_secs(1 << 32);

impl Freshness {
    /// Of an answer that arrived `now`, and was asked for `delay` ago.
    pub fn of(directives: &Directives, fields: &Fields<'_>, now: Now, delay: Duration) -> Freshness {
        let date_s = fields.get("date").and_then(read_date);
        let lifetime = lifetime(directives, fields, date_s, now);
        Freshness { lifetime, age: age(fields, date_s, now, delay) }
    }

    /// For how long it stays fresh from now on.
    pub fn remaining(&self) -> Option<Duration> {
        self.lifetime.map(|lifetime| lifetime.saturating_sub(self.age))
    }
}

/// RFC 9111 section 4.2.1. Of two unequal `Expires` none counts, and neither does one that is no date: it means the
/// past (section 5.3).
fn lifetime(directives: &Directives, fields: &Fields<'_>, date_s: Option<u64>, now: Now) -> Option<Duration> {
    if let Some(seconds) = directives.s_maxage.or(directives.max_age) {
        return Some(Duration::from_secs(seconds));
    }
    if directives.is_targeted {
        return None;
    }
    let mut expires: Option<&[u8]> = None;
    let mut is_ambiguous = false;
    fields.for_each("expires", |value| is_ambiguous |= expires.replace(value).is_some_and(|other| other != value));
    let expires_s = read_date(expires?).filter(|_| !is_ambiguous).unwrap_or(0);
    Some(Duration::from_secs(expires_s.saturating_sub(date_s.unwrap_or(now.unix_ms / 1000))))
}

/// RFC 9111 section 4.2.3. An age that cannot be read may be any, so the answer counts as stale.
fn age(fields: &Fields<'_>, date_s: Option<u64>, now: Now, delay: Duration) -> Duration {
    let (mut told, mut count) = (Some(0), 0);
    fields.for_each("age", |value| {
        told = super::directives::read_seconds(value);
        count += 1;
    });
    let Some(told_s) = told.filter(|_| count <= 1) else { return ANCIENT };
    let apparent_s = date_s.map_or(0, |date_s| (now.unix_ms / 1000).saturating_sub(date_s));
    (Duration::from_secs(told_s) + delay).max(Duration::from_secs(apparent_s))
}

/// Seconds since 1970, in any of the three forms of RFC 9110 section 5.6.7.
pub fn read_date(value: &[u8]) -> Option<u64> {
    let time = httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()?;
    time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { mono_ns: 1, unix_ms: 784_111_777_000 };
    const DATE: (&str, &[u8]) = ("date", b"Sun, 06 Nov 1994 08:49:37 GMT");

    /// `expected`: lifetime and age in seconds.
    fn check(fields: &[(&str, &[u8])], expected: (Option<u64>, u64)) {
        let fields = Fields::List(fields);
        let fresh = Freshness::of(&Directives::of_answer(&fields), &fields, NOW, Duration::ZERO);
        assert_eq!((fresh.lifetime.map(|lifetime| lifetime.as_secs()), fresh.age.as_secs()), expected, "{fields:?}");
    }

    #[test]
    fn the_lifetime_is_what_the_origin_said_in_the_order_of_the_rfc() {
        check(&[], (None, 0));
        check(&[DATE, ("last-modified", b"Sun, 06 Nov 1994 08:49:37 GMT")], (None, 0));
        let expires: (&str, &[u8]) = ("expires", b"Sun, 06 Nov 1994 08:50:37 GMT");
        check(&[DATE, expires], (Some(60), 0));
        check(&[expires], (Some(60), 0));
        check(&[("date", b"nonsense"), expires], (Some(60), 0));
        check(&[DATE, ("expires", b"Sunday, 06-Nov-94 08:50:37 GMT")], (Some(60), 0));
        check(&[DATE, ("expires", b"Sun Nov  6 08:50:37 1994")], (Some(60), 0));
        check(&[DATE, ("expires", b"Sun, 06 Nov 1994 08:49:37 GMT")], (Some(0), 0));
        check(&[DATE, ("expires", b"0")], (Some(0), 0));
        check(&[DATE, expires, ("expires", b"Sun, 06 Nov 1994 08:55:37 GMT")], (Some(0), 0));
        check(&[expires, ("cache-control", b"max-age=5")], (Some(5), 0));
        check(&[expires, ("cache-control", b"max-age=5, s-maxage=7")], (Some(7), 0));
        check(&[expires, ("cache-control", b"max-age=5"), ("cdn-cache-control", b"max-age=9")], (Some(9), 0));
        check(&[expires, ("cdn-cache-control", b"must-revalidate")], (None, 0));
    }

    #[test]
    fn the_age_is_the_larger_of_what_is_told_and_what_is_seen() {
        check(&[DATE, ("age", b"7")], (None, 7));
        check(&[("date", b"Sun, 06 Nov 1994 08:49:07 GMT"), ("age", b"7")], (None, 30));
        check(&[("date", b"Sun, 06 Nov 1994 09:49:07 GMT")], (None, 0));
        let fields = Fields::List(&[("age", b"7")]);
        let delayed = Freshness::of(&Directives::default(), &fields, NOW, Duration::from_secs(2));
        assert_eq!(delayed.age, Duration::from_secs(9));
    }

    #[test]
    fn an_age_that_cannot_be_read_makes_an_answer_stale() {
        let ages: [&[u8]; 7] = [b"abc", b"-1", b"1.0", b"7,0", b"0, 0", b"7;a=b", b""];
        for age in ages {
            check(&[("age", age)], (None, ANCIENT.as_secs()));
        }
        check(&[("age", b"0"), ("age", b"0")], (None, ANCIENT.as_secs()));
    }
}
