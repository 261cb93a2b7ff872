//! The store and its fetches together, on a hand-moved clock.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use tokio::task::JoinSet;

use super::*;
use crate::base::{Clock, Fields, Head, Now, Scheme, Variant};
use crate::config::{
    ErrorStyle, Integration, IntegrationKind, Invalidation, Located, Method, MockAnswer, OnUnauthorized, Route, Span,
    StageCache,
};

const TTL_S: u64 = 60;

struct House {
    clock: Clock,
    plan: Plan,
}

impl House {
    fn new() -> House {
        House::sized(64 << 20)
    }

    fn sized(size: u64) -> House {
        let (store, _) = Store::carry_over(None, size);
        House { clock: Clock::manual(0), plan: plan(&store, "/a") }
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn advance_s(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn get(&self, target: &str) -> Lookup {
        self.ask("GET", target, false)
    }

    fn ask(&self, method: &str, target: &str, is_refresh: bool) -> Lookup {
        let asking: &[(&str, &[u8])] = &[("cache-control", b"max-age=0")];
        let fields = Fields::List(if is_refresh { asking } else { &[] });
        let head = head(method, target, fields);
        let ask = self.plan.ask(&head, true).unwrap().unwrap();
        self.plan.lookup(ask, &self.plan.key(&head, |_| None), self.now())
    }

    fn lead(&self, target: &str) -> Leader {
        leader(self.get(target))
    }

    /// Fetches and stores `body`.
    fn store(&self, target: &str, body: &'static str) {
        let leader = self.lead(target);
        answer(leader, body, self.now());
    }

    fn stored(&self, target: &str) -> Option<Bytes> {
        match self.get(target) {
            Lookup::Hit(entry) => Some(entry.body.clone()),
            _ => None,
        }
    }
}

fn plan(store: &Arc<Store>, path: &str) -> Plan {
    plan_of(store, path, false)
}

fn plan_of(store: &Arc<Store>, path: &str, honor_origin: bool) -> Plan {
    let span = Span::default();
    let mock = MockAnswer { status: 200, headers: Default::default(), body: String::new(), transformation: None };
    let route = Route {
        span,
        method: Located::new(Method::Exact("GET".into()), span),
        path: Located::new(path.into(), span),
        api_key_required: false,
        integration: Integration { span, kind: IntegrationKind::Mock(mock.into()) },
        cache: None,
        throttle: None,
        body_bytes_max: None,
        operation: None,
    };
    let invalidation = Invalidation { require_authorization: true, on_unauthorized: OnUnauthorized::Warn };
    let ttl = Duration::from_secs(TTL_S);
    let error_ttl = Duration::ZERO;
    let stage = StageCache { span, enabled: true, ttl, honor_origin, error_ttl, size: 0, invalidation };
    let inputs = Inputs {
        route: &route,
        parameter_names: &[],
        style: ErrorStyle::Standard,
        stage: Some(&stage),
        store,
        deployment: 1,
        variant: Variant::Stable,
    };
    Plan::compile(inputs).unwrap()
}

fn head<'a>(method: &'a str, path: &'a str, fields: Fields<'a>) -> Head<'a> {
    Head { method, host: "", path, query: None, fields, client: [127, 0, 0, 1].into(), scheme: Scheme::Http }
}

fn leader(lookup: Lookup) -> Leader {
    match lookup {
        Lookup::Lead(leader) => leader,
        other => panic!("no leader but {other:?}"),
    }
}

fn follower(lookup: Lookup) -> Follower {
    match lookup {
        Lookup::Follow(follower) => follower,
        other => panic!("no follower but {other:?}"),
    }
}

fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
    let value = |value: &str| HeaderValue::from_str(value).unwrap();
    list.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
}

