//! What a request allocates, phase by phase, against written numbers. They only go down: a change that raises one
//! says in its message why it must.

#![expect(clippy::unwrap_used, reason = "a test of nothing else")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use allocation_counter::measure;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use smallvec::SmallVec;

use tollgate::base::{Answer, Clock, Fields, Head, RequestId, Scheme, Variant, canonical_path};
use tollgate::config::{self, ErrorStyle};
use tollgate::gateway::cache::Lookup;
use tollgate::gateway::integrate::{Pools, Target};
use tollgate::gateway::respond::Refused;
use tollgate::gateway::snapshot::{Live, Plan, Snapshot, Stage, grant_of};
use tollgate::gateway::transform::Context;
use tollgate::gateway::{authorize, throttle};
use tollgate::store::Store;
use tollgate::telemetry::{Telemetry, Trace};
use tollgate::template::{Budget, Event, Fact, Limits, Overrides, Table, Template, Variable};

/// Allocations and their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost(u64, u64);

const NOTHING: Cost = Cost(0, 0);

const ROUTED: Cost = NOTHING;
const AUTHORIZED: Cost = NOTHING;
const ADMITTED: Cost = NOTHING;
const OUTGOING: Cost = NOTHING;
/// Into a buffer that has been used before.
const WRITTEN: Cost = NOTHING;
/// Pingora's head, the target, and one buffer for the values of all fields that the gateway adds. Pingora's
/// `append_header` copies every name that RFC 9110 does not know twice.
const BUILT: Cost = Cost(22, 3335);
const CACHE_HIT: Cost = NOTHING;
/// Written into a buffer that is there already.
const REFUSED: Cost = NOTHING;
/// A template of fifteen lines over a body of two kilobytes: a list of 17 objects, each one allocation when it is read and
/// one for its price; the output; the heap that holds them.
const RENDERED: Cost = Cost(50, 15005);

/// In memory, for a route that is served and was not called yet.
const ROUTE_BYTES: i64 = 1_200;

const CONFIGURATION: &str = r#"
[telemetry]
access_log = { path = "off" }

[[apis.shop.routes]]
method = "GET"
path = "/orders/{id}"
api_key_required = true
cache = { enabled = false }
throttle = { rate = 1000, burst = 1000 }
integration = { type = "HTTP_PROXY", uri = "http://127.0.0.1:9001/orders/{id}" }

[[apis.shop.routes]]
method = "GET"
path = "/catalogue/{shelf}"
cache = { key = ["path.shelf", "querystring.expand"] }
integration = { type = "HTTP_PROXY", uri = "http://127.0.0.1:9001/catalogue/{shelf}" }

[apis.shop.stages.prod]
cache = { enabled = true }
throttle = { rate = 1000, burst = 1000 }

[usage_plans.basic]
stages = ["shop/prod"]
throttle = { rate = 1000, burst = 1000 }
quota = { limit = 1000000, period = "month" }

[usage_plans.tiny]
stages = ["shop/prod"]
throttle = { rate = 1, burst = 1 }

[api_keys.alice]
value = "alice-hot-key-of-40-characters-012345678"
usage_plans = ["basic"]

[api_keys.bob]
value = "bob-hot-key-of-40-characters-0123456789a"
usage_plans = ["tiny"]
"#;

/// A gateway that serves, with all but its sockets, on a clock that stands still.
fn live() -> Live {
    let config = config::parse(CONFIGURATION).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    let clock = Clock::manual(1_790_000_000_000);
    let telemetry = Telemetry::open(&config.telemetry, &config.admin.audit_log, clock.now()).unwrap();
    let (store, pools) = (Store::in_memory().unwrap(), Arc::new(Pools::default()));
    let compiled = Snapshot::compile(config, &store, &pools, None).unwrap();
    Live::new(clock, telemetry, store, pools, compiled)
}

/// What a command-line client sends.
fn fields(key: &str) -> HeaderMap {
    let fields = [("host", "127.0.0.1:8080"), ("user-agent", "curl/8.5.0"), ("accept", "*/*"), ("x-api-key", key)];
    let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    fields.into_iter().map(field).collect()
}

