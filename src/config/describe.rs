//! A configuration as one JSON document for `plan` and the admin API: whole, stable, without secrets.

mod definition;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::{
    Acme, Admin, Api, ApiKey, Canary, Certificate, ClientAuth, Config, Domain, GatewayResponse, HealthCheck,
    HttpIntegration, IntegrationKind, KeyDigest, KeyPart, Listen, ListenTls, Located, LogDestination, LogFormat,
    ParameterMapping, ParameterSource, ParameterTarget, RequestValidation, ResponseHeaderSource, Route, RouteCache,
    Server, Sources, Stage, StageCache, Sticky, Target, Telemetry, TemplateLimits, Throttle, UpstreamTls, UsagePlan,
    api_key,
};
use crate::base::units::{write_duration, write_size};

impl Config {
    /// Every setting with its default where none was written, in the order of the files.
    ///
    /// Routes stand under `"METHOD /path"`. A secret is shown by the start of its digest, so that a change
    /// of it is seen; admin tokens only by name.
    pub fn describe(&self) -> Value {
        let describe = Describe { sources: &self.sources };
        json!({
            "server": describe_server(&self.server),
            "acme": describe.acme(&self.acme),
            "admin": describe_admin(&self.admin),
            "state": { "dir": self.state.dir.display().to_string(), "unsaved_max": self.state.unsaved_max },
            "telemetry": describe_telemetry(&self.telemetry),
            "apis": named(&self.apis, |api| describe.api(api)),
            "usage_plans": named(&self.usage_plans, describe_usage_plan),
            API_KEYS: named(&self.api_keys, |key| describe_api_key(&key.digest, plans_of(key), key.enabled)),
            "domains": named(&self.domains, describe_domain),
        })
    }
}

/// Under which [`Config::describe`] tells of API keys.
pub const API_KEYS: &str = "api_keys";

/// What needs to know which texts are secret.
#[derive(Clone, Copy)]
struct Describe<'a> {
    sources: &'a Sources,
}

