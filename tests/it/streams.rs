//! HTTP/2: streams are requests like others, and what befalls one does not befall its neighbours.

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use h2::Reason;
use pingora_rustls::{CertificateDer, ClientConfig, RootCertStore, ServerName, TlsConnector};
use tokio::net::TcpStream;

use crate::house::{Folder, Gate, Gateway, Origin, Streams, eventually, get, post, request};

const FRONT: &str = r#"
[server]
listen = [{ address = "127.0.0.1:0", h2 = true }]
threads = 1
{LIMITS}

[apis.front]
routes = [
    { method = "ANY", path = "/pass/{proxy+}", cache = { enabled = false }, integration = { type = "HTTP_PROXY", uri = "http://@1/{proxy}", timeout = "{TIMEOUT}" } },
    { method = "GET", path = "/cached/{id}", cache = { ttl = "300s" }, integration = { type = "HTTP_PROXY", uri = "http://@1/{id}" } },
    { method = "ANY", path = "/mock", integration = { type = "MOCK", body = "mock" } },
]
[apis.front.stages.prod]
cache = { enabled = true, size = "16MiB" }
"#;

fn front_with(limits: &str, timeout: &str, origin: &Origin) -> Gateway {
    let limits = format!("[server.limits]\n{limits}");
    Gateway::start(&FRONT.replace("{LIMITS}", &limits).replace("{TIMEOUT}", timeout), &[origin])
}

fn front(origin: &Origin) -> Gateway {
    front_with("", "20s", origin)
}

/// A body in which no two places look alike.
fn large(len: usize) -> Bytes {
    (0..len).map(|at| (at % 251) as u8 ^ (at >> 12) as u8).collect()
}

#[test]
fn a_listener_of_http_2_speaks_http_1_as_well() {
    let gateway = front(&Origin::mirror());
    assert_eq!(gateway.get("/front/prod/pass/a").expect(200).text(), "GET /a");
    let mut slow = gateway.connect();
    slow.send("P");
    slow.send("RI /front HTTP/1.1\r\nHost: x\r\n\r\n");
    slow.read_head().expect(404);
    let streams = Streams::open(gateway.http());
    assert_eq!(streams.ask(&get("/front/prod/pass/a")).expect(200).text(), "GET /a");
}

#[test]
fn large_bodies_pass_both_ways_whatever_the_windows() {
    let origin = Origin::echo();
    let gateway = front(&origin);
    let body = large(3 << 20);
    for window in [1 << 10, 65_535, 8 << 20] {
        let mut settings = h2::client::Builder::new();
        settings.initial_window_size(window).initial_connection_window_size(window.max(65_535));
        let streams = Streams::open_with(gateway.http(), &settings);
        let (announced, unannounced) =
            (post("/front/prod/pass/a", body.to_vec()), request("PUT", "/front/prod/pass/b"));
        assert!(streams.ask(&announced).expect(200).body == body, "with a window of {window}");
        assert_eq!(origin.last().field("content-length"), Some("3145728"));
        let answer = streams.exchange(unannounced.stream().0, Some(body.clone())).unwrap().expect(200);
        assert!(answer.body == body, "in chunks, with a window of {window}");
        assert_eq!(origin.last().field("transfer-encoding"), Some("chunked"));
    }
}

#[test]
fn a_client_that_does_not_read_one_stream_is_answered_on_others() {
    let origin = Origin::start(|seen, out| match seen.target.as_str() {
        "/large" => out.answer(200, &[], large(4 << 20)),
        _ => out.text("small"),
    });
    let gateway = front(&origin);
    let mut settings = h2::client::Builder::new();
    settings.initial_connection_window_size(1 << 20);
    let streams = Streams::open_with(gateway.http(), &settings);
    let unread = streams.start(get("/front/prod/pass/large").stream().0, false);
    for _ in 0..50 {
        assert_eq!(streams.ask(&get("/front/prod/pass/small")).expect(200).text(), "small");
    }
    assert!(streams.finish(unread.answer).unwrap().body == large(4 << 20));
}

