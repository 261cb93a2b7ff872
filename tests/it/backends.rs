//! The back ends: how requests and answers pass, and what a client hears when a back end fails.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::house::{Folder, Gate, Gateway, Origin, delete, eventually, get, post, request};

/// One API in front of the first back end; `{INTEGRATION}` adds to its integration.
const FRONT: &str = r#"
[apis.front]
routes = [{ method = "ANY", path = "/{rest+}", body_limit = "100MiB", integration = { type = "HTTP_PROXY", uri = "http://@1/{rest}"{INTEGRATION} } }]
[apis.front.stages.prod]
"#;

fn front(integration: &str) -> String {
    FRONT.replace("{INTEGRATION}", integration)
}

#[test]
fn a_request_and_its_answer_pass_unchanged() {
    let origin = Origin::start(|seen, out| {
        out.answer(207, &[("Content-Type", "text/x"), ("X-Origin-A", "1"), ("X-Origin-Two", "a, b")], &seen.body);
    });
    let gateway = Gateway::start(&front(""), &[&origin]);
    let wish =
        request("PATCH", "/front/prod/a/b?x=1&x=2&y").body("a body").header("X-Own", "mine").header("Accept", "*/*");
    let answer = gateway.ask(&wish).expect(207);
    assert_eq!(answer.text(), "a body");
    assert_eq!((answer.field("content-type"), answer.field("x-origin-a")), (Some("text/x"), Some("1")));
    assert_eq!(answer.field("x-origin-two"), Some("a, b"));
    let seen = origin.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PATCH", "/a/b?x=1&x=2&y"));
    assert_eq!((seen.field("x-own"), seen.field("accept")), (Some("mine"), Some("*/*")));
    assert_eq!(seen.field("host"), Some(origin.address().as_str()), "the uri's host, not the client's");
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
    assert!(seen.field("x-request-id").is_some());
}

#[test]
fn the_clients_host_is_kept_where_told() {
    let origin = Origin::mirror();
    let gateway = Gateway::start(&front(", preserve_host = true"), &[&origin]);
    gateway.ask(&get("/front/prod/a").host("shop.example")).expect(200);
    assert_eq!(origin.last().field("host"), Some("shop.example"));
}

#[test]
fn connections_to_a_back_end_are_used_again() {
    let origin = Origin::mirror();
    let gateway = Gateway::start(&front(""), &[&origin]);
    let mut wire = gateway.connect();
    for _ in 0..20 {
        wire.ask(&get("/front/prod/a")).expect(200);
    }
    assert_eq!(origin.connections(), 1);
    assert!(origin.seen().iter().all(|seen| seen.connection == 0));
}

#[test]
fn a_back_end_that_was_restarted_is_found_again() {
    let origin = Origin::text("before");
    let address = origin.address();
    let gateway = Gateway::start(&front(""), &[&origin]);
    assert_eq!(gateway.get("/front/prod/a").expect(200).text(), "before");
    origin.stop();
    gateway.get("/front/prod/a").expect(502);
    let _origin = Origin::start_on(&address, |_, out| out.text("after"));
    assert_eq!(gateway.get("/front/prod/a").expect(200).text(), "after");
}

#[test]
fn a_back_end_that_refuses_resets_or_talks_nonsense_is_a_502() {
    let nobody = front("").replace("@1", &Origin::nobody());
    assert_eq!(Gateway::start(&nobody, &[]).get("/front/prod/a").expect(502).code(), "back_end_failed");

    let origin = Origin::start(|seen, out| match seen.target.as_str() {
        "/close" => out.close(),
        "/reset" => out.reset(),
        "/garbage" => {
            out.raw("\x01\x02 this is no HTTP at all\r\n\r\n");
            out.close();
        }
        "/bad-length" => {
            out.head(200, &[("Content-Length", "five")]);
            out.close();
        }
        _ => out.text("fine"),
    });
    let gateway = Gateway::start(&front(""), &[&origin]);
    let mut wire = gateway.connect();
    for target in ["close", "reset", "garbage", "bad-length"] {
        let answer = wire.ask(&post(&format!("/front/prod/{target}"), "x")).expect(502);
        assert_eq!(answer.code(), "back_end_failed", "{target}");
        assert!(!answer.text().contains(&origin.address()), "the back end's address is told: {}", answer.text());
    }
    assert_eq!(wire.ask(&get("/front/prod/ok")).expect(200).text(), "fine");
}

