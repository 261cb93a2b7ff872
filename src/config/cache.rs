use std::time::Duration;

use super::{Located, Span};

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
