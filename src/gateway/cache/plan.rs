use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::key::Shape;
use super::origin::Keep;
use super::outcome::Why;
use super::refresh::{Refresh, asks_for_refresh, refresh};
use super::{Key, Lookup, Outcome, Store};
use crate::base::{Answer, Fields, Head, Now, Variant, is_token, length_bit};
use crate::config::{self, ErrorStyle, Fault, Invalidation, KeyPart, Method, Route, StageCache};

/// What of a route's answers is shared in one variant of one stage.
#[derive(Debug)]
pub struct Plan {
    store: Arc<Store>,
    route_generation: Arc<AtomicU32>,
    method: Box<str>,
    shape: Shape,
    ttl: Duration,
    invalidation: Invalidation,
    /// Within these bounds the origin says what is stored and for how long. `None`: the ttl says it.
    keep: Option<Keep>,
    /// Of [`WITHHELD`], by bit.
    withheld: u8,
    /// Of [`CREDENTIALS`], by bit.
    bypassing: u8,
}

/// What a plan is compiled from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    pub route: &'a Route,
    /// The names of the parameters of the route's path, in order.
    pub parameter_names: &'a [Box<str>],
    pub style: ErrorStyle,
    pub stage: Option<&'a StageCache>,
    /// The stage's live store, see [`Store::carry_over`].
    pub store: &'a Arc<Store>,
    /// A hash of the deployed content; the stage's, for a canary with `use_stage_cache`.
    pub deployment: u64,
    /// Stable for a canary with `use_stage_cache`.
    pub variant: Variant,
}

/// How a request may use the cache.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub(super) refresh: Refresh,
    pub(super) is_head: bool,
    pub(super) is_conditional: bool,
    pub(super) why: Why,
}

/// Fields that change which part, form or encoding of an answer comes back.
const WITHHELD: [&str; 7] =
    ["accept-encoding", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "range"];

/// Bit of [`WITHHELD`]: an origin that is honoured tells its encodings apart by `Vary`.
const ACCEPT_ENCODING: u8 = 1 << 0;

/// Fields that make an answer one caller's own.
const CREDENTIALS: [&str; 2] = ["authorization", "cookie"];

/// Bits of [`CREDENTIALS`].
const AUTHORIZATION: u8 = 1 << 0;
const COOKIE: u8 = 1 << 1;

/// What a request's fields say that matters to any cache, learned in one pass.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    /// Of [`CREDENTIALS`], by bit.
    credentials: u8,
    has_body: bool,
    asks_for_refresh: bool,
}

/// Checks what a route says about caching, once per route, whether or not a stage of it caches.
pub fn check(route: &Route, parameter_names: &[Box<str>], faults: &mut Vec<Fault>) {
    let Some(cache) = &route.cache else { return };
    for part in cache.key.iter().flatten() {
        if let KeyPart::Path(name) = &part.value
            && !parameter_names.iter().any(|n| **n == **name)
        {
            faults.push(unknown_parameter(route, name, part.span, parameter_names));
        }
    }
    let is_head = matches!(&*route.method, Method::Exact(method) if method == "HEAD");
    if is_head && (cache.enabled == Some(true) || cache.ttl.is_some()) {
        let message = format!("the answers of HEAD {} cannot be cached: they have no body", *route.path);
        faults.push(Fault::at(cache.span, message).with_help("remove this cache block, or cache the GET of this path"));
    }
}

fn unknown_parameter(route: &Route, name: &str, span: config::Span, parameter_names: &[Box<str>]) -> Fault {
    let message = format!("the cache key path.{name} is no parameter of the path {}", *route.path);
    let help = match parameter_names {
        [] => "this path has no parameters".to_owned(),
        names => format!("this path has {}", names.join(", ")),
    };
    Fault::at(span, message).with_help(help)
}

