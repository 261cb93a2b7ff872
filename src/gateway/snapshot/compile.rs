use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use indexmap::IndexMap;
use serde_json::Value;

use super::caches::Caches;
use super::deployment::deployment_of;
use super::stage::{Membership, Plan, Stage};
use super::summary::{RouteRow, Summary};
use crate::base::{RouteId, StageId, StageName, Variant, nearest};
use crate::config::{self, Config, ErrorStyle, Fault, Faults, Limits, Method};
use crate::gateway::authorize::{self, Key, Keys};
use crate::gateway::integrate::{Pools, Target};
use crate::gateway::route::{Canary, Domains, Pattern, Tree};
use crate::gateway::throttle::{self, Limiter, Places, Plans, Rate, Rebase};
use crate::store::Store;
use crate::telemetry::{Format, KeySeries, RouteSeries};

/// A configuration, compiled.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) domains: Domains,
    pub(super) stages: Box<[Stage]>,
    pub(super) stage_ids: HashMap<Arc<str>, StageId, RandomState>,
    pub(super) keys: Keys<Membership>,
    pub(super) limits: Limits,
    pub(super) format: Arc<Format>,
    /// Of refusals that reach no stage.
    pub(super) style: ErrorStyle,
    pub(super) admin_token: Option<String>,
    pub(super) key_labels_max: usize,
    pub(super) description: Value,
    pub(super) rows: Vec<RouteRow>,
    pub(super) summary: Summary,
}

/// A snapshot and what is to be done when it is published.
#[derive(Debug)]
pub struct Compiled {
    pub(super) snapshot: Snapshot,
    pub(super) rebase: Rebase,
}

impl Snapshot {
    /// Compiles what will take the place of `previous`.
    pub fn compile(
        config: Config,
        store: &Store,
        pools: &Pools,
        previous: Option<&Snapshot>,
    ) -> Result<Compiled, Faults> {
        Compiler::new(&config, store, pools, previous).compile().map_err(|faults| Faults::new(config.sources, faults))
    }

    /// Compiles to look at, not to serve: no state is read or written.
    pub fn compile_alone(config: Config) -> Result<Snapshot, Faults> {
        match Store::in_memory() {
            Ok(store) => Ok(Snapshot::compile(config, &store, &Pools::default(), None)?.snapshot),
            Err(error) => {
                let fault = Fault::of_file(error.to_string());
                Err(Faults::new(config.sources, vec![fault]))
            }
        }
    }

    pub fn domains(&self) -> &Domains {
        &self.domains
    }

    pub fn stage(&self, id: StageId) -> &Stage {
        &self.stages[id.0 as usize]
    }

    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The stage called `api/stage`.
    pub fn stage_named(&self, name: &str) -> Option<&Stage> {
        self.stage_ids.get(name).map(|id| self.stage(*id))
    }

    pub fn keys(&self) -> &Keys<Membership> {
        &self.keys
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The access log's format where no stage has its own.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The style of refusals that reach no stage.
    pub fn style(&self) -> ErrorStyle {
        self.style
    }

    pub fn admin_token(&self) -> Option<&str> {
        self.admin_token.as_deref()
    }

    /// The configuration without its secrets, as `plan` compares it.
    pub fn description(&self) -> &Value {
        &self.description
    }

    pub fn routes(&self) -> &[RouteRow] {
        &self.rows
    }

    pub fn summary(&self) -> Summary {
        self.summary
    }
}

/// Puts the rooms' parts together and collects their faults.
struct Compiler<'c> {
    config: &'c Config,
    store: &'c Store,
    pools: &'c Pools,
    previous: Option<&'c Snapshot>,
    faults: Vec<Fault>,
    rebase: Rebase,
    stage_ids: HashMap<Arc<str>, StageId, RandomState>,
    /// By `api/stage METHOD /path`, for usage plans.
    route_ids: HashMap<String, RouteId, RandomState>,
}

/// An API's routes: ids, tree, and what is the same in all its stages.
struct Routes<'c> {
    first: u32,
    tree: Arc<Tree>,
    written: Vec<(&'c config::Route, Arc<str>, Arc<str>, Vec<Box<str>>)>,
}

