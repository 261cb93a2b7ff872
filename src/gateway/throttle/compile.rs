use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use smallvec::SmallVec;

use crate::base::{RouteId, StageId};
use crate::config::{self, ApiKey, Fault, KeyDigest, Located, Throttle, UsagePlan};
use crate::store::{Ledger, Quota, Store};

use super::plan::{RouteTerms, Terms};
use super::suggest::suggest;
use super::{Grant, Plan, Rate, Rebase};

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

/// The grant of a key at a stage in the snapshot that is serving now: key, plan, `api/stage`.
pub type Previous<'a, 'p> = &'a dyn Fn(&KeyDigest, &str, &str) -> Option<&'p Grant>;

/// The usage plans of a configuration, ready for its API keys.
pub struct Plans {
    plans: HashMap<String, CompiledPlan, ahash::RandomState>,
}

struct CompiledPlan {
    plan: Arc<Plan>,
    /// With `plan.quota`.
    ledger: Option<Arc<Ledger>>,
    stages: Vec<(StageId, Arc<Terms>)>,
}

/// What a key holds, stage by stage. Most keys have one plan for one stage.
pub type Grants = SmallVec<[(StageId, Grant); 1]>;

impl Plans {
    /// Compiles all plans. One with faults is kept as far as it makes sense, so that its keys can be checked too.
    pub fn compile(
        plans: &IndexMap<String, UsagePlan>,
        places: &Places<'_>,
        store: &Store,
        faults: &mut Vec<Fault>,
    ) -> Plans {
        let compile =
            |(name, plan): (&String, &UsagePlan)| (name.clone(), compile_plan(name, plan, places, store, faults));
        Plans { plans: plans.iter().map(compile).collect() }
    }

    /// What the API key called `name` holds. Its buckets go on from the grants of `previous`.
    pub fn grants(
        &self,
        name: &Arc<str>,
        key: &ApiKey,
        previous: Previous<'_, '_>,
        rebase: &mut Rebase,
        faults: &mut Vec<Fault>,
    ) -> Grants {
        let mut grants = Grants::new();
        for (place, plan_name) in key.usage_plans.iter().enumerate() {
            if key.usage_plans[..place].contains(plan_name) {
                faults.push(twice("usage plan", plan_name, &format!("api key \"{name}\"")));
                continue;
            }
            match self.plans.get(plan_name.as_str()) {
                None => faults.push(self.unknown_plan(name, plan_name)),
                Some(plan) => plan.grant(name, key, plan_name, previous, rebase, &mut grants, faults),
            }
        }
        grants
    }

    fn unknown_plan(&self, key: &str, plan: &Located<String>) -> Fault {
        let mut known: Vec<String> = self.plans.keys().cloned().collect();
        known.sort_unstable();
        let message = format!("api key \"{key}\" names the unknown usage plan \"{}\"", plan.value);
        Fault::at(plan.span, message).with_help(suggest(plan, &known))
    }
}

impl CompiledPlan {
    #[expect(clippy::too_many_arguments, reason = "a key, its plan, and where all of it goes")]
    fn grant(
        &self,
        name: &Arc<str>,
        key: &ApiKey,
        written: &Located<String>,
        previous: Previous<'_, '_>,
        rebase: &mut Rebase,
        grants: &mut Grants,
        faults: &mut Vec<Fault>,
    ) {
        let counter = self.ledger.as_ref().map(|ledger| ledger.counter(name));
        for (stage, terms) in &self.stages {
            // API Gateway: a key has one plan per stage.
            if let Some((_, other)) = grants.iter().find(|(held, _)| held == stage) {
                faults.push(two_plans(name, written, other.plan(), &terms.stage));
                continue;
            }
            let previous = previous(&key.digest, &self.plan.name, &terms.stage);
            let mut grant = Grant::under(terms, previous, rebase);
            grant.counter = counter.clone();
            grants.push((*stage, grant));
        }
    }
}

impl Grant {
    /// A grant whose buckets go on from `previous`.
    fn under(terms: &Arc<Terms>, previous: Option<&Grant>, rebase: &mut Rebase) -> Grant {
        let bucket = terms.rate.map(|rate| {
            let old = previous.and_then(|old| Some((old.bucket.as_ref()?, old.terms.rate?)));
            rebase.take_over(old, rate)
        });
        let routes = terms.routes.iter().map(|route| {
            let old = previous.and_then(|old| old.route_bucket(&route.name));
            rebase.take_over(old, route.rate)
        });
        Grant { terms: Arc::clone(terms), bucket, routes: routes.collect(), counter: None }
    }

    fn route_bucket(&self, name: &str) -> Option<(&Arc<super::Bucket>, Rate)> {
        let place = self.terms.routes.iter().position(|route| &*route.name == name)?;
        Some((&self.routes[place], self.terms.routes[place].rate))
    }
}

fn compile_plan(
    name: &str,
    written: &UsagePlan,
    places: &Places<'_>,
    store: &Store,
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
    let terms = |(stage, stage_name): (StageId, &str)| {
        let rate = written.throttle.as_ref().map(Rate::from);
        let routes = routes.remove(stage_name).unwrap_or_default();
        (stage, Arc::new(Terms { plan: Arc::clone(&plan), stage: Box::from(stage_name), rate, routes: routes.into() }))
    };
    let stages = stages.into_iter().map(terms).collect();
    CompiledPlan { plan, ledger, stages }
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
                faults.push(Fault::at(name.span, message).with_help(suggest(name, &(places.stage_names)())));
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
        return Err(Fault::at(name.span, message).with_help(suggest(name, &(places.route_names)())));
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
