use std::time::Duration;

use super::Importer;
use super::operation::Site;
use crate::config::{
    HttpIntegration, Integration, IntegrationKind, IntegrationType, KeyPart, Located, MockAnswer, RouteCache,
    UnservedIntegration, find_path_parameters,
};
use crate::openapi::At;
use crate::openapi::words::field_name;

/// What an integration may say; `responses` and the like are read by the transformation.
const WORDS: &[&str] = &[
    "cacheKeyParameters",
    "cacheNamespace",
    "connectionId",
    "connectionType",
    "contentHandling",
    "credentials",
    "httpMethod",
    "integrationSubtype",
    "integrationTarget",
    "passthroughBehavior",
    "payloadFormatVersion",
    "requestParameters",
    "requestTemplates",
    "responseParameters",
    "responseTransferMode",
    "responses",
    "timeoutInMillis",
    "tlsConfig",
    "type",
    "uri",
];

/// Of `timeoutInMillis`. API Gateway's own upper bound can be raised.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 50..=3_600_000;

const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);

impl<'d> Importer<'d> {
    /// What answers an operation, and under which key its answers are cached.
    pub(super) fn read_integration(
        &self,
        site: Site<'d, '_>,
        operation: At<'d>,
        what: &str,
    ) -> Option<(Integration, Option<RouteCache>)> {
        let Some(written) = operation.get("x-amazon-apigateway-integration") else {
            return Some((self.forward(site, operation, what)?, None));
        };
        let at = written.resolve()?.object()?;
        self.check_integration_words(at, what);
        let Some(kind) = at.get("type") else {
            return at.refuse("this integration has no type", "write `type: http_proxy`, `http` or `mock`");
        };
        let parameters: Vec<&str> = find_path_parameters(site.path).collect();
        let kind = match kind.word(IntegrationType::WORDS)? {
            IntegrationType::HttpProxy => {
                IntegrationKind::Http(Box::new(self.read_http(at, true, &parameters, what)?))
            }
            IntegrationType::Http => IntegrationKind::Http(Box::new(self.read_http(at, false, &parameters, what)?)),
            IntegrationType::Mock => IntegrationKind::Mock(Box::new(MockAnswer {
                status: 200,
                headers: Default::default(),
                body: String::new(),
                transformation: Some(Box::new(self.read_transformation(at)?)),
            })),
            IntegrationType::Unserved => IntegrationKind::Unserved(Box::new(read_unserved(at, what))),
        };
        Some((Integration { span: at.span(), kind }, read_cache(at, &parameters)))
    }

    /// Where an operation goes that names no integration.
    fn forward(&self, site: Site<'d, '_>, operation: At<'d>, what: &str) -> Option<Integration> {
        let base = self.forward_to(operation, site.item, site.wishes.forward_to.is_some());
        let Some(base) = base else {
            return operation.refuse(
                format!("nothing says where {what} goes"),
                "give it an x-amazon-apigateway-integration, the document a server with a whole url, or write `to = \
                 \"http://…\"` beside `definition`",
            );
        };
        let path = site.written.replace("+}", "}");
        let uri = Located::new(format!("{}{path}", base.value), operation.span());
        let http = HttpIntegration::to(uri, true);
        Some(Integration { span: operation.span(), kind: IntegrationKind::Http(Box::new(http)) })
    }

    fn check_integration_words(&self, at: At<'d>, what: &str) {
        for (key, value) in at.members().filter(|(key, _)| !WORDS.contains(&&*key.name)) {
            value.unserved(format!("`{}` in the integration of {what}, which is not known", key.name));
        }
    }