fn head<'a>(path: &'a str, query: Option<&'a str>, fields: &'a HeaderMap) -> Head<'a> {
    Head {
        method: "GET",
        host: "127.0.0.1",
        path,
        query,
        fields: Fields::Map(fields),
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        scheme: Scheme::Http,
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// Runs `phase` until it is warm, then holds what it allocates against `expected`.
#[track_caller]
fn check<T>(name: &str, expected: Cost, mut phase: impl FnMut() -> T) -> T {
    const RUNS: usize = 16;
    // Now and then a look-up does some of the cache's maintenance, so what counts is the least.
    let mut least = Cost(u64::MAX, u64::MAX);
    for _ in 0..RUNS {
        let counted = measure(|| drop(phase()));
        least = least.min(Cost(counted.count_total, counted.bytes_total));
    }
    assert!(least <= expected, "{name}: {least:?} where {expected:?} was written; what was added to the hot path?");
    assert!(least >= expected, "{name}: {least:?} is less than the written {expected:?}: write the new number");
    phase()
}

fn route<'s, 'h>(snapshot: &'s Snapshot, head: &Head<'h>) -> (&'s Stage, &'s Plan, SmallVec<[&'h str; 4]>) {
    let path = canonical_path(head.path).unwrap();
    assert!(matches!(path, std::borrow::Cow::Borrowed(_)));
    let place = snapshot.domains().locate(head.host, head.path).unwrap();
    let stage = snapshot.stage(place.stage);
    let matched = stage.tree(Variant::Stable).find(head.method, place.path).unwrap();
    (stage, stage.plan(Variant::Stable, matched.route), matched.params.iter().copied().collect())
}

#[test]
fn an_admitted_request_with_a_key_allocates_only_what_it_sends() {
    let live = live();
    let snapshot = live.snapshot();
    let fields = fields("alice-hot-key-of-40-characters-012345678");
    let head = head("/shop/prod/orders/7", Some("expand=all"), &fields);
    let now = live.clock().now();

    let (stage, plan, params) = check("route", ROUTED, || route(&snapshot, &head));
    let place = snapshot.domains().locate(head.host, head.path).unwrap();
    let caller =
        check("authorize", AUTHORIZED, || authorize::check(plan.access, snapshot.keys(), place.stage, &head).unwrap());
    let grant = caller.member().map(grant_of);
    let route = stage.tree(Variant::Stable).find(head.method, place.path).unwrap().route;
    // The first request of a key waits for its quota to be reserved.
    block_on(throttle::admit(&plan.limits, grant, route, live.clock(), now)).unwrap();
    check("admit", ADMITTED, || {
        throttle::admit(&plan.limits, grant, route, live.clock(), now).now_or_never().expect("at once").unwrap()
    });
    let Target::Http(http) = &plan.target else { panic!("an HTTP integration") };
    let (id, trace) = (RequestId::generate(now.unix_ms, 7), Trace::from_head(&head, now));
    let context = Context {
        body: b"",
        path_overrides: &[],
        request_id: id.as_bytes(),
        api: &stage.name().api,
        stage: &stage.name().stage,
        route: plan.path(),
        path: head.path,
        key: caller.key().map(|key| &**key.name()),
        authority: "127.0.0.1:8080",
        trace: &trace,
    };
    let outgoing = check("outgoing", OUTGOING, || http.outgoing(&head, &params, &context));
    let mut bytes = Vec::new();
    check("write", WRITTEN, || {
        bytes.clear();
        outgoing.write(&mut bytes);
    });
    assert!(bytes.starts_with(b"GET /orders/7?expand=all HTTP/1.1\r\nhost: 127.0.0.1:9001\r\n"));
    let built = check("build", BUILT, || outgoing.build(&[]).unwrap());
    assert_eq!(built.uri.path(), "/orders/7");
    assert!(!built.headers.contains_key("x-api-key"));
}

#[test]
fn a_cache_hit_allocates_nothing() {
    let live = live();
    let snapshot = live.snapshot();
    let fields = fields("alice-hot-key-of-40-characters-012345678");
    let head = head("/shop/prod/catalogue/books", Some("expand=all"), &fields);
    let now = live.clock().now();
    let (_, plan, params) = route(&snapshot, &head);
    let cache = plan.cache.as_ref().unwrap();
    let look_up = || {
        let ask = cache.ask(&head, false).unwrap().unwrap();
        cache.lookup(ask, &cache.key(&head, |at| params.get(at).copied()), now)
    };
    let Lookup::Lead(mut leader) = look_up() else { panic!("nothing is stored yet") };
    leader.head(StatusCode::OK, &HeaderMap::new(), now);
    leader.chunk(Bytes::from_static(b"books"), now).unwrap();
    leader.complete(now);
    let found = check("cache hit", CACHE_HIT, look_up);
    assert!(matches!(found, Lookup::Hit(entry) if &entry.body[..] == b"books"));
}

struct Order;

impl Event for Order {
    fn body(&self) -> &str {
        include_str!("../benches/order.json")
    }

    fn variable(&self, _: Variable) -> Option<Fact<'_>> {
        Some("c6af9ac6-7b61-11e6-9a41-93e8deadbeef".into())
    }

    fn entry<'e>(&'e self, _: Table, _: &str) -> Option<Fact<'e>> {
        Some("orders".into())
    }

    fn entries<'e>(&'e self, _: Table, _: &mut dyn FnMut(&'e str, Fact<'e>)) {}
}

