use std::io::Write as _;

use super::Line;
use super::civil::Civil;
use crate::base::{Blame, Now, push_escaped, push_number};
use crate::config::ErrorStyle;

/// Appends a text so that it cannot end what it stands in.
pub type Escape = fn(&mut Vec<u8>, &[u8]);

/// A `$context` variable whose value the gateway knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    ApiId,
    ClientSubject,
    DataProcessed,
    DomainName,
    DomainPrefix,
    ErrorMessage,
    ErrorMessageString,
    ErrorResponseType,
    ErrorValidation,
    ExtendedRequestId,
    HttpMethod,
    IntegrationError,
    IntegrationLatency,
    IntegrationStatus,
    IsCanaryRequest,
    KeyName,
    Path,
    Protocol,
    RequestId,
    RequestTime,
    RequestTimeEpoch,
    ResourcePath,
    ResponseLatency,
    ResponseLength,
    RouteKey,
    SourceIp,
    Stage,
    Status,
    TraceRoot,
    UserAgent,
}

/// The names without `$context.`, as API Gateway documents them for REST and HTTP APIs.
const KNOWN: &[(&str, Variable)] = &[
    ("apiId", Variable::ApiId),
    ("dataProcessed", Variable::DataProcessed),
    ("domainName", Variable::DomainName),
    ("domainPrefix", Variable::DomainPrefix),
    ("error.message", Variable::ErrorMessage),
    ("error.messageString", Variable::ErrorMessageString),
    ("error.responseType", Variable::ErrorResponseType),
    ("error.validationErrorString", Variable::ErrorValidation),
    ("extendedRequestId", Variable::ExtendedRequestId),
    ("httpMethod", Variable::HttpMethod),
    ("identity.apiKeyId", Variable::KeyName),
    ("identity.clientCert.subjectDN", Variable::ClientSubject),
    ("identity.sourceIp", Variable::SourceIp),
    ("identity.userAgent", Variable::UserAgent),
    ("integration.error", Variable::IntegrationError),
    ("integration.integrationStatus", Variable::IntegrationStatus),
    ("integration.latency", Variable::IntegrationLatency),
    ("integration.status", Variable::IntegrationStatus),
    ("integrationErrorMessage", Variable::IntegrationError),
    ("integrationLatency", Variable::IntegrationLatency),
    ("integrationStatus", Variable::IntegrationStatus),
    ("isCanaryRequest", Variable::IsCanaryRequest),
    ("path", Variable::Path),
    ("protocol", Variable::Protocol),
    ("requestId", Variable::RequestId),
    ("requestTime", Variable::RequestTime),
    ("requestTimeEpoch", Variable::RequestTimeEpoch),
    ("resourcePath", Variable::ResourcePath),
    ("responseLatency", Variable::ResponseLatency),
    ("responseLength", Variable::ResponseLength),
    ("routeKey", Variable::RouteKey),
    ("stage", Variable::Stage),
    ("status", Variable::Status),
    ("xrayTraceId", Variable::TraceRoot),
];

/// Variables that the service has and a gateway without an account, Lambda or WAF has no value for. A format from
/// there keeps working and prints `-`. `identity.apiKey` is among them on purpose: it is the key's value.
const UNSET: &[&str] = &[
    "accountId",
    "awsEndpointRequestId",
    "awsEndpointRequestId2",
    "customDomain.basePathMatched",
    "deploymentId",
    "endpointType",
    "identity.accessKey",
    "identity.accountId",
    "identity.apiKey",
    "identity.caller",
    "identity.principalOrgId",
    "identity.user",
    "identity.userArn",
    "identity.vpcId",
    "identity.vpceId",
    "integration.requestId",
    "resourceId",
    "wafResponseCode",
    "webaclArn",
];

/// Groups whose members are the operator's to name, or too many to list.
const UNSET_GROUPS: &[&str] = &["authenticate.", "authorize.", "authorizer.", "identity.clientCert.", "waf."];
const UNSET_PREFIX: &str = "identity.cognito";