impl Plan {
    /// `None`: nothing of this route is cached in this stage.
    ///
    /// A stage's cache is for GET. A route of another method joins by `enabled = true` or a `ttl` of its own, a route
    /// for ANY method only ever with its GET.
    pub fn compile(inputs: Inputs<'_>) -> Option<Plan> {
        let stage = inputs.stage.filter(|stage| stage.enabled)?;
        let cache = inputs.route.cache.as_ref();
        let method = cached_method(inputs.route)?;
        let honors_origin = cache.and_then(|cache| cache.honor_origin).unwrap_or(stage.honor_origin) && method == "GET";
        let stage_ttl = if honors_origin { stage.origin_ttl() } else { stage.ttl };
        let ttl = cache.and_then(|cache| cache.ttl).unwrap_or(stage_ttl);
        if ttl.is_zero() {
            return None;
        }
        let keep = honors_origin.then_some(Keep { ttl, error_ttl: stage.error_ttl });
        let route = route_name(inputs.route);
        let Inputs { parameter_names, style, deployment, variant, .. } = inputs;
        // To an origin that says itself on what its answers depend, every target is its own.
        let keyed_style = if honors_origin { ErrorStyle::Standard } else { style };
        let shape = Shape::compile(&route, cache, keyed_style, parameter_names, deployment, variant);
        let bypassing = match style {
            ErrorStyle::Standard => undeclared(&CREDENTIALS, &shape),
            ErrorStyle::Aws => 0,
        };
        Some(Plan {
            route_generation: inputs.store.route_generation(&route),
            store: Arc::clone(inputs.store),
            method: method.into(),
            withheld: undeclared(&WITHHELD, &shape) & if honors_origin { !ACCEPT_ENCODING } else { u8::MAX },
            keep,
            bypassing,
            shape,
            ttl,
            invalidation: stage.invalidation,
        })
    }

    /// Whether and how a request may use the cache; `None`: it bypasses it. Refused is a caller that asks for a
    /// refresh, may not, and is to be told so by a 403.
    pub fn ask(&self, head: &Head<'_>, may_invalidate: bool) -> Result<Option<Ask>, Answer> {
        let is_head = head.method == "HEAD" && self.is_get();
        if !(is_head || head.method == &*self.method) {
            return Ok(None);
        }
        let told = Told::of(&head.fields);
        if self.is_bypassed(told) {
            return Ok(None);
        }
        let refresh = refresh(self.invalidation, told.asks_for_refresh, may_invalidate)?;
        Ok(Some(Ask { refresh, is_head, is_conditional: false, why: Why::Miss }))
    }

    /// The key of a request. `parameter(i)` is the value of the path's parameter number `i`, as it stands in the
    /// canonical path.
    pub fn key<'p>(&self, head: &Head<'_>, parameter: impl Fn(usize) -> Option<&'p str>) -> Key {
        self.shape.key([self.store.generation(), self.route_generation.load(Ordering::Relaxed)], head, parameter)
    }

    /// Looks for an entry, else joins the fetch of its key or leads one.
    pub fn lookup(&self, ask: Ask, key: &Key, now: Now) -> Lookup {
        let is_refresh = ask.refresh == Refresh::Granted;
        let key = key.as_bytes();
        if !is_refresh && let Some(entry) = self.store.find(key, now) {
            return Lookup::Hit(entry);
        }
        if ask.is_head {
            return Lookup::Alone;
        }
        self.store.join(key, self.ttl, is_refresh, 0, now)
    }

    /// The fields of the request that must not reach the back end when the fetch is shared ([`Lookup::Lead`]).
    /// Nor may the body of a GET, which over HTTP/2 may come unannounced by any field.
    pub fn withheld(&self) -> impl Iterator<Item = &'static str> {
        let mask = self.withheld;
        WITHHELD.into_iter().enumerate().filter(move |(bit, _)| mask & (1 << bit) != 0).map(|(_, name)| name)
    }

    /// Whether the origin says what is stored: then [`Plan::consult`] is asked.
    pub fn honors_origin(&self) -> bool {
        self.keep.is_some()
    }

    pub(super) fn keep(&self) -> Keep {
        self.keep.unwrap_or(Keep { ttl: self.ttl, error_ttl: Duration::ZERO })
    }

    pub(super) fn invalidation(&self) -> Invalidation {
        self.invalidation
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// How long an answer is stored.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Says for people whether a request may use the cache, and what its key is made of.
    pub fn explain<'p>(&self, head: &Head<'_>, parameter: impl Fn(usize) -> Option<&'p str>) -> String {
        let ttl = crate::base::units::write_duration(self.ttl);
        if self.honors_origin() {
            return format!("as the origin says, for {ttl} at most, by {}", self.shape.explain(head, parameter));
        }
        match self.ask(head, true) {
            Ok(Some(_)) => format!("for {ttl}, by {}", self.shape.explain(head, parameter)),
            Ok(None) => "bypassed: another method, a body, or credentials that are not in the key".to_owned(),
            Err(answer) => answer.detail.into_owned(),
        }
    }

    fn is_get(&self) -> bool {
        &*self.method == "GET"
    }

    fn is_bypassed(&self, told: Told) -> bool {
        // A body of a GET is in no key, and a back end that reads it would answer everyone after it.
        told.credentials & self.bypassing != 0 || (self.is_get() && told.has_body)
    }
}

