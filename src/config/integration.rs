use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderValue;

use super::parameter::{is_unmappable, read_field_name};
use super::read::{Table, Value};
use super::route::{is_method, method_help};
use super::transformation::TRANSFORMATION_KEYS;
use super::uri::read_uri;
use super::{
    Balance, Ejection, HealthCheck, Located, ParameterMapping, ParameterSource, ProtocolVersion, Span, Target,
    Transformation, UpstreamTls,
};

/// `integration = { … }`: what answers a route.
#[derive(Debug)]
pub struct Integration {
    pub span: Span,
    pub kind: IntegrationKind,
}

#[derive(Debug)]
pub enum IntegrationKind {
    Http(Box<HttpIntegration>),
    Mock(Box<MockAnswer>),
    /// A document declares it; every request gets the answer for an API that is not configured properly.
    Unserved(Box<UnservedIntegration>),
}

/// An integration that this release does not serve, as a document declares it.
#[derive(Debug)]
pub struct UnservedIntegration {
    /// `AWS_PROXY`, …
    pub kind: String,
    pub uri: Option<String>,
    /// The whole extension, for exports.
    pub written: serde_json::Value,
}

/// `HTTP_PROXY` (fields and query pass) or `HTTP` (only what `request_parameters` maps passes).
#[derive(Debug)]
pub struct HttpIntegration {
    pub is_proxy: bool,
    /// `http://` or `https://`; may hold `${stageVariables.NAME}` anywhere and `{parameter}` in its path and query.
    pub uri: Located<String>,
    /// The back end's method; the client's unless written.
    pub method: Option<String>,
    /// For the whole exchange, from the choice of a target to the last byte; 29 s unless written.
    pub timeout: Duration,
    /// 5 s unless written, and never more than `timeout`.
    pub connect_timeout: Duration,
    /// Instead of the uri's own host, which then is only what `Host` and TLS name. May hold stage variables.
    pub targets: Vec<Target>,
    pub balance: Balance,
    pub health: Option<HealthCheck>,
    pub ejection: Ejection,
    pub tls: UpstreamTls,
    /// `HTTP1` unless written.
    pub protocol_version: ProtocolVersion,
    /// Send the client's `Host` instead of the uri's. False unless written.
    pub preserve_host: bool,
    /// `request_parameters`, in API Gateway's words.
    pub request_parameters: Vec<ParameterMapping>,
    /// Of an `HTTP` integration that changes more than parameters.
    pub transformation: Option<Box<Transformation>>,
}

/// `MOCK`: a fixed answer, or one that templates make.
#[derive(Clone, Debug)]
pub struct MockAnswer {
    /// 200 to 599; 200 unless written.
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// Instead of what is fixed: the request template says which response is chosen.
    pub transformation: Option<Box<Transformation>>,
}

const HTTP_KEYS: &[&str] = &[
    "type",
    "uri",
    "method",
    "timeout",
    "connect_timeout",
    "targets",
    "balance",
    "health",
    "ejection",
    "tls",
    "protocol_version",
    "preserve_host",
    "request_parameters",
];

const MOCK_KEYS: &[&str] = &["type", "status", "headers", "body"];

/// A MOCK that templates make has none of what is fixed.
const TEMPLATED_MOCK_KEYS: &[&str] = &["type"];

/// `type`, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrationType {
    HttpProxy,
    Http,
    Mock,
    Unserved,
}

impl IntegrationType {
    /// In API Gateway's words.
    pub const WORDS: &[(&str, IntegrationType)] = &[
        ("HTTP_PROXY", IntegrationType::HttpProxy),
        ("HTTP", IntegrationType::Http),
        ("MOCK", IntegrationType::Mock),
        ("AWS", IntegrationType::Unserved),
        ("AWS_PROXY", IntegrationType::Unserved),
    ];
}

const TIMEOUT: Duration = Duration::from_secs(29);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

impl Integration {
    /// `path_parameters` are the names in the route's path, `None` where that path is faulty.
    pub(super) fn read(value: Value<'_>, path_parameters: Option<&[&str]>) -> Option<Integration> {
        let table = value.open("an integration")?;
        let kind = match table.required("type", |value| value.word(IntegrationType::WORDS))? {
            IntegrationType::HttpProxy => {
                let table = table.only("an HTTP_PROXY integration", HTTP_KEYS);
                IntegrationKind::Http(HttpIntegration::read(table, true, path_parameters)?.into())
            }
            IntegrationType::Http => {
                let table = table.only("an HTTP integration", &[HTTP_KEYS, TRANSFORMATION_KEYS].concat());
                let http = HttpIntegration::read(table, false, path_parameters)?;
                let transformation = Transformation::read(table);
                IntegrationKind::Http(HttpIntegration { transformation, ..http }.into())
            }
            IntegrationType::Mock => IntegrationKind::Mock(MockAnswer::read(table)?.into()),
            IntegrationType::Unserved => return table.optional("type", refuse_type),
        };
        Some(Integration { span: table.span(), kind })
    }
}

