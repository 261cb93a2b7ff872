use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::Compiler;
use crate::base::{RouteId, StageId, StageName, Variant};
use crate::config::{self, ErrorStyle, Fault};
use crate::gateway::authorize;
use crate::gateway::integrate::Target;
use crate::gateway::route::{Canary, Pattern, Tree};
use crate::gateway::snapshot::caches::Caches;
use crate::gateway::snapshot::deployment::deployment_of;
use crate::gateway::snapshot::stage::{Plan, Stage};
use crate::gateway::throttle::{self, Limiter, Rate};
use crate::gateway::validate;
use crate::telemetry::{Format, RouteSeries};

/// An API's routes: ids, tree, and what is the same in all its stages.
pub(super) struct Routes<'c> {
    first: u32,
    tree: Arc<Tree>,
    entries: Vec<Entry<'c>>,
}

/// A route, with what is shared by its plans.
struct Entry<'c> {
    route: &'c config::Route,
    method: Arc<str>,
    path: Arc<str>,
    parameter_names: Vec<Box<str>>,
    checks: validate::Plan,
}

impl<'c> Compiler<'c> {
    pub(super) fn routes(&mut self, api: &'c config::Api, first: u32) -> Routes<'c> {
        let mut tree = Tree::new(api.errors() == ErrorStyle::Standard);
        let mut entries = Vec::with_capacity(api.definition.routes.len());
        let checks = self.checks(api);
        for ((at, route), checks) in api.definition.routes.iter().enumerate().zip(checks) {
            let pattern = Pattern::new(&route.path);
            if let Err(RouteId(other)) = tree.insert(&pattern, &route.method, RouteId(first + at as u32)) {
                let other = &api.definition.routes[(other - first) as usize];
                let message = format!("route {} {} is written twice", route.method.as_str(), route.path.value);
                let fault = Fault::at(route.path.span, message).with_help("remove one of them");
                self.faults.push(fault.with_also(other.path.span, "the other one is here"));
            }
            entries.push(Entry {
                route,
                method: route.method.as_str().into(),
                path: route.path.as_str().into(),
                parameter_names: pattern.parameter_names(),
                checks,
            });
        }
        Routes { first, tree: Arc::new(tree), entries }
    }

    /// What is checked of each route's requests and answers.
    fn checks(&mut self, api: &config::Api) -> Vec<validate::Plan> {
        let responses = api.validate_responses.unwrap_or(api.definition.validate_responses);
        let rules = validate::Rules { style: api.errors(), requests: api.validate_requests, responses };
        let (plans, mut faults) = validate::compile(&api.definition, rules);
        self.faults.append(&mut faults);
        plans
    }

    pub(super) fn stage(
        &mut self,
        id: StageId,
        name: StageName,
        api: &config::Api,
        written: &config::Stage,
        routes: &Routes<'c>,
        format: &Arc<Format>,
    ) -> Stage {
        let text: Arc<str> = name.to_string().into();
        self.stage_ids.insert(Arc::clone(&text), id);
        let previous = self.previous.and_then(|snapshot| snapshot.stage_named(&text));
        let limiter = written.throttle.as_ref().map(|throttle| {
            let old = previous.and_then(|stage| stage.stable_plans.first()?.limits.stage.as_deref());
            Arc::new(Limiter::new(Arc::clone(&text), Rate::from(throttle), old, &mut self.rebase))
        });
        let caches = Caches::new(&text, api, written, previous.and_then(|stage| stage.cache.as_ref()));
        let old_limiters = previous.map(Stage::route_limiters).unwrap_or_default();
        let mut limits = Vec::with_capacity(routes.entries.len());
        for (at, Entry { route, method, path, .. }) in routes.entries.iter().enumerate() {
            self.route_ids.insert(format!("{text} {method} {path}"), RouteId(routes.first + at as u32));
            let throttle = route.throttle.as_ref().map(|throttle| {
                let policy: Arc<str> = format!("{method} {path}").into();
                let old = old_limiters.get(&(&**method, &**path)).copied();
                Arc::new(Limiter::new(policy, Rate::from(throttle), old, &mut self.rebase))
            });
            limits.push(throttle::Limits { route: throttle, stage: limiter.clone() });
        }
        let plans = |compiler: &mut Self, variant: Variant, variables: &IndexMap<String, String>| -> Box<[Plan]> {
            let entries = routes.entries.iter().zip(&limits);
            let plan = |(entry, limits)| compiler.plan(&name, variant, variables, written, &caches, entry, limits);
            entries.filter_map(plan).collect()
        };
        let stable_plans = plans(self, Variant::Stable, &written.variables);
        let canary_plans = match &written.canary {
            Some(canary) => plans(self, Variant::Canary, &merged(&written.variables, &canary.variables)),
            None => Box::default(),
        };
        let honors_origin = stable_plans.iter().chain(&canary_plans).any(Plan::honors_origin);
        let format = match &written.access_log_format {
            Some(own) => self.format(own, Some(written.span)),
            None => Arc::clone(format),
        };
        Stage {
            series: RouteSeries::new(name.clone(), Variant::Stable, "".into()),
            name,
            style: api.errors(),
            tree: Arc::clone(&routes.tree),
            first_route: routes.first,
            canary: written.canary.as_ref().map(|canary| Canary::compile(canary, &text)),
            stable_plans,
            canary_plans,
            format,
            honors_origin,
            cache: caches.store().cloned(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a plan is where route, stage and variant meet")]
    fn plan(
        &mut self,
        stage: &StageName,
        variant: Variant,
        variables: &IndexMap<String, String>,
        written: &config::Stage,
        caches: &Caches<'_>,
        Entry { route, method, path, parameter_names, checks }: &Entry<'_>,
        limits: &throttle::Limits,
    ) -> Option<Plan> {
        let target = match Target::compile(&route.integration, variables, parameter_names, self.pools) {
            Ok(target) => target,
            Err(mut faults) => {
                // The same fault in every stage and variant is one fault.
                faults.retain(|fault| !self.faults.contains(fault));
                self.faults.append(&mut faults);
                return None;
            }
        };
        let shares = written.canary.as_ref().is_some_and(|canary| canary.use_stage_cache);
        let (deployment, cache_variant) = match variant {
            Variant::Canary if shares => (deployment_of(route, &written.variables), Variant::Stable),
            _ => (deployment_of(route, variables), variant),
        };
        // Checked for every route; a fixed answer is at hand anyway.
        let cache = caches.plan(route, parameter_names, deployment, cache_variant, &mut self.faults);
        Some(Plan {
            access: if route.api_key_required { authorize::Policy::ApiKey } else { authorize::Policy::Open },
            limits: limits.clone(),
            body_bytes_max: route.body_bytes_max.unwrap_or(self.config.server.limits.body_bytes_max),
            checks: checks.clone(),
            cache: cache.filter(|_| matches!(target, Target::Http(_))),
            target,
            series: RouteSeries::new(stage.clone(), variant, Arc::clone(path)),
            path: Arc::clone(path),
            method: Arc::clone(method),
        })
    }
}

impl Stage {
    /// The limiters of its routes, by method and path.
    fn route_limiters(&self) -> HashMap<(&str, &str), &Limiter> {
        let plans = self.stable_plans.iter();
        plans.filter_map(|plan| Some(((&*plan.method, &*plan.path), plan.limits.route.as_deref()?))).collect()
    }
}

fn merged(stage: &IndexMap<String, String>, canary: &IndexMap<String, String>) -> IndexMap<String, String> {
    let mut all = stage.clone();
    all.extend(canary.iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}
