//! What each phase of a request takes, and what compiling takes, with ten thousand routes and ten thousand keys.
//!
//! `cargo bench`, or `cargo bench -- --quick NAME` for some; `cargo bench -- --test` runs each once.

use std::future::Future;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::runtime::Runtime;

use tollgate::base::{Answer, Clock, Fields, Head, RateFacts, Refusal, RequestId, Scheme, Variant};
use tollgate::config::{self, Config, ErrorStyle};
use tollgate::gateway::cache::Lookup;
use tollgate::gateway::integrate::Pools;
use tollgate::gateway::respond::Refused;
use tollgate::gateway::snapshot::{Live, Plan, Snapshot, Stage, grant_of};
use tollgate::gateway::{authorize, throttle};
use tollgate::store::Store;
use tollgate::telemetry::Telemetry;

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A quarter of the routes: each number gives a static, a parameterised, a greedy and a cached one.
const SHELVES: usize = 2_500;
const KEYS: usize = 10_000;

/// Of the cache.
const ENTRIES: usize = 10_000;

/// In the middle of everything.
const SHELF: usize = SHELVES / 2;

/// Every key of an even number has a rate, every other one a rate and a quota. Neither is ever spent here.
const BUCKET_KEY: usize = KEYS / 2;
const QUOTA_KEY: usize = BUCKET_KEY + 1;

fn configuration() -> String {
    let mut text = String::from(
        r#"
        [telemetry]
        access_log = { path = "off" }

        [apis.shop.stages.prod]
        cache = { enabled = true }

        [usage_plans.bucket]
        stages = ["shop/prod"]
        throttle = { rate = 1000000000, burst = 4000000000 }

        [usage_plans.both]
        stages = ["shop/prod"]
        throttle = { rate = 1000000000, burst = 4000000000 }
        quota = { limit = 1000000000000, period = "month" }
        "#,
    );
    for shelf in 0..SHELVES {
        for (path, more) in [
            (format!("/catalogue/shelf-{shelf}"), "cache = { enabled = false }"),
            (format!("/shelves/shelf-{shelf}/books/{{book}}"), "api_key_required = true, cache = { enabled = false }"),
            (format!("/files/shelf-{shelf}/{{path+}}"), "cache = { enabled = false }"),
            (format!("/cached/shelf-{shelf}/{{book}}"), r#"cache = { key = ["path.book", "querystring.expand"] }"#),
        ] {
            let uri = format!("http://127.0.0.1:9001{path}").replace("+}", "}");
            text += &format!(
                "[[apis.shop.routes]]\nmethod = \"GET\"\npath = \"{path}\"\n{}\n\
                 integration = {{ type = \"HTTP_PROXY\", uri = \"{uri}\" }}\n",
                more.replace("true, ", "true\n")
            );
        }
    }
    for key in 0..KEYS {
        let plan = if key % 2 == 0 { "bucket" } else { "both" };
        text += &format!("[api_keys.key-{key}]\nvalue = \"{}\"\nusage_plans = [\"{plan}\"]\n", key_value(key));
    }
    text
}

fn key_value(key: usize) -> String {
    format!("bench-key-of-forty-characters-{key:010}")
}

fn parsed(text: &str) -> Config {
    config::parse(text).unwrap_or_else(|faults| panic!("{}", faults.render(false)))
}

/// A gateway that serves, with all but its sockets.
fn live(text: &str) -> Live {
    let (config, clock) = (parsed(text), Clock::system());
    let telemetry =
        Telemetry::open(&config.telemetry, &config.admin.audit_log, clock.now()).expect("no file is opened");
    let (store, pools) = (Store::in_memory().expect("memory"), Arc::new(Pools::default()));
    let compiled = Snapshot::compile(config, &store, &pools, None);
    let compiled = compiled.unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    Live::new(clock, telemetry, store, pools, compiled)
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

fn fields_with_key(key: usize) -> HeaderMap {
    let fields = [
        ("host", "127.0.0.1:8080".to_owned()),
        ("accept", "*/*".to_owned()),
        ("user-agent", "bench".to_owned()),
        ("x-api-key", key_value(key)),
    ];
    let field = |(name, value): (&'static str, String)| {
        (HeaderName::from_static(name), HeaderValue::from_str(&value).expect("plain text"))
    };
    fields.into_iter().map(field).collect()
}

/// The plan of the route that `path`, the path below the stage, leads to.
fn plan<'s>(stage: &'s Stage, path: &str) -> &'s Plan {
    stage.plan(
        Variant::Stable,
        stage.tree(Variant::Stable).find("GET", path).expect("a route of the configuration").route,
    )
}

/// The output of a future that waits only now and then: `again` makes another one if it does.
fn ready<F: Future>(runtime: &Runtime, again: impl Fn() -> F) -> F::Output {
    again().now_or_never().unwrap_or_else(|| runtime.block_on(again()))
}

fn routes(c: &mut Criterion, snapshot: &Snapshot) {
    let tree = snapshot.stages()[0].tree(Variant::Stable);
    let mut group = c.benchmark_group("route");
    for (name, path) in [
        ("static", format!("/catalogue/shelf-{SHELF}")),
        ("parameter", format!("/shelves/shelf-{SHELF}/books/7")),
        ("greedy", format!("/files/shelf-{SHELF}/a/b/c.txt")),
        ("miss", format!("/shelves/shelf-{SHELF}/papers/7")),
    ] {
        group.bench_function(name, |b| b.iter(|| tree.find("GET", black_box(&path)).is_ok()));
    }
    group.bench_function("locate", |b| b.iter(|| snapshot.domains().locate("127.0.0.1", black_box("/shop/prod/x"))));
    group.finish();
}

