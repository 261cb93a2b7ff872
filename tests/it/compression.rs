//! Answers are compressed where their API says so and their client wants it.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use crate::house::{Answer, Gateway, Origin, Request, Streams, get, request};

const CONFIGURATION: &str = r#"
[server]
listen = ["127.0.0.1:0", { address = "127.0.0.1:0", h2 = true }]

[apis.texts]
minimum_compression_size = "100B"
routes = [
    { method = "GET", path = "/pass/{id}", integration = { type = "HTTP_PROXY", uri = "http://@1/{id}" } },
    { method = "GET", path = "/kept/{id}", cache = { ttl = "60s" }, integration = { type = "HTTP_PROXY", uri = "http://@1/{id}" } },
    { method = "GET", path = "/made", integration = { type = "MOCK", request_templates = { "application/json" = '{"statusCode": 200}' }, responses = [{ status = 200, response_templates = { "application/json" = '#foreach($i in [1..100])$i #end' } }] } },
]
[apis.texts.stages.prod]
cache = { enabled = true, size = "1MiB" }
"#;

const LONG: &str = "words that come again and again, again and again, again and again, again and again, again and again, again and again";

fn origin() -> Origin {
    Origin::start(|seen, out| match seen.target.as_str() {
        "/short" => out.answer(200, &[("Content-Type", "text/plain")], "short"),
        "/picture" => out.answer(200, &[("Content-Type", "image/png")], LONG),
        "/chunks" => {
            out.head(200, &[("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked")]);
            LONG.as_bytes().chunks(10).for_each(|piece| out.chunk(piece));
            out.last_chunk();
        }
        _ => out.answer(200, &[("Content-Type", "text/plain"), ("ETag", "\"a\"")], LONG),
    })
}

fn gunzip(answer: &Answer) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(&answer.body[..]).read_to_string(&mut text).expect("gzip");
    text
}

fn wants(target: &str, codings: &str) -> Request {
    get(target).header("Accept-Encoding", codings)
}

#[track_caller]
fn check_compressed(gateway: &Gateway, target: &str, expected: &str) {
    let answer = gateway.ask(&wants(target, "gzip, deflate")).expect(200);
    assert_eq!(answer.field("content-encoding"), Some("gzip"), "{:?}", answer.fields);
    assert!(answer.field("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("accept-encoding")));
    assert_eq!(gunzip(&answer), expected);
}

#[test]
fn every_way_to_an_answer_compresses_it() {
    let origin = origin();
    let gateway = Gateway::start(CONFIGURATION, &[&origin]);
    check_compressed(&gateway, "/texts/prod/pass/long", LONG);
    check_compressed(&gateway, "/texts/prod/pass/chunks", LONG);
    check_compressed(&gateway, "/texts/prod/kept/long", LONG);
    check_compressed(&gateway, "/texts/prod/kept/long", LONG);
    check_compressed(&gateway, "/texts/prod/kept/chunks", LONG);
    let numbers: String = (1..=100).map(|number| format!("{number} ")).collect();
    check_compressed(&gateway, "/texts/prod/made", &numbers);
    assert_eq!(origin.heads(), 4);
    let deflated = gateway.ask(&wants("/texts/prod/kept/long", "deflate")).expect(200);
    let mut text = String::new();
    ZlibDecoder::new(&deflated.body[..]).read_to_string(&mut text).expect("zlib");
    assert_eq!((text.as_str(), deflated.field("etag")), (LONG, Some("W/\"a\"")));
}

#[test]
fn a_client_that_wants_no_coding_gets_none_and_caches_are_told() {
    let origin = origin();
    let gateway = Gateway::start(CONFIGURATION, &[&origin]);
    for target in ["/texts/prod/pass/long", "/texts/prod/kept/long", "/texts/prod/kept/long"] {
        let answer = gateway.get(target).expect(200);
        assert_eq!((answer.field("content-encoding"), answer.text()), (None, LONG));
        assert!(answer.field("vary").is_some(), "{target}: {:?}", answer.fields);
        assert_eq!(answer.field("etag"), Some("\"a\""));
    }
    let head = gateway.ask(&request("HEAD", "/texts/prod/pass/long").header("Accept-Encoding", "gzip")).expect(200);
    assert_eq!(head.field("content-encoding"), None);
}

#[test]
fn what_is_short_or_dense_goes_out_as_it_is() {
    let origin = origin();
    let gateway = Gateway::start(CONFIGURATION, &[&origin]);
    for target in ["/texts/prod/pass/short", "/texts/prod/pass/picture", "/texts/prod/kept/picture"] {
        let answer = gateway.ask(&wants(target, "gzip")).expect(200);
        assert_eq!((answer.field("content-encoding"), answer.field("vary")), (None, None), "{target}");
    }
}

#[test]
fn streams_of_http_2_are_compressed_too() {
    let origin = origin();
    let gateway = Gateway::start(CONFIGURATION, &[&origin]);
    let streams = Streams::open(gateway.listeners()[1]);
    for target in ["/texts/prod/pass/long", "/texts/prod/kept/long", "/texts/prod/kept/long"] {
        let answer = streams.ask(&wants(target, "gzip")).expect(200);
        assert_eq!((answer.field("content-encoding"), gunzip(&answer).as_str()), (Some("gzip"), LONG), "{target}");
    }
}