fn begin(leader: &mut Leader, list: &[(&'static str, &str)], now: Now) -> Sharing {
    leader.head(StatusCode::OK, &fields(list), now)
}

fn answer(mut leader: Leader, body: &'static str, now: Now) {
    begin(&mut leader, &[], now);
    leader.chunk(Bytes::from_static(body.as_bytes()), now).unwrap();
    leader.complete(now);
}

/// Reads to the end: the body so far, and the last word.
async fn read(mut follower: Follower) -> (Vec<u8>, Step) {
    let mut body = Vec::new();
    loop {
        match follower.next().await {
            Step::Head(_) => {}
            Step::Chunk(chunk) => body.extend_from_slice(&chunk),
            last => return (body, last),
        }
    }
}

/// A step that is there already, without waiting.
fn ready(follower: &mut Follower) -> Option<Step> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(follower.next()).poll(&mut context) {
        std::task::Poll::Ready(step) => Some(step),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn an_entry_is_served_for_its_ttl_and_not_a_moment_longer() {
    let house = House::new();
    house.store("/a", "one");
    house.clock.advance(Duration::from_millis(TTL_S * 1000 - 1));
    let Lookup::Hit(entry) = house.get("/a") else { panic!("not stored") };
    assert_eq!((entry.age_s(house.now()), entry.remaining_s(house.now())), (TTL_S - 1, 0));
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(house.stored("/a"), None);
}

#[tokio::test]
async fn a_thousand_misses_are_one_fetch_and_get_the_same_bytes() {
    let house = Arc::new(House::new());
    let mut clients = JoinSet::new();
    for _ in 0..1000 {
        let house = Arc::clone(&house);
        clients.spawn(async move {
            match house.get("/a") {
                Lookup::Follow(follower) => (0, read(follower).await.0),
                lookup => {
                    let mut leader = leader(lookup);
                    let own = leader.reader();
                    let fetch = async move {
                        let now = house.now();
                        assert_eq!(begin(&mut leader, &[("content-length", "6")], now), Sharing::Shared);
                        for piece in ["ab", "cd", "ef"] {
                            tokio::task::yield_now().await;
                            leader.chunk(Bytes::from_static(piece.as_bytes()), now).unwrap();
                        }
                        tokio::task::yield_now().await;
                        leader.complete(now);
                    };
                    (1, tokio::join!(fetch, read(own)).1.0)
                }
            }
        });
    }
    let answers = clients.join_all().await;
    assert_eq!(answers.iter().map(|(fetches, _)| fetches).sum::<usize>(), 1);
    assert!(answers.len() == 1000 && answers.iter().all(|(_, body)| body == b"abcdef"));
    assert_eq!(house.stored("/a").as_deref(), Some(&b"abcdef"[..]));
}

#[tokio::test]
async fn followers_read_along_while_the_answer_streams() {
    let house = House::new();
    let mut leader = house.lead("/a");
    let mut early = follower(house.get("/a"));
    assert!(ready(&mut early).is_none());
    begin(&mut leader, &[("content-length", "2"), ("etag", "x")], house.now());
    assert!(matches!(ready(&mut early), Some(Step::Head(head)) if head.fields.len() == 1));
    assert!(ready(&mut early).is_none());
    leader.chunk(Bytes::from_static(b"a"), house.now()).unwrap();
    assert!(matches!(ready(&mut early), Some(Step::Chunk(chunk)) if chunk == "a"));
    let late = follower(house.get("/a"));
    leader.chunk(Bytes::from_static(b"b"), house.now()).unwrap();
    leader.complete(house.now());
    assert!(matches!(read(early).await, (body, Step::End) if body == b"b"));
    assert!(matches!(read(late).await, (body, Step::End) if body == b"ab"));
}

#[tokio::test]
async fn when_a_leader_fails_one_follower_leads_and_nobody_retries_for_ever() {
    let house = House::new();
    let mut failing = house.lead("/a");
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(follower(house.get("/a")));
    }
    for _ in 0..2 {
        drop(failing);
        let mut leaders = Vec::new();
        for mut one in std::mem::take(&mut waiting) {
            assert!(matches!(one.next().await, Step::Retry));
            match one.retry(house.now()) {
                Lookup::Lead(leader) => leaders.push(leader),
                lookup => waiting.push(follower(lookup)),
            }
        }
        failing = leaders.pop().unwrap();
        assert!(leaders.is_empty());
    }
    drop(failing);
    let oldest = waiting.swap_remove(0);
    assert!(matches!(oldest.retry(house.now()), Lookup::Alone));
}

#[tokio::test]
async fn a_follower_in_mid_body_is_cut_when_the_leader_fails() {
    let house = House::new();
    for is_short in [false, true] {
        let mut leader = house.lead("/a");
        let mut started = follower(house.get("/a"));
        begin(&mut leader, &[("content-length", "2")], house.now());
        leader.chunk(Bytes::from_static(b"a"), house.now()).unwrap();
        assert!(matches!(started.next().await, Step::Head(_)));
        let waiting = follower(house.get("/a"));
        if is_short {
            leader.complete(house.now())
        } else {
            drop(leader)
        }
        assert!(matches!(read(started).await, (body, Step::Cut) if body == b"a"));
        assert!(matches!(read(waiting).await, (_, Step::Retry)));
        assert_eq!(house.stored("/a"), None);
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_shared_holds_nobody_back() {
    let house = House::new();
    for own in [("set-cookie", "a=1"), ("content-length", "1048577"), ("content-range", "bytes 0-0/2")] {
        let mut leader = house.lead("/a");
        let waiting = follower(house.get("/a"));
        assert_eq!(begin(&mut leader, &[own], house.now()), Sharing::NotShared);
        assert!(matches!(read(waiting).await, (_, Step::Alone)));
        assert!(matches!(house.get("/a"), Lookup::Alone));
        leader.complete(house.now());
        assert!(matches!(house.get("/a"), Lookup::Alone));
        house.advance_s(2);
    }
    house.store("/a", "now shareable");
    assert!(house.stored("/a").is_some());
}

#[tokio::test]
async fn a_body_that_grows_over_the_limit_goes_on_for_its_leader_only() {
    let house = House::new();
    let mut leader = house.lead("/a");
    let (own, waiting) = (leader.reader(), follower(house.get("/a")));
    assert_eq!(begin(&mut leader, &[], house.now()), Sharing::Held);
    let half = Bytes::from(vec![b'x'; BODY_BYTES_MAX / 2]);
    assert_eq!(leader.chunk(half.clone(), house.now()), Ok(()));
    assert_eq!(leader.chunk(half.clone(), house.now()), Ok(()));
    assert_eq!(leader.chunk(Bytes::from_static(b"y"), house.now()), Err(Overflow));
    assert_eq!(leader.chunk(Bytes::from_static(b"z"), house.now()), Err(Overflow));
    leader.complete(house.now());
    assert!(matches!(read(own).await, (body, Step::Alone) if body.len() == BODY_BYTES_MAX));
    assert!(matches!(read(waiting).await, (body, Step::Alone) if body.is_empty()));
    assert_eq!(house.stored("/a"), None);
}

#[tokio::test]
async fn an_answer_of_unknown_length_reaches_followers_when_it_is_whole() {
    let house = House::new();
    let mut leader = house.lead("/a");
    let (mut own, mut waiting) = (leader.reader(), follower(house.get("/a")));
    begin(&mut leader, &[], house.now());
    leader.chunk(Bytes::from_static(b"ab"), house.now()).unwrap();
    assert!(matches!(ready(&mut own), Some(Step::Head(_))));
    assert!(ready(&mut waiting).is_none());
    leader.complete(house.now());
    assert!(matches!(read(waiting).await, (body, Step::End) if body == b"ab"));
}

#[test]
fn head_is_answered_from_a_stored_get_and_stores_nothing() {
    let house = House::new();
    assert!(matches!(house.ask("HEAD", "/a", false), Lookup::Alone));
    house.store("/a", "one");
    assert!(matches!(house.ask("HEAD", "/a", false), Lookup::Hit(_)));
    assert!(matches!(house.ask("HEAD", "/a", true), Lookup::Alone));
}

#[test]
fn a_refresh_replaces_the_entry_and_its_deadline() {
    let house = House::new();
    house.store("/a", "one");
    house.advance_s(TTL_S - 1);
    let refreshing = leader(house.ask("GET", "/a", true));
    assert_eq!(house.stored("/a").as_deref(), Some(&b"one"[..]));
    answer(refreshing, "two", house.now());
    house.advance_s(TTL_S - 1);
    assert_eq!(house.stored("/a").as_deref(), Some(&b"two"[..]));
}

#[tokio::test]
async fn a_refresh_never_reads_or_loses_to_a_fetch_that_began_before_it() {
    let house = House::new();
    let earlier = house.lead("/a");
    let of_earlier = follower(house.get("/a"));
    let refreshing = leader(house.ask("GET", "/a", true));
    answer(refreshing, "new", house.now());
    answer(earlier, "old", house.now());
    assert!(matches!(read(of_earlier).await, (body, Step::End) if body == b"old"));
    assert_eq!(house.stored("/a").as_deref(), Some(&b"new"[..]));
}

#[test]
fn a_refresh_that_cannot_be_shared_drops_the_entry_unless_the_back_end_failed() {
    for (status, is_kept) in [(500, true), (403, false)] {
        let house = House::new();
        house.store("/a", "one");
        let mut refreshing = leader(house.ask("GET", "/a", true));
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(refreshing.head(status, &HeaderMap::new(), house.now()), Sharing::NotShared);
        assert_eq!(house.stored("/a").is_some(), is_kept, "{status}");
    }
}

#[test]
fn a_flush_takes_the_stage_the_route_or_the_key_and_nothing_else() {
    let house = House::new();
    let other = House { clock: Clock::manual(0), plan: plan(house.plan.store(), "/other") };
    let store = Arc::clone(house.plan.store());
    let fill = || {
        for (house, target) in [(&house, "/a"), (&house, "/b"), (&other, "/a")] {
            if house.stored(target).is_none() {
                house.store(target, "x");
            }
        }
    };
    let check = |expected: [bool; 3]| {
        let found = [house.stored("/a"), house.stored("/b"), other.stored("/a")];
        assert_eq!(found.map(|body| body.is_some()), expected);
    };
    fill();
    check([true; 3]);
    let key = house.plan.key(&head("GET", "/a", Fields::List(&[])), |_| None);
    assert!(store.flush_key(&key) && !store.flush_key(&key));
    check([false, true, true]);
    fill();
    assert!(store.flush_route("GET /a") && !store.flush_route("GET /none"));
    check([false, false, true]);
    fill();
    store.flush_all();
    check([false; 3]);
}

#[test]
fn a_fetch_that_began_before_a_flush_is_not_stored() {
    for flush in 0..3 {
        let house = House::new();
        let (store, earlier) = (Arc::clone(house.plan.store()), house.lead("/a"));
        match flush {
            0 => store.flush_all(),
            1 => assert!(store.flush_route("GET /a")),
            _ => {
                let key = house.plan.key(&head("GET", "/a", Fields::List(&[])), |_| None);
                store.flush_key(&key);
            }
        }
        answer(earlier, "old", house.now());
        assert_eq!(house.stored("/a"), None, "{flush}");
    }
}

#[test]
fn the_bytes_of_a_store_stay_within_its_size() {
    const SIZE: u64 = 2 << 20;
    let house = House::sized(SIZE);
    let body = Bytes::from(vec![b'x'; 100 << 10]);
    for number in 0..200 {
        let mut leader = house.lead(&format!("/{number}"));
        begin(&mut leader, &[("content-length", "102400")], house.now());
        leader.chunk(body.clone(), house.now()).unwrap();
        leader.complete(house.now());
        let (bytes, entries) = (house.plan.store().bytes(), house.plan.store().entries() as u64);
        assert!((entries * 102_400..=SIZE).contains(&bytes), "{entries} entries of {bytes} bytes");
        assert!(house.stored(&format!("/{number}")).is_some());
    }
    assert!(house.plan.store().bytes() > SIZE - 200_000);
}

#[test]
fn a_store_outlives_a_reload_unless_its_size_changed() {
    let house = House::new();
    house.store("/a", "one");
    let (kept, how) = Store::carry_over(Some(house.plan.store()), 64 << 20);
    assert_eq!(how, CarryOver::Kept);
    let reloaded = House { clock: Clock::manual(0), plan: plan(&kept, "/a") };
    assert!(reloaded.stored("/a").is_some());
    let (resized, how) = Store::carry_over(Some(house.plan.store()), 32 << 20);
    assert_eq!(how, CarryOver::Resized);
    let resized = House { clock: Clock::manual(0), plan: plan(&resized, "/a") };
    assert!(resized.stored("/a").is_none());
}

/// What may happen to one of two entries of a route, or to all of them.
#[derive(Clone, Debug)]
enum Event {
    Ask {
        target: usize,
        is_refresh: bool,
    },
    /// One of the fetches under way ends well or badly; which is any number.
    End {
        fetch: usize,
        is_whole: bool,
    },
    FlushStage,
    FlushRoute,
    FlushKey(usize),
    Reload,
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..2_usize, prop::bool::weighted(0.3)).prop_map(|(target, is_refresh)| Event::Ask { target, is_refresh }),
        5 => (any::<usize>(), prop::bool::weighted(0.8)).prop_map(|(fetch, is_whole)| Event::End { fetch, is_whole }),
        1 => Just(Event::FlushStage),
        1 => Just(Event::FlushRoute),
        1 => (0..2_usize).prop_map(Event::FlushKey),
        1 => Just(Event::Reload),
        1 => (0..TTL_S).prop_map(Event::Pass),
    ]
}

/// A store of two targets, in which every answer says when its fetch began.
struct Annals {
    house: House,
    fetches: Vec<(usize, Leader, usize)>,
    /// Nothing of a fetch that began before this is served.
    since: [usize; 2],
}

impl Annals {
    const TARGETS: [&str; 2] = ["/a", "/b"];

    fn happen(&mut self, event: Event, step: usize) {
        let store = Arc::clone(self.house.plan.store());
        match event {
            Event::Ask { target, is_refresh } => match self.house.ask("GET", Self::TARGETS[target], is_refresh) {
                Lookup::Hit(entry) => assert!(began(&entry.body) >= self.since[target]),
                Lookup::Lead(leader) => self.fetches.push((target, leader, step)),
                Lookup::Follow(_) | Lookup::Alone => {}
                other => panic!("no origin is honoured here: {other:?}"),
            },
            Event::End { is_whole, .. } if self.fetches.is_empty() || !is_whole => drop(self.fetches.pop()),
            Event::End { fetch, .. } => self.complete(fetch % self.fetches.len()),
            Event::FlushStage => {
                store.flush_all();
                self.since = [step; 2];
                assert_eq!((store.bytes(), store.entries()), (0, 0));
            }
            Event::FlushRoute => {
                assert!(store.flush_route("GET /a"));
                self.since = [step; 2];
            }
            Event::FlushKey(target) => {
                let head = head("GET", Self::TARGETS[target], Fields::List(&[]));
                store.flush_key(&self.house.plan.key(&head, |_| None));
                self.since[target] = step;
            }
            Event::Reload => self.house.plan = plan(&Store::carry_over(Some(&store), 64 << 20).0, "/a"),
            Event::Pass(seconds) => {
                self.house.advance_s(seconds);
                store.maintain(self.house.now());
            }
        }
    }

    /// What a fetch has brought replaces what fetches before it brought, or is not stored.
    fn complete(&mut self, at: usize) {
        let (target, mut leader, began_at) = self.fetches.swap_remove(at);
        leader.head(StatusCode::OK, &HeaderMap::new(), self.house.now());
        leader.chunk(Bytes::from(began_at.to_string()), self.house.now()).unwrap();
        leader.complete(self.house.now());
        if self.house.stored(Self::TARGETS[target]).is_some_and(|body| began(&body) == began_at) {
            assert!(began_at >= self.since[target]);
            self.since[target] = began_at;
        }
    }
}

fn began(body: &[u8]) -> usize {
    std::str::from_utf8(body).unwrap().parse().unwrap()
}

proptest! {
    #[test]
    fn what_was_flushed_or_replaced_does_not_come_back(events in prop::collection::vec(event(), 1..120)) {
        let mut annals = Annals { house: House::new(), fetches: Vec::new(), since: [0; 2] };
        for (step, event) in events.into_iter().enumerate() {
            annals.happen(event, step);
        }
    }
}

/// A stage whose origin is honoured.
struct Site(House);

impl Site {
    fn new(size: u64) -> Site {
        let (store, _) = Store::carry_over(None, size);
        Site(House { clock: Clock::manual(784_111_777_000), plan: plan_of(&store, "/{page+}", true) })
    }

    fn ask(&self, target: &str) -> Lookup {
        let head = head("GET", target, Fields::List(&[]));
        self.0.plan.consult(&head, |_| None, true, self.0.now()).unwrap().unwrap().1
    }

    fn store(&self, target: &str, tag: &str) {
        let mut leader = leader(self.ask(target));
        let head = fields(&[("cache-control", "max-age=600"), ("content-length", "4"), ("cache-tag", tag)]);
        leader.head(StatusCode::OK, &head, self.0.now());
        leader.chunk(Bytes::from_static(b"body"), self.0.now()).unwrap();
        leader.complete(self.0.now());
    }

    fn purge(&self, what: What, is_soft: bool) {
        self.0.plan.store().purge(&Purge { what, is_soft }, self.0.now());
    }

    fn is_stored(&self, target: &str) -> bool {
        matches!(self.ask(target), Lookup::Hit(_))
    }
}

#[test]
fn a_purge_of_many_answers_is_seen_at_once_and_their_memory_follows() {
    const ANSWERS: usize = 3000;
    let site = Site::new(1 << 30);
    let target = |at: usize| format!("/pages/{at}");
    (0..ANSWERS).for_each(|at| site.store(&target(at), if at % 3 == 0 { "all, third" } else { "all" }));
    let bytes = site.0.plan.store().bytes();
    site.purge(What::Tag("third".into()), false);
    assert!((0..60).all(|at| site.is_stored(&target(at)) == (at % 3 != 0)));
    (0..16).for_each(|_| site.0.plan.store().maintain(site.0.now()));
    assert_eq!(site.0.plan.store().entries(), ANSWERS - ANSWERS / 3);
    assert!(site.0.plan.store().bytes() < bytes);
}

#[test]
fn what_is_fetched_while_it_is_purged_is_not_stored_and_nobody_joins_the_fetch() {
    for what in [What::Target("/a".into()), What::Prefix("/".into()), What::Tag("t".into())] {
        let site = Site::new(1 << 20);
        let mut before = leader(site.ask("/a"));
        site.purge(what.clone(), false);
        let after = leader(site.ask("/a"));
        let head = fields(&[("cache-control", "max-age=600"), ("content-length", "0"), ("cache-tag", "t")]);
        before.head(StatusCode::OK, &head, site.0.now());
        before.complete(site.0.now());
        assert!(!site.is_stored("/a"), "{what:?}");
        drop(after);
        assert!(!site.is_stored("/a"), "{what:?}");
    }
}

#[test]
fn a_fetch_of_what_must_be_validated_each_time_is_for_who_asked_alone() {
    let site = Site::new(1 << 20);
    let mut first = leader(site.ask("/a"));
    let mut waiting = follower(site.ask("/a"));
    let head = fields(&[("cache-control", "no-cache"), ("etag", "\"1\""), ("content-length", "0")]);
    first.head(StatusCode::OK, &head, site.0.now());
    assert!(matches!(now_or_never(waiting.next()), Some(Step::Alone)));
    first.complete(site.0.now());
    // Each of the next asks by itself, and with what is stored.
    let (one, two) = (leader(site.ask("/a")), leader(site.ask("/a")));
    for leader in [one, two] {
        assert_eq!(leader.conditions(), [(http::header::IF_NONE_MATCH, HeaderValue::from_static("\"1\""))]);
    }
}

fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(ready) => Some(ready),
        std::task::Poll::Pending => None,
    }
}