fn api_keys(c: &mut Criterion, snapshot: &Snapshot) {
    let stage = snapshot.domains().locate("127.0.0.1", "/shop/prod/x").expect("the stage").stage;
    let (known, unknown) = (fields_with_key(BUCKET_KEY), fields_with_key(KEYS));
    let mut group = c.benchmark_group("authorize");
    for (name, fields, is_known) in [("known key", &known, true), ("unknown key", &unknown, false)] {
        let head = head("/shop/prod/x", None, fields);
        group.bench_function(name, |b| {
            b.iter(|| {
                let caller = authorize::check(authorize::Policy::ApiKey, snapshot.keys(), stage, black_box(&head));
                assert_eq!(caller.is_ok(), is_known);
            })
        });
    }
    group.finish();
}

fn admission(c: &mut Criterion, live: &Live, runtime: &Runtime) {
    let snapshot = live.snapshot();
    let place = snapshot.domains().locate("127.0.0.1", "/shop/prod/x").expect("the stage");
    let stage = snapshot.stage(place.stage);
    let path = format!("/shelves/shelf-{SHELF}/books/7");
    let (route, plan) = (stage.tree(Variant::Stable).find("GET", &path).expect("a route").route, plan(stage, &path));
    let now = live.clock().now();
    let mut group = c.benchmark_group("admit");
    for (name, key) in [("rate", BUCKET_KEY), ("rate and quota", QUOTA_KEY)] {
        let key = snapshot.keys().find(key_value(key).as_bytes()).expect("a key of the configuration");
        let grant = key.member(place.stage).map(grant_of);
        group.bench_function(name, |b| {
            b.iter(|| {
                let ticket = ready(runtime, || throttle::admit(&plan.limits, grant, route, live.clock(), now));
                assert!(ticket.is_ok());
            })
        });
    }
    group.finish();
}

/// The look-up and the copy of an answer of 1 KiB, which is the same one each time or one of ten thousand: then it is not
/// in the processor's caches.
fn cache_hit(c: &mut Criterion, live: &Live) {
    let snapshot = live.snapshot();
    let path = format!("/cached/shelf-{SHELF}/7");
    let cache = plan(&snapshot.stages()[0], &path).cache.as_ref().expect("the route caches");
    let fields = fields_with_key(BUCKET_KEY);
    let head = head(&path, Some("expand=all"), &fields);
    let now = live.clock().now();
    let look_up = |book: &str| {
        let ask = cache.ask(&head, false).ok().flatten().expect("a GET asks");
        cache.lookup(ask, &cache.key(&head, |_| Some(book)), now)
    };
    let books: Vec<String> = (0..ENTRIES).map(|book| book.to_string()).collect();
    for book in &books {
        let Lookup::Lead(mut leader) = look_up(book) else { panic!("nothing is stored yet") };
        leader.head(StatusCode::OK, &HeaderMap::new(), now);
        leader.chunk(Bytes::from_static(&[b'x'; 1024]), now).expect("a small body");
        leader.complete(now);
    }
    let mut group = c.benchmark_group("cache hit");
    for count in [1, ENTRIES] {
        // A prime step visits them all, in no order that could be foreseen.
        let (mut at, mut out) = (0, Vec::new());
        group.bench_function(count.to_string(), |b| {
            b.iter(|| {
                at = (at + 7919) % count;
                let Lookup::Hit(entry) = look_up(&books[at]) else { panic!("it is stored") };
                out.clear();
                out.extend_from_slice(entry.lines().expect("plain fields"));
                out.extend_from_slice(&entry.body);
                black_box(&out);
            })
        });
    }
    group.finish();
}

fn refusal(c: &mut Criterion) {
    let rate = RateFacts { policy: "basic".into(), limit: 20, window_s: 2, remaining: 0, reset_s: 1 };
    let answer = Answer::new(Refusal::RateExceeded, "The rate of this API key's usage plan is exceeded.")
        .with_retry_after(1)
        .with_rate(rate);
    let id = RequestId::generate(0, 0);
    let mut group = c.benchmark_group("429");
    for (name, style) in [("standard", ErrorStyle::Standard), ("aws", ErrorStyle::Aws)] {
        let mut out = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                let refused = Refused { answer: black_box(&answer), style, request_id: &id, custom: None };
                refused.fields(&mut out);
                refused.body(&mut out);
            })
        });
    }
    group.finish();
}

fn compile(c: &mut Criterion, text: &str) {
    let mut group = c.benchmark_group("compile");
    group.sample_size(10);
    group.bench_function("parse", |b| b.iter(|| parsed(black_box(text))));
    group.bench_function("parse and compile", |b| {
        b.iter(|| Snapshot::compile_alone(parsed(black_box(text))).expect("sound").summary())
    });
    group.finish();
}

fn phases(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    // Whoever waits for a reservation of quota waits with a deadline.
    let _entered = runtime.enter();
    let text = configuration();
    let live = live(&text);
    routes(c, &live.snapshot());
    api_keys(c, &live.snapshot());
    admission(c, &live, &runtime);
    cache_hit(c, &live);
    refusal(c);
    compile(c, &text);
}

criterion_group!(benches, phases);
criterion_main!(benches);