#[test]
fn a_template_allocates_for_what_it_reads_and_makes() {
    let template = Template::compile(include_str!("../benches/order.vtl"), &Limits::default()).unwrap();
    let render = || template.render(&Order, &Overrides::default(), &Budget::default()).unwrap();
    let rendered = check("a template", RENDERED, render);
    assert!(rendered.text.contains("SKU-00016"));
}

#[test]
fn a_refusal_allocates_nothing() {
    let live = live();
    let snapshot = live.snapshot();
    let fields = fields("bob-hot-key-of-40-characters-0123456789a");
    let head = head("/shop/prod/orders/7", None, &fields);
    let answer = refused(&live, &snapshot, &head);
    let id = RequestId::generate(0, 0);
    let mut out = Vec::with_capacity(1024);
    for (name, style) in [("standard", ErrorStyle::Standard), ("aws", ErrorStyle::Aws)] {
        check(name, REFUSED, || {
            out.clear();
            let refused = Refused { answer: &answer, style, request_id: &id, custom: None };
            refused.fields(&mut out);
            refused.body(&mut out);
            assert_eq!(refused.status(), 429);
        });
    }
}

/// The answer to the second request of a key that may send one.
fn refused(live: &Live, snapshot: &Snapshot, head: &Head<'_>) -> Answer {
    let now = live.clock().now();
    let (stage, plan, _) = route(snapshot, head);
    let place = snapshot.domains().locate(head.host, head.path).unwrap();
    let caller = authorize::check(plan.access, snapshot.keys(), place.stage, head).unwrap();
    let grant = caller.member().map(grant_of);
    let route = stage.tree(Variant::Stable).find(head.method, place.path).unwrap().route;
    let admit = || throttle::admit(&plan.limits, grant, route, live.clock(), now).now_or_never().expect("at once");
    admit().unwrap();
    admit().unwrap_err()
}

/// What a configuration with so many routes takes: compiled, and as it was written for operators who ask.
fn held_bytes(routes: usize) -> i64 {
    let route = |at: usize| {
        let path = format!("path = \"/group-{:03}/item-{:02}/{{id}}\"", at / 100, at % 100);
        let back_end = "integration = { type = \"HTTP_PROXY\", uri = \"http://127.0.0.1:9001/orders/{id}\" }";
        format!("[[apis.shop.routes]]\nmethod = \"GET\"\n{path}\ncache = {{ enabled = false }}\n{back_end}\n")
    };
    let text = CONFIGURATION.to_owned() + &(0..routes).map(route).collect::<String>();
    let (store, pools, mut held) = (Store::in_memory().unwrap(), Pools::default(), None);
    let compile = || Snapshot::compile(config::parse(&text).unwrap(), &store, &pools, None).unwrap();
    measure(|| held = Some(compile())).bytes_current
}

#[test]
fn a_route_takes_little_memory() {
    // A power of two, at which tables are as full as they may be.
    let each_bytes = (held_bytes(2_049) - held_bytes(1)) / 2_048;
    assert!(each_bytes <= ROUTE_BYTES, "{each_bytes} bytes where {ROUTE_BYTES} were written");
}
