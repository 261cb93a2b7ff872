#![no_main]
//! A whole gateway without its accept loop, over loopback: any bytes of a client, in any pieces, HTTP/1.1 or HTTP/2.
//!
//! The back end reads by the book and in a plain way. Whatever it is sent are whole requests of the gateway's making: each has
//! the gateway's `Via` and a request id that no other has, and a path that a route forwards. Nobody hangs.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tollgate::base::Clock;
use tollgate::config;
use tollgate::gateway::integrate::Pools;
use tollgate::gateway::proxy::{Express, lane};
use tollgate::gateway::snapshot::{Live, Snapshot};
use tollgate::store::Store;
use tollgate::telemetry::Telemetry;

const CONFIGURATION: &str = r#"
[telemetry]
access_log = { path = "off" }
[domains."*"]
mappings = { "/" = "fuzz/prod" }
[apis.fuzz]
routes = [
    { method = "ANY", path = "/fixed", integration = { type = "MOCK", body = "fixed" } },
    { method = "ANY", path = "/pass/{rest+}", integration = { type = "HTTP_PROXY", uri = "http://@/pass/{rest}" } },
    { method = "POST", path = "/body/{id}", integration = { type = "HTTP", uri = "http://@/body/{id}" } },
    { method = "GET", path = "/kept/{id}", cache = { honor_origin = true }, integration = { type = "HTTP_PROXY", uri = "http://@/kept/{id}" } },
    { method = "GET", path = "/keyed", api_key_required = true, integration = { type = "HTTP_PROXY", uri = "http://@/keyed" } },
]
[apis.fuzz.stages.prod]
cache = { enabled = true, size = "1MiB" }
"#;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    cut: u16,
    bytes: &'a [u8],
}

thread_local! {
    static GATEWAY: RefCell<Gateway> = RefCell::new(Gateway::new());
}

fuzz_target!(|input: Input<'_>| {
    GATEWAY.with_borrow(|gateway| gateway.converse(&input));
});

struct Gateway {
    runtime: Runtime,
    express: Express,
    listener: TcpListener,
    stopping: watch::Receiver<bool>,
    _stop: watch::Sender<bool>,
    ids: Arc<Mutex<HashSet<String>>>,
}

impl Gateway {
    fn new() -> Gateway {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let ids = Arc::new(Mutex::new(HashSet::new()));
        let (express, listener) = runtime.block_on(async {
            let origin = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
            let address = origin.local_addr().expect("an address").to_string();
            tokio::spawn(serve(origin, Arc::clone(&ids)));
            let live = Arc::new(live(&CONFIGURATION.replace('@', &address)));
            let (full, fetches) = lane(Arc::clone(&live));
            let fetching = Arc::clone(&fetches);
            tokio::spawn(async move { fetching.run().await });
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
            (Express::new(live, full, fetches), listener)
        });
        let (stop, stopping) = watch::channel(false);
        Gateway { runtime, express, listener, stopping, _stop: stop, ids }
    }

    fn converse(&self, input: &Input<'_>) {
        self.ids.lock().expect("no panic").clear();
        let work = async {
            let address = self.listener.local_addr().expect("an address");
            let mut client = TcpStream::connect(address).await.expect("a connection");
            // Thousands of connections a second would run out of ports if they were remembered.
            let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
            let (tcp, peer) = self.listener.accept().await.expect("a connection");
            let (first, rest) = input.bytes.split_at(usize::from(input.cut).min(input.bytes.len()));
            let speaking = async {
                let (mut from, mut to) = client.split();
                let mut answers = Vec::new();
                let sending = async {
                    for piece in [first, rest] {
                        let _ = to.write_all(piece).await;
                        tokio::task::yield_now().await;
                    }
                    let _ = to.shutdown().await;
                };
                let _ = tokio::join!(sending, from.read_to_end(&mut answers));
            };
            tokio::join!(self.express.converse_either(tcp, peer, &self.stopping), speaking);
        };
        let patient = async { tokio::time::timeout(Duration::from_secs(10), work).await };
        self.runtime.block_on(patient).expect("a conversation ends once its client has said all");
    }
}

/// A gateway that serves, with all but its sockets.
fn live(text: &str) -> Live {
    let config = config::parse(text).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    let clock = Clock::system();
    let telemetry = Telemetry::open(&config.telemetry, clock.now()).expect("no file is opened");
    let (store, pools) = (Store::in_memory().expect("memory"), Arc::new(Pools::default()));
    let compiled = Snapshot::compile(config, &store, &pools, None);
    let compiled = compiled.unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    Live::new(clock, telemetry, store, pools, compiled)
}

async fn serve(listener: TcpListener, ids: Arc<Mutex<HashSet<String>>>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let ids = Arc::clone(&ids);
        tokio::spawn(async move {
            let mut wire = BufReader::new(tcp);
            while let Some((head, body)) = read(&mut wire).await {
                check(&head, &ids);
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nCache-Control: max-age=1\r\nETag: \"a\"\r\nContent-Length: {}\r\n\r\n", body.len());
                let body = if head.starts_with("HEAD ") { &[][..] } else { &body };
                if wire.write_all(&[answer.as_bytes(), body].concat()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// A request's head and its body; `None`: the gateway has closed, which it may do in the midst of a body.
async fn read(wire: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(wire.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut body = Vec::new();
    match (field(&head, "content-length"), field(&head, "transfer-encoding")) {
        (None, None) => {}
        (Some(length), None) => {
            body.resize(length.parse().unwrap_or_else(|_| panic!("no length: {head}")), 0);
            wire.read_exact(&mut body).await.ok()?;
        }
        (None, Some("chunked")) => loop {
            let size = usize::from_str_radix(&line(wire).await?, 16).unwrap_or_else(|_| panic!("no chunk: {head}"));
            let mut chunk = vec![0; size + 2];
            wire.read_exact(&mut chunk).await.ok()?;
            assert!(chunk.ends_with(b"\r\n"), "no chunk: {head}");
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        },
        _ => panic!("two ways to read its body: {head}"),
    }
    Some((head, body))
}

async fn line(wire: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(wire.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn check(head: &str, ids: &Mutex<HashSet<String>>) {
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, target, version) = (words.next(), words.next().unwrap_or_default(), words.next());
    assert!(method.is_some() && words.next().is_none() && version == Some("HTTP/1.1"), "{head}");
    let is_forwarded = ["/pass/", "/body/", "/kept/"].iter().any(|start| target.starts_with(start)) || target == "/pass";
    assert!(is_forwarded, "no route forwards {target}: {head}");
    assert_eq!(head.matches("via: 1.1 tollgate\r\n").count(), 1, "not of the gateway's making: {head}");
    let id = field(head, "x-request-id").unwrap_or_else(|| panic!("no id: {head}"));
    assert!(ids.lock().expect("no panic").insert(id.to_owned()), "an id comes twice: {head}");
}

/// The value of a field that comes once.
fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut found = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':')).filter(|(n, _)| n.eq_ignore_ascii_case(name));
    let value = found.next().map(|(_, value)| value.trim());
    assert!(found.next().is_none(), "{name} comes twice: {head}");
    value
}
