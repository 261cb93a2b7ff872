mod api;
mod keys;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use indexmap::IndexMap;
use serde_json::Value;

use super::member::Keys;
use super::stage::Stage;
use super::summary::{RouteRow, Summary};
use crate::base::{Networks, RouteId, StageId, StageName, nearest};
use crate::config::{self, ApiKey, Config, ErrorStyle, Fault, Faults, Limits};
use crate::gateway::integrate::Pools;
use crate::gateway::route::Domains;
use crate::gateway::throttle::Rebase;
use crate::store::Store;
use crate::telemetry::Format;
use keys::{IdlePlans, describe_keys};
use rows::rows;

/// A configuration, compiled.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) domains: Domains,
    pub(super) stages: Box<[Stage]>,
    pub(super) stage_ids: HashMap<Arc<str>, StageId, RandomState>,
    pub(super) keys: Keys,
    pub(super) limits: Limits,
    pub(super) trusted_proxies: Networks,
    pub(super) format: Arc<Format>,
    /// Of refusals that reach no stage.
    pub(super) style: ErrorStyle,
    pub(super) admin: config::Admin,
    pub(super) key_labels_max: usize,
    /// As it was written, for operators who ask; no phase reads it. Without its API keys and its texts: a million keys
    /// would be there twice.
    config: Arc<Config>,
    /// Of API keys in a plan that covers no stage, which no seat tells: all their plans, by the key's name.
    idle_plans: IdlePlans,
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
        mut config: Config,
        store: &Store,
        pools: &Pools,
        previous: Option<&Snapshot>,
    ) -> Result<Compiled, Faults> {
        let (api_keys, sources) = (std::mem::take(&mut config.api_keys), config.sources.clone());
        config.sources.forget_texts();
        let compiled = Compiler::new(&Arc::new(config), &api_keys, store, pools, previous).compile();
        compiled.map_err(|faults| Faults::new(sources, faults))
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

    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Who may say for whom it asks.
    pub fn trusted_proxies(&self) -> &Networks {
        &self.trusted_proxies
    }

    /// The access log's format where no stage has its own.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The style of refusals that reach no stage.
    pub fn style(&self) -> ErrorStyle {
        self.style
    }

    /// As they are configured, which a socket that is bound already may not be.
    pub fn listeners(&self) -> &[config::Listen] {
        &self.config.server.listen
    }

    /// Who may use the admin API.
    pub fn admin(&self) -> &config::Admin {
        &self.admin
    }

    /// The configuration without its secrets, as `plan` compares it.
    pub fn description(&self) -> Value {
        let mut described = self.config.describe();
        described[config::API_KEYS] = describe_keys(&self.keys, &self.idle_plans);
        described
    }

    /// The configuration as it was written, without its API keys and its texts.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every route of every stage.
    pub fn routes(&self) -> Vec<RouteRow> {
        rows(&self.config, &self.stages)
    }

    pub fn summary(&self) -> Summary {
        self.summary
    }
}

/// Puts the rooms' parts together and collects their faults.
struct Compiler<'c> {
    config: &'c Arc<Config>,
    api_keys: &'c IndexMap<String, ApiKey>,
    store: &'c Store,
    pools: &'c Pools,
    previous: Option<&'c Snapshot>,
    faults: Vec<Fault>,
    rebase: Rebase,
    stage_ids: HashMap<Arc<str>, StageId, RandomState>,
    /// By `api/stage METHOD /path`, for usage plans.
    route_ids: HashMap<String, RouteId, RandomState>,
}

impl<'c> Compiler<'c> {
    fn new(
        config: &'c Arc<Config>,
        api_keys: &'c IndexMap<String, ApiKey>,
        store: &'c Store,
        pools: &'c Pools,
        previous: Option<&'c Snapshot>,
    ) -> Compiler<'c> {
        Compiler {
            config,
            api_keys,
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
            first_route += routes.count();
            for (stage_name, stage) in &api.stages {
                let id = StageId(stages.len() as u32);
                domains.add_stage(api_name, stage_name, id);
                let name = StageName { api: api_name.as_str().into(), stage: stage_name.as_str().into() };
                stages.push(self.stage(id, name.into(), api, stage, &routes, &format));
            }
        }
        self.domains(&mut domains);
        let (keys, idle_plans) = self.keys();
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let snapshot = Snapshot {
            domains,
            summary: Summary {
                apis: config.apis.len(),
                stages: stages.len(),
                routes: config.apis.values().map(|api| api.definition.routes.len()).sum(),
                usage_plans: config.usage_plans.len(),
                api_keys: self.api_keys.len(),
            },
            stages: stages.into(),
            stage_ids: self.stage_ids,
            keys,
            limits: config.server.limits,
            trusted_proxies: config.server.trusted_proxies.clone(),
            format,
            style: common_style(config),
            admin: config.admin.clone(),
            key_labels_max: config.telemetry.key_labels_max,
            config: Arc::clone(config),
            idle_plans,
        };
        Ok(Compiled { snapshot, rebase: self.rebase })
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

    fn format(&mut self, written: &config::LogFormat, span: Option<config::Span>) -> Arc<Format> {
        Arc::new(Format::compile(written).unwrap_or_else(|why| {
            self.faults.push(Fault { span, ..Fault::of_file(format!("access_log.format: {why}")) });
            Format::Json
        }))
    }
}

/// A request that reaches no stage is refused in the style that all APIs have, if they agree.
fn common_style(config: &Config) -> ErrorStyle {
    let mut styles = config.apis.values().map(config::Api::errors);
    match styles.next() {
        Some(first) if styles.all(|style| style == first) => first,
        _ => ErrorStyle::Standard,
    }
}
