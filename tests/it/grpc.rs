//! HTTP/2 to back ends, and what gRPC needs of it: messages both ways at once, and trailers behind them.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::house::{Folder, Gateway, Service, Streams, eventually, get, post, request};

const FRONT: &str = r#"
[server]
listen = [{ address = "127.0.0.1:0", h2 = true }]

[apis.front]
routes = [
    { method = "POST", path = "/{proxy+}", cache = { enabled = false }, integration = { type = "HTTP_PROXY", uri = "http://SERVICE/{proxy}", protocol_version = "HTTP2" } },
    { method = "GET", path = "/{proxy+}", integration = { type = "HTTP_PROXY", uri = "http://SERVICE/{proxy}", protocol_version = "HTTP2" } },
]
[apis.front.stages.prod]
cache = { enabled = true, size = "16MiB" }

[domains."*"]
mappings = { "/" = "front/prod" }
"#;

fn front(service: &Service) -> Gateway {
    Gateway::start(&FRONT.replace("SERVICE", &service.address()), &[])
}

fn call(path: &str) -> http::Request<()> {
    request("POST", path).header("content-type", "application/grpc").header("te", "trailers").stream().0
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().expect("text")
}

#[test]
fn messages_pass_both_ways_while_the_call_is_open_and_trailers_end_it() {
    let service = Service::start();
    let gateway = front(&service);
    let streams = Streams::open(gateway.http());
    let mut call = streams.start(call("/shop.Orders/Watch"), true);
    let message = |number: u8| Bytes::from(vec![number; 1000]);
    streams.send_piece(&mut call.body, message(0));
    let (head, mut answer) = streams.wait(call.answer).expect("an answer while the call is open").into_parts();
    assert_eq!((head.status.as_u16(), text(&head.headers["content-type"])), (200, "application/grpc"));
    assert!(!head.headers.contains_key("grpc-status"));
    for number in 1..=5 {
        assert_eq!(streams.read_piece(&mut answer).as_deref(), Some(&[number - 1; 1000][..]));
        streams.send_piece(&mut call.body, message(number));
    }
    assert_eq!(streams.read_piece(&mut answer).as_deref(), Some(&[5; 1000][..]));
    call.body.send_data(Bytes::new(), true).expect("the call is open");
    assert_eq!(streams.read_piece(&mut answer), None);
    let trailers = streams.wait(answer.trailers()).expect("a whole answer").expect("trailers");
    assert_eq!(trailers, HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), "0".parse().unwrap())]));
    let seen = service.last();
    assert_eq!((seen.uri().path(), text(&seen.headers()["te"])), ("/shop.Orders/Watch", "trailers"));
    assert_eq!(seen.uri().authority().map(|it| it.as_str()), Some(service.address().as_str()));
    assert_eq!(seen.uri().scheme_str(), Some("http"));
    assert!(seen.headers().contains_key("x-request-id") && !seen.headers().contains_key("host"));
}

#[test]
fn a_refusal_of_trailers_only_passes_and_calls_share_a_connection() {
    let service = Service::start();
    let gateway = front(&service);
    let streams = Streams::open(gateway.http());
    for _ in 0..20 {
        let refused = streams.exchange(call("/shop.Orders/refuse"), None).expect("an answer").expect(200);
        assert_eq!(refused.field("grpc-status"), Some("7"));
    }
    assert_eq!(service.heads().len(), 20);
    assert_eq!(service.connections(), 1);
}

#[test]
fn clients_of_http_1_are_served_by_back_ends_of_http_2() {
    let service = Service::start();
    let gateway = front(&service);
    let body = "a body".repeat(20_000);
    let mut wire = gateway.connect();
    let answer = wire.ask(&post("/echo", body.clone())).expect(200);
    assert_eq!(answer.text(), body);
    // An answer that begins before the request has come whole is the last one on its connection.
    if answer.announces_close() {
        assert!(wire.is_closed());
        wire = gateway.connect();
    }
    assert_eq!(wire.ask(&post("/echo", "again")).expect(200).text(), "again");
    assert!(!service.last().headers().contains_key("te"));
    // A fetch that is shared, and stored.
    for _ in 0..3 {
        wire.ask(&get("/kept?x=1")).expect(200);
    }
    let kept = service.heads().into_iter().filter(|head| head.uri().path() == "/kept").count();
    assert_eq!((kept, service.last().uri().query()), (1, Some("x=1")));
}

#[test]
fn http_2_to_a_back_end_over_tls_is_agreed_on_by_alpn_and_its_health_is_asked_the_same_way() {
    let certified = rcgen::generate_simple_self_signed(["back-end.test".to_owned()]).expect("a certificate");
    let back = r#"
        [server]
        listen = [{ address = "127.0.0.1:0", tls = { cert = "cert.pem", key = "key.pem" } }]
        [apis.back]
        routes = [
            { method = "ANY", path = "/{proxy+}", integration = { type = "MOCK", body = "over TLS" } },
            { method = "GET", path = "/well", integration = { type = "MOCK" } },
        ]
        [apis.back.stages.prod]
    "#;
    let folder = Folder::new(back, &[]);
    folder.write("cert.pem", &certified.cert.pem());
    folder.write("key.pem", &certified.signing_key.serialize_pem());
    let back = Gateway::start_in(Arc::new(folder), &[]);
    let config = r#"
        [apis.front]
        routes = [{ method = "ANY", path = "/{proxy+}", integration = { type = "HTTP_PROXY", uri = "https://back-end.test/back/prod/{proxy}", targets = ["SECURE"], tls = { ca = "cert.pem" }, protocol_version = "HTTP2", health = { path = "/back/prod/well", interval = "100ms", healthy = 1, unhealthy = 1 } } }]
        [apis.front.stages.prod]
    "#;
    let folder = Folder::new(&config.replace("SECURE", &back.http().to_string()), &[]);
    folder.write("cert.pem", &certified.cert.pem());
    let gateway = Gateway::start_in(Arc::new(folder), &[]);
    for _ in 0..5 {
        assert_eq!(gateway.get("/front/prod/a").expect(200).text(), "over TLS");
    }
    let asked = || back.metric("tollgate_requests_total", &[("route", "/well"), ("status", "200")]);
    eventually("the back end's health is asked", || asked() >= 3.0);
    gateway.get("/front/prod/a").expect(200);
}