impl Variable {
    /// The variable of this name (without `$context.`); `Ok(None)` for one that is never set here. The error is the
    /// nearest name.
    pub fn find(name: &str) -> Result<Option<Variable>, &'static str> {
        if let Some((_, variable)) = KNOWN.iter().find(|(known, _)| *known == name) {
            return Ok(Some(*variable));
        }
        let is_in_group = UNSET_GROUPS.iter().any(|group| name.len() > group.len() && name.starts_with(group));
        if UNSET.contains(&name) || is_in_group || name.starts_with(UNSET_PREFIX) {
            return Ok(None);
        }
        Err(nearest(name))
    }

    /// Appends the value, or nothing if there is none. What somebody else may have chosen is given to `escape`.
    pub fn push(self, out: &mut Vec<u8>, escape: Escape, civil: &mut Civil, line: &Line<'_>, now: Now) {
        let facts = line.facts;
        let push_text = |out: &mut Vec<u8>, text: Option<&str>| escape(out, text.unwrap_or_default().as_bytes());
        match self {
            Variable::ApiId => push_text(out, line.route.map(|route| route.api())),
            Variable::ClientSubject => push_text(out, facts.client_subject.as_deref()),
            Variable::DataProcessed => push_number(out, facts.bytes_in.saturating_add(facts.bytes_out)),
            Variable::DomainName => push_text(out, Some(line.host)),
            Variable::DomainPrefix => push_text(out, line.host.split('.').next()),
            Variable::ErrorMessage => push_text(out, facts.error_message()),
            Variable::ErrorMessageString => push_quoted(out, facts.error_message()),
            Variable::ErrorResponseType => {
                push_text(out, facts.refusal.map(|refusal| refusal.response_type().as_str()))
            }
            Variable::ErrorValidation => {
                let is_of_validation = facts.refusal.is_some_and(|refusal| refusal.is_of_validation());
                push_text(out, facts.detail.for_log().filter(|_| is_of_validation));
            }
            Variable::ExtendedRequestId => match line.style {
                ErrorStyle::Standard => push_text(out, Some(facts.request_id.as_str())),
                ErrorStyle::Aws => push_text(out, Some(facts.extended_request_id().as_str())),
            },
            Variable::HttpMethod => push_text(out, Some(line.method)),
            Variable::IntegrationError => push_text(out, integration_error(line)),
            Variable::IntegrationLatency => push_integration_latency(out, line),
            Variable::IntegrationStatus => push_status(out, facts.integration.status),
            Variable::IsCanaryRequest => push_text(out, facts.is_canary.map(|is| if is { "true" } else { "false" })),
            Variable::KeyName => push_text(out, line.key.map(|key| &**key.name)),
            Variable::Path => push_text(out, Some(line.path)),
            Variable::Protocol => push_text(out, Some(line.protocol)),
            Variable::RequestId => push_text(out, Some(facts.request_id.as_str())),
            Variable::RequestTime => civil.push_clf(out, facts.started.unix_ms),
            Variable::RequestTimeEpoch => push_number(out, facts.started.unix_ms),
            Variable::ResourcePath => push_text(out, line.route.map(|route| route.route())),
            Variable::ResponseLatency => push_number(out, now.since(facts.started).as_millis() as u64),
            Variable::ResponseLength => push_number(out, facts.bytes_out),
            Variable::RouteKey => push_route_key(out, escape, line),
            // Writing to a Vec does not fail.
            Variable::SourceIp => drop(write!(out, "{}", line.client)),
            Variable::Stage => push_text(out, line.route.map(|route| route.stage())),
            Variable::Status => push_status(out, facts.final_status()),
            Variable::TraceRoot => push_text(out, Some(facts.trace.root().as_str())),
            Variable::UserAgent => escape(out, line.user_agent.unwrap_or_default()),
        }
    }

    /// Whether a client may know it: what a back end did is for the log alone.
    pub fn is_for_clients(self) -> bool {
        self != Variable::IntegrationError
    }

    /// API Gateway leaves this one empty for a stage without a canary; everything else without a value is `-`.
    pub fn may_be_empty(self) -> bool {
        self == Variable::IsCanaryRequest
    }
}

fn nearest(name: &str) -> &'static str {
    let names = KNOWN.iter().map(|(known, _)| *known).chain(UNSET.iter().copied());
    names.min_by_key(|known| strsim::damerau_levenshtein(known, name)).unwrap_or_default()
}

/// As a string of JSON, whatever it stands in.
fn push_quoted(out: &mut Vec<u8>, text: Option<&str>) {
    if let Some(text) = text {
        out.push(b'"');
        push_escaped(out, text.as_bytes());
        out.push(b'"');
    }
}

fn push_status(out: &mut Vec<u8>, status: u16) {
    if status != 0 {
        push_number(out, status.into());
    }
}

fn push_integration_latency(out: &mut Vec<u8>, line: &Line<'_>) {
    let integration = &line.facts.integration;
    if integration.attempts > 0 {
        push_number(out, integration.latency.as_millis() as u64);
    }
}

fn push_route_key(out: &mut Vec<u8>, escape: Escape, line: &Line<'_>) {
    let Some(route) = line.route.filter(|route| !route.route().is_empty()) else { return };
    escape(out, line.method.as_bytes());
    out.push(b' ');
    escape(out, route.route().as_bytes());
}

fn integration_error<'a>(line: &Line<'a>) -> Option<&'a str> {
    let is_back_ends = line.facts.refusal.is_some_and(|refusal| refusal.blame() == Blame::BackEnd);
    line.facts.detail.for_log().filter(|_| is_back_ends)
}
