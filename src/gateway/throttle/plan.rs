use std::sync::Arc;

use crate::base::{Now, RouteId};
use crate::store::{Counter, Quota, StoreError, Usage};

use super::{Bucket, Limiter, Rate};

/// A usage plan.
#[derive(Debug)]
pub struct Plan {
    pub name: Arc<str>,
    /// Its keys may refresh cached answers.
    pub may_invalidate_cache: bool,
    pub quota: Option<Quota>,
}

/// What a plan means at one stage, the same for all its keys.
#[derive(Debug)]
pub(super) struct Terms {
    pub plan: Arc<Plan>,
    /// `api/stage`
    pub stage: Box<str>,
    pub rate: Option<Rate>,
    /// Sorted by route.
    pub routes: Box<[RouteTerms]>,
}

/// A route's own rate, instead of the plan's.
#[derive(Debug)]
pub(super) struct RouteTerms {
    pub route: RouteId,
    /// `api/stage METHOD /path`, by which its buckets are found again after a reload.
    pub name: Box<str>,
    pub rate: Rate,
}

/// What an API key holds at a stage: its place under a usage plan.
#[derive(Clone, Debug)]
pub struct Grant {
    pub(super) terms: Arc<Terms>,
    /// With `terms.rate`.
    pub(super) bucket: Option<Arc<Bucket>>,
    /// In the order of `terms.routes`.
    pub(super) routes: Box<[Arc<Bucket>]>,
    /// With `plan.quota`; shared by all stages of the plan.
    pub(super) counter: Option<Arc<Counter>>,
}

/// What all callers of a route share.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub route: Option<Arc<Limiter>>,
    pub stage: Option<Arc<Limiter>>,
}

impl Grant {
    pub fn plan(&self) -> &Plan {
        &self.terms.plan
    }

    /// The rate and bucket that hold for a route.
    pub(super) fn limiter(&self, route: RouteId) -> Option<(Rate, &Bucket)> {
        if let Ok(place) = self.terms.routes.binary_search_by_key(&route, |terms| terms.route) {
            return Some((self.terms.routes[place].rate, &self.routes[place]));
        }
        Some((self.terms.rate?, self.bucket.as_deref()?))
    }

    pub(super) fn quota(&self) -> Option<(&Quota, &Arc<Counter>)> {
        Some((self.terms.plan.quota.as_ref()?, self.counter.as_ref()?))
    }

    /// How much of its quota the key has used; `None` for a plan without one.
    pub fn usage(&self, now: Now) -> Option<Usage> {
        self.quota().map(|(quota, counter)| counter.usage(quota, now))
    }

    /// Grants the key `n` more requests in the current period, as `UpdateUsage` does. Durable when it returns `Ok`.
    /// `None` for a plan without a quota.
    pub async fn extend(&self, n: u64, now: Now) -> Option<Result<Usage, StoreError>> {
        let (quota, counter) = self.quota()?;
        Some(counter.extend(n, quota, now).await.map(|()| counter.usage(quota, now)))
    }
}
