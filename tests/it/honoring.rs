//! A shared cache as HTTP has it: what origins say is obeyed, and what they do not say cannot be made of their answers.
//! The public suite (`tests/suites/http-cache-tests.sh`) asks for the RFC line by line; these are the promises behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::house::{Answer, Gate, Gateway, Origin, Request, Streams, delete, eventually, get, post, request, tollgate};

/// `{STAGE}` adds to its cache block.
const SITE: &str = r#"
[server]
listen = [{ address = "127.0.0.1:0", h2 = true }]
[apis.site]
routes = [
    { method = "ANY", path = "/{page+}", integration = { type = "HTTP_PROXY", uri = "http://@1/{page}" } },
]
[apis.site.stages.prod]
cache = { enabled = true, honor_origin = true, size = "64MiB"{STAGE} }
[domains."*"]
mappings = { "/" = "site/prod" }
"#;

fn site(origin: &Origin) -> Gateway {
    Gateway::start(&SITE.replace("{STAGE}", ""), &[origin])
}

/// An origin whose answers have these fields, and in their bodies how many came before them.
fn counting(fields: &'static [(&'static str, &'static str)]) -> Origin {
    let count = AtomicUsize::new(0);
    Origin::start(move |_, out| out.answer(200, fields, format!("{}", count.fetch_add(1, Ordering::SeqCst) + 1)))
}

const FOR_AN_HOUR: (&str, &str) = ("Cache-Control", "max-age=3600");

#[track_caller]
fn check(gateway: &Gateway, wish: &Request, expected: (&str, bool)) {
    let answer = gateway.ask(wish).expect(200);
    assert_eq!((answer.text(), answer.is_hit()), expected, "{} {}: {:?}", wish.method, wish.target, answer.fields);
}

fn status(answer: &Answer) -> &str {
    answer.field("cache-status").unwrap_or_default()
}

fn purge(gateway: &Gateway, mut what: Value) {
    what["stage"] = json!("site/prod");
    gateway.command("/v1/cache/purge", &what);
}

#[test]
fn variants_are_told_apart_by_the_fields_that_the_origin_names() {
    let count = AtomicUsize::new(0);
    let origin = Origin::start(move |seen, out| {
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        let fields = [FOR_AN_HOUR, ("Vary", "Accept-Language, Accept-Encoding")];
        out.answer(200, &fields, format!("{n} {}", seen.field("accept-language").unwrap_or("none")));
    });
    let gateway = site(&origin);
    let ask =
        |language: &str, coding: &str| get("/a").header("Accept-Language", language).header("Accept-Encoding", coding);
    check(&gateway, &ask("de", "gzip, br"), ("1 de", false));
    check(&gateway, &ask("en", "gzip, br"), ("2 en", false));
    check(&gateway, &ask("DE", "br;q=0.9,gzip"), ("1 de", true));
    check(&gateway, &ask("en", "br, gzip").header("X-Other", "1"), ("2 en", true));
    check(&gateway, &ask("en", "gzip"), ("3 en", false));
    check(&gateway, &get("/a"), ("4 none", false));
    check(&gateway, &get("/a"), ("4 none", true));
}

#[test]
fn those_who_wait_for_another_variant_do_not_get_this_one() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |seen, out| {
        at_the_gate.wait();
        let fields = [FOR_AN_HOUR, ("Vary", "Accept-Language")];
        out.answer(200, &fields, seen.field("accept-language").unwrap_or("none"));
    });
    let gateway = site(&origin);
    thread::scope(|scope| {
        let ask = |language: &'static str| {
            let gateway = &gateway;
            scope.spawn(move || (language, gateway.ask(&get("/a").header("Accept-Language", language))))
        };
        let clients: Vec<_> = (0..12).map(|at| ask(["de", "en", "fr"][at % 3])).collect();
        eventually("every client is connected", || gateway.metric("tollgate_connections", &[]) >= 12.0);
        eventually("the back end is asked", || origin.heads() >= 1);
        gate.open();
        for client in clients {
            let (language, answer) = client.join().unwrap();
            assert_eq!(answer.expect(200).text(), language);
        }
    });
}

/// Answers 304 to who knows its entity tag.
fn validated() -> Origin {
    Origin::start(move |seen, out| match seen.field("if-none-match") {
        Some("\"v1\"") => out.head(304, &[FOR_AN_HOUR, ("ETag", "\"v1\""), ("X-Origin-News", "2"), ("Cache-Tag", "t")]),
        _ => {
            let fields = [
                FOR_AN_HOUR,
                ("ETag", "\"v1\""),
                ("X-Origin-News", "1"),
                ("Cache-Tag", "t"),
                ("Content-Type", "text/plain"),
            ];
            out.answer(200, &fields, "0123456789");
        }
    })
}