impl Told {
    /// Of the names that tell something.
    const LENGTHS: u64 = length_bit(6) | length_bit(13) | length_bit(14) | length_bit(17);

    fn of(fields: &Fields<'_>) -> Told {
        let mut told = Told::default();
        if !fields.may_have(Told::LENGTHS) {
            return told;
        }
        // Few names have these lengths, so most fields cost one comparison of a number.
        fields.for_all(|name, value| match name.len() {
            6 if is_token(name, b"cookie") => told.credentials |= COOKIE,
            13 if is_token(name, b"authorization") => told.credentials |= AUTHORIZATION,
            13 if is_token(name, b"cache-control") => told.asks_for_refresh |= asks_for_refresh(value),
            14 if is_token(name, b"content-length") => told.has_body |= value != b"0",
            17 if is_token(name, b"transfer-encoding") => told.has_body = true,
            _ => {}
        });
        told
    }
}

impl Ask {
    /// Whether the request may be answered with less than a whole stored answer.
    pub fn is_conditional(&self) -> bool {
        self.is_conditional
    }

    /// Whether the answer says, by [`super::UNAUTHORIZED_WARNING`], that a wish for a refresh was ignored.
    pub fn is_warned(&self) -> bool {
        self.refresh == Refresh::Refused
    }

    /// The outcome where this request was forwarded.
    pub fn forwarded(&self, is_stored: bool) -> Outcome {
        match self.refresh {
            Refresh::Granted => Outcome::Refreshed { is_stored },
            Refresh::No | Refresh::Refused => Outcome::Miss { why: self.why, is_stored },
        }
    }
}

fn cached_method(route: &Route) -> Option<&str> {
    let written = route.cache.as_ref();
    let enabled = written.and_then(|cache| cache.enabled);
    let has_ttl = written.is_some_and(|cache| cache.ttl.is_some());
    let (method, unless_written) = match &*route.method {
        Method::Any => ("GET", true),
        Method::Exact(method) if method == "HEAD" => return None,
        Method::Exact(method) => (method.as_str(), method == "GET" || has_ttl),
    };
    enabled.unwrap_or(unless_written).then_some(method)
}

/// How [`Store::flush_route`] calls a route.
fn route_name(route: &Route) -> String {
    let method = match &*route.method {
        Method::Any => "ANY",
        Method::Exact(method) => method,
    };
    format!("{method} {}", *route.path)
}