#[test]
fn a_slow_stream_holds_nobody_up_and_a_connection_is_used_again() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |seen, out| {
        if seen.target == "/slow" {
            at_the_gate.wait();
        }
        out.text(&seen.target);
    });
    let gateway = front(&origin);
    let streams = Streams::open(gateway.http());
    let slow = streams.start(get("/front/prod/pass/slow").stream().0, false);
    eventually("the back end is asked", || origin.heads() == 1);
    for _ in 0..20 {
        streams.ask(&get("/front/prod/pass/fast")).expect(200);
    }
    gate.open();
    assert_eq!(streams.finish(slow.answer).unwrap().expect(200).text(), "/slow");
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_client_that_resets_a_stream_frees_its_back_end() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |seen, out| {
        if seen.target == "/waits" {
            at_the_gate.wait();
        }
        out.text("answered");
    });
    let gateway = front(&origin);
    let streams = Streams::open(gateway.http());
    let head = get("/front/prod/pass/waits").header("x-request-id", "reset-while-waiting").stream().0;
    let mut waiting = streams.start(head, false);
    eventually("the back end is asked", || origin.heads() == 1);
    waiting.body.send_reset(Reason::CANCEL);
    assert_eq!(gateway.log_of("reset-while-waiting")["status"], 499);

    let head = request("POST", "/front/prod/pass/sends").header("x-request-id", "reset-while-sending").stream().0;
    let mut sending = streams.start(head, true);
    sending.body.send_data(large(1000), false).unwrap();
    eventually("the back end reads", || origin.heads() == 2);
    sending.body.send_reset(Reason::CANCEL);
    assert_eq!(gateway.log_of("reset-while-sending")["status"], 499);
    gate.open();
    streams.ask(&get("/front/prod/pass/other")).expect(200);
}

#[test]
fn a_client_that_goes_frees_the_back_ends_of_all_its_streams() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |_, out| {
        at_the_gate.wait();
        out.text("too late");
    });
    let gateway = front(&origin);
    let streams = Streams::open(gateway.http());
    let ids = ["gone-with-all-1", "gone-with-all-2", "gone-with-all-3"];
    let started = ids.map(|id| streams.start(get("/front/prod/pass/a").header("x-request-id", id).stream().0, false));
    eventually("the back end is asked", || origin.heads() == ids.len());
    drop((started, streams));
    for id in ids {
        assert_eq!(gateway.log_of(id)["status"], 499);
    }
    gate.open();
}

#[test]
fn an_answer_that_breaks_off_is_a_reset_and_never_an_end() {
    let origin = Origin::start(|seen, out| match seen.target.as_str() {
        "/length" => {
            out.head(200, &[("Content-Length", "100000")]);
            out.raw(large(50_000));
            out.close();
        }
        "/chunks" => {
            out.head(200, &[("Transfer-Encoding", "chunked")]);
            out.chunk("part");
            out.close();
        }
        "/nonsense" => {
            out.head(200, &[("Transfer-Encoding", "chunked")]);
            out.raw("zz\r\n");
            out.close();
        }
        "/silent" => out.close(),
        "/close" => {
            out.head(200, &[]);
            out.raw("until the end");
            out.close();
        }
        _ => out.text("whole"),
    });
    let gateway = front(&origin);
    let streams = Streams::open(gateway.http());
    for target in ["length", "chunks", "nonsense"] {
        let error = streams.try_ask(&get(&format!("/front/prod/pass/{target}"))).expect_err(target);
        assert_eq!((error.is_reset(), error.reason()), (true, Some(Reason::INTERNAL_ERROR)), "{target}: {error}");
        assert_eq!(streams.ask(&get("/front/prod/pass/whole")).expect(200).text(), "whole");
    }
    assert_eq!(streams.ask(&get("/front/prod/pass/silent")).expect(502).code(), "back_end_failed");
    assert_eq!(streams.ask(&get("/front/prod/pass/close")).expect(200).text(), "until the end");
}