#[test]
fn an_answer_that_breaks_off_is_never_passed_on_as_whole() {
    let origin = Origin::start(|seen, out| {
        match seen.target.as_str() {
            "/length" => out.head(200, &[("Content-Length", "10")]),
            _ => out.head(200, &[("Transfer-Encoding", "chunked")]),
        }
        out.raw(if seen.target == "/length" { "half" } else { "4\r\nhalf\r\n" });
        out.reset();
    });
    let gateway = Gateway::start(&front(""), &[&origin]);
    for target in ["/front/prod/length", "/front/prod/chunked"] {
        if let Ok(answer) = gateway.connect().try_ask(&get(target)) {
            assert_eq!(answer.status, 502, "{target}: {:?}", answer.text());
        }
    }
}

#[test]
fn a_slow_back_end_is_a_504_after_the_timeout() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |_, out| {
        at_the_gate.wait();
        out.text("late");
    });
    let gateway = Gateway::start(&front(", timeout = \"300ms\""), &[&origin]);
    let mut wire = gateway.connect();
    assert_eq!(wire.ask(&get("/front/prod/a")).expect(504).code(), "back_end_timeout");
    gate.open();
    assert_eq!(wire.ask(&get("/front/prod/a")).expect(200).text(), "late", "the connection is kept");
}

#[test]
fn the_timeout_is_for_the_whole_exchange_not_for_each_byte() {
    let origin = Origin::start(|_, out| {
        out.head(200, &[("Transfer-Encoding", "chunked")]);
        for _ in 0..200 {
            out.chunk("x");
            thread::sleep(std::time::Duration::from_millis(50));
        }
        out.last_chunk();
    });
    let gateway = Gateway::start(&front(", timeout = \"500ms\""), &[&origin]);
    let start = std::time::Instant::now();
    assert!(gateway.connect().try_ask(&get("/front/prod/a")).is_err(), "a trickled answer was waited for");
    assert!(start.elapsed().as_secs() < 8);
}

#[test]
fn an_idempotent_request_is_tried_once_more_and_no_other() {
    let origin = Origin::start(|_, out| out.close());
    let gateway = Gateway::start(&front(", ejection = { failures = 0, for = \"10s\" }"), &[&origin]);
    for (wish, tries) in [(get("/front/prod/a"), 2), (delete("/front/prod/a"), 2), (post("/front/prod/a", "x"), 1)] {
        let before = origin.requests();
        gateway.ask(&wish).expect(502);
        assert_eq!(origin.requests() - before, tries, "{}", wish.method);
    }
}

#[test]
fn a_second_try_goes_to_another_target_and_the_client_does_not_notice() {
    let broken = Origin::start(|_, out| out.close());
    let sound = Origin::text("sound");
    let gateway = Gateway::start(&front(", targets = [\"@1\", \"@2\"]"), &[&broken, &sound]);
    for _ in 0..6 {
        assert_eq!(gateway.get("/front/prod/a").expect(200).text(), "sound");
    }
    assert!(broken.requests() >= 1);
}

#[test]
fn targets_get_requests_by_weight() {
    let (one, three) = (Origin::text("one"), Origin::text("three"));
    let targets = ", targets = [\"@1\", { address = \"@2\", weight = 3 }]";
    let gateway = Gateway::start(&front(targets), &[&one, &three]);
    let mut wire = gateway.connect();
    for _ in 0..400 {
        wire.ask(&get("/front/prod/a")).expect(200);
    }
    // Two threads may each have a turn of their own.
    assert!((98..=102).contains(&one.requests()), "{} and {}", one.requests(), three.requests());
}

