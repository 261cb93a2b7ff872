use crate::base::push_number;

/// What the cache did for a request: the metric's label, and the field `Cache-Status` (RFC 9211).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the store, for `remaining_s` more seconds.
    Hit { remaining_s: u64 },
    /// Answered from the store with what has been stale for `for_s` seconds: because the client or the origin puts up
    /// with it, or because the back end fails.
    Stale { for_s: u64, is_for_error: bool },
    /// Answered from the store, which the back end has confirmed.
    Validated,
    /// Answered from another request's fetch.
    Collapsed,
    /// Fetched, because nothing fresh was stored. `is_stored`: the answer is being stored for others.
    Miss { why: Why, is_stored: bool },
    /// Fetched, because the client asked so.
    Refreshed { is_stored: bool },
    /// Not for the cache.
    Bypass,
}

/// Why a request was forwarded: RFC 9211 section 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing fresh; a stage's ttl tells no more.
    Miss,
    /// Nothing of this target.
    UriMiss,
    /// Nothing of this variant.
    VaryMiss,
    Stale,
    /// A part of what is not stored.
    Partial,
    /// The client asked so.
    Request,
}

impl Why {
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Why::Miss => b"tollgate; fwd=miss",
            Why::UriMiss => b"tollgate; fwd=uri-miss",
            Why::VaryMiss => b"tollgate; fwd=vary-miss",
            Why::Stale => b"tollgate; fwd=stale",
            Why::Partial => b"tollgate; fwd=partial",
            Why::Request => b"tollgate; fwd=request",
        }
    }
}

impl Outcome {
    /// The value of the label `cache`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Hit { .. } => "hit",
            Outcome::Stale { .. } => "stale",
            Outcome::Validated => "validated",
            Outcome::Collapsed => "collapsed",
            Outcome::Miss { .. } => "miss",
            Outcome::Refreshed { .. } => "refreshed",
            Outcome::Bypass => "bypass",
        }
    }

    /// Appends the value of `Cache-Status`.
    pub fn push_cache_status(self, out: &mut Vec<u8>) {
        let text: &[u8] = match self {
            Outcome::Hit { .. } => b"tollgate; hit; ttl=",
            Outcome::Stale { is_for_error: false, .. } => b"tollgate; hit; ttl=-",
            Outcome::Stale { is_for_error: true, .. } => b"tollgate; fwd=stale; detail=stale-if-error; ttl=-",
            Outcome::Validated => b"tollgate; fwd=stale; fwd-status=304; stored",
            Outcome::Collapsed => b"tollgate; fwd=miss; collapsed",
            Outcome::Miss { why, .. } => why.as_bytes(),
            Outcome::Refreshed { is_stored: true } => b"tollgate; fwd=request; stored",
            Outcome::Refreshed { is_stored: false } => b"tollgate; fwd=request",
            Outcome::Bypass => b"tollgate; fwd=bypass",
        };
        out.extend_from_slice(text);
        if let Outcome::Miss { is_stored: true, .. } = self {
            out.extend_from_slice(b"; stored");
        }
        if let Outcome::Hit { remaining_s: seconds } | Outcome::Stale { for_s: seconds, .. } = self {
            push_number(out, seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: Outcome, expected: &str) {
        let mut value = Vec::new();
        outcome.push_cache_status(&mut value);
        assert_eq!(String::from_utf8_lossy(&value), expected);
    }

    #[test]
    fn cache_status_says_how_the_answer_came_about() {
        check(Outcome::Hit { remaining_s: 0 }, "tollgate; hit; ttl=0");
        check(Outcome::Hit { remaining_s: 300 }, "tollgate; hit; ttl=300");
        check(Outcome::Hit { remaining_s: u64::MAX }, "tollgate; hit; ttl=18446744073709551615");
        check(Outcome::Stale { for_s: 7, is_for_error: false }, "tollgate; hit; ttl=-7");
        check(Outcome::Stale { for_s: 7, is_for_error: true }, "tollgate; fwd=stale; detail=stale-if-error; ttl=-7");
        check(Outcome::Validated, "tollgate; fwd=stale; fwd-status=304; stored");
        check(Outcome::Collapsed, "tollgate; fwd=miss; collapsed");
        check(Outcome::Miss { why: Why::Miss, is_stored: true }, "tollgate; fwd=miss; stored");
        check(Outcome::Miss { why: Why::VaryMiss, is_stored: false }, "tollgate; fwd=vary-miss");
        check(Outcome::Refreshed { is_stored: false }, "tollgate; fwd=request");
        check(Outcome::Bypass, "tollgate; fwd=bypass");
    }
}