impl Describe<'_> {
    /// The text itself, or a mark for one that came from the environment or a file.
    fn text(self, text: &str) -> String {
        match self.sources.is_expanded(text) {
            true => format!("(secret) {}", hex(&api_key::digest(text.as_bytes())[..4])),
            false => text.to_owned(),
        }
    }

    fn texts<'t>(self, texts: impl IntoIterator<Item = (&'t String, &'t String)>) -> Value {
        texts.into_iter().map(|(name, text)| (name.clone(), json!(self.text(text)))).collect::<Map<_, _>>().into()
    }

    fn acme(self, acme: &Acme) -> Value {
        json!({
            "agree_tos": acme.agree_tos,
            "email": acme.email.as_deref().map(|email| self.text(email)),
            "directory": self.text(&acme.directory),
            "ca": acme.ca.as_ref().map(|ca| ca.display().to_string()),
        })
    }

    fn api(self, api: &Api) -> Value {
        let mut members = Map::from_iter([
            ("protocol".to_owned(), "REST".into()),
            ("errors".to_owned(), api.errors().as_str().into()),
        ]);
        members.extend(self.definition(&api.definition));
        members.insert("method_override".to_owned(), api.method_override.into());
        members.insert("validate_requests".to_owned(), api.validate_requests.map(RequestValidation::as_str).into());
        let responses = api.validate_responses.unwrap_or(api.definition.validate_responses);
        members.insert("validate_responses".to_owned(), responses.as_str().into());
        members.insert("stages".to_owned(), named(&api.stages, |stage| self.stage(stage)));
        members.into()
    }

    fn gateway_response(self, response: &GatewayResponse) -> Value {
        let header = |(name, source): &(String, ResponseHeaderSource)| {
            let source = match source {
                ResponseHeaderSource::Static(text) => format!("'{}'", self.text(text)),
                source => source.to_string(),
            };
            (name.clone(), json!(source))
        };
        let template = |(media_type, text): (&String, &Located<String>)| (media_type.clone(), json!(self.text(text)));
        json!({
            "status": response.status,
            "headers": response.headers.iter().map(header).collect::<Map<_, _>>(),
            "templates": response.templates.iter().map(template).collect::<Map<_, _>>(),
        })
    }

    fn route(self, route: &Route) -> Value {
        json!({
            "api_key_required": route.api_key_required,
            "integration": self.integration(&route.integration.kind),
            "cache": route.cache.as_ref().map(describe_route_cache),
            "throttle": route.throttle.as_ref().map(describe_throttle),
            "body_limit": route.body_bytes_max.map(describe_body_limit),
            "operation": route.operation.as_deref().map(definition::operation),
        })
    }

    fn integration(self, kind: &IntegrationKind) -> Value {
        match kind {
            IntegrationKind::Http(http) => self.http(http),
            IntegrationKind::Mock(mock) => json!({
                "type": "MOCK",
                "status": mock.status,
                "headers": self.texts(&mock.headers),
                "body": self.text(&mock.body),
                "transformation": mock.transformation.as_deref().map(definition::transformation),
            }),
            IntegrationKind::Unserved(unserved) => json!({ "type": unserved.kind, "uri": unserved.uri }),
        }
    }

    fn http(self, http: &HttpIntegration) -> Value {
        json!({
            "type": if http.is_proxy { "HTTP_PROXY" } else { "HTTP" },
            "uri": self.text(&http.uri),
            "method": http.method,
            "timeout": write_duration(http.timeout),
            "connect_timeout": write_duration(http.connect_timeout),
            "targets": http.targets.iter().map(|target| self.target(target)).collect::<Vec<_>>(),
            "balance": http.balance.as_str(),
            "health": http.health.as_ref().map(|health| self.health(health)),
            "ejection": { "failures": http.ejection.failures, "for": write_duration(http.ejection.rest) },
            "tls": self.tls(&http.tls),
            "protocol_version": http.protocol_version.as_str(),
            "preserve_host": http.preserve_host,
            "request_parameters": http.request_parameters.iter().map(|it| self.parameter(it)).collect::<Map<_, _>>(),
            "transformation": http.transformation.as_deref().map(definition::transformation),
        })
    }

    fn target(self, target: &Target) -> Value {
        json!({ "address": self.text(&target.address), "weight": target.weight })
    }

    fn health(self, health: &HealthCheck) -> Value {
        json!({
            "path": health.path.as_deref().map(|path| self.text(path)),
            "interval": write_duration(health.interval),
            "timeout": write_duration(health.timeout),
            "healthy": health.healthy,
            "unhealthy": health.unhealthy,
        })
    }

    /// Of texts in PEM only the start of a digest: they are long or secret, and it is only asked whether they changed.
    fn tls(self, tls: &UpstreamTls) -> Value {
        let digest = |pem: &str| format!("sha256:{}", hex(&api_key::digest(pem.as_bytes())[..4]));
        json!({
            "ca": tls.ca_pem.as_deref().map(digest),
            "cert": tls.client.as_ref().map(|client| digest(&client.cert_pem)),
            "key": tls.client.as_ref().map(|client| digest(&client.key_pem)),
            "server_name": tls.server_name.as_deref().map(|name| self.text(name)),
        })
    }

    fn parameter(self, mapping: &ParameterMapping) -> (String, Value) {
        let target = match &mapping.target {
            ParameterTarget::Header(name) => format!("integration.request.header.{name}"),
            ParameterTarget::Querystring(name) => format!("integration.request.querystring.{name}"),
            ParameterTarget::Path(name) => format!("integration.request.path.{name}"),
        };
        let source = match &mapping.source {
            ParameterSource::Path(name) => format!("method.request.path.{name}"),
            ParameterSource::Querystring(name) => format!("method.request.querystring.{name}"),
            ParameterSource::Querystrings(name) => format!("method.request.multivaluequerystring.{name}"),
            ParameterSource::Header(name) => format!("method.request.header.{name}"),
            ParameterSource::Headers(name) => format!("method.request.multivalueheader.{name}"),
            ParameterSource::Body(None) => "method.request.body".to_owned(),
            ParameterSource::Body(Some(path)) => format!("method.request.body.{path}"),
            ParameterSource::StageVariable(name) => format!("stageVariables.{name}"),
            ParameterSource::Context(name) => format!("context.{name}"),
            ParameterSource::Static(text) => format!("'{}'", self.text(text)),
        };
        (target, source.into())
    }

    fn stage(self, stage: &Stage) -> Value {
        json!({
            "variables": self.texts(&stage.variables),
            "cache": stage.cache.as_ref().map(describe_stage_cache),
            "throttle": stage.throttle.as_ref().map(describe_throttle),
            "canary": stage.canary.as_ref().map(|canary| self.canary(canary)),
            "access_log": stage.access_log_format.as_ref().map(|format| json!({ "format": describe_format(format) })),
        })
    }

    fn canary(self, canary: &Canary) -> Value {
        json!({
            "percent": *canary.percent,
            "variables": self.texts(&canary.variables),
            "use_stage_cache": canary.use_stage_cache,
            "sticky": match &canary.sticky {
                Sticky::None => "none".to_owned(),
                Sticky::ApiKey => "api_key".to_owned(),
                Sticky::Ip => "ip".to_owned(),
                Sticky::Header(name) => format!("header.{name}"),
            },
            "definition": canary.definition.as_deref().map(|definition| self.definition(definition)),
        })
    }
}

