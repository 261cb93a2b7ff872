use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::super::Http;
use super::super::origin::{Origin, Reply};
use super::super::pool::Pools;
use super::*;
use crate::config::{Balance, Ejection, HttpIntegration, Located, ProtocolVersion, Span, Target, UpstreamTls};
use crate::gateway::transform::ApiTerms;

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const TIMEOUT: Duration = Duration::from_millis(400);

/// Everything that an exchange needs.
struct Bench {
    connector: Connector,
    clock: Clock,
    pools: Pools,
}

impl Bench {
    fn new() -> Bench {
        Bench { connector: Connector::new(None), clock: Clock::system(), pools: Pools::default() }
    }

    fn http(&self, uri: &str, targets: &[String], tls: UpstreamTls) -> Arc<BackEnd> {
        let located = |text: &str| Located::new(text.to_owned(), Span::default());
        let integration = HttpIntegration {
            is_proxy: true,
            uri: located(uri),
            method: None,
            timeout: TIMEOUT,
            connect_timeout: Duration::from_secs(5),
            targets: targets.iter().map(|address| Target { address: located(address), weight: 1 }).collect(),
            balance: Balance::RoundRobin,
            health: None,
            ejection: Ejection { failures: 1, rest: Duration::from_secs(10) },
            tls,
            protocol_version: ProtocolVersion::Http1,
            preserve_host: false,
            request_parameters: Vec::new(),
            transformation: None,
        };
        let http = Http::compile(&integration, &IndexMap::new(), &[], ApiTerms::default(), &self.pools)
            .expect("a good integration");
        Arc::clone(http.back_end())
    }

    fn to(&self, origin: &Origin) -> Arc<BackEnd> {
        self.http(&format!("http://{}/", origin.address), &[], UpstreamTls::default())
    }

    async fn open(&self, http: &BackEnd, method: &str, body: Option<&'static str>) -> Result<Exchange<'_>, Answer> {
        let mut request = RequestHeader::build_no_case(method, b"/x", None).unwrap();
        request.insert_header("host", "back.example").unwrap();
        let deadline = http.deadline(self.clock.now());
        open(&self.connector, http, request, body.map(Bytes::from), deadline, &self.clock, &mut Default::default())
            .await
    }

    /// Status and body, or the refusal's code.
    async fn ask(
        &self,
        http: &BackEnd,
        method: &str,
        body: Option<&'static str>,
    ) -> Result<(u16, String), &'static str> {
        let told = |answer: Answer| answer.refusal.code();
        let mut exchange = self.open(http, method, body).await.map_err(told)?;
        let mut text = Vec::new();
        while let Some(piece) = exchange.chunk().await.map_err(told)? {
            text.extend_from_slice(&piece);
        }
        let status = exchange.head.status.as_u16();
        exchange.finish().await;
        Ok((status, String::from_utf8(text).unwrap()))
    }

    fn get<'a>(&'a self, http: &'a BackEnd) -> impl Future<Output = Result<(u16, String), &'static str>> + 'a {
        self.ask(http, "GET", None)
    }
}

fn hello() -> Result<(u16, String), &'static str> {
    Ok((200, "hello".to_owned()))
}

/// An address where nobody listens: a port that is never given out.
fn nobody() -> String {
    "127.0.0.1:1".to_owned()
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_exchange() {
    let (bench, origin) = (Bench::new(), Origin::plain(vec![vec![Reply::Send(HELLO), Reply::Send(HELLO)]]));
    let http = bench.to(&origin);
    assert_eq!((bench.get(&http).await, bench.get(&http).await), (hello(), hello()));
    assert!(origin.next_head().starts_with("GET /x HTTP/1.1\r\nHost: back.example\r\n"));
}

#[tokio::test]
async fn a_body_is_sent_with_its_length() {
    let (bench, origin) = (Bench::new(), Origin::plain(vec![vec![Reply::Send(HELLO), Reply::Send(HELLO)]]));
    let http = bench.to(&origin);
    assert_eq!(bench.ask(&http, "POST", Some("abc")).await, hello());
    assert!(origin.next_head().contains("Content-Length: 3\r\n"));
    assert_eq!(bench.ask(&http, "POST", None).await, hello());
    assert!(origin.next_head().contains("Content-Length: 0\r\n"));
}

#[tokio::test]
async fn answers_are_read_to_their_end_however_they_are_framed() {
    for (method, reply, expected) in [
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            (200, "hello"),
        ),
        ("GET", "HTTP/1.0 200 OK\r\n\r\nhello", (200, "hello")),
        ("GET", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, "ok")),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", (200, "")),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", (204, "")),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", (304, "")),
    ] {
        let (bench, origin) = (Bench::new(), Origin::plain(vec![vec![Reply::Send(reply)]]));
        let answer = bench.ask(&bench.to(&origin), method, None).await;
        assert_eq!(answer, Ok((expected.0, expected.1.to_owned())), "{reply}");
    }
}