#[test]
fn the_least_busy_target_is_asked() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let slow = Origin::start(move |_, out| {
        at_the_gate.wait();
        out.text("slow");
    });
    let quick = Origin::text("quick");
    let gateway = Gateway::start(&front(", balance = \"least_busy\", targets = [\"@1\", \"@2\"]"), &[&slow, &quick]);
    thread::scope(|scope| {
        let mut held = Vec::new();
        while slow.heads() == 0 {
            let before = slow.heads() + quick.heads();
            let client = scope.spawn(|| gateway.get("/front/prod/a").expect(200));
            eventually("a target is asked", || slow.heads() + quick.heads() > before);
            match slow.heads() {
                // The quick one is idle again once its client has the answer.
                0 => drop(client.join()),
                _ => held.push(client),
            }
        }
        for _ in 0..20 {
            assert_eq!(gateway.get("/front/prod/a").expect(200).text(), "quick");
        }
        gate.open();
        held.into_iter().for_each(|client| drop(client.join()));
    });
}

#[test]
fn a_target_that_fails_its_health_check_is_left_alone_until_it_is_well() {
    let is_well = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_well);
    let patient = Origin::start(move |seen, out| match (seen.target.as_str(), asked.load(Ordering::SeqCst)) {
        ("/healthz", false) => out.answer(500, &[], "ill"),
        _ => out.text("patient"),
    });
    let sound = Origin::text("sound");
    let health = r#", targets = ["@1", "@2"], health = { path = "/healthz", interval = "100ms", timeout = "1s", healthy = 1, unhealthy = 1 }"#;
    let gateway = Gateway::start(&front(health), &[&patient, &sound]);
    let turns = || -> BTreeMap<String, usize> {
        let mut turns = BTreeMap::new();
        for _ in 0..10 {
            *turns.entry(gateway.get("/front/prod/a").expect(200).text().to_owned()).or_default() += 1;
        }
        turns
    };
    eventually("only the sound one is asked", || turns() == BTreeMap::from([("sound".to_owned(), 10)]));
    is_well.store(true, Ordering::SeqCst);
    eventually("both are asked", || turns().len() == 2);
}

#[test]
fn no_healthy_target_is_a_503_that_says_when_to_come_back() {
    let health =
        r#", targets = ["@1", "@2"], health = { interval = "100ms", timeout = "1s", healthy = 1, unhealthy = 1 }"#;
    let (one, two) = (Origin::nobody(), Origin::nobody());
    let gateway = Gateway::start(&front(health).replace("@1", &one).replace("@2", &two), &[]);
    eventually("both are known to be down", || gateway.get("/front/prod/a").status == 503);
    let answer = gateway.get("/front/prod/a").expect(503);
    assert_eq!(answer.code(), "no_healthy_back_end");
    assert!(answer.field("retry-after").is_some());
}

#[test]
fn a_target_that_fails_requests_rests_for_a_while() {
    let broken = Origin::start(|_, out| out.close());
    let sound = Origin::text("sound");
    let ejection = ", targets = [\"@1\", \"@2\"], ejection = { failures = 2, for = \"60s\" }";
    let gateway = Gateway::start(&front(ejection), &[&broken, &sound]);
    let mut wire = gateway.connect();
    for _ in 0..20 {
        wire.ask(&get("/front/prod/a")).expect(200);
    }
    let failed = broken.requests();
    assert!(failed <= 4, "{failed} requests met the broken target");
    for _ in 0..20 {
        wire.ask(&get("/front/prod/a")).expect(200);
    }
    assert_eq!(broken.requests(), failed, "it rests");
}

#[test]
fn a_single_target_is_never_ejected() {
    let failures = AtomicUsize::new(0);
    let origin = Origin::start(move |_, out| match failures.fetch_add(1, Ordering::SeqCst) {
        0..20 => out.close(),
        _ => out.text("well again"),
    });
    let gateway = Gateway::start(&front(", ejection = { failures = 2, for = \"60s\" }"), &[&origin]);
    for _ in 0..10 {
        gateway.get("/front/prod/a").expect(502);
    }
    gateway.get("/front/prod/a").expect(200);
}