#[test]
fn a_stale_answer_is_served_again_after_its_origin_has_confirmed_it() {
    let origin = validated();
    let gateway = site(&origin);
    assert_eq!(gateway.get("/a").expect(200).field("x-origin-news"), Some("1"));
    purge(&gateway, json!({ "tag": "t", "soft": true }));
    let confirmed = gateway.get("/a").expect(200);
    assert_eq!((confirmed.text(), confirmed.field("x-origin-news")), ("0123456789", Some("2")));
    assert!(status(&confirmed).contains("fwd-status=304"), "{:?}", confirmed.fields);
    assert_eq!(origin.last().field("if-none-match"), Some("\"v1\""));
    let again = gateway.get("/a").expect(200);
    assert!(again.is_hit() && again.field("x-origin-news") == Some("2"), "{:?}", again.fields);
    assert_eq!(origin.requests(), 2);
    gateway.expect_metric("tollgate_cache_validated_total", &[("api", "site")], 1.0);
    // The tag of the first answer is still one of the second, whatever the confirmation says.
    purge(&gateway, json!({ "tag": "t" }));
    assert!(!gateway.get("/a").is_hit());
}

#[test]
fn conditions_and_ranges_are_answered_from_what_is_stored() {
    let origin = validated();
    let gateway = site(&origin);
    gateway.get("/a").expect(200);
    let streams = Streams::open(gateway.http());
    let both = |wish: &Request| {
        let (one, two) = (gateway.ask(wish), streams.ask(wish));
        assert_eq!(
            (one.status, &one.body, one.field("content-range")),
            (two.status, &two.body, two.field("content-range"))
        );
        assert!(one.is_hit(), "{:?}", one.fields);
        one
    };
    let not_modified = both(&get("/a").header("If-None-Match", "W/\"v1\""));
    assert_eq!((not_modified.status, not_modified.field("etag")), (304, Some("\"v1\"")));
    assert_eq!((not_modified.text(), not_modified.field("content-type")), ("", None));
    assert_eq!(both(&get("/a").header("If-None-Match", "\"v2\"")).status, 200);
    let part = both(&get("/a").header("Range", "bytes=2-4"));
    assert_eq!((part.status, part.text(), part.field("content-range")), (206, "234", Some("bytes 2-4/10")));
    assert_eq!(both(&get("/a").header("Range", "bytes=-2")).text(), "89");
    let beyond = both(&get("/a").header("Range", "bytes=10-"));
    assert_eq!((beyond.status, beyond.field("content-range")), (416, Some("bytes */10")));
    assert_eq!(both(&get("/a").header("Range", "bytes=0-1").header("If-Range", "\"v2\"")).text(), "0123456789");
    let head = gateway.connect().ask(&request("HEAD", "/a")).expect(200);
    assert!(head.is_hit() && head.field("content-length") == Some("10"));
    assert_eq!(origin.requests(), 1);
}

#[test]
fn a_range_of_what_is_not_stored_is_the_origins_to_answer() {
    let origin = Origin::start(|_, out| out.answer(206, &[FOR_AN_HOUR, ("Content-Range", "bytes 0-1/9")], "01"));
    let gateway = site(&origin);
    for _ in 0..2 {
        assert_eq!(gateway.ask(&get("/a").header("Range", "bytes=0-1")).expect(206).text(), "01");
    }
    assert_eq!((origin.requests(), origin.last().field("range")), (2, Some("bytes=0-1")));
}

#[test]
fn what_is_stale_is_served_while_a_newer_answer_is_fetched_once() {
    let origin = counting(&[("Cache-Control", "max-age=3600, stale-while-revalidate=60"), ("Surrogate-Key", "t u")]);
    let gateway = site(&origin);
    check(&gateway, &get("/a"), ("1", false));
    purge(&gateway, json!({ "tag": "u", "soft": true }));
    let stale = gateway.get("/a").expect(200);
    assert_eq!(stale.text(), "1");
    assert!(status(&stale).contains("hit; ttl=-"), "{:?}", stale.fields);
    eventually("the newer answer is stored", || gateway.get("/a").text() == "2");
    check(&gateway, &get("/a"), ("2", true));
    assert_eq!(origin.requests(), 2);
    assert!(gateway.metric("tollgate_cache_stale_total", &[("api", "site")]) >= 1.0);
}

