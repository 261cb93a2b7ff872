//! What limits promise, with a hand-moved clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indexmap::IndexMap;
use proptest::prelude::*;

use crate::base::{Answer, Clock, Now, Refusal, RouteId, StageId};
use crate::config::{self, ApiKey, Fault, Located, Period, Span, Throttle, UsagePlan};
use crate::gateway::authorize::{PlaceId, Seat};
use crate::store::Store;

use super::*;

/// 2028-02-28T00:00:00Z
const MIDNIGHT: u64 = 1_835_308_800_000;
const SECOND: u64 = 1_000_000_000;
const GET_ORDER: RouteId = RouteId(7);
const LIST_ORDERS: RouteId = RouteId(3);

fn at(mono_ns: u64) -> Now {
    Now { mono_ns, unix_ms: MIDNIGHT }
}

mod buckets {
    use super::*;

    /// Requests at these times; returns when the admitted ones came.
    fn admitted(rate: Rate, times_ns: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let bucket = Bucket::default();
        times_ns.into_iter().filter(|ns| bucket.take(rate, at(*ns)).is_ok()).collect()
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_burst_and_rate_times_its_length(
            rate in prop_oneof![0.01..1.0, 1.0..100.0, 100.0..1e6],
            burst in 1_u32..60,
            gaps in proptest::collection::vec(0.0..3.0, 1..400),
        ) {
            // Gaps of 0 to 3 tokens' time: idle times, just enough, and bursts.
            let mut now_ns = SECOND as f64;
            let times = gaps.iter().map(|gap| { now_ns += gap * gap / 3.0 * 1e9 / rate; now_ns as u64 });
            let admitted = admitted(Rate::new(rate, burst), times);
            for (first, start) in admitted.iter().enumerate() {
                for (last, end) in admitted.iter().enumerate().skip(first) {
                    let n = (last - first + 1) as f64;
                    let seconds = (end - start) as f64 / 1e9;
                    // A token's time is whole nanoseconds, so the rate is exact to half of one.
                    let rate = 1e9 / (1e9 / rate - 0.5);
                    prop_assert!(n <= f64::from(burst) + rate * seconds + 1e-6, "{n} in {seconds} s");
                }
            }
        }

        #[test]
        fn the_whole_burst_passes_at_once_and_then_98_percent_of_the_rate(
            rate in prop_oneof![0.01..1.0, 1.0..100.0, 100.0..10_000.0],
            burst in 1_u32..1_000,
        ) {
            let rate_limit = Rate::new(rate, burst);
            let first = admitted(rate_limit, std::iter::repeat_n(SECOND, burst as usize + 5));
            prop_assert_eq!(first.len(), burst as usize);
            let Rate::Limited { token_ns, .. } = rate_limit else { panic!("{rate_limit:?} admits none") };
            prop_assert!((token_ns as f64 - 1e9 / rate).abs() <= 0.500_1, "a token's time is whole nanoseconds");
            // Asked ten times per token, for the time of 200 tokens. Every tenth time is the token's own, to the
            // nanosecond: a bucket of one keeps nothing for who asks a nanosecond early.
            let times = (0..2_000_u64).map(|i| SECOND + (i * token_ns).div_ceil(10));
            let ideal = f64::from(burst.min(2_000)) + 200.0_f64.min(2_000.0 - f64::from(burst.min(2_000)));
            prop_assert!(admitted(rate_limit, times).len() as f64 >= 0.98 * ideal.min(2_000.0));
        }

        #[test]
        fn absurd_rates_do_not_overflow(rate in any::<f64>(), burst in any::<u32>(), now_ns in 1..u64::MAX / 4) {
            let (bucket, rate) = (Bucket::default(), Rate::new(rate, burst));
            for step in 0..5_u64 {
                let _ = bucket.take(rate, at(now_ns + step * SECOND));
            }
            prop_assert!(rate.window_s() >= 1);
        }

        #[test]
        fn whoever_waits_as_long_as_told_is_admitted(rate in 0.01..1e4, burst in 1_u32..50) {
            let (bucket, rate) = (Bucket::default(), Rate::new(rate, burst));
            let mut now_ns = SECOND;
            for _ in 0..200 {
                if let Err(empty) = bucket.take(rate, at(now_ns)) {
                    now_ns += empty.wait_s * SECOND;
                    prop_assert!(bucket.take(rate, at(now_ns)).is_ok());
                }
            }
        }
    }

