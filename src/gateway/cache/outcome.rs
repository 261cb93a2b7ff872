use http::HeaderValue;

/// What the cache did for a request: the metric's label, and the field `Cache-Status` (RFC 9211).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the store, for `remaining_s` more seconds.
    Hit { remaining_s: u64 },
    /// Answered from another request's fetch.
    Collapsed,
    /// Fetched, because nothing fresh was stored. `is_stored`: the answer is being stored for others.
    Miss { is_stored: bool },
    /// Fetched, because the client asked so.
    Refreshed { is_stored: bool },
    /// Not for the cache.
    Bypass,
}

/// The value of `Cache-Status`, held inline.
#[derive(Clone, Copy, Debug)]
pub struct CacheStatus {
    text: [u8; CacheStatus::LEN_MAX],
    len: usize,
}

const HIT: &[u8] = b"tollgate; hit; ttl=";

impl Outcome {
    /// The value of the label `cache`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Hit { .. } => "hit",
            Outcome::Collapsed => "collapsed",
            Outcome::Miss { .. } => "miss",
            Outcome::Refreshed { .. } => "refreshed",
            Outcome::Bypass => "bypass",
        }
    }

    /// The value of `Cache-Status`.
    pub fn cache_status(self) -> CacheStatus {
        match self {
            Outcome::Hit { remaining_s } => CacheStatus::hit(remaining_s),
            Outcome::Collapsed => CacheStatus::of(b"tollgate; fwd=miss; collapsed"),
            Outcome::Miss { is_stored: true } => CacheStatus::of(b"tollgate; fwd=miss; stored"),
            Outcome::Miss { is_stored: false } => CacheStatus::of(b"tollgate; fwd=miss"),
            Outcome::Refreshed { is_stored: true } => CacheStatus::of(b"tollgate; fwd=request; stored"),
            Outcome::Refreshed { is_stored: false } => CacheStatus::of(b"tollgate; fwd=request"),
            Outcome::Bypass => CacheStatus::of(b"tollgate; fwd=bypass"),
        }
    }
}

impl CacheStatus {
    /// A hit with a ttl of twenty digits, the most that a `u64` has.
    const LEN_MAX: usize = HIT.len() + 20;

    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    fn of(text: &[u8]) -> CacheStatus {
        let mut status = CacheStatus { text: [0; Self::LEN_MAX], len: 0 };
        text.iter().for_each(|&byte| status.push(byte));
        status
    }

    fn hit(remaining_s: u64) -> CacheStatus {
        let mut status = CacheStatus::of(HIT);
        let digits = remaining_s.checked_ilog10().unwrap_or(0);
        for place in (0..=digits).rev() {
            status.push(b'0' + (remaining_s / 10u64.pow(place) % 10) as u8);
        }
        status
    }

    /// Every text that is pushed fits: the longest is a hit's.
    fn push(&mut self, byte: u8) {
        self.text[self.len] = byte;
        self.len += 1;
    }
}

impl From<CacheStatus> for HeaderValue {
    fn from(status: CacheStatus) -> HeaderValue {
        // Only visible ASCII is ever written.
        HeaderValue::from_bytes(status.as_bytes()).unwrap_or(HeaderValue::from_static("tollgate"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: Outcome, expected: &str) {
        assert_eq!(HeaderValue::from(outcome.cache_status()), expected);
    }

    #[test]
    fn cache_status_says_how_the_answer_came_about() {
        check(Outcome::Hit { remaining_s: 0 }, "tollgate; hit; ttl=0");
        check(Outcome::Hit { remaining_s: 300 }, "tollgate; hit; ttl=300");
        check(Outcome::Hit { remaining_s: u64::MAX }, "tollgate; hit; ttl=18446744073709551615");
        check(Outcome::Collapsed, "tollgate; fwd=miss; collapsed");
        check(Outcome::Miss { is_stored: true }, "tollgate; fwd=miss; stored");
        check(Outcome::Refreshed { is_stored: false }, "tollgate; fwd=request");
        check(Outcome::Bypass, "tollgate; fwd=bypass");
    }
}