#[test]
fn what_is_stale_stands_in_for_an_origin_that_fails_only_where_it_may() {
    for (cache_control, expected) in [
        ("max-age=3600, stale-if-error=60", 200),
        ("max-age=3600", 503),
        ("max-age=3600, stale-if-error=60, must-revalidate", 503),
    ] {
        let is_failing = Arc::new(AtomicUsize::new(0));
        let fails = Arc::clone(&is_failing);
        let origin = Origin::start(move |_, out| match fails.load(Ordering::SeqCst) {
            0 => out.answer(200, &[("Cache-Control", cache_control), ("ETag", "\"a\""), ("Cache-Tag", "t")], "good"),
            1 => out.answer(503, &[], "bad"),
            _ => out.reset(),
        });
        let gateway = site(&origin);
        gateway.get("/a").expect(200);
        purge(&gateway, json!({ "tag": "t", "soft": true }));
        is_failing.store(1, Ordering::SeqCst);
        assert_eq!(gateway.get("/a").status, expected, "{cache_control}");
        is_failing.store(2, Ordering::SeqCst);
        let broken = gateway.get("/a");
        assert_eq!(broken.status == 200, expected == 200, "{cache_control}: {:?}", broken.fields);
    }
}

#[test]
fn a_change_makes_its_target_and_what_it_names_be_fetched_anew() {
    let count = AtomicUsize::new(0);
    let origin = Origin::start(move |seen, out| {
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        match (&*seen.method, &*seen.target) {
            ("GET", _) => out.answer(200, &[FOR_AN_HOUR], format!("{n}")),
            (_, "/refused") => out.answer(500, &[], "no"),
            _ => out.answer(201, &[("Location", "/made"), ("Content-Location", "//elsewhere.example/other")], "done"),
        }
    });
    let gateway = site(&origin);
    let pages = ["/list", "/made", "/other", "/refused"];
    let texts = || pages.map(|page| gateway.get(page).expect(200).text().to_owned());
    let before = texts();
    gateway.ask(&post("/list", "x")).expect(201);
    gateway.ask(&delete("/refused")).expect(500);
    let after = texts();
    assert_eq!([0, 1, 2, 3].map(|at| before[at] == after[at]), [false, false, true, true]);
    assert_eq!(after, texts());
}

#[test]
fn what_is_one_callers_own_is_never_anothers() {
    for (cache_control, plain, authorized, cookie, sets) in [
        ("max-age=3600", true, false, false, false),
        ("max-age=3600, public", true, true, true, true),
        ("max-age=3600, must-revalidate", true, true, false, false),
        ("private, max-age=3600", false, false, false, false),
        ("no-store", false, false, false, false),
        ("no-cache, max-age=3600", false, false, false, false),
    ] {
        let count = AtomicUsize::new(0);
        let origin = Origin::start(move |seen, out| {
            let cookie = [("Set-Cookie", "a=b")];
            let fields =
                [&[("Cache-Control", cache_control)][..], if seen.target == "/sets" { &cookie[..] } else { &[] }]
                    .concat();
            out.answer(200, &fields, format!("{}", count.fetch_add(1, Ordering::SeqCst) + 1));
        });
        let gateway = site(&origin);
        let is_shared = |first: Request, second: Request| {
            let (first, second) = (gateway.ask(&first), gateway.ask(&second));
            assert_eq!(first.text() == second.text(), second.is_hit(), "{cache_control}");
            second.is_hit()
        };
        assert_eq!(is_shared(get("/plain"), get("/plain")), plain, "{cache_control}");
        let mine = |path: &str, name: &str| get(path).header(name, "mine");
        assert_eq!(is_shared(mine("/auth", "Authorization"), get("/auth")), authorized, "{cache_control}");
        assert_eq!(is_shared(mine("/cookie", "Cookie"), get("/cookie")), cookie, "{cache_control}");
        assert_eq!(is_shared(get("/sets"), get("/sets")), sets, "{cache_control}");
    }
}

#[test]
fn what_a_client_says_of_caching_counts() {
    let origin = counting(&[FOR_AN_HOUR]);
    let gateway = site(&origin);
    let saying = |path: &str, words: &str| get(path).header("Cache-Control", words);
    gateway.ask(&saying("/a", "only-if-cached")).expect(504);
    check(&gateway, &saying("/a", "no-store"), ("1", false));
    check(&gateway, &get("/a"), ("2", false));
    check(&gateway, &saying("/a", "only-if-cached"), ("2", true));
    check(&gateway, &saying("/a", "max-age=60, min-fresh=60"), ("2", true));
    check(&gateway, &saying("/a", "no-cache"), ("3", false));
    check(&gateway, &saying("/a", "min-fresh=7200"), ("4", false));
    check(&gateway, &get("/a").header("Pragma", "no-cache"), ("5", false));
    check(&gateway, &get("/a"), ("5", true));
}

