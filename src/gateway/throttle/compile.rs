use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use smallvec::SmallVec;

use crate::base::{RouteId, StageId, nearest};
use crate::config::{self, ApiKey, Fault, Located, Throttle, UsagePlan};
use crate::gateway::authorize::PlaceId;
use crate::store::{Counter, Ledger, Quota, Store};

use super::plan::{RouteBuckets, RouteTerms};
use super::{Bucket, Grant, Holding, Plan, Rate, Rebase, Terms};

/// What names mean in the snapshot that is being compiled.
pub struct Places<'a> {
    /// The stage called `api/stage`.
    pub stage: &'a dyn Fn(&str) -> Option<StageId>,
    /// The route called `api/stage METHOD /path`.
    pub route: &'a dyn Fn(&str) -> Option<RouteId>,
    /// All names of stages, to suggest one.
    pub stage_names: &'a dyn Fn() -> Vec<String>,
    /// All names of routes, to suggest one.
    pub route_names: &'a dyn Fn() -> Vec<String>,
}

/// The usage plans of a configuration, ready for its API keys.
pub struct Plans {
    plans: HashMap<String, CompiledPlan, ahash::RandomState>,
    /// Of each plan at each of its stages, in the order of [`PlaceId`].
    terms: Vec<(StageId, Terms)>,
}

struct CompiledPlan {
    /// With `plan.quota`.
    ledger: Option<Arc<Ledger>>,
    places: Vec<PlaceId>,
}

/// What a key is to hold at one stage.
#[derive(Debug)]
pub struct Claim {
    pub place: PlaceId,
    /// With the plan's quota.
    counter: Option<Arc<Counter>>,
}

/// What a key is to hold, stage by stage. Most keys have one plan for one stage.
pub type Claims = SmallVec<[Claim; 1]>;

impl Plans {
    /// Compiles all plans. One with faults is kept as far as it makes sense, so that its keys can be checked too.
    pub fn compile(
        plans: &IndexMap<String, UsagePlan>,
        places: &Places<'_>,
        store: &Store,
        faults: &mut Vec<Fault>,
    ) -> Plans {
        let mut terms = Vec::new();
        let mut compile = |(name, plan): (&String, &UsagePlan)| {
            (name.clone(), compile_plan(name, plan, places, store, &mut terms, faults))
        };
        let plans = plans.iter().map(&mut compile).collect();
        Plans { plans, terms }
    }

    /// What each plan means at each of its stages.
    pub fn terms(&self) -> &[(StageId, Terms)] {
        &self.terms
    }

    pub fn into_terms(self) -> Vec<(StageId, Terms)> {
        self.terms
    }

    /// What the API key called `name` is to hold.
    pub fn claims(&self, name: &Arc<str>, key: &ApiKey, faults: &mut Vec<Fault>) -> Claims {
        let mut claims = Claims::new();
        for (at, plan_name) in key.usage_plans.iter().enumerate() {
            if key.usage_plans[..at].contains(plan_name) {
                faults.push(twice("usage plan", plan_name, &format!("api key \"{name}\"")));
                continue;
            }
            match self.plans.get(plan_name.as_str()) {
                None => faults.push(self.unknown_plan(name, plan_name)),
                Some(plan) => self.claim(plan, name, plan_name, &mut claims, faults),
            }
        }
        claims
    }

    /// The names of the plans in which something is claimed, each once.
    pub fn names<'a>(&'a self, claims: &'a [Claim]) -> impl Iterator<Item = &'a str> {
        let name = |claim: &Claim| &*self.terms[claim.place.0 as usize].1.plan.name;
        // Those of a plan stand together.
        let is_first = move |at: &usize| *at == 0 || name(&claims[*at]) != name(&claims[*at - 1]);
        (0..claims.len()).filter(is_first).map(move |at| name(&claims[at]))
    }

