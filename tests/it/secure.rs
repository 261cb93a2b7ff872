//! HTTP/1.1 over TLS: the same lane, the same answers, and what is TLS's own.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::HandshakeKind;

use crate::house::{Gateway, Origin, Wire, eventually, get, post, tls};

const SHOP: &str = r#"
[server]
listen = [{ address = "127.0.0.1:0", tls = { cert = "cert.pem", key = "key.pem" } }]
threads = 1
[apis.shop]
routes = [
    { method = "GET", path = "/mock", integration = { type = "MOCK", body = "mock" } },
    { method = "ANY", path = "/pass/{proxy+}", cache = { enabled = false }, integration = { type = "HTTP_PROXY", uri = "http://@1/{proxy}" } },
]
[apis.shop.stages.prod]
"#;

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at * 31 % 251).expect("less than 251")).collect()
}

#[test]
fn a_connection_is_kept_and_its_requests_may_follow_each_other_closely() {
    let origin = Origin::echo();
    let gateway = Gateway::start(SHOP, &[&origin]);
    let mut wire = Wire::open_tls(gateway.http());
    assert_eq!(wire.ask(&get("/shop/prod/mock")).expect(200).text(), "mock");
    let wishes = [post("/shop/prod/pass/a", "abc"), get("/shop/prod/mock"), post("/shop/prod/pass/b", noise(20_000))];
    let together: Vec<u8> = wishes.iter().flat_map(|wish| wish.bytes()).collect();
    wire.send(&together);
    assert_eq!(wire.read().expect(200).body, b"abc");
    assert_eq!(wire.read().expect(200).text(), "mock");
    assert!(wire.read().expect(200).body == noise(20_000));
    // Every byte in a record of its own.
    for byte in get("/shop/prod/mock").bytes() {
        wire.send([byte]);
    }
    assert_eq!(wire.read().expect(200).text(), "mock");
    assert_eq!(origin.last().field("x-forwarded-proto"), Some("https"));
}

#[test]
fn large_bodies_pass_whole_in_both_directions_and_a_slow_reader_holds_nobody_up() {
    let origin = Origin::echo();
    let gateway = Gateway::start(SHOP, &[&origin]);
    let mut wire = Wire::open_tls(gateway.http());
    for len in [16 << 10, 200_000, 5_000_000] {
        let wish = post("/shop/prod/pass/a", noise(len));
        wire.send(wish.bytes());
        // The whole answer waits on its way while somebody else is served.
        eventually("the back end has answered", || origin.seen().last().is_some_and(|seen| seen.body.len() == len));
        Wire::open_tls(gateway.http()).ask(&get("/shop/prod/mock")).expect(200);
        assert!(wire.read().expect(200).body == noise(len), "{len} bytes");
    }
}

#[test]
fn an_end_is_told_by_an_alert_and_a_cut_is_not() {
    let origin = Origin::start(|seen, out| match seen.target.as_str() {
        "/whole" => {
            out.head(200, &[("Content-Length", "5")]);
            out.raw("whole");
        }
        _ => {
            out.head(200, &[("Content-Length", "100000")]);
            out.raw(noise(50_000));
            out.close();
        }
    });
    let gateway = Gateway::start(SHOP, &[&origin]);
    let mut wire = Wire::open_tls(gateway.http());
    wire.send(get("/shop/prod/pass/whole").header("Connection", "close").bytes());
    wire.read().expect(200);
    assert!(wire.is_closed());
    let mut secured = tls::connect(gateway.http(), &tls::client()).expect("a handshake");
    secured.write_all(&get("/shop/prod/pass/cut").bytes()).expect("it is read");
    let mut got = Vec::new();
    let end = secured.read_to_end(&mut got).expect_err("no alert").kind();
    assert_eq!((end, got.len() >= 50_000), (std::io::ErrorKind::UnexpectedEof, true));
}

#[test]
fn who_has_said_goodbye_still_gets_an_answer() {
    let origin = Origin::echo();
    let gateway = Gateway::start(SHOP, &[&origin]);
    for is_alert in [true, false] {
        let mut secured = tls::connect(gateway.http(), &tls::client()).expect("a handshake");
        secured.write_all(&post("/shop/prod/pass/a", noise(30_000)).bytes()).expect("it is read");
        if is_alert {
            secured.conn.send_close_notify();
            secured.flush().expect("it is read");
        }
        secured.sock.shutdown(Shutdown::Write).expect("an open socket");
        let mut answer = Vec::new();
        secured.read_to_end(&mut answer).expect("an answer with an end");
        assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(&noise(30_000)), "alert: {is_alert}");
    }
}