#[test]
fn a_stage_may_leave_it_to_its_own_people_to_send_requests_to_the_origin() {
    let origin = counting(&[FOR_AN_HOUR]);
    let stage = ", invalidation = { require_authorization = true, on_unauthorized = \"ignore\" }";
    let gateway = Gateway::start(&SITE.replace("{STAGE}", stage), &[&origin]);
    check(&gateway, &get("/a"), ("1", false));
    check(&gateway, &get("/a").header("Cache-Control", "no-cache, max-age=0"), ("1", true));
}

#[test]
fn an_error_is_kept_no_longer_than_the_operator_lets_it() {
    let origin = Origin::start(|_, out| out.answer(404, &[FOR_AN_HOUR], "nothing"));
    let gateway = site(&origin);
    let kept = |gateway: &Gateway| {
        gateway.get("/a").expect(404);
        let answer = gateway.get("/a").expect(404);
        status(&answer).split("ttl=").nth(1).map(|ttl| ttl.parse::<u64>().unwrap())
    };
    assert!(kept(&gateway).is_some_and(|ttl| ttl <= 10));
    let gateway = Gateway::start(&SITE.replace("{STAGE}", ", error_ttl = \"0s\""), &[&origin]);
    assert_eq!(kept(&gateway), None);
}

#[test]
fn what_no_key_holds_cannot_change_what_others_get() {
    // Says all that it was told, as a careless back end does.
    let origin = Origin::start(|seen, out| {
        let told = [
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-forwarded-for",
            "x-http-method-override",
            "x-original-url",
            "forwarded",
        ];
        let told: Vec<_> = told.iter().filter_map(|name| Some(format!("{name}={}", seen.field(name)?))).collect();
        out.answer(
            200,
            &[FOR_AN_HOUR],
            format!("{} {} {} {}", seen.method, seen.target, told.join(" "), seen.body.len()),
        );
    });
    let gateway = site(&origin);
    let plain = get("/a").host("site.example");
    let evil = |wish: Request| gateway.ask(&wish.host("site.example")).text().to_owned();
    // Attackers first.
    evil(get("/a").header("X-Forwarded-Host", "evil.example").header("X-Forwarded-Proto", "evil"));
    evil(get("/a").header("X-HTTP-Method-Override", "DELETE"));
    evil(get("/a").header("X-Original-URL", "/evil"));
    evil(get("/a").body("fat"));
    evil(request("HEAD", "/b"));
    gateway.ask(&get("/a").host("site.example:1234"));
    let streams = Streams::open(gateway.http());
    streams.ask(&get("/a").host("site.example:4321"));
    let told = gateway.ask(&plain).expect(200).text().to_owned();
    assert!(told.starts_with("GET /a ") && told.ends_with(" 0"), "{told}");
    assert!(told.contains("x-forwarded-host=site.example ") && !told.contains("evil"), "{told}");
    assert!(!told.contains("DELETE"), "{told}");
    assert!(streams.ask(&plain).text().contains("x-forwarded-host=site.example "));
    assert!(gateway.ask(&get("/a").host("other.example")).text().contains("other.example"));
}

#[test]
fn a_path_has_one_spelling_for_the_key_and_the_origin() {
    let origin = Origin::start(|seen, out| out.answer(200, &[FOR_AN_HOUR], &seen.target));
    let gateway = site(&origin);
    for (sent, forwarded) in [
        ("/account/../a.css", "/a.css"),
        ("/account/%2e%2e/a.css", "/a.css"),
        ("//a.css", "/a.css"),
        ("/account/..%2Fa.css", "/account/..%2Fa.css"),
        ("/account;a.css", "/account;a.css"),
        ("/account%3Ba.css", "/account%3Ba.css"),
        ("/account%23a.css", "/account%23a.css"),
        ("/account%3Fa.css", "/account%3Fa.css"),
        ("/account?a.css", "/account?a.css"),
    ] {
        assert_eq!(gateway.get(sent).expect(200).text(), forwarded, "{sent}");
        let again = gateway.get(sent).expect(200);
        assert!(again.is_hit() && again.text() == forwarded, "{sent}");
    }
    assert_eq!(origin.requests(), 7);
}

