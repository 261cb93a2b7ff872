use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;

use crate::config::Throttle;

/// A compiled rate and burst: a token bucket's refill and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rate {
    /// A rate or burst of 0 admits none.
    Deny,
    Limited {
        /// In which one token comes back. At least 1, and `token_ns * burst` stays below `BURST_NS_MAX`.
        token_ns: u64,
        /// Tokens that the bucket holds.
        burst: NonZeroU32,
    },
}

/// 146 years. The sums of governor, which are unchecked, stay far inside 64 bits.
const BURST_NS_MAX: u64 = 1 << 62;

/// A token a billion seconds is as good as none, and far inside the range of a `Duration`.
const TOKEN_NS_MAX: f64 = 1e18;

impl Rate {
    /// `rate` in requests per second. Negative and absurd numbers admit none; the configuration refuses them.
    pub fn new(rate: f64, burst: u32) -> Rate {
        match NonZeroU32::new(burst) {
            Some(burst) if rate > 0.0 => {
                let token_ns = (1e9 / rate).round().clamp(1.0, TOKEN_NS_MAX) as u64;
                let token_ns = token_ns.min((BURST_NS_MAX - 1) / u64::from(burst.get()));
                Rate::Limited { token_ns, burst }
            }
            _ => Rate::Deny,
        }
    }

    /// Requests that a full bucket admits at once.
    pub fn burst(self) -> u32 {
        match self {
            Rate::Deny => 0,
            Rate::Limited { burst, .. } => burst.get(),
        }
    }

    /// In which an empty bucket is full again, rounded up to a second or more.
    pub fn window_s(self) -> u64 {
        match self {
            Rate::Deny => 1,
            Rate::Limited { token_ns, burst } => (token_ns * u64::from(burst.get())).div_ceil(1_000_000_000),
        }
    }

    /// As governor writes it; `None` admits none.
    pub(super) fn quota(self) -> Option<Quota> {
        match self {
            Rate::Deny => None,
            Rate::Limited { token_ns, burst } => {
                Quota::with_period(Duration::from_nanos(token_ns)).map(|quota| quota.allow_burst(burst))
            }
        }
    }
}

/// As people say it: `10/s, burst 20`.
impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rate::Deny => f.write_str("none admitted"),
            Rate::Limited { token_ns, burst } => {
                let rate = (1e12 / *token_ns as f64).round() / 1e3;
                write!(f, "{rate}/s, burst {burst}")
            }
        }
    }
}

impl From<&Throttle> for Rate {
    fn from(throttle: &Throttle) -> Rate {
        Rate::new(throttle.rate, throttle.burst)
    }
}