    fn read_http(&self, at: At<'d>, is_proxy: bool, parameters: &[&str], what: &str) -> Option<HttpIntegration> {
        let Some(uri) = at.get("uri") else {
            return at.refuse("this integration has no uri", "write `uri: http://HOST:PORT/PATH`");
        };
        let (request_parameters, renamed) = self.read_request_parameters(at, parameters, what);
        let text = uri.string()?;
        let text = renamed.iter().fold(text, |text, (from, to)| text.replace(from, to));
        let mut http = HttpIntegration::to(uri.located(check_uri(uri, text)?), is_proxy);
        http.method = at.get("httpMethod").and_then(read_method);
        if let Some(ms) = at.get("timeoutInMillis").and_then(|at| at.integer(TIMEOUT_MS)) {
            http.timeout = Duration::from_millis(ms);
            http.connect_timeout = http.timeout.min(CONNECT_TIMEOUT_MAX);
        }
        http.tls.server_name = at.get("tlsConfig").and_then(|tls| tls.get("serverNameToVerify")).and_then(At::string);
        http.request_parameters = request_parameters;
        // A proxy passes what it is not told to map; API Gateway ignores templates there.
        if !is_proxy {
            http.transformation = Some(Box::new(self.read_transformation(at)?)).filter(|it| !it.is_plain());
        }
        tell_of_connection(at, what);
        Some(http)
    }
}

/// What cannot be had, or need not be here.
fn tell_of_connection(at: At<'_>, what: &str) {
    if at.get("tlsConfig").and_then(|tls| tls.get("insecureSkipVerification")).and_then(At::bool) == Some(true) {
        at.unserved(format!("insecureSkipVerification of {what}: certificates are verified"));
    }
    if let Some(link) = at.get("connectionId") {
        link.unserved(format!("the VPC link of {what}: its uri is called as it is"));
    }
    if let Some(role) = at.get("credentials") {
        role.unserved(format!("the credentials of {what}"));
    }
}

fn read_unserved(at: At<'_>, what: &str) -> UnservedIntegration {
    let text = |name: &str| at.get(name).and_then(|at| at.node.as_str()).unwrap_or_default().to_owned();
    let kind = text("type").to_ascii_uppercase();
    at.unserved(format!("the {kind} integration of {what}"));
    UnservedIntegration { kind, uri: Some(text("uri")).filter(|uri| !uri.is_empty()), written: at.node.to_json() }
}

/// `ANY` is the client's own method.
fn read_method(at: At<'_>) -> Option<String> {
    let method = at.str()?.to_ascii_uppercase();
    match method.as_str() {
        "ANY" => None,
        name if http::Method::from_bytes(name.as_bytes()).is_ok() => Some(method),
        _ => at.refuse(format!("{method:?} is not a method"), "write a method such as GET, or ANY"),
    }
}

fn check_uri(at: At<'_>, text: String) -> Option<String> {
    // A stage variable may stand for the scheme as well.
    let is_open = text.starts_with("${");
    if is_open || text.starts_with("http://") || text.starts_with("https://") {
        return Some(text);
    }
    at.refuse(format!("the uri {text:?} is not http or https"), "write \"http://HOST:PORT/PATH\"")
}

/// The key under which answers are cached: `cacheKeyParameters`.
fn read_cache(at: At<'_>, parameters: &[&str]) -> Option<RouteCache> {
    if let Some(namespace) = at.get("cacheNamespace") {
        namespace.unserved("cacheNamespace: each route has its own");
    }
    let list = at.get("cacheKeyParameters")?.array()?;
    let key = list.elements().filter_map(|part| Some(part.located(read_key_part(part, parameters)?))).collect();
    Some(RouteCache { span: list.span(), enabled: None, ttl: None, honor_origin: None, key: Some(key) })
}

/// `method.request.path.X`; what the integration maps, by where it comes from or where it goes.
fn read_key_part(at: At<'_>, parameters: &[&str]) -> Option<KeyPart> {
    let text = at.str()?;
    let rest = text.strip_prefix("method.request.").or_else(|| text.strip_prefix("integration.request."));
    match rest.and_then(|rest| rest.split_once('.')) {
        Some(("path", name)) if parameters.contains(&name) => Some(KeyPart::Path(name.to_owned())),
        Some(("querystring" | "multivaluequerystring", name)) => Some(KeyPart::Querystring(name.to_owned())),
        Some(("header" | "multivalueheader", name)) => field_name(name).map(KeyPart::Header),
        _ => at.refuse(
            format!("{text:?} is no parameter of this operation"),
            "write method.request.{path|querystring|header}.NAME",
        ),
    }
}
