//! The store and its fetches together, on a hand-moved clock.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
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

    async fn get(&self, target: &str) -> Lookup {
        self.ask("GET", target, false).await
    }

    async fn ask(&self, method: &str, target: &str, is_refresh: bool) -> Lookup {
        let asking: &[(&str, &[u8])] = &[("cache-control", b"max-age=0")];
        let fields = Fields::List(if is_refresh { asking } else { &[] });
        let ask = self.plan.ask(&head(method, target, fields), |_| None, true).unwrap().unwrap();
        self.plan.lookup(&ask, self.now()).await
    }

    async fn lead(&self, target: &str) -> Leader {
        leader(self.get(target).await)
    }

    /// Fetches and stores `body`.
    async fn store(&self, target: &str, body: &'static str) {
        let leader = self.lead(target).await;
        answer(leader, body, self.now()).await;
    }

    async fn stored(&self, target: &str) -> Option<Bytes> {
        match self.get(target).await {
            Lookup::Hit(entry) => Some(entry.body.clone()),
            _ => None,
        }
    }
}

fn plan(store: &Arc<Store>, path: &str) -> Plan {
    let span = Span::default();
    let mock = MockAnswer { status: 200, headers: Default::default(), body: String::new() };
    let route = Route {
        span,
        method: Located::new(Method::Exact("GET".into()), span),
        path: Located::new(path.into(), span),
        api_key_required: false,
        integration: Integration { span, kind: IntegrationKind::Mock(mock) },
        cache: None,
        throttle: None,
        body_bytes_max: None,
    };
    let invalidation = Invalidation { require_authorization: true, on_unauthorized: OnUnauthorized::Warn };
    let ttl = Duration::from_secs(TTL_S);
    let stage = StageCache { span, enabled: true, ttl, size: 0, invalidation };
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

async fn begin(leader: &mut Leader, list: &[(&'static str, &str)], now: Now) -> Sharing {
    leader.head(StatusCode::OK, &fields(list), now).await
}

async fn answer(mut leader: Leader, body: &'static str, now: Now) {
    begin(&mut leader, &[], now).await;
    leader.chunk(Bytes::from_static(body.as_bytes()), now).await.unwrap();
    leader.complete(now).await;
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

#[tokio::test]
async fn an_entry_is_served_for_its_ttl_and_not_a_moment_longer() {
    let house = House::new();
    house.store("/a", "one").await;
    house.clock.advance(Duration::from_millis(TTL_S * 1000 - 1));
    let Lookup::Hit(entry) = house.get("/a").await else { panic!("not stored") };
    assert_eq!((entry.age_s(house.now()), entry.remaining_s(house.now())), (TTL_S - 1, 0));
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(house.stored("/a").await, None);
}

#[tokio::test]
async fn a_thousand_misses_are_one_fetch_and_get_the_same_bytes() {
    let house = Arc::new(House::new());
    let mut clients = JoinSet::new();
    for _ in 0..1000 {
        let house = Arc::clone(&house);
        clients.spawn(async move {
            match house.get("/a").await {
                Lookup::Follow(follower) => (0, read(follower).await.0),
                lookup => {
                    let mut leader = leader(lookup);
                    let own = leader.reader();
                    let fetch = async move {
                        let now = house.now();
                        assert_eq!(begin(&mut leader, &[("content-length", "6")], now).await, Sharing::Shared);
                        for piece in ["ab", "cd", "ef"] {
                            tokio::task::yield_now().await;
                            leader.chunk(Bytes::from_static(piece.as_bytes()), now).await.unwrap();
                        }
                        tokio::task::yield_now().await;
                        leader.complete(now).await;
                    };
                    (1, tokio::join!(fetch, read(own)).1.0)
                }
            }
        });
    }
    let answers = clients.join_all().await;
    assert_eq!(answers.iter().map(|(fetches, _)| fetches).sum::<usize>(), 1);
    assert!(answers.len() == 1000 && answers.iter().all(|(_, body)| body == b"abcdef"));
    assert_eq!(house.stored("/a").await.as_deref(), Some(&b"abcdef"[..]));
}

#[tokio::test]
async fn followers_read_along_while_the_answer_streams() {
    let house = House::new();
    let mut leader = house.lead("/a").await;
    let mut early = follower(house.get("/a").await);
    assert!(ready(&mut early).is_none());
    begin(&mut leader, &[("content-length", "2"), ("etag", "x")], house.now()).await;
    assert!(matches!(ready(&mut early), Some(Step::Head(head)) if head.fields.len() == 1));
    assert!(ready(&mut early).is_none());
    leader.chunk(Bytes::from_static(b"a"), house.now()).await.unwrap();
    assert!(matches!(ready(&mut early), Some(Step::Chunk(chunk)) if chunk == "a"));
    let late = follower(house.get("/a").await);
    leader.chunk(Bytes::from_static(b"b"), house.now()).await.unwrap();
    leader.complete(house.now()).await;
    assert!(matches!(read(early).await, (body, Step::End) if body == b"b"));
    assert!(matches!(read(late).await, (body, Step::End) if body == b"ab"));
}

#[tokio::test]
async fn when_a_leader_fails_one_follower_leads_and_nobody_retries_for_ever() {
    let house = House::new();
    let mut failing = house.lead("/a").await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(follower(house.get("/a").await));
    }
    for _ in 0..2 {
        drop(failing);
        let mut leaders = Vec::new();
        for mut one in std::mem::take(&mut waiting) {
            assert!(matches!(one.next().await, Step::Retry));
            match one.retry(house.now()).await {
                Lookup::Lead(leader) => leaders.push(leader),
                lookup => waiting.push(follower(lookup)),
            }
        }
        failing = leaders.pop().unwrap();
        assert!(leaders.is_empty());
    }
    drop(failing);
    let oldest = waiting.swap_remove(0);
    assert!(matches!(oldest.retry(house.now()).await, Lookup::Alone));
}

#[tokio::test]
async fn a_follower_in_mid_body_is_cut_when_the_leader_fails() {
    let house = House::new();
    for is_short in [false, true] {
        let mut leader = house.lead("/a").await;
        let mut started = follower(house.get("/a").await);
        begin(&mut leader, &[("content-length", "2")], house.now()).await;
        leader.chunk(Bytes::from_static(b"a"), house.now()).await.unwrap();
        assert!(matches!(started.next().await, Step::Head(_)));
        let waiting = follower(house.get("/a").await);
        if is_short {
            leader.complete(house.now()).await
        } else {
            drop(leader)
        }
        assert!(matches!(read(started).await, (body, Step::Cut) if body == b"a"));
        assert!(matches!(read(waiting).await, (_, Step::Retry)));
        assert_eq!(house.stored("/a").await, None);
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_shared_holds_nobody_back() {
    let house = House::new();
    for own in [("set-cookie", "a=1"), ("content-length", "1048577"), ("content-range", "bytes 0-0/2")] {
        let mut leader = house.lead("/a").await;
        let waiting = follower(house.get("/a").await);
        assert_eq!(begin(&mut leader, &[own], house.now()).await, Sharing::NotShared);
        assert!(matches!(read(waiting).await, (_, Step::Alone)));
        assert!(matches!(house.get("/a").await, Lookup::Alone));
        leader.complete(house.now()).await;
        assert!(matches!(house.get("/a").await, Lookup::Alone));
        house.advance_s(2);
    }
    house.store("/a", "now shareable").await;
    assert!(house.stored("/a").await.is_some());
}

#[tokio::test]
async fn a_body_that_grows_over_the_limit_goes_on_for_its_leader_only() {
    let house = House::new();
    let mut leader = house.lead("/a").await;
    let (own, waiting) = (leader.reader(), follower(house.get("/a").await));
    assert_eq!(begin(&mut leader, &[], house.now()).await, Sharing::Held);
    let half = Bytes::from(vec![b'x'; BODY_BYTES_MAX / 2]);
    assert_eq!(leader.chunk(half.clone(), house.now()).await, Ok(()));
    assert_eq!(leader.chunk(half.clone(), house.now()).await, Ok(()));
    assert_eq!(leader.chunk(Bytes::from_static(b"y"), house.now()).await, Err(Overflow));
    assert_eq!(leader.chunk(Bytes::from_static(b"z"), house.now()).await, Err(Overflow));
    leader.complete(house.now()).await;
    assert!(matches!(read(own).await, (body, Step::Alone) if body.len() == BODY_BYTES_MAX));
    assert!(matches!(read(waiting).await, (body, Step::Alone) if body.is_empty()));
    assert_eq!(house.stored("/a").await, None);
}

#[tokio::test]
async fn an_answer_of_unknown_length_reaches_followers_when_it_is_whole() {
    let house = House::new();
    let mut leader = house.lead("/a").await;
    let (mut own, mut waiting) = (leader.reader(), follower(house.get("/a").await));
    begin(&mut leader, &[], house.now()).await;
    leader.chunk(Bytes::from_static(b"ab"), house.now()).await.unwrap();
    assert!(matches!(ready(&mut own), Some(Step::Head(_))));
    assert!(ready(&mut waiting).is_none());
    leader.complete(house.now()).await;
    assert!(matches!(read(waiting).await, (body, Step::End) if body == b"ab"));
}

#[tokio::test]
async fn head_is_answered_from_a_stored_get_and_stores_nothing() {
    let house = House::new();
    assert!(matches!(house.ask("HEAD", "/a", false).await, Lookup::Alone));
    house.store("/a", "one").await;
    assert!(matches!(house.ask("HEAD", "/a", false).await, Lookup::Hit(_)));
    assert!(matches!(house.ask("HEAD", "/a", true).await, Lookup::Alone));
}

#[tokio::test]
async fn a_refresh_replaces_the_entry_and_its_deadline() {
    let house = House::new();
    house.store("/a", "one").await;
    house.advance_s(TTL_S - 1);
    let refreshing = leader(house.ask("GET", "/a", true).await);
    assert_eq!(house.stored("/a").await.as_deref(), Some(&b"one"[..]));
    answer(refreshing, "two", house.now()).await;
    house.advance_s(TTL_S - 1);
    assert_eq!(house.stored("/a").await.as_deref(), Some(&b"two"[..]));
}

#[tokio::test]
async fn a_refresh_never_reads_or_loses_to_a_fetch_that_began_before_it() {
    let house = House::new();
    let earlier = house.lead("/a").await;
    let of_earlier = follower(house.get("/a").await);
    let refreshing = leader(house.ask("GET", "/a", true).await);
    answer(refreshing, "new", house.now()).await;
    answer(earlier, "old", house.now()).await;
    assert!(matches!(read(of_earlier).await, (body, Step::End) if body == b"old"));
    assert_eq!(house.stored("/a").await.as_deref(), Some(&b"new"[..]));
}

#[tokio::test]
async fn a_refresh_that_cannot_be_shared_drops_the_entry_unless_the_back_end_failed() {
    for (status, is_kept) in [(500, true), (403, false)] {
        let house = House::new();
        house.store("/a", "one").await;
        let mut refreshing = leader(house.ask("GET", "/a", true).await);
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(refreshing.head(status, &HeaderMap::new(), house.now()).await, Sharing::NotShared);
        assert_eq!(house.stored("/a").await.is_some(), is_kept, "{status}");
    }
}

#[tokio::test]
async fn a_flush_takes_the_stage_the_route_or_the_key_and_nothing_else() {
    let house = House::new();
    let other = House { clock: Clock::manual(0), plan: plan(house.plan.store(), "/other") };
    let store = Arc::clone(house.plan.store());
    let fill = async || {
        for (house, target) in [(&house, "/a"), (&house, "/b"), (&other, "/a")] {
            if house.stored(target).await.is_none() {
                house.store(target, "x").await;
            }
        }
    };
    let check = async |expected: [bool; 3]| {
        let found = [house.stored("/a").await, house.stored("/b").await, other.stored("/a").await];
        assert_eq!(found.map(|body| body.is_some()), expected);
    };
    fill().await;
    check([true; 3]).await;
    let key = house.plan.key(&head("GET", "/a", Fields::List(&[])), |_| None);
    assert!(store.flush_key(&key).await && !store.flush_key(&key).await);
    check([false, true, true]).await;
    fill().await;
    assert!(store.flush_route("GET /a") && !store.flush_route("GET /none"));
    check([false, false, true]).await;
    fill().await;
    store.flush_all();
    check([false; 3]).await;
}

#[tokio::test]
async fn a_fetch_that_began_before_a_flush_is_not_stored() {
    for flush in 0..3 {
        let house = House::new();
        let (store, earlier) = (Arc::clone(house.plan.store()), house.lead("/a").await);
        match flush {
            0 => store.flush_all(),
            1 => assert!(store.flush_route("GET /a")),
            _ => {
                let key = house.plan.key(&head("GET", "/a", Fields::List(&[])), |_| None);
                store.flush_key(&key).await;
            }
        }
        answer(earlier, "old", house.now()).await;
        assert_eq!(house.stored("/a").await, None, "{flush}");
    }
}

#[tokio::test]
async fn the_bytes_of_a_store_stay_within_its_size() {
    const SIZE: u64 = 2 << 20;
    let house = House::sized(SIZE);
    let body = Bytes::from(vec![b'x'; 100 << 10]);
    for number in 0..200 {
        let mut leader = house.lead(&format!("/{number}")).await;
        begin(&mut leader, &[("content-length", "102400")], house.now()).await;
        leader.chunk(body.clone(), house.now()).await.unwrap();
        leader.complete(house.now()).await;
        assert!(house.plan.store().bytes() <= SIZE + SIZE / 4);
    }
    house.plan.store().maintain(house.now()).await;
    let (bytes, entries) = (house.plan.store().bytes(), house.plan.store().entries());
    assert!(entries > 0 && (entries * 102_400..=SIZE).contains(&bytes), "{entries} entries of {bytes} bytes");
}

#[tokio::test]
async fn a_store_outlives_a_reload_unless_its_size_changed() {
    let house = House::new();
    house.store("/a", "one").await;
    let (kept, how) = Store::carry_over(Some(house.plan.store()), 64 << 20);
    assert_eq!(how, CarryOver::Kept);
    let reloaded = House { clock: Clock::manual(0), plan: plan(&kept, "/a") };
    assert!(reloaded.stored("/a").await.is_some());
    let (resized, how) = Store::carry_over(Some(house.plan.store()), 32 << 20);
    assert_eq!(how, CarryOver::Resized);
    let resized = House { clock: Clock::manual(0), plan: plan(&resized, "/a") };
    assert!(resized.stored("/a").await.is_none());
}