    #[test]
    fn eight_threads_at_one_moment_get_exactly_the_burst() {
        let (bucket, rate, admitted) = (Bucket::default(), Rate::new(0.1, 1_000), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let n = (0..1_000).filter(|_| bucket.take(rate, at(SECOND)).is_ok()).count();
                    admitted.fetch_add(n as u64, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(admitted.into_inner(), 1_000);
    }

    #[test]
    fn a_rate_or_burst_of_zero_admits_none() {
        for rate in [Rate::new(0.0, 10), Rate::new(10.0, 0), Rate::new(f64::NAN, 1), Rate::new(-1.0, 1)] {
            assert_eq!(rate, Rate::Deny);
            assert!(Bucket::default().take(rate, at(1)).is_err());
        }
    }

    /// How many of 100 pass after `taken` were taken under `from` and the rate became `to`.
    #[track_caller]
    fn check_debt(from: Rate, taken: usize, to: Rate, expected: usize) {
        let mut rebase = Rebase::default();
        let old = Limiter::new(Arc::from("x"), from, None, &mut rebase);
        assert_eq!((0..taken).filter(|_| old.bucket.take(from, at(SECOND)).is_ok()).count(), taken);
        let new = Limiter::new(Arc::from("x"), to, Some(&old), &mut rebase);
        rebase.apply([], at(SECOND));
        let passed = (0..100).filter(|_| new.bucket.take(to, at(SECOND)).is_ok()).count();
        assert_eq!(passed, expected, "{from:?} {taken} {to:?}");
    }

    #[test]
    fn a_changed_rate_keeps_the_debt() {
        check_debt(Rate::new(1.0, 20), 15, Rate::new(1.0, 20), 5);
        check_debt(Rate::new(1.0, 20), 15, Rate::new(1_000.0, 20), 5);
        check_debt(Rate::new(1_000.0, 20), 15, Rate::new(0.5, 20), 5);
        check_debt(Rate::new(1.0, 20), 15, Rate::new(1.0, 30), 15);
        check_debt(Rate::new(1.0, 20), 15, Rate::new(2.0, 10), 0);
        check_debt(Rate::new(1.0, 20), 0, Rate::new(2.0, 10), 10);
        check_debt(Rate::new(1.0, 20), 5, Rate::Deny, 0);
    }

    #[test]
    fn a_debt_larger_than_the_new_bucket_is_forgiven_down_to_an_empty_one() {
        let (from, to) = (Rate::new(0.01, 20), Rate::new(2.0, 10));
        let mut rebase = Rebase::default();
        let old = Limiter::new(Arc::from("x"), from, None, &mut rebase);
        (0..20).for_each(|_| assert!(old.bucket.take(from, at(SECOND)).is_ok()));
        let new = Limiter::new(Arc::from("x"), to, Some(&old), &mut rebase);
        rebase.apply([], at(SECOND));
        assert_eq!(new.bucket.take(to, at(SECOND)).unwrap_err().wait_s, 1);
        assert!(new.bucket.take(to, at(SECOND + SECOND / 2)).is_ok());
    }
}

fn span(start: u32) -> Span {
    Span { file: 0, start, end: start + 1 }
}

fn located(text: &str, start: u32) -> Located<String> {
    Located::new(text.to_owned(), span(start))
}

fn throttle(rate: f64, burst: u32) -> Throttle {
    Throttle { span: span(0), rate, burst }
}

fn plan(stages: &[&str]) -> UsagePlan {
    UsagePlan {
        span: span(0),
        stages: stages.iter().zip(100..).map(|(name, start)| located(name, start)).collect(),
        throttle: None,
        quota: None,
        route_throttle: Vec::new(),
        may_invalidate_cache: false,
    }
}

fn daily(limit: u64) -> Option<config::Quota> {
    Some(config::Quota { span: span(50), limit, period: Period::Day, offset: 0 })
}

fn key(plans: &[&str]) -> ApiKey {
    ApiKey {
        span: span(0),
        digest: Located::new([1; 32], span(0)),
        usage_plans: plans.iter().zip(200..).map(|(name, start)| located(name, start)).collect(),
        enabled: true,
    }
}

/// Two APIs, three stages, two routes; the room's whole world.
struct World {
    store: Store,
    clock: Clock,
    plans: IndexMap<String, UsagePlan>,
}

fn stage_id(name: &str) -> Option<StageId> {
    let place = ["orders/prod", "orders/test", "users/prod"].iter().position(|known| *known == name)?;
    Some(StageId(place as u32))
}

fn route_id(name: &str) -> Option<RouteId> {
    let (stage, route) = name.split_once(' ')?;
    stage_id(stage)?;
    [("GET /orders/{id}", GET_ORDER), ("GET /orders", LIST_ORDERS)].iter().find(|(n, _)| *n == route).map(|(_, id)| *id)
}

impl World {
    fn new(plans: impl IntoIterator<Item = (&'static str, UsagePlan)>) -> World {
        let plans = plans.into_iter().map(|(name, plan)| (name.to_owned(), plan)).collect();
        World { store: Store::in_memory().unwrap(), clock: Clock::manual(MIDNIGHT), plans }
    }

    /// What a key of the plans `held` holds, after `previous`.
    fn hold(&self, held: &[&str], previous: Option<&Held>) -> Result<Held, Vec<Fault>> {
        let (mut faults, mut rebase) = (Vec::new(), Rebase::default());
        let places = Places {
            stage: &stage_id,
            route: &route_id,
            stage_names: &|| vec!["orders/prod".to_owned(), "orders/test".to_owned(), "users/prod".to_owned()],
            route_names: &|| vec!["orders/prod GET /orders/{id}".to_owned(), "orders/prod GET /orders".to_owned()],
        };
        let plans = Plans::compile(&self.plans, &places, &self.store, &mut faults);
        let claims = plans.claims(&Arc::from("alice"), &key(held), &mut faults);
        let hold = |claim: Claim| {
            let (_, terms) = &plans.terms()[claim.place.0 as usize];
            let old = previous.and_then(|previous| previous.at_the_place_of(terms));
            let grant = old.map(|at| previous.unwrap().grant(at));
            let place = claim.place;
            match old.map(|at| &previous.unwrap().seats[at]) {
                None => (place, Arc::new(Seat::new([1; 32], "alice".into(), claim.hold(terms, None, &mut rebase)))),
                Some((old_place, seat)) => {
                    rebase.change(*old_place, grant.unwrap().terms, terms);
                    if claim.is_held(terms, grant.unwrap()) {
                        return (place, Arc::clone(seat));
                    }
                    (place, Arc::new(Seat::after(seat, "alice".into(), claim.hold(terms, grant, &mut rebase))))
                }
            }
        };
        let seats = claims.into_iter().map(hold).collect();
        let before =
            previous.iter().flat_map(|held| (0..held.seats.len()).map(|at| (held.seats[at].0, held.grant(at))));
        rebase.apply(before, self.clock.now());
        if faults.is_empty() { Ok(Held { plans, seats }) } else { Err(faults) }
    }

    /// A key of the plan `basic`.
    fn basic(&self) -> Held {
        self.hold(&["basic"], None).unwrap()
    }

    async fn ask(&self, limits: &Limits, grant: Option<Grant<'_>>, route: RouteId) -> Result<Ticket, Answer> {
        admit(limits, grant, route, &self.clock, self.clock.now()).await
    }

    async fn refusal(&self, limits: &Limits, grant: Grant<'_>, route: RouteId) -> Option<Refusal> {
        self.ask(limits, Some(grant), route).await.err().map(|answer| answer.refusal)
    }

    fn used(&self, grant: Grant<'_>) -> u64 {
        grant.usage(self.clock.now()).unwrap().used
    }
}

/// What a key holds in one snapshot.
struct Held {
    plans: Plans,
    seats: Vec<(PlaceId, Arc<Seat<Holding>>)>,
}

impl Held {
    fn grant(&self, at: usize) -> Grant<'_> {
        let (place, seat) = &self.seats[at];
        Grant::new(&self.plans.terms()[place.0 as usize].1, seat.eldest(), seat.state())
    }

    fn at_the_place_of(&self, terms: &Terms) -> Option<usize> {
        (0..self.seats.len()).find(|at| self.grant(*at).terms.place() == terms.place())
    }
}

fn limiter(name: &str, rate: f64, burst: u32) -> Option<Arc<Limiter>> {
    Some(Arc::new(Limiter::new(Arc::from(name), Rate::new(rate, burst), None, &mut Rebase::default())))
}

fn limits(route: Option<Arc<Limiter>>, stage: Option<Arc<Limiter>>) -> Limits {
    Limits { route, stage }
}

#[tokio::test]
async fn a_refused_request_consumes_no_quota() {
    let world = World::new([("basic", UsagePlan { quota: daily(100), ..plan(&["orders/prod"]) })]);
    let held = world.basic();
    let grant = held.grant(0);
    let by_route = limits(limiter("GET /orders", 1.0, 2), limiter("prod", 1.0, 50));
    let by_stage = limits(limiter("GET /orders", 1.0, 50), limiter("prod", 1.0, 3));
    for (limits, refusal, admitted) in [(by_route, Refusal::RouteThrottled, 2), (by_stage, Refusal::StageThrottled, 3)]
    {
        let before = world.used(grant);
        for n in 0..10 {
            let expected = (n >= admitted).then_some(refusal);
            assert_eq!(world.refusal(&limits, grant, LIST_ORDERS).await, expected);
        }
        assert_eq!(world.used(grant) - before, admitted);
    }
}

#[tokio::test]
async fn limits_refuse_in_the_order_of_api_gateway() {
    let written = UsagePlan { throttle: Some(throttle(1.0, 1)), quota: daily(1), ..plan(&["orders/prod"]) };
    let world = World::new([("basic", written)]);
    let held = world.basic();
    let grant = held.grant(0);
    let limits = limits(limiter("route", 1.0, 1), limiter("stage", 1.0, 1));
    let next = || world.refusal(&limits, grant, LIST_ORDERS);
    assert_eq!(next().await, None);
    assert_eq!(next().await, Some(Refusal::RateExceeded));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(next().await, Some(Refusal::QuotaExceeded));
    assert!(grant.extend(5, world.clock.now()).await.unwrap().unwrap().remaining == 5);
    world.clock.advance(Duration::from_secs(1));
    limits.route.as_ref().unwrap().bucket.take(Rate::new(1.0, 1), world.clock.now()).unwrap();
    assert_eq!(next().await, Some(Refusal::RouteThrottled));
    assert_eq!(world.used(grant), 1);
}

#[tokio::test]
async fn a_refusal_says_whose_limit_it_is_and_how_long_to_wait() {
    let written = UsagePlan { throttle: Some(throttle(0.1, 3)), quota: daily(4), ..plan(&["orders/prod"]) };
    let world = World::new([("basic", written)]);
    let held = world.basic();
    let grant = held.grant(0);
    let mut last = None;
    for _ in 0..4 {
        last = world.ask(&Limits::default(), Some(grant), LIST_ORDERS).await.err();
    }
    let rate = last.as_ref().and_then(|answer| answer.rate.clone()).unwrap();
    assert_eq!((&*rate.policy, rate.limit, rate.window_s, rate.remaining, rate.reset_s), ("basic", 3, 30, 0, 10));
    assert_eq!(last.unwrap().retry_after_s, Some(10));

    world.clock.advance(Duration::from_secs(3_600));
    assert!(world.ask(&Limits::default(), Some(grant), LIST_ORDERS).await.is_ok());
    let answer = world.ask(&Limits::default(), Some(grant), LIST_ORDERS).await.unwrap_err();
    let rate = answer.rate.unwrap();
    assert_eq!((rate.limit, rate.window_s, rate.remaining, rate.reset_s), (4, 86_400, 0, 23 * 3_600));
    assert_eq!((answer.refusal, answer.retry_after_s), (Refusal::QuotaExceeded, Some(23 * 3_600)));

    let limits = limits(None, limiter("prod", 0.0, 0));
    let answer = world.ask(&limits, None, LIST_ORDERS).await.unwrap_err();
    assert_eq!((&*answer.rate.unwrap().policy, answer.retry_after_s), ("prod", Some(60)));
}

#[tokio::test]
async fn a_ticket_tells_what_its_plan_may() {
    let written = UsagePlan { may_invalidate_cache: true, ..plan(&["orders/prod"]) };
    let world = World::new([("basic", written)]);
    let held = world.basic();
    let ticket = world.ask(&Limits::default(), Some(held.grant(0)), LIST_ORDERS).await.unwrap();
    assert!(ticket.may_invalidate_cache());
    let ticket = world.ask(&Limits::default(), None, LIST_ORDERS).await.unwrap();
    assert!(!ticket.may_invalidate_cache());
}

#[tokio::test]
async fn a_routes_own_rate_replaces_the_plans() {
    let written = UsagePlan {
        throttle: Some(throttle(1.0, 1)),
        route_throttle: vec![(located("orders/prod GET /orders/{id}", 0), throttle(1.0, 4))],
        ..plan(&["orders/prod", "orders/test"])
    };
    let world = World::new([("basic", written)]);
    let held = world.basic();
    let mut passed = Vec::new();
    for grant in [held.grant(0), held.grant(1)] {
        for route in [GET_ORDER, LIST_ORDERS] {
            let mut n = 0;
            while world.refusal(&Limits::default(), grant, route).await.is_none() {
                n += 1;
            }
            passed.push(n);
        }
    }
    // At orders/test the plan's one token is shared by both routes.
    assert_eq!(passed, [4, 1, 1, 0]);
}

#[tokio::test]
async fn a_quota_is_shared_by_all_stages_of_a_plan_and_a_rate_is_not() {
    let written =
        UsagePlan { throttle: Some(throttle(1.0, 2)), quota: daily(3), ..plan(&["orders/prod", "users/prod"]) };
    let world = World::new([("basic", written)]);
    let held = world.basic();
    let (orders, users) = (held.grant(0), held.grant(1));
    let limits = Limits::default();
    assert_eq!(world.refusal(&limits, orders, LIST_ORDERS).await, None);
    assert_eq!(world.refusal(&limits, orders, LIST_ORDERS).await, None);
    assert_eq!(world.refusal(&limits, orders, LIST_ORDERS).await, Some(Refusal::RateExceeded));
    assert_eq!(world.refusal(&limits, users, LIST_ORDERS).await, None);
    assert_eq!(world.refusal(&limits, users, LIST_ORDERS).await, Some(Refusal::QuotaExceeded));
}

#[tokio::test]
async fn a_reload_forgets_neither_debts_nor_counts() {
    let route = |rate, burst| vec![(located("orders/prod GET /orders/{id}", 0), throttle(rate, burst))];
    let written = UsagePlan {
        throttle: Some(throttle(1.0, 10)),
        quota: daily(100),
        route_throttle: route(1.0, 3),
        ..plan(&["orders/prod"])
    };
    let mut world = World::new([("basic", written)]);
    let before = world.basic();
    for _ in 0..2 {
        assert_eq!(world.refusal(&Limits::default(), before.grant(0), GET_ORDER).await, None);
    }
    for _ in 0..6 {
        assert_eq!(world.refusal(&Limits::default(), before.grant(0), LIST_ORDERS).await, None);
    }
    // Another plan before it, another quota and another rate change nothing that was taken.
    world.plans.insert_before(0, "gold".to_owned(), plan(&["users/prod"]));
    let basic = &mut world.plans["basic"];
    (basic.throttle, basic.quota, basic.route_throttle) = (Some(throttle(50.0, 10)), daily(200), route(9.0, 5));
    let after = world.hold(&["basic"], Some(&before)).unwrap();
    assert_eq!(world.used(after.grant(0)), 8);
    let mut passed = [0, 0];
    for (route, passed) in [GET_ORDER, LIST_ORDERS].into_iter().zip(&mut passed) {
        while world.refusal(&Limits::default(), after.grant(0), route).await.is_none() {
            *passed += 1;
        }
    }
    assert_eq!(passed, [3, 4]);
}

/// The faults of these plans and a key that is in `held`.
#[track_caller]
fn check_faults(plans: Vec<(&'static str, UsagePlan)>, held: &[&str], expected: &[(u32, &str, &str)]) {
    let faults = World::new(plans).hold(held, None).err().unwrap_or_default();
    let told: Vec<_> = faults
        .iter()
        .map(|fault| (fault.span.unwrap().start, fault.message.as_str(), fault.help.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn whatever_does_not_fit_is_a_fault_with_its_place() {
    check_faults(
        vec![("basic", plan(&["orders/prd", "orders/test", "orders/test"]))],
        &["basic", "gold", "basic"],
        &[
            (100, "usage plan \"basic\" names the unknown stage \"orders/prd\"", "did you mean \"orders/prod\"?"),
            (102, "usage plan \"basic\" names the stage \"orders/test\" twice", "remove one of them"),
            (
                201,
                "api key \"alice\" names the unknown usage plan \"gold\"",
                "write one that exists, such as \"basic\"",
            ),
            (202, "api key \"alice\" names the usage plan \"basic\" twice", "remove one of them"),
        ],
    );
    check_faults(
        vec![("basic", plan(&["orders/prod"])), ("gold", plan(&["users/prod", "orders/prod"]))],
        &["basic", "gold"],
        &[(
            201,
            "api key \"alice\" is in two usage plans for the stage \"orders/prod\": \"basic\" and \"gold\"",
            "a key has one usage plan per stage; remove it from one of them",
        )],
    );
    let route_throttle = [
        (located("orders/prod GET /ordres/{id}", 1), throttle(1.0, 1)),
        (located("orders/test GET /orders", 2), throttle(1.0, 1)),
        (located("orders", 3), throttle(1.0, 1)),
    ];
    let quota = config::Quota { limit: 1 << 40, offset: 1 << 41, ..daily(1).unwrap() };
    check_faults(
        vec![(
            "basic",
            UsagePlan { route_throttle: route_throttle.into(), quota: Some(quota), ..plan(&["orders/prod"]) },
        )],
        &[],
        &[
            (
                50,
                "the quota of usage plan \"basic\" has limit 1099511627776, which is too large",
                "write 1099511627775 at most, or no quota",
            ),
            (
                50,
                "the quota of usage plan \"basic\" has offset 2199023255552, more than its limit 1099511627776",
                "the offset is taken off the limit in a key's first period",
            ),
            (
                1,
                "usage plan \"basic\" throttles the unknown route \"orders/prod GET /ordres/{id}\"",
                "did you mean \"orders/prod GET /orders/{id}\"?",
            ),
            (
                2,
                "usage plan \"basic\" throttles \"orders/test GET /orders\" and does not cover its stage",
                "add \"orders/test\" to the plan's stages",
            ),
            (3, "\"orders\" in usage plan \"basic\" names no route", "write \"api/stage METHOD /path\""),
        ],
    );
}

#[tokio::test]
async fn a_key_that_goes_on_keeps_its_seat_until_it_holds_something_else() {
    let written = UsagePlan { throttle: Some(throttle(1.0, 10)), ..plan(&["orders/prod"]) };
    let mut world = World::new([("basic", written)]);
    let first = world.basic();
    world.plans["basic"].throttle = Some(throttle(2.0, 10));
    let second = world.hold(&["basic"], Some(&first)).unwrap();
    assert!(Arc::ptr_eq(&first.seats[0].1, &second.seats[0].1));
    // With a quota it needs a counter, and the bucket is shared by whoever still has the old seat.
    world.plans["basic"].quota = daily(100);
    let third = world.hold(&["basic"], Some(&second)).unwrap();
    world.plans["basic"].quota = None;
    let fourth = world.hold(&["basic"], Some(&third)).unwrap();
    assert!(!Arc::ptr_eq(&second.seats[0].1, &third.seats[0].1));
    let mut passed = 0;
    for held in [&second, &third, &fourth].into_iter().cycle().take(30) {
        passed += u32::from(world.refusal(&Limits::default(), held.grant(0), LIST_ORDERS).await.is_none());
    }
    assert_eq!(passed, 10);
}

#[test]
fn what_a_key_holds_stays_small_for_a_million_keys() {
    assert!(size_of::<Holding>() <= 24 && size_of::<Bucket>() <= 8 && size_of::<Ticket>() <= 1);
}
