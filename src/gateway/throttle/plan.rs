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
pub struct Terms {
    pub(super) plan: Arc<Plan>,
    /// `api/stage`
    pub(super) stage: Box<str>,
    pub(super) rate: Option<Rate>,
    /// Sorted by route.
    pub(super) routes: Box<[RouteTerms]>,
}

/// A route's own rate, instead of the plan's.
#[derive(Debug)]
pub(super) struct RouteTerms {
    pub route: RouteId,
    /// `api/stage METHOD /path`, by which its buckets are found again after a reload.
    pub name: Box<str>,
    pub rate: Rate,
}

/// What one API key has under a usage plan at a stage: all that is its own and not the plan's.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Holding {
    /// With `terms.rate`.
    pub(super) bucket: Bucket,
    /// With `plan.quota`; shared by all stages of the plan.
    pub(super) counter: Option<Arc<Counter>>,
    /// With `terms.routes`.
    pub(super) routes: Option<Box<RouteBuckets>>,
}

/// In the order of [`Terms::routes`].
#[derive(Debug)]
pub(super) struct RouteBuckets(pub Box<[Arc<Bucket>]>);

/// What an API key holds at a stage: its place under a usage plan.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    pub(super) terms: &'a Terms,
    /// Not always that of `holding`: one that took the place of another goes on with that one's.
    pub(super) bucket: &'a Bucket,
    pub(super) holding: &'a Holding,
}

/// What all callers of a route share.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub route: Option<Arc<Limiter>>,
    pub stage: Option<Arc<Limiter>>,
}

impl Terms {
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan's name and the stage's, `api/stage`: the place in which keys find again what they hold after a reload.
    pub fn place(&self) -> (&str, &str) {
        (&self.plan.name, &self.stage)
    }
}

impl<'a> Grant<'a> {
    /// `eldest` is the first of the holdings that this one goes on from, or itself.
    pub fn new(terms: &'a Terms, eldest: &'a Holding, holding: &'a Holding) -> Grant<'a> {
        Grant { terms, bucket: &eldest.bucket, holding }
    }

    pub fn plan(self) -> &'a Plan {
        &self.terms.plan
    }

    /// The rate and bucket that hold for a route.
    pub(super) fn limiter(self, route: RouteId) -> Option<(Rate, &'a Bucket)> {
        if !self.terms.routes.is_empty()
            && let Ok(place) = self.terms.routes.binary_search_by_key(&route, |terms| terms.route)
            && let Some(RouteBuckets(buckets)) = self.holding.routes.as_deref()
        {
            return Some((self.terms.routes[place].rate, &buckets[place]));
        }
        Some((self.terms.rate?, self.bucket))
    }

    pub(super) fn quota(self) -> Option<(&'a Quota, &'a Arc<Counter>)> {
        Some((self.terms.plan.quota.as_ref()?, self.holding.counter.as_ref()?))
    }

    /// The bucket of the route called `name`, and its rate.
    pub(super) fn route_bucket(self, name: &str) -> Option<(&'a Arc<Bucket>, Rate)> {
        let place = self.terms.routes.iter().position(|route| &*route.name == name)?;
        Some((&self.holding.routes.as_deref()?.0[place], self.terms.routes[place].rate))
    }

    /// Says for people what the grant allows.
    pub fn explain(self) -> String {
        let rate = self.terms.rate.map_or("no rate".to_owned(), |rate| rate.to_string());
        let quota = match &self.terms.plan.quota {
            Some(quota) => format!(", quota {}", quota.limit),
            None => String::new(),
        };
        let routes = match self.terms.routes.len() {
            0 => String::new(),
            count => format!(", {count} route overrides"),
        };
        format!("{}: {rate}{quota}{routes}", self.terms.plan.name)
    }

    /// How much of its quota the key has used; `None` for a plan without one.
    pub fn usage(self, now: Now) -> Option<Usage> {
        self.quota().map(|(quota, counter)| counter.usage(quota, now))
    }

    /// Grants the key `n` more requests in the current period, as `UpdateUsage` does. Durable when it returns `Ok`.
    /// `None` for a plan without a quota.
    pub async fn extend(self, n: u64, now: Now) -> Option<Result<Usage, StoreError>> {
        let (quota, counter) = self.quota()?;
        Some(counter.extend(n, quota, now).await.map(|()| counter.usage(quota, now)))
    }
}