    fn claim(
        &self,
        plan: &CompiledPlan,
        name: &Arc<str>,
        written: &Located<String>,
        claims: &mut Claims,
        faults: &mut Vec<Fault>,
    ) {
        let counter = plan.ledger.as_ref().map(|ledger| ledger.counter(name));
        for &place in &plan.places {
            let (stage, terms) = &self.terms[place.0 as usize];
            // API Gateway: a key has one plan per stage.
            let other = claims.iter().map(|claim| &self.terms[claim.place.0 as usize]).find(|(held, _)| held == stage);
            match other {
                Some((_, other)) => faults.push(two_plans(name, written, &other.plan, &terms.stage)),
                None => claims.push(Claim { place, counter: counter.clone() }),
            }
        }
    }

    fn unknown_plan(&self, key: &str, plan: &Located<String>) -> Fault {
        let message = format!("api key \"{key}\" names the unknown usage plan \"{}\"", plan.value);
        Fault::at(plan.span, message).with_help(nearest(plan, self.plans.keys().map(String::as_str)))
    }
}

impl Claim {
    /// What the key holds under `terms`, those of its place. Buckets go on from `previous`, which is what it held in the
    /// same place; the one that is inside a holding is shared by [`Grant::new`].
    pub fn hold(self, terms: &Terms, previous: Option<Grant<'_>>, rebase: &mut Rebase) -> Holding {
        let route = |route: &RouteTerms| {
            let old = previous.and_then(|old| old.route_bucket(&route.name));
            rebase.take_over(old, route.rate)
        };
        let routes: Box<[_]> = terms.routes.iter().map(route).collect();
        let routes = (!routes.is_empty()).then(|| Box::new(RouteBuckets(routes)));
        Holding { bucket: Bucket::default(), counter: self.counter, routes }
    }

    /// Whether `previous` is all that is claimed, so that its holding can go on as it is.
    pub fn is_held(&self, terms: &Terms, previous: Grant<'_>) -> bool {
        let is_counted_alike = match (&self.counter, &previous.holding.counter) {
            (Some(new), Some(old)) => Arc::ptr_eq(new, old),
            (new, old) => new.is_none() && old.is_none(),
        };
        let told = |route: &RouteTerms| (route.name.clone(), route.rate);
        is_counted_alike && terms.routes.iter().map(told).eq(previous.terms.routes.iter().map(told))
    }
}

fn compile_plan(
    name: &str,
    written: &UsagePlan,
    places: &Places<'_>,
    store: &Store,
    all_terms: &mut Vec<(StageId, Terms)>,
    faults: &mut Vec<Fault>,
) -> CompiledPlan {
    let plan = Arc::new(Plan {
        name: Arc::from(name),
        may_invalidate_cache: written.may_invalidate_cache,
        quota: written.quota.as_ref().map(|quota| compile_quota(name, quota, faults)),
    });
    let ledger = written.quota.as_ref().map(|quota| store.ledger(name, quota.period));
    let stages = compile_stages(name, written, places, faults);
    let mut routes = compile_routes(name, written, places, faults);
    let mut add = |(stage, stage_name): (StageId, &str)| {
        let rate = written.throttle.as_ref().map(Rate::from);
        let routes = routes.remove(stage_name).unwrap_or_default();
        all_terms.push((
            stage,
            Terms { plan: Arc::clone(&plan), stage: Box::from(stage_name), rate, routes: routes.into() },
        ));
        PlaceId(all_terms.len() as u32 - 1)
    };
    let places = stages.into_iter().map(&mut add).collect();
    CompiledPlan { ledger, places }
}

fn compile_quota(plan: &str, quota: &config::Quota, faults: &mut Vec<Fault>) -> Quota {
    let config::Quota { span, limit, offset, .. } = *quota;
    if limit > Quota::LIMIT_MAX {
        let message = format!("the quota of usage plan \"{plan}\" has limit {limit}, which is too large");
        faults.push(Fault::at(span, message).with_help(format!("write {} at most, or no quota", Quota::LIMIT_MAX)));
    }
    if offset > limit {
        let message = format!("the quota of usage plan \"{plan}\" has offset {offset}, more than its limit {limit}");
        faults.push(Fault::at(span, message).with_help("the offset is taken off the limit in a key's first period"));
    }
    Quota { limit: limit.min(Quota::LIMIT_MAX), offset: offset.min(limit) }
}

