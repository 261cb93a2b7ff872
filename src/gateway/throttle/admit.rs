use std::sync::Arc;

use crate::base::{Answer, Clock, Now, RateFacts, Refusal, RouteId};
use crate::store::{Denied, Exhausted, Taken};

use super::bucket::Empty;
use super::{Bucket, Grant, Limiter, Limits, Rate};

/// Leave to spend capacity on one request. Only [`admit`] makes one.
#[derive(Debug)]
pub struct Ticket {
    may_invalidate_cache: bool,
}

impl Ticket {
    /// Whether the plan that was charged lets its keys refresh cached answers.
    pub fn may_invalidate_cache(&self) -> bool {
        self.may_invalidate_cache
    }
}

/// Admits a request of `grant` to `route`, or refuses it.
///
/// Completes at once unless the key's quota must first be reserved on disk; `clock` tells the time after that.
pub async fn admit(
    limits: &Limits,
    grant: Option<Grant<'_>>,
    route: RouteId,
    clock: &Clock,
    now: Now,
) -> Result<Ticket, Answer> {
    let Some(grant) = grant else {
        return limits.check(now).map(|()| Ticket { may_invalidate_cache: false });
    };
    grant.check_rate(route, now)?;
    let taken = grant.take_quota(clock, now).await?;
    // Nothing awaits from here on: what was counted is kept or given back.
    if let Err(refused) = limits.check(taken.as_ref().map_or(now, |taken| taken.at)) {
        grant.give_back(taken);
        return Err(refused);
    }
    Ok(Ticket { may_invalidate_cache: grant.terms.plan.may_invalidate_cache })
}

impl Grant<'_> {
    fn check_rate(self, route: RouteId, now: Now) -> Result<(), Answer> {
        let Some((rate, bucket)) = self.limiter(route) else { return Ok(()) };
        let detail = "The rate of this API key's usage plan is exceeded.";
        check(bucket, rate, now, || (Refusal::RateExceeded, detail, &self.terms.plan.name))
    }

    async fn take_quota(self, clock: &Clock, now: Now) -> Result<Option<Taken>, Answer> {
        let Some((quota, counter)) = self.quota() else { return Ok(None) };
        let taken = counter.take(quota, clock, now).await;
        taken.map(Some).map_err(|denied| match denied {
            Denied::Exhausted(exhausted) => quota_exceeded(exhausted, &self.terms.plan.name),
            Denied::Unsaved => quota_unsaved(),
        })
    }

    fn give_back(self, taken: Option<Taken>) {
        if let (Some(counter), Some(taken)) = (&self.holding.counter, taken) {
            counter.give_back(taken);
        }
    }
}

impl Limits {
    fn check(&self, now: Now) -> Result<(), Answer> {
        check_shared(&self.route, Refusal::RouteThrottled, "The rate of this route is exceeded.", now)?;
        check_shared(&self.stage, Refusal::StageThrottled, "The rate of this stage is exceeded.", now)
    }
}

fn check_shared(
    limiter: &Option<Arc<Limiter>>,
    refusal: Refusal,
    detail: &'static str,
    now: Now,
) -> Result<(), Answer> {
    let Some(limiter) = limiter else { return Ok(()) };
    check(&limiter.bucket, limiter.rate, now, || (refusal, detail, &limiter.policy))
}

/// Takes a token; `why` words the refusal.
fn check<'a>(
    bucket: &Bucket,
    rate: Rate,
    now: Now,
    why: impl FnOnce() -> (Refusal, &'static str, &'a Arc<str>),
) -> Result<(), Answer> {
    bucket.take(rate, now).map_err(|Empty { wait_s }| {
        let (refusal, detail, policy) = why();
        let window_s = rate.window_s();
        refused(refusal, detail, facts(policy, rate.burst().into(), window_s, wait_s))
    })
}

fn quota_exceeded(exhausted: Exhausted, plan: &Arc<str>) -> Answer {
    let Exhausted { limit, window_s, reset_s } = exhausted;
    let detail = "The quota of this API key's usage plan is spent for this period.";
    refused(Refusal::QuotaExceeded, detail, facts(plan, limit, window_s, reset_s))
}

/// The state directory cannot be written, which `/readyz?verbose` tells the operator; it is tried again every second.
fn quota_unsaved() -> Answer {
    let detail = "Requests against this API key's quota cannot be counted at the moment.";
    Answer::new(Refusal::Unavailable, detail).with_retry_after(1).with_log("state.unsaved_max is reached")
}

fn facts(policy: &Arc<str>, limit: u64, window_s: u64, reset_s: u64) -> RateFacts {
    let short = |seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX);
    let (window_s, reset_s) = (short(window_s), short(reset_s));
    RateFacts { policy: Arc::clone(policy), limit, window_s, remaining: 0, reset_s }
}

fn refused(refusal: Refusal, detail: &'static str, facts: RateFacts) -> Answer {
    Answer::new(refusal, detail).with_retry_after(facts.reset_s).with_rate(facts)
}
