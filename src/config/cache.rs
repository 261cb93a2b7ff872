use std::fmt;
use std::time::Duration;

use super::parameter::read_field_name;
use super::read::Value;
use super::route::check_parameter;
use super::{Located, Span, name};

/// `cache = { … }` of a stage.
#[derive(Debug)]
pub struct StageCache {
    pub span: Span,
    /// False unless written otherwise.
    pub enabled: bool,
    /// 300 s unless written otherwise, at most 3600 s; 0 stores nothing. With `honor_origin` it is the longest that the
    /// origin may ask for, by default and at most 366 days.
    pub ttl: Duration,
    /// Store and reuse answers as they say themselves (RFC 9111). False unless written otherwise.
    pub honor_origin: bool,
    /// With `honor_origin`: the longest that an answer with a status of 400 and above is kept. 10 s unless written
    /// otherwise, at most 3600 s.
    pub error_ttl: Duration,
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
    /// `None`: as the stage says.
    pub honor_origin: Option<bool>,
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
    /// Only callers whose usage plan has `may_invalidate_cache` may refresh an entry. True unless written otherwise, but
    /// for a stage with `honor_origin`: there what a client says counts as HTTP has it.
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

/// Of what an origin may ask for.
const ORIGIN_TTL_MAX: Duration = Duration::from_secs(366 * 86400);

const ERROR_TTL: Duration = Duration::from_secs(10);

const KEYS: &[&str] = &["enabled", "ttl", "honor_origin", "error_ttl", "size", "invalidation"];

impl StageCache {
    /// What a route without a `ttl` of its own is bounded by, where its origin is honoured.
    pub fn origin_ttl(&self) -> Duration {
        if self.honor_origin { self.ttl } else { ORIGIN_TTL_MAX }
    }

    pub(super) fn read(value: Value<'_>) -> Option<StageCache> {
        let table = value.table("a stage's cache", KEYS)?;
        let honor_origin = table.or("honor_origin", false, Value::bool);
        let (ttl, ttl_max) = match honor_origin {
            true => (ORIGIN_TTL_MAX, ORIGIN_TTL_MAX),
            false => (Duration::from_secs(300), TTL_MAX),
        };
        let invalidation = Invalidation { require_authorization: !honor_origin, ..Invalidation::default() };
        Some(StageCache {
            span: table.span(),
            enabled: table.or("enabled", false, Value::bool),
            ttl: table.or("ttl", ttl, |value| value.duration(Duration::ZERO..=ttl_max)),
            honor_origin,
            error_ttl: table.or("error_ttl", ERROR_TTL, |value| value.duration(Duration::ZERO..=TTL_MAX)),
            size: table.or("size", 512 << 20, |value| value.size(1 << 10..=1 << 40)),
            invalidation: table.or("invalidation", invalidation, Invalidation::read),
        })
    }
}

impl RouteCache {
    pub(super) fn read(value: Value<'_>, path_parameters: Option<&[&str]>) -> Option<RouteCache> {
        let table = value.table("a route's cache", &["enabled", "ttl", "key", "honor_origin"])?;
        let honor_origin = table.optional("honor_origin", Value::bool);
        let ttl_max = if honor_origin == Some(true) { ORIGIN_TTL_MAX } else { TTL_MAX };
        Some(RouteCache {
            span: table.span(),
            enabled: table.optional("enabled", Value::bool),
            ttl: table.optional("ttl", |value| value.duration(Duration::ZERO..=ttl_max)),
            honor_origin,
            key: table
                .optional("key", |value| value.list(|part| part.located(|part| KeyPart::read(part, path_parameters)))),
        })
    }
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