fn compile_stages<'c>(
    plan: &str,
    written: &'c UsagePlan,
    places: &Places<'_>,
    faults: &mut Vec<Fault>,
) -> Vec<(StageId, &'c str)> {
    let mut stages: Vec<(StageId, &str)> = Vec::with_capacity(written.stages.len());
    for name in &written.stages {
        match (places.stage)(name) {
            None => {
                let message = format!("usage plan \"{plan}\" names the unknown stage \"{}\"", name.value);
                faults.push(
                    Fault::at(name.span, message)
                        .with_help(nearest(name, (places.stage_names)().iter().map(String::as_str))),
                );
            }
            Some(stage) if stages.iter().any(|(known, _)| *known == stage) => {
                faults.push(twice("stage", name, &format!("usage plan \"{plan}\"")));
            }
            Some(stage) => stages.push((stage, name)),
        }
    }
    stages
}

/// The routes with rates of their own, by `api/stage`.
fn compile_routes<'c>(
    plan: &str,
    written: &'c UsagePlan,
    places: &Places<'_>,
    faults: &mut Vec<Fault>,
) -> HashMap<&'c str, Vec<RouteTerms>> {
    let mut by_stage: HashMap<&str, Vec<RouteTerms>> = HashMap::new();
    for (name, throttle) in &written.route_throttle {
        let stage = name.split_once(' ').map_or("", |(stage, _)| stage);
        let routes = by_stage.entry(stage).or_default();
        match compile_route(plan, written, name, throttle, places) {
            Err(fault) => faults.push(fault),
            Ok(terms) if routes.iter().any(|other| other.route == terms.route) => {
                faults.push(twice("route", name, &format!("usage plan \"{plan}\"")));
            }
            Ok(terms) => routes.push(terms),
        }
    }
    by_stage.values_mut().for_each(|routes| routes.sort_unstable_by_key(|terms| terms.route));
    by_stage
}

fn compile_route(
    plan: &str,
    written: &UsagePlan,
    name: &Located<String>,
    throttle: &Throttle,
    places: &Places<'_>,
) -> Result<RouteTerms, Fault> {
    let Some((stage, _)) = name.split_once(' ') else {
        let message = format!("\"{}\" in usage plan \"{plan}\" names no route", name.value);
        return Err(Fault::at(name.span, message).with_help("write \"api/stage METHOD /path\""));
    };
    let Some(route) = (places.route)(name) else {
        let message = format!("usage plan \"{plan}\" throttles the unknown route \"{}\"", name.value);
        return Err(
            Fault::at(name.span, message).with_help(nearest(name, (places.route_names)().iter().map(String::as_str)))
        );
    };
    if !written.stages.iter().any(|covered| covered.as_str() == stage) {
        let message = format!("usage plan \"{plan}\" throttles \"{}\" and does not cover its stage", name.value);
        return Err(Fault::at(name.span, message).with_help(format!("add \"{stage}\" to the plan's stages")));
    }
    Ok(RouteTerms { route, name: Box::from(name.as_str()), rate: Rate::from(throttle) })
}

fn twice(what: &str, name: &Located<String>, of: &str) -> Fault {
    Fault::at(name.span, format!("{of} names the {what} \"{}\" twice", name.value)).with_help("remove one of them")
}

fn two_plans(key: &str, written: &Located<String>, other: &Plan, stage: &str) -> Fault {
    let message = format!(
        "api key \"{key}\" is in two usage plans for the stage \"{stage}\": \"{}\" and \"{}\"",
        other.name, written.value
    );
    Fault::at(written.span, message).with_help("a key has one usage plan per stage; remove it from one of them")
}