fn describe_admin(admin: &Admin) -> Value {
    json!({
        "listen": *admin.listen,
        "tokens": admin.tokens.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(),
        "hosts": admin.hosts,
        "audit_log": { "path": describe_destination(&admin.audit_log) },
    })
}

fn describe_destination(destination: &LogDestination) -> String {
    match destination {
        LogDestination::Stdout => "stdout".to_owned(),
        LogDestination::Stderr => "stderr".to_owned(),
        LogDestination::Off => "off".to_owned(),
        LogDestination::File(path) => path.display().to_string(),
    }
}

fn describe_server(server: &Server) -> Value {
    let limits = &server.limits;
    json!({
        "listen": server.listen.iter().map(describe_listener).collect::<Vec<_>>(),
        "threads": server.threads,
        "drain_delay": write_duration(server.drain_delay),
        "drain": write_duration(server.drain),
        "trusted_proxies": server.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "limits": {
            "head": write_size(limits.head_bytes_max as u64),
            "body": describe_body_limit(limits.body_bytes_max),
            "head_timeout": write_duration(limits.head_timeout),
            "body_timeout": write_duration(limits.body_timeout),
            "body_rate_min": write_size(limits.body_rate_min),
            "idle_timeout": write_duration(limits.idle_timeout),
            "fields_max": limits.fields_max,
            "connections_max": describe_count(limits.connections_max),
            "connections_per_address_max": describe_count(limits.connections_per_address_max),
            "requests_per_connection_max": describe_count(limits.requests_per_connection_max),
            "in_flight_max": describe_count(limits.in_flight_max),
            "memory_max": describe_body_limit(limits.memory_bytes_max),
            "templates": describe_template_limits(&limits.templates),
        },
    })
}

fn describe_template_limits(limits: &TemplateLimits) -> Value {
    json!({
        "nesting": limits.nesting,
        "iterations": limits.iterations,
        "steps": limits.steps,
        "output": write_size(limits.output_bytes as u64),
        "memory": write_size(limits.memory_bytes as u64),
        "time": write_duration(limits.time),
    })
}

fn describe_listener(listen: &Listen) -> Value {
    json!({
        "address": *listen.address,
        "tls": listen.tls.as_ref().map(describe_listen_tls),
        "h2": listen.h2,
        "proxy_protocol": listen.proxy_protocol,
    })
}

