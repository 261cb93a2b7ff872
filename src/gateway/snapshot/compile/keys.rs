use std::sync::Arc;

use super::Compiler;
use crate::base::StageId;
use crate::config::{self, Fault};
use crate::gateway::authorize::{Key, Keys};
use crate::gateway::snapshot::stage::Membership;
use crate::gateway::throttle::{self, Places, Plans};
use crate::telemetry::KeySeries;

impl Compiler<'_> {
    pub(super) fn keys(&mut self) -> Keys<Membership> {
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
}
