use crate::base::units::write_duration;
use crate::config::{self, Config};
use crate::gateway::snapshot::stage::Stage;
use crate::gateway::snapshot::summary::RouteRow;

/// The rows of `tollgate routes`, stage by stage.
pub(super) fn rows(config: &Config, stages: &[Stage]) -> Vec<RouteRow> {
    let mut rows = Vec::new();
    for stage in stages {
        let written = config.apis.get(&*stage.name.api).map(|api| &api.definition.routes[..]).unwrap_or_default();
        for (plan, route) in stage.stable_plans.iter().zip(written) {
            rows.push(RouteRow {
                api: stage.name.api.to_string(),
                stage: stage.name.stage.to_string(),
                method: plan.method.to_string(),
                path: plan.path().to_string(),
                api_key: route.api_key_required,
                cache: plan.cache.as_ref().map_or("off".to_string(), |cache| write_duration(cache.ttl())),
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
        config::IntegrationKind::Unserved(unserved) => format!("{} (not served)", unserved.kind),
    }
}
