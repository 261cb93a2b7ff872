use std::fmt;
use std::time::Duration;

use super::parameter::read_field_name;
use super::read::{Table, Value};
use super::route::check_parameter;
use super::{Located, Span, name};

/// `cache = { … }` of a stage.
#[derive(Debug)]
pub struct StageCache {
    pub span: Span,
    /// False unless written otherwise.
    pub enabled: bool,
    /// 300 s unless written otherwise, at most 3600 s; 0 stores nothing.
    pub ttl: Duration,
    /// In bytes, keys and heads included; 512 MiB unless written otherwise.
    pub size: u64,
    pub invalidation: Invalidation,
}

/// `cache = { … }` of a route: overrides of its stages' cache, and the key.
#[derive(Debug)]
pub struct RouteCache {
    pub span: Span,
    /// `None`: as the stage says, for GET; a route of another method is cached only where it says `enabled = true`
    /// or has a `ttl`.
    pub enabled: Option<bool>,
    pub ttl: Option<Duration>,
    /// `None`: not written, so the whole path and query in standard style, nothing but the route in aws style.
    pub key: Option<Vec<Located<KeyPart>>>,
}

/// One parameter of a cache key: `path.id`, `querystring.expand` or `header.Accept`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyPart {
    Path(String),
    /// Names are case-sensitive.
    Querystring(String),
    /// In lower case.
    Header(String),
}

/// What `Cache-Control: max-age=0` of a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalidation {
    /// Only callers whose usage plan has `may_invalidate_cache` may refresh an entry. True unless written otherwise.
    pub require_authorization: bool,
    pub on_unauthorized: OnUnauthorized,
}

/// What a caller that may not refresh an entry gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnauthorized {
    /// `fail_403`
    Fail,
    /// `warn`: the cached answer with a `Warning` field.
    #[default]
    Warn,
    /// `ignore`: the cached answer.
    Ignore,
}

/// API Gateway's bound.
const TTL_MAX: Duration = Duration::from_secs(3600);

impl StageCache {
    pub(super) fn read(value: Value<'_>) -> Option<StageCache> {
        let table = value.table("a stage's cache", &["enabled", "ttl", "size", "invalidation", "honor_origin"])?;
        refuse_honor_origin(table);
        Some(StageCache {
            span: table.span(),
            enabled: table.or("enabled", false, Value::bool),
            ttl: table.or("ttl", Duration::from_secs(300), read_ttl),
            size: table.or("size", 512 << 20, |value| value.size(1 << 10..=1 << 40)),
            invalidation: table.or("invalidation", Invalidation::default(), Invalidation::read),
        })
    }
}

impl RouteCache {
    pub(super) fn read(value: Value<'_>, path_parameters: Option<&[&str]>) -> Option<RouteCache> {
        let table = value.table("a route's cache", &["enabled", "ttl", "key", "honor_origin"])?;
        refuse_honor_origin(table);
        Some(RouteCache {
            span: table.span(),
            enabled: table.optional("enabled", Value::bool),
            ttl: table.optional("ttl", read_ttl),
            key: table
                .optional("key", |value| value.list(|part| part.located(|part| KeyPart::read(part, path_parameters)))),
        })
    }
}

fn refuse_honor_origin(table: Table<'_>) {
    table.refuse_unserved("honor_origin", "remove it: `ttl` says how long an answer is kept");
}

fn read_ttl(value: Value<'_>) -> Option<Duration> {
    value.duration(Duration::ZERO..=TTL_MAX)
}

impl KeyPart {
    fn read(value: Value<'_>, path_parameters: Option<&[&str]>) -> Option<KeyPart> {
        let text = value.text()?;
        let part = match text.split_once('.') {
            Some(("path", name)) if name::PATH_PARAMETER.allows(name) => {
                check_parameter(value, name, path_parameters)?;
                Some(KeyPart::Path(name.to_owned()))
            }
            Some(("querystring", name)) if !name.is_empty() => Some(KeyPart::Querystring(name.to_owned())),
            Some(("header", name)) => read_field_name(name).map(KeyPart::Header),
            _ => None,
        };
        part.or_else(|| {
            value.refuse(
                format!("\"{}\" is not a part of a cache key", value.written()),
                "write \"path.NAME\", \"querystring.NAME\" or \"header.NAME\"",
            )
        })
    }
}

impl Default for Invalidation {
    fn default() -> Invalidation {
        Invalidation { require_authorization: true, on_unauthorized: OnUnauthorized::Warn }
    }
}

impl Invalidation {
    fn read(value: Value<'_>) -> Option<Invalidation> {
        let table = value.table("a cache's invalidation", &["require_authorization", "on_unauthorized"])?;
        Some(Invalidation {
            require_authorization: table.or("require_authorization", true, Value::bool),
            on_unauthorized: table.or("on_unauthorized", OnUnauthorized::Warn, OnUnauthorized::read),
        })
    }
}

impl OnUnauthorized {
    fn read(value: Value<'_>) -> Option<OnUnauthorized> {
        let all = [OnUnauthorized::Fail, OnUnauthorized::Warn, OnUnauthorized::Ignore];
        value.word(&all.map(|word| (word.as_str(), word)))
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            OnUnauthorized::Fail => "fail_403",
            OnUnauthorized::Warn => "warn",
            OnUnauthorized::Ignore => "ignore",
        }
    }
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyPart::Path(name) => write!(f, "path.{name}"),
            KeyPart::Querystring(name) => write!(f, "querystring.{name}"),
            KeyPart::Header(name) => write!(f, "header.{name}"),
        }
    }
}
