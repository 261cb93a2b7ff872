use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, RateLimiter, StateStore};

use crate::base::Now;
use crate::gateway::authorize::PlaceId;

use super::{Grant, Rate, Terms};

/// The state of a token bucket: the theoretical arrival time of the generic cell rate algorithm, on the clock of
/// [`Now::mono_ns`]. 0 is a bucket that was never used.
///
/// Being absolute it belongs to no rate and no snapshot, so it goes on when either changes.
#[derive(Debug, Default)]
pub struct Bucket(AtomicU64);

/// The bucket is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty {
    /// Seconds until there is a token, rounded up; at least 1.
    pub wait_s: u64,
}

/// A rate of zero never admits: ask again when an operator may have changed it.
const DENIED_WAIT_S: u64 = 60;

impl Bucket {
    /// Takes a token.
    #[inline]
    pub fn take(&self, rate: Rate, now: Now) -> Result<(), Empty> {
        let Some(quota) = rate.quota() else { return Err(Empty { wait_s: DENIED_WAIT_S }) };
        // governor keeps times relative to the limiter's start. One that starts now is free, and its start never ages.
        let limiter = RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::new(
            quota,
            FromNow { bucket: self, now_ns: now.mono_ns },
            AtStart,
        );
        limiter.check().map_err(|refused| {
            let wait = refused.wait_time_from(Nanos::new(0));
            Empty { wait_s: wait.as_nanos().div_ceil(1_000_000_000).max(1) as u64 }
        })
    }

    /// Keeps the debt, in tokens, when the rate changes: what was taken stays taken, at the new rate's price.
    fn rebase(&self, from: Rate, to: Rate, now: Now) {
        let (Rate::Limited { token_ns: old_ns, .. }, Rate::Limited { token_ns: new_ns, burst }) = (from, to) else {
            return;
        };
        let full_ns = new_ns * u64::from(burst.get());
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |arrival_ns| {
            let debt_ns = arrival_ns.checked_sub(now.mono_ns)?;
            let debt_ns = u128::from(debt_ns) * u128::from(new_ns) / u128::from(old_ns);
            let debt_ns = u64::try_from(debt_ns).unwrap_or(u64::MAX).min(full_ns);
            Some(now.mono_ns.saturating_add(debt_ns))
        });
    }
}

/// A bucket as governor sees it from a limiter that starts now.
struct FromNow<'a> {
    bucket: &'a Bucket,
    now_ns: u64,
}

impl StateStore for FromNow<'_> {
    type Key = NotKeyed;

    #[inline]
    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let Bucket(arrival) = self.bucket;
        let mut seen_ns = arrival.load(Ordering::Acquire);
        loop {
            // A time in the past says the same as none: the bucket is full.
            let debt = seen_ns.checked_sub(self.now_ns).map(Nanos::new);
            let (outcome, next) = decide(debt)?;
            let next_ns = self.now_ns.saturating_add(next.as_u64());
            match arrival.compare_exchange_weak(seen_ns, next_ns, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(outcome),
                Err(other) => seen_ns = other,
            }
        }
    }
}

/// The clock of a limiter that starts now and is asked once.
struct AtStart;

impl Clock for AtStart {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(0)
    }
}

/// A bucket with its rate and the name of who set it.
#[derive(Debug)]
pub struct Limiter {
    pub(super) policy: Arc<str>,
    pub(super) rate: Rate,
    pub(super) bucket: Arc<Bucket>,
}

impl Limiter {
    /// A limiter named `policy`. It goes on with the bucket of `previous`, the limiter of the same thing in the
    /// snapshot that this one will replace.
    pub fn new(policy: Arc<str>, rate: Rate, previous: Option<&Limiter>, rebase: &mut Rebase) -> Limiter {
        let bucket = rebase.take_over(previous.map(|limiter| (&limiter.bucket, limiter.rate)), rate);
        Limiter { policy, rate, bucket }
    }

    /// The rate's setter, as refusals name it.
    pub fn policy(&self) -> &Arc<str> {
        &self.policy
    }

    pub fn rate(&self) -> Rate {
        self.rate
    }
}

/// The buckets whose rate changes with a snapshot.
///
/// Requests in flight share them, so they change when the snapshot is published and not when it is compiled.
#[derive(Debug, Default)]
#[must_use = "apply it when the snapshot is published, or changed rates lose their debt"]
pub struct Rebase {
    steps: HashMap<(Rate, Rate), Vec<Arc<Bucket>>, ahash::RandomState>,
    /// Those of all keys at a place of the snapshot that is replaced.
    places: HashMap<PlaceId, (Rate, Rate), ahash::RandomState>,
}

impl Rebase {
    /// The bucket to go on with.
    pub(super) fn take_over(&mut self, previous: Option<(&Arc<Bucket>, Rate)>, rate: Rate) -> Arc<Bucket> {
        let Some((bucket, old_rate)) = previous else { return Arc::default() };
        if old_rate != rate {
            self.steps.entry((old_rate, rate)).or_default().push(Arc::clone(bucket));
        }
        Arc::clone(bucket)
    }

    /// The keys at `place`, which had the terms `old`, get the terms `new`.
    pub fn change(&mut self, place: PlaceId, old: &Terms, new: &Terms) {
        if let (Some(from), Some(to)) = (old.rate, new.rate)
            && from != to
        {
            self.places.insert(place, (from, to));
        }
    }

    /// Converts the debts. Call it once, right after the snapshot that was compiled with it is published. `held` is all
    /// that keys held in the snapshot before.
    pub fn apply<'a>(self, held: impl IntoIterator<Item = (PlaceId, Grant<'a>)>, now: Now) {
        for ((from, to), buckets) in self.steps {
            buckets.iter().for_each(|bucket| bucket.rebase(from, to, now));
        }
        if self.places.is_empty() {
            return;
        }
        for (place, grant) in held {
            if let Some((from, to)) = self.places.get(&place) {
                grant.bucket.rebase(*from, *to, now);
            }
        }
    }
}