fn undeclared(names: &[&str], shape: &Shape) -> u8 {
    let bits = names.iter().enumerate().filter(|(_, name)| !shape.declares_header(name));
    bits.fold(0, |mask, (bit, _)| mask | (1 << bit))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::base::{Fields, Scheme};
    use crate::config::{
        Integration, IntegrationKind, Located, MockAnswer, OnUnauthorized, RouteCache, Span, StageCache,
    };

    const STAGE: StageCache = StageCache {
        span: Span { file: 0, start: 0, end: 0 },
        enabled: true,
        ttl: Duration::from_secs(300),
        honor_origin: false,
        error_ttl: Duration::ZERO,
        size: 1 << 20,
        invalidation: Invalidation { require_authorization: true, on_unauthorized: OnUnauthorized::Warn },
    };

    fn route(method: &str, cache: Option<RouteCache>) -> Route {
        let span = Span::default();
        let method = if method == "ANY" { Method::Any } else { Method::Exact(method.into()) };
        let mock = MockAnswer { status: 200, headers: Default::default(), body: String::new(), transformation: None };
        Route {
            span,
            method: Located::new(method, span),
            path: Located::new("/items/{id}".into(), span),
            api_key_required: false,
            integration: Integration { span, kind: IntegrationKind::Mock(mock.into()) },
            cache,
            throttle: None,
            body_bytes_max: None,
            operation: None,
        }
    }

    fn cache(enabled: Option<bool>, ttl_s: Option<u64>, key: Option<&[KeyPart]>) -> Option<RouteCache> {
        let located = |part: &KeyPart| Located::new(part.clone(), Span { file: 0, start: 3, end: 9 });
        let key = key.map(|parts| parts.iter().map(located).collect());
        Some(RouteCache {
            span: Span::default(),
            enabled,
            ttl: ttl_s.map(Duration::from_secs),
            honor_origin: None,
            key,
        })
    }

    fn plan(route: &Route, stage: Option<&StageCache>, style: ErrorStyle) -> Option<Plan> {
        let (store, _) = Store::carry_over(None, 1 << 20);
        let (parameter_names, variant) = (&["id".into()], Variant::Stable);
        Plan::compile(Inputs { route, parameter_names, style, stage, store: &store, deployment: 1, variant })
    }

    fn head<'a>(method: &'a str, fields: &'a [(&'a str, &'a [u8])]) -> Head<'a> {
        let (fields, client) = (Fields::List(fields), IpAddr::V4(Ipv4Addr::LOCALHOST));
        Head { method, host: "a.example", path: "/items/1", query: None, fields, client, scheme: Scheme::Http }
    }

    fn is_asked(plan: &Plan, method: &str, fields: &[(&str, &[u8])]) -> bool {
        plan.ask(&head(method, fields), false).unwrap().is_some()
    }

    #[test]
    fn a_route_is_cached_where_its_stage_and_its_own_block_say_so() {
        let check = |method: &str, cache: Option<RouteCache>, stage: Option<&StageCache>, expected: Option<u64>| {
            let plan = plan(&route(method, cache), stage, ErrorStyle::Standard);
            assert_eq!(plan.map(|plan| plan.ttl.as_secs()), expected, "{method}");
        };
        check("GET", None, Some(&STAGE), Some(300));
        check("GET", cache(None, Some(60), None), Some(&STAGE), Some(60));
        check("GET", cache(None, Some(0), None), Some(&STAGE), None);
        check("GET", cache(Some(false), Some(60), None), Some(&STAGE), None);
        check("GET", None, Some(&StageCache { ttl: Duration::ZERO, ..STAGE }), None);
        check("GET", cache(Some(true), Some(60), None), Some(&StageCache { enabled: false, ..STAGE }), None);
        check("GET", cache(Some(true), Some(60), None), None, None);
        check("ANY", None, Some(&STAGE), Some(300));
        check("POST", None, Some(&STAGE), None);
        check("POST", cache(None, None, Some(&[])), Some(&STAGE), None);
        check("POST", cache(Some(true), None, None), Some(&STAGE), Some(300));
        check("POST", cache(None, Some(60), None), Some(&STAGE), Some(60));
        check("POST", cache(Some(false), Some(60), None), Some(&STAGE), None);
        check("HEAD", cache(Some(true), None, None), Some(&STAGE), None);
    }

    #[test]
    fn only_requests_whose_answer_the_key_can_tell_apart_meet_the_cache() {
        let any = plan(&route("ANY", None), Some(&STAGE), ErrorStyle::Standard).unwrap();
        assert!(is_asked(&any, "GET", &[]) && is_asked(&any, "HEAD", &[]));
        assert!(!is_asked(&any, "POST", &[]) && !is_asked(&any, "get", &[]));
        assert!(is_asked(&any, "GET", &[("content-length", b"0"), ("x-api-key", b"k")]));
        for own in [("content-length", "3"), ("transfer-encoding", "chunked"), ("authorization", "a"), ("cookie", "a")]
        {
            assert!(!is_asked(&any, "GET", &[(own.0, own.1.as_bytes())]), "{own:?}");
        }
        let declared = [KeyPart::Header("authorization".into())];
        let declared = plan(&route("GET", cache(None, None, Some(&declared))), Some(&STAGE), ErrorStyle::Standard);
        assert!(is_asked(&declared.unwrap(), "GET", &[("authorization", b"a")]));
        let aws = plan(&route("GET", None), Some(&STAGE), ErrorStyle::Aws).unwrap();
        assert!(is_asked(&aws, "GET", &[("authorization", b"a"), ("cookie", b"a")]));
        let post = plan(&route("POST", cache(Some(true), None, None)), Some(&STAGE), ErrorStyle::Standard).unwrap();
        assert!(is_asked(&post, "POST", &[("content-length", b"3")]) && !is_asked(&post, "HEAD", &[]));
    }

    #[test]
    fn what_the_key_declares_is_not_withheld_from_the_back_end() {
        let withheld = |key| {
            let plan = plan(&route("GET", cache(None, None, key)), Some(&STAGE), ErrorStyle::Standard).unwrap();
            plan.withheld().collect::<Vec<_>>()
        };
        assert_eq!(withheld(None), WITHHELD);
        assert_eq!(withheld(Some(&[KeyPart::Header("accept-encoding".into())])), WITHHELD[1..]);
    }

    #[test]
    fn a_caller_that_may_not_refresh_is_warned_or_refused() {
        let asking: &[(&str, &[u8])] = &[("cache-control", b"max-age=0")];
        let ask = |rule, may| {
            let stage = StageCache { invalidation: rule, ..STAGE };
            let plan = plan(&route("GET", None), Some(&stage), ErrorStyle::Standard).unwrap();
            plan.ask(&head("GET", asking), may).map(Option::unwrap)
        };
        let warned = ask(STAGE.invalidation, false).unwrap();
        assert!(warned.is_warned() && warned.forwarded(true) == Outcome::Miss { why: Why::Miss, is_stored: true });
        let granted = ask(STAGE.invalidation, true).unwrap();
        assert!(!granted.is_warned() && granted.forwarded(true) == Outcome::Refreshed { is_stored: true });
        let refusing = Invalidation { on_unauthorized: OnUnauthorized::Fail, ..STAGE.invalidation };
        assert!(ask(refusing, false).is_err() && ask(refusing, true).is_ok());
    }

    #[test]
    fn a_key_that_the_path_cannot_fill_is_a_fault_at_its_place() {
        let parts = [KeyPart::Path("id".into()), KeyPart::Path("sku".into()), KeyPart::Querystring("any".into())];
        let mut faults = Vec::new();
        check(&route("GET", cache(None, None, Some(&parts))), &["id".into()], &mut faults);
        check(&route("HEAD", cache(Some(true), None, None)), &["id".into()], &mut faults);
        let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
        let expected = [
            "the cache key path.sku is no parameter of the path /items/{id}",
            "the answers of HEAD /items/{id} cannot be cached: they have no body",
        ];
        assert_eq!(messages, expected);
        assert_eq!(faults[0].span, Some(Span { file: 0, start: 3, end: 9 }));
    }
}