#[test]
fn large_bodies_stream_both_ways() {
    let origin = Origin::echo();
    let gateway = Gateway::start(&front(""), &[&origin]);
    let body: Vec<u8> = (0..64 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let answer = gateway.ask(&post("/front/prod/a", body.clone())).expect(200);
    assert!(answer.body == body, "{} bytes came back", answer.body.len());
}

#[test]
fn a_request_does_not_wait_for_its_body_and_an_answer_not_for_its_end() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |seen, out| {
        out.head(200, &[("Transfer-Encoding", "chunked")]);
        out.chunk(format!("{} bytes, ", seen.body.len()));
        at_the_gate.wait();
        out.chunk("end");
        out.last_chunk();
    });
    let gateway = Gateway::start(&front(""), &[&origin]);
    let mut wire = gateway.connect();
    wire.send(format!(
        "POST /front/prod/a HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n{}",
        "x".repeat(100_000)
    ));
    eventually("the first half arrives alone", || origin.body_bytes() == 100_000);
    wire.send("x".repeat(100_000));
    let mut answer = wire.read_head().expect(200);
    gate.open();
    wire.read_body(&mut answer);
    assert_eq!(answer.text(), "200000 bytes, end");
}

#[test]
fn chunked_bodies_pass_whole_also_a_byte_at_a_time() {
    let origin = Origin::echo();
    let gateway = Gateway::start(&front(""), &[&origin]);
    let mut wire = gateway.connect();
    wire.send("POST /front/prod/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n");
    assert_eq!(wire.read().expect(200).text(), "hello, world");
    let bytes = post("/front/prod/a", "a byte at a time").bytes();
    for byte in bytes {
        wire.send([byte]);
    }
    assert_eq!(wire.read().expect(200).text(), "a byte at a time");
    let bytes = "POST /front/prod/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for byte in bytes.bytes() {
        wire.send([byte]);
    }
    assert_eq!(wire.read().expect(200).text(), "abc");
}

#[test]
fn two_requests_sent_at_once_are_answered_in_turn() {
    let gateway = Gateway::start(&front(""), &[&Origin::mirror()]);
    let mut wire = gateway.connect();
    wire.send([get("/front/prod/first").bytes(), get("/front/prod/second").bytes()].concat());
    assert_eq!(wire.read().expect(200).text(), "GET /first");
    assert_eq!(wire.read().expect(200).text(), "GET /second");
}

#[test]
fn an_answer_without_framing_ends_with_its_connection() {
    let origin = Origin::start(|_, out| {
        out.head(200, &[("Connection", "close"), ("Content-Type", "text/plain")]);
        out.raw("until the end");
        out.close();
    });
    let gateway = Gateway::start(&front(""), &[&origin]);
    assert_eq!(gateway.get("/front/prod/a").expect(200).text(), "until the end");
}

#[test]
fn answers_without_a_body_keep_the_connection() {
    let origin = Origin::start(|seen, out| match seen.target.as_str() {
        "/nothing" => out.head(204, &[]),
        "/unchanged" => out.head(304, &[("ETag", "\"7\"")]),
        _ => out.head(200, &[("Content-Length", "7")]),
    });
    let gateway = Gateway::start(&front(""), &[&origin]);
    let mut wire = gateway.connect();
    wire.ask(&get("/front/prod/nothing")).expect(204);
    assert_eq!(wire.ask(&get("/front/prod/unchanged")).expect(304).field("etag"), Some("\"7\""));
    assert_eq!(wire.ask(&request("HEAD", "/front/prod/head")).expect(200).field("content-length"), Some("7"));
    wire.ask(&get("/front/prod/nothing")).expect(204);
}

