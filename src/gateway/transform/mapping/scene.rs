use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine};
use indexmap::IndexMap;
use percent_encoding::percent_decode_str;

use super::misconfigured;
use crate::base::{Answer, Head, Now};
use crate::gateway::transform::Context;
use crate::gateway::transform::query;
use crate::template::{Budget, Event, Fact, JsonPath, Table, Variable};

/// A request as mapping templates see it.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    pub head: &'a Head<'a>,
    /// The names of the path's parameters, in the order of their values.
    pub names: &'a [Box<str>],
    /// Raw, as they stand in the path.
    pub values: &'a [&'a str],
    pub context: &'a Context<'a>,
    /// Stage variables.
    pub variables: &'a IndexMap<String, String>,
    pub started: Now,
    /// `HTTP/1.1`
    pub protocol: &'static str,
    pub is_canary: bool,
    /// Of the client's certificate.
    pub subject: Option<&'a str>,
}

/// What the service drops from a request before a template sees it (recorded).
const UNSEEN: &[&str] = &[
    "connection",
    "content-length",
    "content-md5",
    "expect",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "te",
    "transfer-encoding",
    "trailer",
    "upgrade",
    "www-authenticate",
];

impl<'a> Scene<'a> {
    /// The last value of a header, as the service reads one that comes several times.
    pub(super) fn last_header(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut last = None;
        self.head.fields.for_each(name, |value| last = Some(value));
        last.map(String::from_utf8_lossy)
    }

    /// A variable of `$context`.
    pub(super) fn variable(&self, variable: Variable) -> Option<Fact<'a>> {
        let Context { api, stage, route, path, key, authority, .. } = *self.context;
        Some(match variable {
            Variable::ApiId => api.into(),
            Variable::Stage => stage.into(),
            Variable::ResourcePath => route.into(),
            Variable::Path => path.into(),
            Variable::HttpMethod => self.head.method.into(),
            Variable::Protocol => self.protocol.into(),
            Variable::RequestId | Variable::ExtendedRequestId => {
                Fact::Text(String::from_utf8_lossy(self.context.request_id))
            }
            Variable::RequestTimeEpoch => (self.started.unix_ms as i64).into(),
            Variable::RequestTime => crate::telemetry::clf_time(self.started.unix_ms).into(),
            Variable::DomainName => host_of(authority).into(),
            Variable::DomainPrefix => host_of(authority).split('.').next()?.into(),
            Variable::IsCanaryRequest => Fact::Flag(self.is_canary),
            Variable::IdentitySourceIp => self.head.client.to_canonical().to_string().into(),
            Variable::IdentityUserAgent => Fact::Text(self.last_header("user-agent")?),
            Variable::IdentityApiKey => Fact::Text(self.last_header("x-api-key").filter(|_| key.is_some())?),
            Variable::IdentityApiKeyId => key?.into(),
            Variable::ClientCertSubjectDn => self.subject?.into(),
            _ => return None,
        })
    }

    fn visit_headers(&self, visit: &mut dyn FnMut(&'a str, Fact<'a>)) {
        self.head.fields.for_all(|name, value| {
            if let Ok(name) = std::str::from_utf8(name)
                && !UNSEEN.iter().any(|unseen| name.eq_ignore_ascii_case(unseen))
            {
                visit(name, Fact::Text(String::from_utf8_lossy(value)));
            }
        });
    }

    fn param(&self, name: &str) -> Option<&'a str> {
        let at = self.names.iter().position(|own| **own == *name)?;
        self.values.get(at).copied()
    }
}

/// A scene with the body of the request, or of the back end's answer.
#[derive(Debug)]
pub(super) struct Seen<'s> {
    scene: &'s Scene<'s>,
    body: Cow<'s, str>,
}

impl<'s> Seen<'s> {
    /// A template sees bytes that are no text as base64.
    pub(super) fn new(scene: &'s Scene<'s>, body: &'s [u8], is_base64: bool) -> Seen<'s> {
        let body = match is_base64 {
            true => Cow::Owned(BASE64_STANDARD.encode(body)),
            false => String::from_utf8_lossy(body),
        };
        Seen { scene, body }
    }
}

impl Event for Seen<'_> {
    fn body(&self) -> &str {
        &self.body
    }

    fn variable(&self, variable: Variable) -> Option<Fact<'_>> {
        self.scene.variable(variable)
    }

    fn entry<'e>(&'e self, table: Table, name: &str) -> Option<Fact<'e>> {
        match table {
            Table::Path => self.scene.param(name).map(plain),
            Table::QueryString => query::last_value(self.scene.head.query, name).map(text),
            Table::Header if UNSEEN.iter().any(|unseen| name.eq_ignore_ascii_case(unseen)) => None,
            Table::Header => self.scene.last_header(name).map(Fact::Text),
            Table::StageVariables => self.scene.variables.get(name).map(|value| value.as_str().into()),
            Table::Authorizer | Table::Claims => None,
        }
    }

    fn entries<'e>(&'e self, table: Table, visit: &mut dyn FnMut(&'e str, Fact<'e>)) {
        match table {
            Table::Path => {
                let pairs = self.scene.names.iter().zip(self.scene.values);
                pairs.for_each(|(name, value)| visit(name, plain(value)));
            }
            Table::QueryString => query::for_each_name(self.scene.head.query, |name, value| visit(name, text(value))),
            Table::Header => self.scene.visit_headers(visit),
            Table::StageVariables => {
                self.scene.variables.iter().for_each(|(name, value)| visit(name, value.as_str().into()));
            }
            Table::Authorizer | Table::Claims => {}
        }
    }
}

/// What a path finds in a body, as it stands in a header: strings without quotes.
pub(in crate::gateway::transform) fn find_plain(
    path: &JsonPath,
    body: &[u8],
    budget: &Budget,
) -> Result<Option<String>, Answer> {
    let body = String::from_utf8_lossy(body);
    // The service looks only into what begins like JSON.
    if !body.trim_start().starts_with(['{', '[', '"', '\'']) {
        return Ok(None);
    }
    path.find_plain(&body, budget).map_err(|failure| misconfigured(failure.message))
}

fn plain(raw: &str) -> Fact<'_> {
    Fact::Text(percent_decode_str(raw).decode_utf8_lossy())
}

fn text(value: Cow<'_, [u8]>) -> Fact<'_> {
    Fact::Text(match value {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    })
}

fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}