#[test]
fn a_body_over_the_limit_is_refused_announced_or_not() {
    let origin = Origin::echo();
    let gateway = front_with("body = \"100KiB\"", "20s", &origin);
    let streams = Streams::open(gateway.http());
    let (over, under) = (large((100 << 10) + 1), large(100 << 10));
    let announced = post("/front/prod/pass/a", over.to_vec());
    assert_eq!(streams.ask(&announced).expect(413).code(), "body_too_large");
    let unannounced = request("POST", "/front/prod/pass/a").stream().0;
    assert_eq!(streams.exchange(unannounced.clone(), Some(over)).unwrap().expect(413).code(), "body_too_large");
    assert!(streams.exchange(unannounced, Some(under.clone())).unwrap().expect(200).body == under);
}

#[test]
fn a_head_over_the_limit_is_refused_and_the_connection_goes_on() {
    let origin = Origin::mirror();
    let gateway = front_with("head = \"2KiB\"", "20s", &origin);
    let streams = Streams::open(gateway.http());
    let over = get("/front/prod/pass/a").header("x-long", "x".repeat(2100));
    assert_eq!(streams.ask(&over).expect(431).code(), "headers_too_large");
    let long = get(&format!("/front/prod/pass/{}", "x".repeat(2100)));
    assert_eq!(streams.ask(&long).expect(414).code(), "uri_too_long");
    // Far over it the framer does not read on; nothing was forwarded either way.
    let mut far_over = get("/front/prod/pass/a");
    for number in 0..60 {
        far_over = far_over.header(&format!("x-long-{number}"), "x".repeat(500));
    }
    streams.ask(&far_over).expect(431);
    assert_eq!(origin.requests(), 0);
    streams.ask(&get("/front/prod/pass/a")).expect(200);
}

#[test]
fn a_head_that_two_readers_could_read_differently_is_refused() {
    let origin = Origin::mirror();
    let gateway = front(&origin);
    let streams = Streams::open(gateway.http());
    for (name, value) in [("host", "other.test"), ("content-length", "+0"), ("content-length", "0, 0")] {
        let wish = get("/front/prod/pass/a").header(name, value);
        match streams.try_ask(&wish) {
            Ok(answer) => assert_eq!(answer.expect(400).code(), "malformed_request"),
            // The framer may know better than to hand it on.
            Err(error) => assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR), "{name}: {value}"),
        }
    }
    assert_eq!(origin.requests(), 0);
    let crumbs = get("/front/prod/pass/a").header("cookie", "a=b").header("cookie", "c=d");
    streams.ask(&crumbs).expect(200);
    assert_eq!(origin.last().field("cookie"), Some("a=b; c=d"));
}

#[test]
fn what_is_too_slow_is_told_so() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |_, out| {
        at_the_gate.wait();
        out.text("too late");
    });
    let gateway = front_with("body_timeout = \"300ms\"", "500ms", &origin);
    let streams = Streams::open(gateway.http());
    let mut head = post("/front/prod/pass/a", "x").stream().0;
    head.headers_mut().insert("content-length", http::HeaderValue::from_static("10"));
    let mut slow = streams.start(head, true);
    slow.body.send_data(Bytes::from_static(b"x"), false).unwrap();
    assert_eq!(streams.finish(slow.answer).unwrap().expect(408).code(), "request_timeout");
    assert_eq!(streams.ask(&get("/front/prod/pass/a")).expect(504).code(), "back_end_timeout");
    gate.open();
}

