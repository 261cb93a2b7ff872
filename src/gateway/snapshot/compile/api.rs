use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::Compiler;
use crate::base::{RouteId, StageId, StageName, Variant};
use crate::config::{self, ErrorStyle, Fault};
use crate::gateway::authorize;
use crate::gateway::integrate::Target;
use crate::gateway::respond::{Cors, GatewayResponses};
use crate::gateway::route::{Canary, Pattern, Tree};
use crate::gateway::snapshot::caches::Caches;
use crate::gateway::snapshot::deployment::deployment_of;
use crate::gateway::snapshot::stage::{Fork, Manners, Plan, Stage};
use crate::gateway::throttle::{self, Limiter, Rate};
use crate::gateway::transform::{ApiTerms, BinaryTypes};
use crate::gateway::validate;
use crate::telemetry::{Format, RouteSeries};

/// An API's routes: ids, trees, and what is the same in all its stages.
pub(super) struct Routes<'c> {
    first: u32,
    tree: Arc<Tree>,
    /// Those of the API, then those that only canaries have: a route's id is its place here.
    entries: Vec<Entry<'c>>,
    /// How many of them are the API's.
    own: usize,
    /// By stage.
    forks: HashMap<&'c str, (Fork, Vec<Entry<'c>>)>,
}

/// A route, with what is shared by its plans.
#[derive(Clone)]
struct Entry<'c> {
    route: &'c config::Route,
    /// Its place among all of the API's.
    at: usize,
    method: Arc<Box<str>>,
    path: Arc<str>,
    parameter_names: Vec<Box<str>>,
    checks: validate::Plan,
}

impl Routes<'_> {
    /// How many ids there are.
    pub(super) fn count(&self) -> u32 {
        self.entries.len() as u32
    }
}