#[test]
fn only_mapped_parameters_reach_a_back_end_of_type_http() {
    let config = r#"
        [apis.front]
        routes = [{ method = "POST", path = "/o/{id}", integration = { type = "HTTP", method = "PUT", uri = "http://@1/orders", request_parameters = {
            "integration.request.querystring.id" = "method.request.path.id",
            "integration.request.header.X-Tenant" = "method.request.header.X-Customer",
            "integration.request.header.X-Stage" = "context.stage",
            "integration.request.header.X-Colour" = "stageVariables.colour",
            "integration.request.header.X-Fixed" = "'fixed'" } } }]
        [apis.front.stages.prod]
        variables = { colour = "blue" }
    "#
    .replace(",\n            ", ", ")
    .replace("{\n            ", "{ ");
    let origin = Origin::mirror();
    let gateway = Gateway::start(&config, &[&origin]);
    let wish = post("/front/prod/o/7?dropped=1", "body").header("X-Customer", "c1").header("X-Dropped", "1");
    assert_eq!(gateway.ask(&wish).expect(200).text(), "PUT /orders?id=7");
    let seen = origin.last();
    assert_eq!(seen.body, b"body");
    assert_eq!((seen.field("x-tenant"), seen.field("x-stage")), (Some("c1"), Some("prod")));
    assert_eq!((seen.field("x-colour"), seen.field("x-fixed")), (Some("blue"), Some("fixed")));
    assert_eq!((seen.field("x-dropped"), seen.field("x-customer")), (None, None));
}

#[test]
fn the_certificate_of_an_https_back_end_is_verified() {
    let certified = rcgen::generate_simple_self_signed(["back-end.test".to_owned()]).expect("a certificate");
    let secure = r#"
        [server]
        listen = [{ address = "127.0.0.1:0", tls = { cert = "cert.pem", key = "key.pem" }, h2 = false }]
        [apis.back]
        routes = [{ method = "GET", path = "/secret", integration = { type = "MOCK", body = "over TLS" } }]
        [apis.back.stages.prod]
    "#;
    let folder = Folder::new(secure, &[]);
    folder.write("cert.pem", &certified.cert.pem());
    folder.write("key.pem", &certified.signing_key.serialize_pem());
    let back_end = Gateway::start_in(Arc::new(folder), &[]);

    let config = r#"
        [apis.front]
        routes = [
            { method = "GET", path = "/trusted",  integration = { type = "HTTP_PROXY", uri = "https://back-end.test/back/prod/secret", targets = ["SECURE"], tls = { ca = "cert.pem" } } },
            { method = "GET", path = "/stranger", integration = { type = "HTTP_PROXY", uri = "https://back-end.test/back/prod/secret", targets = ["SECURE"] } },
            { method = "GET", path = "/misnamed", integration = { type = "HTTP_PROXY", uri = "https://other.test/back/prod/secret", targets = ["SECURE"], tls = { ca = "cert.pem" } } },
            { method = "GET", path = "/renamed",  integration = { type = "HTTP_PROXY", uri = "https://other.test/back/prod/secret", targets = ["SECURE"], tls = { ca = "cert.pem", server_name = "back-end.test" } } },
        ]
        [apis.front.stages.prod]
    "#;
    let folder = Folder::new(&config.replace("SECURE", &back_end.http().to_string()), &[]);
    fs::copy(back_end.folder().path().join("cert.pem"), folder.path().join("cert.pem")).expect("a copy");
    let gateway = Gateway::start_in(Arc::new(folder), &[]);
    assert_eq!(gateway.get("/front/prod/trusted").expect(200).text(), "over TLS");
    assert_eq!(gateway.get("/front/prod/renamed").expect(200).text(), "over TLS");
    gateway.get("/front/prod/stranger").expect(502);
    gateway.get("/front/prod/misnamed").expect(502);
}

#[test]
fn requests_in_flight_are_answered_before_the_gateway_stops() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |_, out| {
        at_the_gate.wait();
        out.text("in time");
    });
    let mut gateway = Gateway::start(&front(""), &[&origin]);
    let mut wire = gateway.connect();
    wire.send(get("/front/prod/a").bytes());
    eventually("the back end is asked", || origin.heads() == 1);
    let stopped = thread::scope(|scope| {
        let stopping = scope.spawn(|| gateway.terminate());
        gate.open();
        assert_eq!(wire.read().expect(200).text(), "in time");
        stopping.join().unwrap()
    });
    assert!(stopped.success(), "{stopped}");
}