#[test]
fn streams_share_a_cached_answer_and_one_fetch_of_it() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |_, out| {
        at_the_gate.wait();
        out.answer(200, &[("Content-Type", "text/plain")], large(200_000));
    });
    let gateway = front(&origin);
    // All are in flight at once and read one after another.
    let mut settings = h2::client::Builder::new();
    settings.initial_connection_window_size(4 << 20);
    let streams = Streams::open_with(gateway.http(), &settings);
    let started: Vec<_> = (0..8).map(|_| streams.start(get("/front/prod/cached/a").stream().0, false)).collect();
    eventually("the back end is asked", || origin.heads() == 1);
    gate.open();
    for stream in started {
        assert!(streams.finish(stream.answer).unwrap().expect(200).body == large(200_000));
    }
    let hit = streams.ask(&get("/front/prod/cached/a")).expect(200);
    assert!(hit.is_hit() && hit.body == large(200_000));
    let head = streams.ask(&request("HEAD", "/front/prod/pass/a")).expect(200);
    assert_eq!((head.field("content-length"), head.body.len()), (Some("200000"), 0));
    assert_eq!(origin.requests(), 2);
    // Each was admitted once, whichever lane ended it.
    gateway.expect_metric("tollgate_requests_total", &[("route", "/cached/{id}")], 9.0);
}

#[test]
fn trailers_stay_behind_and_the_body_is_whole() {
    let origin = Origin::start(|_, out| {
        out.head(200, &[("Transfer-Encoding", "chunked"), ("Trailer", "x-origin-status")]);
        out.chunk("message");
        out.raw("0\r\nx-origin-status: 0\r\n\r\n");
    });
    let gateway = front(&origin);
    let streams = Streams::open(gateway.http());
    let call =
        request("POST", "/front/prod/pass/a").header("te", "trailers").header("content-type", "application/grpc");
    let mut stream = streams.start(call.stream().0, true);
    stream.body.send_data(Bytes::from_static(b"call"), false).unwrap();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-checksum", http::HeaderValue::from_static("1"));
    stream.body.send_trailers(trailers).unwrap();
    assert_eq!(streams.finish(stream.answer).unwrap().expect(200).text(), "message");
    assert_eq!((&origin.last().body[..], origin.last().field("te")), (&b"call"[..], None));
}

#[test]
fn streams_in_flight_are_answered_before_the_gateway_stops() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |_, out| {
        at_the_gate.wait();
        out.text("in time");
    });
    let mut gateway = front(&origin);
    let (busy, idle) = (Streams::open(gateway.http()), Streams::open(gateway.http()));
    idle.ask(&get("/front/prod/mock")).expect(200);
    let started = busy.start(get("/front/prod/pass/a").stream().0, false);
    eventually("the back end is asked", || origin.heads() == 1);
    let stopped = thread::scope(|scope| {
        let stopping = scope.spawn(|| gateway.terminate());
        assert!(idle.ends_in_peace());
        gate.open();
        assert_eq!(busy.finish(started.answer).unwrap().expect(200).text(), "in time");
        assert!(busy.ends_in_peace());
        stopping.join().unwrap()
    });
    assert!(stopped.success(), "{stopped}");
}

#[test]
fn an_idle_connection_is_told_goodbye() {
    let gateway = front_with("idle_timeout = \"300ms\"", "20s", &Origin::mirror());
    let streams = Streams::open(gateway.http());
    streams.ask(&get("/front/prod/pass/a")).expect(200);
    assert!(streams.ends_in_peace());
}