fn describe_listen_tls(tls: &ListenTls) -> Value {
    let pair = |it: &Certificate| json!({ "cert": it.cert.display().to_string(), "key": it.key.display().to_string() });
    json!({
        "certificates": tls.certificates.iter().map(pair).collect::<Vec<_>>(),
        "acme": tls.acme.iter().map(|it| values(&it.names)).collect::<Vec<_>>(),
        "min_version": tls.min_version.as_str(),
        "client_ca": tls.client_auth.as_ref().map(|auth| auth.ca.display().to_string()),
        "client_auth": tls.client_auth.as_ref().map(ClientAuth::as_str),
    })
}

fn describe_telemetry(telemetry: &Telemetry) -> Value {
    let path = describe_destination(&telemetry.access_log.destination);
    json!({
        "access_log": { "path": path, "format": describe_format(&telemetry.access_log.format) },
        "key_labels": telemetry.key_labels_max,
    })
}

fn describe_format(format: &LogFormat) -> &str {
    match format {
        LogFormat::Json => "json",
        LogFormat::Context(line) => line,
    }
}

fn describe_stage_cache(cache: &StageCache) -> Value {
    json!({
        "enabled": cache.enabled,
        "ttl": write_duration(cache.ttl),
        "honor_origin": cache.honor_origin,
        "error_ttl": write_duration(cache.error_ttl),
        "size": write_size(cache.size),
        "invalidation": {
            "require_authorization": cache.invalidation.require_authorization,
            "on_unauthorized": cache.invalidation.on_unauthorized.as_str(),
        },
    })
}

fn describe_route_cache(cache: &RouteCache) -> Value {
    let parts = |key: &Vec<Located<KeyPart>>| key.iter().map(|part| part.to_string()).collect::<Vec<_>>();
    json!({
        "enabled": cache.enabled,
        "ttl": cache.ttl.map(write_duration),
        "honor_origin": cache.honor_origin,
        "key": cache.key.as_ref().map(parts),
    })
}

fn describe_throttle(throttle: &Throttle) -> Value {
    json!({ "rate": throttle.rate, "burst": throttle.burst })
}

fn describe_count(count: usize) -> Value {
    if count == usize::MAX { json!("unlimited") } else { json!(count) }
}

fn describe_body_limit(bytes: u64) -> String {
    if bytes == u64::MAX { "unlimited".into() } else { write_size(bytes) }
}

fn describe_usage_plan(plan: &UsagePlan) -> Value {
    let overrides =
        plan.route_throttle.iter().map(|(route, throttle)| (route.value.clone(), describe_throttle(throttle)));
    json!({
        "stages": values(&plan.stages),
        "throttle": plan.throttle.as_ref().map(describe_throttle),
        "quota": plan.quota.as_ref().map(|quota| json!({
            "limit": quota.limit,
            "period": quota.period.as_str(),
            "offset": quota.offset,
        })),
        "route_throttle": overrides.collect::<Map<_, _>>(),
        "may_invalidate_cache": plan.may_invalidate_cache,
    })
}

fn plans_of(key: &ApiKey) -> impl Iterator<Item = &str> {
    key.usage_plans.iter().map(|plan| plan.value.as_str())
}

/// How [`Config::describe`] tells of an API key, for who keeps keys and no longer their configuration.
pub fn describe_api_key<'a>(
    digest: &KeyDigest,
    usage_plans: impl IntoIterator<Item = &'a str>,
    enabled: bool,
) -> Value {
    json!({
        "sha256": format!("{}…", hex(&digest[..4])),
        "usage_plans": usage_plans.into_iter().collect::<Vec<_>>(),
        "enabled": enabled,
    })
}

fn describe_domain(domain: &Domain) -> Value {
    let mappings = domain.mappings.iter().map(|mapping| (mapping.base_path.value.clone(), json!(*mapping.target)));
    json!({ "mappings": mappings.collect::<Map<_, _>>() })
}

fn named<T>(items: &IndexMap<String, T>, describe: impl Fn(&T) -> Value) -> Value {
    items.iter().map(|(name, item)| (name.clone(), describe(item))).collect::<Map<_, _>>().into()
}

fn values(located: &[Located<String>]) -> Vec<&str> {
    located.iter().map(|located| located.value.as_str()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