impl<'c> Compiler<'c> {
    pub(super) fn routes(&mut self, api: &'c config::Api, first: u32) -> Routes<'c> {
        let style = api.errors();
        let checks = self.checks(api, &api.definition);
        let written = api.definition.routes.iter().enumerate().zip(checks);
        let entries: Vec<Entry<'c>> = written.map(|((at, route), checks)| Entry::new(at, route, checks)).collect();
        let tree = self.tree(style, first, &entries);
        let own = entries.len();
        let mut routes = Routes { first, tree, entries, own, forks: HashMap::new() };
        for (name, stage) in &api.stages {
            if let Some(definition) = stage.canary.as_ref().and_then(|canary| canary.definition.as_deref()) {
                let fork = self.fork(api, definition, &mut routes);
                routes.forks.insert(name, fork);
            }
        }
        routes
    }

    /// The routes of a canary's own definition: those that its API has by the ids that they have there.
    fn fork(
        &mut self,
        api: &config::Api,
        definition: &'c config::Definition,
        routes: &mut Routes<'c>,
    ) -> (Fork, Vec<Entry<'c>>) {
        let known = routes.entries.iter().map(|entry| ((Arc::clone(&entry.method), Arc::clone(&entry.path)), entry.at));
        let mut known: HashMap<_, _> = known.collect();
        let mut entries = Vec::with_capacity(definition.routes.len());
        let checks = self.checks(api, definition);
        for (route, checks) in definition.routes.iter().zip(checks) {
            let mut entry = Entry::new(routes.entries.len(), route, checks);
            let next = entry.at;
            entry.at = *known.entry((Arc::clone(&entry.method), Arc::clone(&entry.path))).or_insert(next);
            if entry.at == next {
                routes.entries.push(entry.clone());
            }
            entries.push(entry);
        }
        let mut places = vec![u32::MAX; routes.entries.len()];
        entries.iter().zip(0..).for_each(|(entry, place)| places[entry.at] = place);
        let tree = self.tree(api.errors(), routes.first, &entries);
        (Fork { tree, places: places.into() }, entries)
    }

    fn tree(&mut self, style: ErrorStyle, first: u32, entries: &[Entry<'c>]) -> Arc<Tree> {
        let mut tree = Tree::new(style == ErrorStyle::Standard);
        for Entry { route, at, .. } in entries {
            let pattern = Pattern::new(&route.path);
            if let Err(RouteId(other)) = tree.insert(&pattern, &route.method, RouteId(first + *at as u32)) {
                let other = entries.iter().find(|entry| entry.at == (other - first) as usize);
                let message = format!("route {} {} is written twice", route.method.as_str(), route.path.value);
                let fault = Fault::at(route.path.span, message).with_help("remove one of them");
                let span = other.map_or(route.path.span, |other| other.route.path.span);
                self.faults.push(fault.with_also(span, "the other one is here"));
            }
        }
        Arc::new(tree)
    }

    /// What is checked of each route's requests and answers.
    fn checks(&mut self, api: &config::Api, definition: &config::Definition) -> Vec<validate::Plan> {
        let responses = api.validate_responses.unwrap_or(definition.validate_responses);
        let rules = validate::Rules { style: api.errors(), requests: api.validate_requests, responses };
        let (plans, mut faults) = validate::compile(definition, rules);
        self.faults.append(&mut faults);
        plans
    }

    pub(super) fn stage(
        &mut self,
        id: StageId,
        name: Arc<StageName>,
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
        let fork = routes.forks.get(&*name.stage);
        for Entry { route, at, method, path, .. } in &routes.entries {
            let is_served = *at < routes.own || fork.is_some_and(|(fork, _)| fork.has(*at));
            if is_served {
                self.route_ids.insert(format!("{text} {method} {path}"), RouteId(routes.first + *at as u32));
            }
            let throttle = route.throttle.as_ref().map(|throttle| {
                let policy: Arc<str> = format!("{method} {path}").into();
                let old = old_limiters.get(&(&***method, &**path)).copied();
                Arc::new(Limiter::new(policy, Rate::from(throttle), old, &mut self.rebase))
            });
            limits.push(throttle::Limits { route: throttle, stage: limiter.clone() });
        }
        let plans = |compiler: &mut Self, variant, variables: &IndexMap<String, String>, entries: &[Entry<'c>]| {
            let plan = |entry: &Entry<'c>| {
                compiler.plan(&name, variant, variables, api, written, &caches, entry, &limits[entry.at])
            };
            entries.iter().filter_map(plan).collect::<Box<[Plan]>>()
        };
        let own = &routes.entries[..routes.own];
        let stable_plans = plans(self, Variant::Stable, &written.variables, own);
        let canary_plans = match &written.canary {
            Some(canary) => {
                let entries = fork.map_or(own, |(_, entries)| entries);
                plans(self, Variant::Canary, &merged(&written.variables, &canary.variables), entries)
            }
            None => Box::default(),
        };
        let manners = self.manners(&api.definition, api.errors(), &written.variables);
        let canary_manners = written.canary.as_ref().map(|canary| {
            let definition = canary.definition.as_deref().unwrap_or(&api.definition);
            self.manners(definition, api.errors(), &merged(&written.variables, &canary.variables))
        });
        let honors_origin = stable_plans.iter().chain(&canary_plans).any(Plan::honors_origin);
        let format = match &written.access_log_format {
            Some(own) => self.format(own, Some(written.span)),
            None => Arc::clone(format),
        };
        Stage {
            series: RouteSeries::new(Arc::clone(&name), Variant::Stable, "".into()),
            name,
            style: api.errors(),
            tree: Arc::clone(&routes.tree),
            first_route: routes.first,
            canary: written.canary.as_ref().map(|canary| Canary::compile(canary, &text)),
            fork: fork.map(|(fork, _)| fork.clone()),
            stable_plans,
            canary_plans,
            format,
            honors_origin,
            cache: caches.store().cloned(),
            manners,
            canary_manners: canary_manners.unwrap_or_default(),
            takes_method_override: api.method_override,
        }
    }

    fn manners(
        &mut self,
        definition: &config::Definition,
        style: ErrorStyle,
        variables: &IndexMap<String, String>,
    ) -> Manners {
        let (written, has_cors) = (&definition.gateway_responses, definition.cors.is_some());
        let responses = GatewayResponses::compile(written, style, variables, has_cors).unwrap_or_else(|mut faults| {
            faults.retain(|fault| !self.faults.contains(fault));
            self.faults.append(&mut faults);
            None
        });
        let cors = definition.cors.as_ref().map(Cors::compile);
        let binary_types = BinaryTypes::new(&definition.binary_media_types);
        Manners { responses, cors, binary_types, compression_bytes_min: definition.compression_bytes_min }
    }

    #[expect(clippy::too_many_arguments, reason = "a plan is where route, stage and variant meet")]
    fn plan(
        &mut self,
        stage: &Arc<StageName>,
        variant: Variant,
        variables: &IndexMap<String, String>,
        api: &config::Api,
        written: &config::Stage,
        caches: &Caches<'_>,
        Entry { route, method, path, parameter_names, checks, .. }: &Entry<'_>,
        limits: &throttle::Limits,
    ) -> Option<Plan> {
        let terms = ApiTerms {
            api: &stage.api,
            is_aws: api.errors() == ErrorStyle::Aws,
            // A route that is written for OPTIONS answers preflights itself.
            ignores_cors: api.definition.cors.is_some() && &***method != "OPTIONS",
        };
        let templates = &self.config.server.limits.templates;
        let target = match Target::compile(&route.integration, variables, parameter_names, terms, self.pools, templates)
        {
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
            Variant::Canary if shares => (deployment_of(route, &written.variables, terms), Variant::Stable),
            _ => (deployment_of(route, variables, terms), variant),
        };
        // Checked for every route; a fixed answer is at hand anyway.
        let cache = caches.plan(route, parameter_names, deployment, cache_variant, &mut self.faults);
        Some(Plan {
            access: if route.api_key_required { authorize::Policy::ApiKey } else { authorize::Policy::Open },
            limits: limits.clone(),
            body_bytes_max: route.body_bytes_max.unwrap_or(self.config.server.limits.body_bytes_max),
            checks: checks.clone(),
            cache: cache.filter(|_| matches!(target, Target::Http(_) | Target::Mapped(_))).map(Box::new),
            target,
            series: RouteSeries::new(Arc::clone(stage), variant, Arc::clone(path)),
            method: Arc::clone(method),
        })
    }
}

impl<'c> Entry<'c> {
    fn new(at: usize, route: &'c config::Route, checks: validate::Plan) -> Entry<'c> {
        Entry {
            route,
            at,
            method: Arc::new(route.method.as_str().into()),
            path: route.path.as_str().into(),
            parameter_names: Pattern::new(&route.path).parameter_names(),
            checks,
        }
    }
}

impl Stage {
    /// The limiters of its routes, by method and path.
    fn route_limiters(&self) -> HashMap<(&str, &str), &Limiter> {
        let plans = self.stable_plans.iter();
        plans.filter_map(|plan| Some(((&**plan.method, plan.path()), plan.limits.route.as_deref()?))).collect()
    }
}

fn merged(stage: &IndexMap<String, String>, canary: &IndexMap<String, String>) -> IndexMap<String, String> {
    let mut all = stage.clone();
    all.extend(canary.iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}