#[test]
fn over_tls_streams_are_chosen_by_alpn_and_reach_a_back_end_over_tls() {
    let certified = rcgen::generate_simple_self_signed(["back-end.test".to_owned()]).expect("a certificate");
    let secure = r#"
        [server]
        listen = [{ address = "127.0.0.1:0", tls = { cert = "cert.pem", key = "key.pem" } }]
        [apis.back]
        routes = [
            { method = "ANY", path = "/{proxy+}", integration = { type = "HTTP_PROXY", uri = "http://@1/{proxy}" } },
        ]
        [apis.back.stages.prod]
    "#;
    let origin = Origin::start(|seen, out| match seen.target.as_str() {
        "/breaks" => {
            out.head(200, &[("Content-Length", "100000")]);
            out.raw(large(50_000));
            out.close();
        }
        _ => out.answer(200, &[], &seen.body),
    });
    let folder = Folder::new(secure, &[&origin]);
    folder.write("cert.pem", &certified.cert.pem());
    folder.write("key.pem", &certified.signing_key.serialize_pem());
    let back_end = Gateway::start_in(Arc::new(folder), &[]);

    let tls = over_tls(&back_end, certified.cert.der().clone());
    let body = large(300_000);
    assert!(tls.ask(&post("/back/prod/echo", body.to_vec()).host("back-end.test")).expect(200).body == body);
    assert_eq!(origin.last().field("x-forwarded-proto"), Some("https"));

    let config = r#"
        [server]
        listen = [{ address = "127.0.0.1:0", h2 = true }]
        [apis.front]
        routes = [{ method = "ANY", path = "/{proxy+}", integration = { type = "HTTP_PROXY", uri = "https://back-end.test/back/prod/{proxy}", targets = ["SECURE"], tls = { ca = "cert.pem" } } }]
        [apis.front.stages.prod]
    "#;
    let folder = Folder::new(&config.replace("SECURE", &back_end.http().to_string()), &[]);
    folder.write("cert.pem", &certified.cert.pem());
    let gateway = Gateway::start_in(Arc::new(folder), &[]);
    let streams = Streams::open(gateway.http());
    assert!(streams.ask(&post("/front/prod/echo", body.to_vec())).expect(200).body == body);
    let unannounced = request("PUT", "/front/prod/echo").stream().0;
    assert!(streams.exchange(unannounced, Some(body.clone())).unwrap().expect(200).body == body);
    assert!(streams.try_ask(&get("/front/prod/breaks")).is_err());
    streams.ask(&get("/front/prod/echo")).expect(200);
    streams.ask(&get("/nowhere")).expect(404);
}

fn over_tls(gateway: &Gateway, root: CertificateDer<'static>) -> Streams {
    pingora_rustls::install_default_crypto_provider();
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a certificate");
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (connector, address) = (TlsConnector::from(Arc::new(config)), gateway.http());
    let connect = async move {
        let name = ServerName::try_from("back-end.test").expect("a name");
        let tcp = TcpStream::connect(address).await.expect("a connection");
        let tls = connector.connect(name, tcp).await.expect("a handshake");
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        tls
    };
    Streams::over(connect, &h2::client::Builder::new())
}

#[test]
fn a_stream_is_tried_once_more_with_its_body_where_that_is_safe() {
    let broken = Origin::start(|_, out| out.close());
    let sound = Origin::echo();
    let targets = "targets = [\"@1\", \"@2\"]";
    let config = FRONT.replace("{LIMITS}", "").replace("timeout = \"{TIMEOUT}\"", targets);
    let gateway = Gateway::start(&config, &[&broken, &sound]);
    let streams = Streams::open(gateway.http());
    for _ in 0..6 {
        let wish = request("PUT", "/front/prod/pass/a").body("small enough to keep");
        assert_eq!(streams.ask(&wish).expect(200).text(), "small enough to keep");
    }
    assert!(broken.requests() >= 1);
}

#[test]
fn a_client_that_waits_for_a_go_ahead_gets_it() {
    let origin = Origin::echo();
    let gateway = front(&origin);
    let streams = Streams::open(gateway.http());
    let head = post("/front/prod/pass/a", "body").header("expect", "100-continue").stream().0;
    let mut waiting = streams.start(head, true);
    let told = streams.wait(std::future::poll_fn(|cx| waiting.answer.poll_informational(cx)));
    assert_eq!(told.unwrap().unwrap().status(), 100);
    waiting.body.send_data(Bytes::from_static(b"body"), true).unwrap();
    assert_eq!(streams.finish(waiting.answer).unwrap().expect(200).text(), "body");
    assert_eq!(origin.last().field("expect"), None);
}