#[tokio::test]
async fn nonsense_and_broken_answers_are_the_back_ends_fault() {
    for reply in [
        "SMTP ready\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ] {
        let (bench, origin) = (Bench::new(), Origin::plain(vec![vec![Reply::Send(reply)]]));
        assert_eq!(bench.get(&bench.to(&origin)).await, Err("back_end_failed"), "{reply}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_a_failed_back_end() {
    let bench = Bench::new();
    let http = bench.http(&format!("http://{}/", nobody()), &[], UpstreamTls::default());
    assert_eq!(bench.get(&http).await, Err("back_end_failed"));
}

#[tokio::test]
async fn a_silent_back_end_is_given_up_at_the_deadline() {
    for reply in [
        Reply::Silence,
        Reply::Send("HTTP/1.1 200 OK\r\nContent-"),
        Reply::Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhe"),
    ] {
        let (bench, origin) = (Bench::new(), Origin::plain(vec![vec![reply, Reply::Silence]]));
        let http = bench.to(&origin);
        let began = bench.clock.now();
        assert_eq!(bench.get(&http).await, Err("back_end_timeout"));
        let took = bench.clock.now().since(began);
        assert!(took >= TIMEOUT && took < TIMEOUT * 10, "{took:?}");
    }
}

#[tokio::test]
async fn a_stale_connection_is_replaced_once_for_an_idempotent_request() {
    let stale = || Origin::plain(vec![vec![Reply::Send(HELLO), Reply::Close], vec![Reply::Send(HELLO)]]);
    let (bench, origin) = (Bench::new(), stale());
    let http = bench.to(&origin);
    assert_eq!((bench.get(&http).await, bench.get(&http).await), (hello(), hello()));
    assert_eq!(origin.heads_left(), 3);

    let origin = stale();
    let http = bench.to(&origin);
    assert_eq!(bench.get(&http).await, hello());
    assert_eq!(bench.ask(&http, "POST", Some("abc")).await, Err("back_end_failed"));
    assert_eq!(origin.heads_left(), 2, "it may have been carried out");
}

#[tokio::test]
async fn a_second_reset_is_not_answered_with_a_third_attempt() {
    let (bench, origin) = (Bench::new(), Origin::plain(vec![vec![Reply::Close]; 3]));
    assert_eq!(bench.get(&bench.to(&origin)).await, Err("back_end_failed"));
    assert_eq!(origin.heads_left(), 2);
}

#[tokio::test]
async fn what_was_never_sent_goes_to_another_endpoint() {
    let (bench, origin) = (Bench::new(), Origin::plain(vec![vec![Reply::Send(HELLO)]]));
    let targets = [nobody(), origin.address.to_string()];
    let http = bench.http("http://back.example/", &targets, UpstreamTls::default());
    assert_eq!(bench.ask(&http, "POST", Some("abc")).await, hello());
    let resting: Vec<bool> = http.pool().states(bench.clock.now()).map(|state| state.is_ejected).collect();
    assert_eq!(resting, [true, false]);
    assert!(http.pool().states(bench.clock.now()).all(|state| state.in_flight == 0));
}

#[tokio::test]
async fn with_every_endpoint_resting_nothing_is_tried() {
    let bench = Bench::new();
    let http = bench.http("http://back.example/", &[nobody(), nobody()], UpstreamTls::default());
    assert_eq!(bench.get(&http).await, Err("back_end_failed"));
    assert_eq!(bench.get(&http).await, Err("no_healthy_back_end"));
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_a_failed_back_end() {
    let bench = Bench::new();
    let http = bench.http("http://nobody.invalid/", &[], UpstreamTls::default());
    assert!(matches!(bench.get(&http).await, Err("back_end_failed" | "back_end_timeout")));
}

#[tokio::test]
async fn certificates_and_names_are_verified() {
    let bench = Bench::new();
    let ask = async |name: &str, trusts_its_authority: bool, server_name: Option<&str>| {
        let (origin, pem) = Origin::tls("back.example", vec![vec![Reply::Send(HELLO)]; 2]);
        let tls = UpstreamTls {
            ca_pem: trusts_its_authority.then_some(pem),
            server_name: server_name.map(str::to_owned),
            client: None,
        };
        let http = bench.http(&format!("https://{name}/"), &[origin.address.to_string()], tls);
        bench.get(&http).await
    };
    assert_eq!(ask("back.example", true, None).await, hello());
    assert_eq!(ask("10.0.0.1", true, Some("back.example")).await, hello());
    assert_eq!(ask("other.example", true, None).await, Err("back_end_failed"), "another's name");
    assert_eq!(ask("back.example", false, None).await, Err("back_end_failed"), "an unknown authority");
}

#[test]
fn what_differs_in_its_target_alone_is_one_back_end_for_as_long_as_a_route_has_it() {
    let bench = Bench::new();
    let [one, same, other] = ["http://10.0.0.1/a", "http://10.0.0.1/b?c=d", "http://10.0.0.1:81/a"]
        .map(|uri| bench.http(uri, &[], UpstreamTls::default()));
    assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
    drop((one, same));
    assert_eq!(bench.pools.alive().len(), 1);
}