impl<'c> Compiler<'c> {
    fn new(config: &'c Config, store: &'c Store, pools: &'c Pools, previous: Option<&'c Snapshot>) -> Compiler<'c> {
        Compiler {
            config,
            store,
            pools,
            previous,
            faults: Vec::new(),
            rebase: Rebase::default(),
            stage_ids: HashMap::default(),
            route_ids: HashMap::default(),
        }
    }

    fn compile(mut self) -> Result<Compiled, Vec<Fault>> {
        let config = self.config;
        let format = self.format(&config.telemetry.access_log.format, None);
        let mut domains = Domains::default();
        let mut stages = Vec::new();
        let mut first_route = 0;
        for (api_name, api) in &config.apis {
            let routes = self.routes(api, first_route);
            first_route += api.routes.len() as u32;
            for (stage_name, stage) in &api.stages {
                let id = StageId(stages.len() as u32);
                domains.add_stage(api_name, stage_name, id);
                let name = StageName { api: api_name.as_str().into(), stage: stage_name.as_str().into() };
                stages.push(self.stage(id, name, api, stage, &routes, &format));
            }
        }
        self.domains(&mut domains);
        let keys = self.keys();
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let rows = rows(config, &stages);
        let snapshot = Snapshot {
            domains,
            summary: Summary {
                apis: config.apis.len(),
                stages: stages.len(),
                routes: first_route as usize,
                usage_plans: config.usage_plans.len(),
                api_keys: config.api_keys.len(),
            },
            stages: stages.into(),
            stage_ids: self.stage_ids,
            keys,
            limits: config.server.limits,
            format,
            style: common_style(config),
            admin_token: config.admin.token.clone(),
            key_labels_max: config.telemetry.key_labels_max,
            description: config.describe(),
            rows,
        };
        Ok(Compiled { snapshot, rebase: self.rebase })
    }

    fn routes(&mut self, api: &'c config::Api, first: u32) -> Routes<'c> {
        let mut tree = Tree::new(api.errors == ErrorStyle::Standard);
        let mut written = Vec::with_capacity(api.routes.len());
        for (at, route) in api.routes.iter().enumerate() {
            let pattern = Pattern::new(&route.path);
            if let Err(RouteId(other)) = tree.insert(&pattern, &route.method, RouteId(first + at as u32)) {
                let other = &api.routes[(other - first) as usize];
                let message = format!("route {} {} is written twice", method_text(&route.method), route.path.value);
                let fault = Fault::at(route.path.span, message).with_help("remove one of them");
                self.faults.push(fault.with_also(other.path.span, "the other one is here"));
            }
            let method = method_text(&route.method);
            written.push((route, Arc::from(method), Arc::from(route.path.as_str()), pattern.parameter_names()));
        }
        Routes { first, tree: Arc::new(tree), written }
    }

    fn stage(
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
        let mut limits = Vec::with_capacity(routes.written.len());
        for (at, (route, method, path, _)) in routes.written.iter().enumerate() {
            self.route_ids.insert(format!("{text} {method} {path}"), RouteId(routes.first + at as u32));
            let throttle = route.throttle.as_ref().map(|throttle| {
                let policy: Arc<str> = format!("{method} {path}").into();
                let old = old_limiters.get(&(&**method, &**path)).copied();
                Arc::new(Limiter::new(policy, Rate::from(throttle), old, &mut self.rebase))
            });
            limits.push(throttle::Limits { route: throttle, stage: limiter.clone() });
        }
        let plans = |compiler: &mut Self, variant: Variant, variables: &IndexMap<String, String>| -> Box<[Plan]> {
            let entries = routes.written.iter().zip(&limits);
            let plan = |(entry, limits)| compiler.plan(&name, variant, variables, written, &caches, entry, limits);
            entries.filter_map(plan).collect()
        };
        let stable_plans = plans(self, Variant::Stable, &written.variables);
        let canary_plans = match &written.canary {
            Some(canary) => plans(self, Variant::Canary, &merged(&written.variables, &canary.variables)),
            None => Box::default(),
        };
        let format = match &written.access_log_format {
            Some(own) => self.format(own, Some(written.span)),
            None => Arc::clone(format),
        };
        Stage {
            series: RouteSeries::new(name.clone(), Variant::Stable, "".into()),
            name,
            style: api.errors,
            tree: Arc::clone(&routes.tree),
            first_route: routes.first,
            canary: written.canary.as_ref().map(|canary| Canary::compile(canary, &text)),
            stable_plans,
            canary_plans,
            format,
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
        (route, method, path, names): &(&config::Route, Arc<str>, Arc<str>, Vec<Box<str>>),
        limits: &throttle::Limits,
    ) -> Option<Plan> {
        let target = match Target::compile(&route.integration, variables, names, self.pools) {
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
        Some(Plan {
            access: if route.api_key_required { authorize::Policy::ApiKey } else { authorize::Policy::Open },
            limits: limits.clone(),
            body_bytes_max: route.body_bytes_max.unwrap_or(self.config.server.limits.body_bytes_max),
            cache: caches.plan(route, names, deployment, cache_variant, &mut self.faults),
            target,
            series: RouteSeries::new(stage.clone(), variant, Arc::clone(path)),
            path: Arc::clone(path),
            method: Arc::clone(method),
        })
    }

    fn domains(&mut self, domains: &mut Domains) {
        for (host, domain) in &self.config.domains {
            for mapping in &domain.mappings {
                match self.stage_ids.get(mapping.target.as_str()) {
                    Some(stage) => domains.map(host, &mapping.base_path, *stage),
                    None => {
                        let message = format!("domain {host:?} leads to the unknown stage {:?}", mapping.target.value);
                        let names = self.stage_ids.keys().map(|name| &**name);
                        let fault = Fault::at(mapping.target.span, message);
                        self.faults.push(fault.with_help(nearest(&mapping.target, names)));
                    }
                }
            }
        }
    }

    fn keys(&mut self) -> Keys<Membership> {
        let (stage_ids, route_ids) = (&self.stage_ids, &self.route_ids);
        let places = Places {
            stage: &|name| stage_ids.get(name).copied(),
            route: &|name| route_ids.get(name).copied(),
            stage_names: &|| stage_ids.keys().map(|name| name.to_string()).collect(),
            route_names: &|| route_ids.keys().cloned().collect(),
        };
        let plans = Plans::compile(&self.config.usage_plans, &places, self.store, &mut self.faults);
        let old = self.previous;
        let previous = |digest: &config::KeyDigest, plan: &str, stage: &str| {
            let snapshot = old?;
            let grant = &snapshot.keys.get(digest)?.grant(*snapshot.stage_ids.get(stage)?)?.grant;
            (&*grant.plan().name == plan).then_some(grant)
        };
        let mut keys = Keys::with_capacity(self.config.api_keys.len());
        for (name, written) in &self.config.api_keys {
            let name: Arc<str> = name.as_str().into();
            let grants = plans.grants(&name, written, &previous, &mut self.rebase, &mut self.faults);
            let member = |(stage, grant): (StageId, throttle::Grant)| {
                let series = KeySeries::new(Arc::clone(&grant.plan().name), Arc::clone(&name));
                (stage, Membership { grant, series })
            };
            let key = Key::new(Arc::clone(&name), written.enabled, grants.into_iter().map(member).collect());
            if keys.insert(*written.digest, key).is_some() {
                let other = keys.get(&written.digest).map(|key| key.name().to_string()).unwrap_or_default();
                let message = format!("api key {name:?} has the same value as {other:?}");
                self.faults.push(Fault::at(written.digest.span, message).with_help("give each key a value of its own"));
            }
        }
        keys
    }

    fn format(&mut self, written: &config::LogFormat, span: Option<config::Span>) -> Arc<Format> {
        Arc::new(Format::compile(written).unwrap_or_else(|why| {
            self.faults.push(Fault { span, ..Fault::of_file(format!("access_log.format: {why}")) });
            Format::Json
        }))
    }
}

impl Stage {
    /// The limiters of its routes, by method and path.
    fn route_limiters(&self) -> HashMap<(&str, &str), &Limiter> {
        let plans = self.stable_plans.iter();
        plans.filter_map(|plan| Some(((&*plan.method, &*plan.path), plan.limits.route.as_deref()?))).collect()
    }
}

fn method_text(method: &Method) -> &str {
    match method {
        Method::Any => "ANY",
        Method::Exact(name) => name,
    }
}

fn merged(stage: &IndexMap<String, String>, canary: &IndexMap<String, String>) -> IndexMap<String, String> {
    let mut all = stage.clone();
    all.extend(canary.iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}

/// A request that reaches no stage is refused in the style that all APIs have, if they agree.
fn common_style(config: &Config) -> ErrorStyle {
    let mut styles = config.apis.values().map(|api| api.errors);
    match styles.next() {
        Some(first) if styles.all(|style| style == first) => first,
        _ => ErrorStyle::Standard,
    }
}

fn rows(config: &Config, stages: &[Stage]) -> Vec<RouteRow> {
    let mut rows = Vec::new();
    for stage in stages {
        let written = config.apis.get(&*stage.name.api).map(|api| &api.routes[..]).unwrap_or_default();
        for (plan, route) in stage.stable_plans.iter().zip(written) {
            rows.push(RouteRow {
                api: stage.name.api.to_string(),
                stage: stage.name.stage.to_string(),
                method: plan.method.to_string(),
                path: plan.path.to_string(),
                api_key: route.api_key_required,
                cache: plan
                    .cache
                    .as_ref()
                    .map_or("off".to_string(), |cache| crate::base::units::write_duration(cache.ttl())),
                integration: integration_text(route),
            });
        }
    }
    rows
}

fn integration_text(route: &config::Route) -> String {
    match &route.integration.kind {
        config::IntegrationKind::Http(http) if http.is_proxy => format!("HTTP_PROXY {}", http.uri.value),
        config::IntegrationKind::Http(http) => format!("HTTP {}", http.uri.value),
        config::IntegrationKind::Mock(mock) => format!("MOCK {}", mock.status),
    }
}
