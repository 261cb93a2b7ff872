use std::collections::BTreeMap;
use std::time::Duration;

use super::{Located, Span};

/// `integration = { … }`: what answers a route.
#[derive(Debug)]
pub struct Integration {
    pub span: Span,
    pub kind: IntegrationKind,
}

#[derive(Debug)]
pub enum IntegrationKind {
    Http(Box<HttpIntegration>),
    Mock(MockAnswer),
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
    /// Send the client's `Host` instead of the uri's. False unless written.
    pub preserve_host: bool,
    /// `request_parameters`, in API Gateway's words.
    pub request_parameters: Vec<ParameterMapping>,
}

/// `"host:port"` or `{ address = "host:port", weight = 3 }`
#[derive(Debug)]
pub struct Target {
    pub address: Located<String>,
    /// 1 to 1000; 1 unless written.
    pub weight: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Balance {
    /// `round_robin`, by weight.
    #[default]
    RoundRobin,
    /// `least_busy`: the fewest requests in flight for its weight.
    LeastBusy,
}

/// `health = { path = "/healthz", … }`: asked in the background; without `path` a connection is enough.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthCheck {
    /// Any 2xx or 3xx is healthy. `None`: a TCP connection is.
    pub path: Option<String>,
    /// 5 s unless written.
    pub interval: Duration,
    /// 2 s unless written.
    pub timeout: Duration,
    /// Successes in a row after which a target is used again; 2 unless written.
    pub healthy: u32,
    /// Failures in a row after which a target is not used; 3 unless written.
    pub unhealthy: u32,
}

/// `ejection = { failures = 5, for = "10s" }`: a target that fails real requests rests for a while.
/// Only with more than one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ejection {
    /// Failed connections, resets and timeouts in a row; 0 turns it off; 5 unless written.
    pub failures: u32,
    /// 10 s unless written.
    pub rest: Duration,
}

/// `tls = { … }` towards an `https` back end. Certificates are always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// PEM text of the authorities to trust instead of the system's; written as a path.
    pub ca_pem: Option<String>,
    /// The name to send and to verify; the uri's host unless written.
    pub server_name: Option<String>,
}

/// `MOCK`: a fixed answer.
#[derive(Debug)]
pub struct MockAnswer {
    /// 200 to 599; 200 unless written.
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// `"integration.request.header.X" = "method.request.header.Y"`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParameterMapping {
    pub target: ParameterTarget,
    pub source: ParameterSource,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ParameterTarget {
    /// In lower case. Never a hop-by-hop field, `content-length` or `host`.
    Header(String),
    /// Appended to the query.
    Querystring(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ParameterSource {
    /// `method.request.path.X`
    Path(String),
    /// `method.request.querystring.X`: the last value.
    Querystring(String),
    /// `method.request.header.X`, in lower case: the last value.
    Header(String),
    /// `stageVariables.X`
    StageVariable(String),
    /// `context.requestId`, `context.stage`, `context.apiId`, `context.identity.sourceIp`,
    /// `context.identity.apiKeyId`, `context.httpMethod`, `context.path` or `context.resourcePath`
    Context(String),
    /// `'text'`
    Static(String),
}