#[test]
fn a_session_is_resumed() {
    let gateway = Gateway::start(SHOP, &[&Origin::echo()]);
    let client = tls::client();
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let secured = tls::connect(gateway.http(), &client).expect("a handshake");
        // The tickets come with the first answer at the latest.
        let kind = secured.conn.handshake_kind();
        Wire::over(secured).ask(&get("/shop/prod/mock")).expect(200);
        assert_eq!(kind, Some(expected));
    }
}

#[test]
fn older_tls_is_spoken_too() {
    let gateway = Gateway::start(SHOP, &[&Origin::echo()]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut client = Arc::unwrap_or_clone(tls::client_of(&[version]));
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        let secured = tls::connect(gateway.http(), &Arc::new(client)).expect("a handshake");
        assert_eq!(secured.conn.protocol_version(), Some(version.version));
        let mut wire = Wire::over(secured);
        assert!(wire.ask(&post("/shop/prod/pass/a", noise(100_000))).expect(200).body == noise(100_000));
    }
}

#[test]
fn who_speaks_no_tls_gets_an_alert_and_a_closed_connection() {
    let gateway = Gateway::start(SHOP, &[&Origin::echo()]);
    let mut tcp = TcpStream::connect(gateway.http()).expect("a connection");
    tcp.write_all(&get("/shop/prod/mock").bytes()).expect("it is read");
    let mut said = Vec::new();
    let _ = tcp.read_to_end(&mut said);
    assert_eq!(said.first(), Some(&21), "an alert (RFC 8446 section 5.1)");
}

#[test]
fn what_the_full_lane_answers_leaves_the_connection_to_the_express_lane() {
    let origin = Origin::echo();
    let gateway = Gateway::start(SHOP, &[&origin]);
    let mut wire = Wire::open_tls(gateway.http());
    for body in ["one", "two"] {
        let wish = post("/shop/prod/pass/a", body).header("Expect", "100-continue");
        assert_eq!(wire.ask(&wish).expect(200).text(), body);
        assert_eq!(origin.last().field("x-forwarded-proto"), Some("https"));
        wire.ask(&get("/shop/prod/mock")).expect(200);
    }
    // A bare line feed, which only the express lane refuses.
    wire.send("GET /shop/prod/mock HTTP/1.1\nHost: x\n\n");
    wire.read().expect(400);
    assert!(wire.is_closed());
}

#[test]
fn an_upgraded_connection_carries_whatever_it_is_upgraded_to() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let back_end = thread::spawn(move || {
        let (mut tcp, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tcp.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        tcp.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .expect("sent");
        let mut said = [0; 5];
        tcp.read_exact(&mut said).expect("what was said");
        tcp.write_all(&said).expect("sent");
    });
    let gateway = Gateway::start(&SHOP.replace("@1", &address), &[]);
    let mut secured = tls::connect(gateway.http(), &tls::client()).expect("a handshake");
    let upgrade = get("/shop/prod/pass/a").header("Connection", "Upgrade").header("Upgrade", "websocket");
    let upgrade = upgrade.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==").header("Sec-WebSocket-Version", "13");
    secured.write_all(&upgrade.bytes()).expect("it is read");
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        secured.read_exact(&mut byte).expect("a head");
        got.push(byte[0]);
    }
    assert!(got.starts_with(b"HTTP/1.1 101"), "{:?}", String::from_utf8_lossy(&got));
    secured.write_all(b"hello").expect("it is read");
    let mut echo = [0; 5];
    secured.read_exact(&mut echo).expect("an echo");
    assert_eq!(&echo, b"hello");
    back_end.join().expect("a back end that was upgraded");
}

#[test]
fn an_idle_connection_is_closed_when_the_gateway_stops() {
    let mut gateway = Gateway::start(SHOP, &[&Origin::echo()]);
    let mut wire = Wire::open_tls(gateway.http());
    wire.ask(&get("/shop/prod/mock")).expect(200);
    assert!(gateway.terminate().success());
    assert!(wire.is_closed());
}