fn refuse_type<T>(value: Value<'_>) -> Option<T> {
    let message = format!("integrations of type {} are not served by this release", value.written());
    value.refuse(message, "write \"HTTP_PROXY\", \"HTTP\" or \"MOCK\"")
}

impl HttpIntegration {
    fn read(table: Table<'_>, is_proxy: bool, path_parameters: Option<&[&str]>) -> Option<HttpIntegration> {
        let uri = table.required("uri", |value| value.located(|value| read_uri(value, path_parameters)));
        let timeout = table.or("timeout", TIMEOUT, read_timeout);
        let read_mapping = |value| ParameterMapping::read(value, path_parameters);
        let mappings = table.optional("request_parameters", Value::entries).unwrap_or_default();
        let http = HttpIntegration {
            is_proxy,
            uri: Located::new(String::new(), Span::default()),
            method: table.optional("method", read_method),
            timeout,
            connect_timeout: table.or("connect_timeout", timeout.min(CONNECT_TIMEOUT), |value| {
                value.duration(Duration::from_millis(1)..=timeout)
            }),
            targets: table.optional("targets", read_targets).unwrap_or_default(),
            balance: table.or("balance", Balance::RoundRobin, Balance::read),
            health: table.optional("health", HealthCheck::read),
            ejection: table.or("ejection", Ejection::default(), Ejection::read),
            tls: table.or("tls", UpstreamTls::default(), UpstreamTls::read),
            protocol_version: table.or("protocol_version", ProtocolVersion::Http1, ProtocolVersion::read),
            preserve_host: table.or("preserve_host", false, Value::bool),
            transformation: None,
            request_parameters: mappings.into_iter().filter_map(read_mapping).collect(),
        };
        Some(HttpIntegration { uri: uri?, ..http })
    }
}

fn read_timeout(value: Value<'_>) -> Option<Duration> {
    value.duration(Duration::from_millis(1)..=TIMEOUT_MAX)
}

/// `ANY` is the client's own method, as API Gateway has it.
fn read_method(value: Value<'_>) -> Option<String> {
    match value.text()?.as_ref() {
        "ANY" => None,
        method if is_method(method) => Some(method.to_owned()),
        _ => value.refuse_text("which is not a method", method_help(value.written())),
    }
}

fn read_targets(value: Value<'_>) -> Option<Vec<Target>> {
    let targets = value.list(Target::read)?;
    if targets.is_empty() {
        return value.refuse("`targets` is empty, so no back end could answer", "name one, or remove the key");
    }
    Some(targets)
}

impl HttpIntegration {
    /// All but the kind and the uri as it is where nothing is written.
    pub fn to(uri: Located<String>, is_proxy: bool) -> HttpIntegration {
        HttpIntegration {
            is_proxy,
            uri,
            method: None,
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            targets: Vec::new(),
            balance: Balance::RoundRobin,
            health: None,
            ejection: Ejection::default(),
            tls: UpstreamTls::default(),
            protocol_version: ProtocolVersion::Http1,
            preserve_host: false,
            request_parameters: Vec::new(),
            transformation: None,
        }
    }
}

impl HttpIntegration {
    /// Whether a parameter of its requests comes out of the client's body.
    pub fn reads_body(&self) -> bool {
        self.request_parameters.iter().any(|mapping| matches!(mapping.source, ParameterSource::Body(_)))
    }
}

impl MockAnswer {
    /// The answer, where it is the same for every request. `None`: templates would have to be carried out.
    pub fn fixed(&self) -> Option<Cow<'_, MockAnswer>> {
        match &self.transformation {
            None => Some(Cow::Borrowed(self)),
            Some(written) => written.fixed_answer().map(Cow::Owned),
        }
    }

    fn read(table: Table<'_>) -> Option<MockAnswer> {
        if let Some(transformation) = Transformation::read(table) {
            table.only("a MOCK integration with templates", &[TEMPLATED_MOCK_KEYS, TRANSFORMATION_KEYS].concat());
            let (headers, body) = (BTreeMap::new(), String::new());
            return Some(MockAnswer { status: 200, headers, body, transformation: Some(transformation) });
        }
        let table = table.only("a MOCK integration", &[MOCK_KEYS, TRANSFORMATION_KEYS].concat());
        let headers = table.optional("headers", Value::entries).unwrap_or_default();
        Some(MockAnswer {
            status: table.or("status", 200, |value| value.integer(200..=599)?.try_into().ok()),
            headers: headers.into_iter().filter_map(read_header).collect(),
            body: table.or("body", String::new(), Value::string),
            transformation: None,
        })
    }
}

fn read_header(value: Value<'_>) -> Option<(String, String)> {
    let text = value.string();
    let name = read_field_name(value.name()).filter(|name| !is_unmappable(name));
    if name.is_none() {
        value.at_name(format!("`{}` is not a field of an answer", value.name()), "the gateway frames answers itself");
    }
    let text = text?;
    if HeaderValue::from_str(&text).is_err() {
        return value.refuse(format!("`{}` cannot be sent", value.name()), "use visible ASCII, spaces and tabs");
    }
    Some((name?, text))
}