#[test]
fn answers_that_cannot_be_shared_make_nobody_wait() {
    const CLIENTS: usize = 8;
    let (gate, inside) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let (at_the_gate, entered) = (gate.clone(), Arc::clone(&inside));
    let origin = Origin::start(move |seen, out| {
        if seen.field("x-wait").is_some() {
            entered.fetch_add(1, Ordering::SeqCst);
            at_the_gate.wait();
        }
        out.answer(200, &[("Cache-Control", "private")], "own");
    });
    let gateway = site(&origin);
    gateway.get("/a").expect(200);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| gateway.ask(&get("/a").header("X-Wait", "1")).expect(200));
        }
        eventually("all of them are at the origin at once", || inside.load(Ordering::SeqCst) == CLIENTS);
        gate.open();
    });
}

#[test]
fn a_thousand_clients_of_one_stale_answer_are_one_fetch() {
    let gate = Gate::default();
    let (at_the_gate, count) = (gate.clone(), AtomicUsize::new(0));
    let origin = Origin::start(move |_, out| {
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        if n > 1 {
            at_the_gate.wait();
        }
        out.answer(200, &[FOR_AN_HOUR, ("Cache-Tag", "t")], format!("{n}"));
    });
    let gateway = site(&origin);
    check(&gateway, &get("/a"), ("1", false));
    purge(&gateway, json!({ "tag": "t", "soft": true }));
    let mut clients: Vec<_> = (0..1000).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.send(get("/a").bytes());
    }
    eventually("every client is connected", || gateway.metric("tollgate_connections", &[]) >= 1000.0);
    eventually("the back end is asked", || origin.heads() == 2);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.read().expect(200).text(), "2");
    }
    assert_eq!(origin.requests(), 2);
    assert!(gateway.metric("tollgate_cache_collapsed_total", &[("api", "site")]) >= 500.0);
}

#[test]
fn answers_are_purged_by_url_prefix_and_tag_at_once() {
    let count = AtomicUsize::new(0);
    let origin = Origin::start(move |seen, out| {
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        let tags = if seen.target.starts_with("/news") { "news, all" } else { "shop, all" };
        out.answer(200, &[FOR_AN_HOUR, ("Cache-Tag", tags), ("Vary", "Accept-Language")], format!("{n}"));
    });
    let gateway = site(&origin);
    let pages = ["/news/1", "/news/2?x=1", "/shop/1", "/shop/1?x=2"];
    let fill = || pages.map(|page| drop(gateway.get(page).expect(200)));
    let is_kept = || pages.map(|page| gateway.get(page).expect(200).is_hit());
    fill();
    for (what, expected) in [
        (json!({ "url": "/shop/1" }), [true, true, false, true]),
        (json!({ "url": "http://any.example/shop/1?x=2" }), [true, true, true, false]),
        (json!({ "prefix": "/shop/" }), [true, true, false, false]),
        (json!({ "prefix": "http://any.example/news/2" }), [true, false, true, true]),
        (json!({ "tag": "news" }), [false, false, true, true]),
        (json!({ "tag": "News" }), [true; 4]),
        (json!({ "tag": "all" }), [false; 4]),
        (json!({ "all": true }), [false; 4]),
    ] {
        purge(&gateway, what.clone());
        assert_eq!(is_kept(), expected, "{what}");
    }
    let answer = gateway.get("/news/1");
    assert_eq!((answer.field("cache-tag"), answer.field("surrogate-key")), (None, None));
    let admin = format!("http://{}", gateway.admin_address());
    let token = crate::house::ADMIN_TOKEN;
    let said = tollgate(&["purge", "site/prod", "--tag", "shop", "--admin", &admin, "--token", token]).expect(0).said();
    assert!(said.contains("purged") && said.contains("shop"), "{said}");
    assert_eq!(is_kept(), [true, true, false, false]);
    tollgate(&["purge", "site/prod", "--admin", &admin]).expect(2);
}

#[test]
fn tags_reach_no_client_even_of_answers_that_are_not_stored() {
    let origin = counting(&[("Cache-Control", "no-store"), ("Cache-Tag", "a"), ("Surrogate-Key", "b")]);
    let gateway = site(&origin);
    let streams = Streams::open(gateway.http());
    for answer in [gateway.get("/a"), gateway.get("/a"), streams.ask(&get("/a")), gateway.ask(&post("/a", "x"))] {
        assert_eq!((answer.field("cache-tag"), answer.field("surrogate-key")), (None, None), "{:?}", answer.fields);
    }
}
