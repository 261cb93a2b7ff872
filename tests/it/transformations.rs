//! Integrations with mapping templates: what the back end is sent, and what the client gets.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::house::{Answer, Gateway, Origin, Request, Streams, eventually, get, post, request};

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn json(target: &str, body: &str) -> Request {
    post(target, body).header(JSON.0, JSON.1)
}

fn xml(target: &str, body: &str) -> Request {
    post(target, body).header("Content-Type", "text/xml; charset=utf-8")
}

/// An API of one route, `/a/{id}`, with what `integration` says; `{STAGE}` adds to its stage.
fn api(integration: &str) -> String {
    format!(
        "[[apis.shop.routes]]\nmethod = \"ANY\"\npath = \"/a/{{id}}\"\n[apis.shop.routes.integration]\n{integration}\n\
         [apis.shop.stages.prod]\nvariables = {{ colour = \"blue\" }}\n"
    )
}

fn http(rest: &str) -> String {
    api(&format!("type = \"HTTP\"\nuri = \"http://@1/back/{{id}}\"\n{rest}"))
}

/// Status, type and text.
fn told(answer: &Answer) -> (u16, &str, &str) {
    (answer.status, answer.field("content-type").unwrap_or_default(), answer.text())
}

const TELLER: &str = r#"
type = "MOCK"
request_templates = { "application/json" = '''
#set($known = ["one", "two"])
{"statusCode": #if($known.contains($input.params('id')))200#{else}404#end}''' }

[[apis.shop.routes.integration.responses]]
status = 200
response_parameters = { "method.response.header.X-Origin-Colour" = "stageVariables.colour", "method.response.header.X-Origin-Fixed" = "'yes'", "method.response.header.X-Origin-Api" = "context.apiId" }
response_templates = { "application/json" = '{"id":"$input.params("id")","colour":"$stageVariables.colour","stage":"$context.stage"}', "text/plain" = 'it is $input.params("id")' }

[[apis.shop.routes.integration.responses]]
selection_pattern = "4\\d{2}"
status = 410
response_templates = { "application/json" = '{"gone":"$input.params("id")"}' }
"#;

#[test]
fn a_mock_answers_what_its_templates_say() {
    let gateway = Gateway::start(&api(TELLER), &[]);
    let answer = gateway.get("/shop/prod/a/one");
    assert_eq!(told(&answer), (200, "application/json", r#"{"id":"one","colour":"blue","stage":"prod"}"#));
    let fields = ["x-origin-colour", "x-origin-fixed", "x-origin-api"].map(|name| answer.field(name));
    assert_eq!(fields, [Some("blue"), Some("yes"), Some("shop")]);
    let text = gateway.ask(&get("/shop/prod/a/two").header("Accept", "text/plain"));
    assert_eq!(told(&text), (200, "text/plain", "it is two"));
    assert_eq!(told(&gateway.get("/shop/prod/a/three")), (410, "application/json", r#"{"gone":"three"}"#));
    let head = gateway.connect().ask(&request("HEAD", "/shop/prod/a/one")).expect(200);
    assert_eq!((head.field("content-length"), head.body.len()), (Some("43"), 0));
}

const TRANSLATOR: &str = r#"
method = "POST"
request_templates = { "application/json" = '''
#set($order = $input.path('$'))
<order id="$input.params('id')"><sku>$order.sku</sku>#foreach($n in $order.counts)<n>$n</n>#end</order>''' }

[[apis.shop.routes.integration.responses]]
status = 201
response_parameters = { "method.response.header.X-Origin-From" = "integration.response.header.X-Place", "method.response.header.X-Origin-All" = "integration.response.multivalueheader.X-Many" }
response_templates = { "application/json" = '''{"answer":"$util.escapeJavaScript($input.body.replaceAll("<[^>]*>", ""))"}''' }
"#;

#[test]
fn json_becomes_xml_for_the_back_end_and_its_xml_becomes_json() {
    let origin = Origin::start(|_, out| {
        let fields =
            [("Content-Type", "text/xml"), ("X-Place", "here"), ("X-Many", "a"), ("X-Many", "b"), ("X-No", "n")];
        out.answer(200, &fields, "<answer>it's <b>fine</b></answer>");
    });
    let gateway = Gateway::start(&http(TRANSLATOR), &[&origin]);
    let wish = json("/shop/prod/a/7?x=1", r#"{"sku":"b & c","counts":[1,2]}"#).header("X-Mine", "hidden");
    let answer = gateway.ask(&wish);
    assert_eq!(told(&answer), (201, "application/json", r#"{"answer":"it\'s fine"}"#));
    let fields = ["x-origin-from", "x-origin-all", "x-no", "x-place"].map(|name| answer.field(name));
    assert_eq!(fields, [Some("here"), Some("a,b"), None, None]);
    let seen = &origin.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/back/7"));
    assert_eq!(String::from_utf8_lossy(&seen.body), r#"<order id="7"><sku>b & c</sku><n>1</n><n>2</n></order>"#);
    let fields = ["content-type", "x-mine", "content-length", "transfer-encoding"].map(|name| seen.field(name));
    assert_eq!(fields, [Some("application/json"), None, Some("54"), None]);
}

#[test]
fn what_has_no_template_passes_or_is_refused_as_the_route_says() {
    let written = |behaviour: &str, templates: &str| {
        http(&format!("passthrough_behavior = \"{behaviour}\"\nrequest_templates = {{ {templates} }}\n"))
    };
    let template = "\"application/json\" = 'T'";
    for (behaviour, templates, expected) in [
        ("WHEN_NO_MATCH", template, Ok("<x/>")),
        ("WHEN_NO_TEMPLATES", template, Err(415)),
        ("WHEN_NO_TEMPLATES", "", Ok("<x/>")),
        ("NEVER", template, Err(415)),
        ("NEVER", "", Err(415)),
        ("NEVER", "\"text/xml\" = '[$input.body]'", Ok("[<x/>]")),
    ] {
        let origin = Origin::echo();
        let gateway = Gateway::start(&written(behaviour, templates), &[&origin]);
        let answer = gateway.ask(&xml("/shop/prod/a/1", "<x/>"));
        let got = if answer.status == 200 { Ok(answer.text()) } else { Err(answer.status) };
        assert_eq!(got, expected, "{behaviour} {templates}");
        assert_eq!(origin.requests(), usize::from(expected.is_ok()), "{behaviour} {templates}");
    }
}

const SELECTIVE: &str = r#"
[[apis.shop.routes.integration.responses]]
selection_pattern = "4\\d{2}"
status = 400
response_templates = { "application/json" = '{"why":"$input.path("$.error.message")"}' }
response_parameters = { "method.response.header.X-Origin-Code" = "integration.response.body.error.code" }
[[apis.shop.routes.integration.responses]]
selection_pattern = "503|504"
status = 502
[[apis.shop.routes.integration.responses]]
selection_pattern = "2.."
status = 200
"#;

#[test]
fn the_back_ends_status_selects_the_answer() {
    let origin = Origin::start(|seen, out| {
        let status = seen.target.rsplit('/').next().and_then(|status| status.parse().ok()).unwrap_or(500);
        out.answer(status, &[JSON], r#"{"error":{"message":"no such","code":17}}"#);
    });
    let gateway = Gateway::start(&http(SELECTIVE), &[&origin]);
    let bad = gateway.get("/shop/prod/a/422").expect(400);
    assert_eq!((bad.text(), bad.field("x-origin-code")), (r#"{"why":"no such"}"#, Some("17")));
    let same = r#"{"error":{"message":"no such","code":17}}"#;
    assert_eq!(gateway.get("/shop/prod/a/503").expect(502).text(), same);
    assert_eq!(gateway.get("/shop/prod/a/206").expect(200).text(), same);
    let none = gateway.get("/shop/prod/a/500").expect(500);
    assert_eq!(none.code(), "internal_error");
    let line = gateway.log_of(none.field("x-request-id").unwrap()).to_string();
    assert!(line.contains("no integration response is for the status 500"), "{line}");
}

const OVERRIDING: &str = r#"
method = "POST"
request_parameters = { "integration.request.header.X-Colour" = "stageVariables.colour", "integration.request.querystring.page" = "method.request.querystring.page" }
request_templates = { "application/json" = '''
#set($context.requestOverride.header.X-Colour = "red")
#set($context.requestOverride.header.X-New = $input.path('$.new'))
#set($context.requestOverride.querystring.page = "a b")
#set($context.requestOverride.path.id = $context.requestOverride.header.X-Colour + "/1")
#set($context.responseOverride.header.X-Origin-Early = "yes")
#set($context.responseOverride.status = 418)
{}''' }
[[apis.shop.routes.integration.responses]]
status = 200
response_parameters = { "method.response.header.X-Origin-Late" = "'mapped'" }
response_templates = { "application/json" = '''
#set($context.responseOverride.header.X-Origin-Late = $context.requestOverride.header.X-New)
#if($input.path('$.ok'))#set($context.responseOverride.status = 202)#end
{}''' }
"#;

#[test]
fn templates_override_what_is_sent_both_ways() {
    let origin = Origin::start(|_, out| out.answer(200, &[JSON], r#"{"ok":true}"#));
    let gateway = Gateway::start(&http(OVERRIDING), &[&origin]);
    let answer = gateway.ask(&json("/shop/prod/a/7?page=2", r#"{"new":"n1"}"#)).expect(202);
    let fields = ["x-origin-early", "x-origin-late"].map(|name| answer.field(name));
    assert_eq!(fields, [Some("yes"), Some("n1")]);
    let seen = &origin.seen()[0];
    assert_eq!(seen.target, "/back/red%2F1?page=a%20b");
    assert_eq!(["x-colour", "x-new"].map(|name| seen.field(name)), [Some("red"), Some("n1")]);
}

const DOCUMENT: &str = r##"
{"openapi": "3.0.1", "info": {"title": "orders", "version": "1"},
 "paths": {"/orders/{id}": {"post": {
   "x-amazon-apigateway-integration": {
     "type": "http", "uri": "http://@1/{kind}/{id}", "httpMethod": "PUT",
     "requestParameters": {
       "integration.request.path.id": "method.request.path.id",
       "integration.request.path.kind": "method.request.body.kind",
       "integration.request.header.X-Sku": "method.request.body.items[0].sku",
       "integration.request.querystring.count": "method.request.body.count"},
     "responses": {"default": {"statusCode": "200",
       "responseTemplates": {"application/json": "{\"sent\":$input.json('$')}"}}}}}}}}
"##;

#[test]
fn a_documents_parameters_come_out_of_the_body() {
    let origin = Origin::echo();
    let config = "[apis.shop]\ndefinition = \"orders.json\"\n[apis.shop.stages.prod]\n";
    let folder = std::sync::Arc::new(crate::house::Folder::new(config, &[]));
    folder.write("orders.json", &DOCUMENT.replace("@1", &origin.address()));
    let gateway = Gateway::start_in(folder, &[]);
    let body = r#"{"kind":"gold/ring","count":3,"items":[{"sku":"s-1"}]}"#;
    let answer = gateway.ask(&json("/shop/prod/orders/7", body)).expect(200);
    assert_eq!(answer.text(), format!("{{\"sent\":{body}}}"));
    let seen = &origin.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PUT", "/gold%2Fring/7?count=3"));
    assert_eq!(seen.field("x-sku"), Some("s-1"));
}

const QUOTING: &str = r#"
method = "POST"
request_templates = { "application/json" = '{"got":$input.json("$.a")}' }
"#;

#[test]
fn a_template_sees_the_body_without_its_coding_and_the_back_end_gets_none() {
    let origin = Origin::echo();
    let gateway = Gateway::start(&http(QUOTING), &[&origin]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(br#"{"a":[1,2]}"#).unwrap();
    let wish = post("/shop/prod/a/1", packed.finish().unwrap()).header(JSON.0, JSON.1);
    assert_eq!(gateway.ask(&wish.header("Content-Encoding", "gzip")).expect(200).text(), r#"{"got":[1,2]}"#);
    assert_eq!(origin.seen()[0].field("content-encoding"), None);
    let strange = json("/shop/prod/a/1", "x").header("Content-Encoding", "br");
    assert_eq!(gateway.ask(&strange).status, 415);
    let broken = json("/shop/prod/a/1", "no gzip").header("Content-Encoding", "gzip");
    assert_eq!(gateway.ask(&broken).status, 400);
}

#[test]
fn a_template_that_fails_is_a_500_and_its_place_is_logged() {
    let failing = "request_templates = { \"application/json\" = '''{\n  #foreach($i in [1..2000])$i#end\n}''' }";
    let origin = Origin::echo();
    let gateway = Gateway::start(&http(failing), &[&origin]);
    let answer = gateway.ask(&json("/shop/prod/a/1", "{}")).expect(500);
    assert_eq!(answer.code(), "internal_error");
    assert!(!answer.text().contains("template"), "{}", answer.text());
    let line = gateway.log_of(answer.field("x-request-id").unwrap()).to_string();
    assert!(line.contains("request template for application/json at line 2, column 3: a #foreach"), "{line}");
    assert!(line.contains("budget of iterations"), "{line}");
    assert_eq!(origin.requests(), 0);
}

#[test]
fn a_broken_body_is_the_fault_of_whoever_sent_it() {
    let templates = "request_templates = { \"application/json\" = '$input.json(\"$\")', \"text/xml\" = '$util.parseXml($input.body).a' }\n\
        [[apis.shop.routes.integration.responses]]\nstatus = 200\n\
        response_templates = { \"application/json\" = '$input.path(\"$.a\")' }\n";
    let origin = Origin::start(|_, out| out.answer(200, &[JSON], "{\"a\":"));
    let gateway = Gateway::start(&http(&format!("method = \"POST\"\n{templates}")), &[&origin]);
    assert_eq!(gateway.ask(&json("/shop/prod/a/1", "{")).expect(400).code(), "malformed_request");
    assert_eq!(gateway.ask(&xml("/shop/prod/a/1", "<a>")).expect(400).code(), "malformed_request");
    assert_eq!(origin.requests(), 0);
    assert_eq!(gateway.ask(&json("/shop/prod/a/1", "{}")).expect(500).code(), "internal_error");
    assert_eq!(origin.requests(), 1);
}

#[test]
fn the_budgets_of_templates_are_settings_and_the_spent_one_is_named() {
    let looping = "request_templates = { \"application/json\" = '#foreach($i in [1..9])$i$i$i$i#end' }";
    for (budget, name) in
        [("iterations = 5", "iterations"), ("output = \"1KiB\"", "output"), ("nesting = 1", "nesting")]
    {
        let template =
            if name == "output" { looping.replace("$i$i$i$i", &"x".repeat(200)) } else { looping.to_owned() };
        let server =
            format!("[server]\nlisten = [\"127.0.0.1:0\"]\nthreads = 2\n[server.limits.templates]\n{budget}\n");
        let gateway = Gateway::start(&format!("{}{server}", http(&template)), &[&Origin::echo()]);
        let answer = gateway.ask(&json("/shop/prod/a/1", "{}")).expect(500);
        let line = gateway.log_of(answer.field("x-request-id").unwrap()).to_string();
        assert!(line.contains(&format!("the template's budget of {name} is spent")), "{line}");
    }
}

#[test]
fn a_made_answer_is_cached_as_it_was_made() {
    let origin = Origin::start(|_, out| out.answer(200, &[JSON], r#"{"n":1}"#));
    let made = "[[apis.shop.routes.integration.responses]]\nstatus = 203\n\
                response_parameters = { \"method.response.header.X-Origin-Id\" = \"context.apiId\" }\n\
                response_templates = { \"application/json\" = '[$input.json(\"$.n\")]' }\n";
    let plain = http(made);
    let config = format!("{plain}cache = {{ enabled = true, ttl = \"300s\", size = \"16MiB\" }}\n");
    let gateway = Gateway::start(&config, &[&origin]);
    let first = gateway.get("/shop/prod/a/1").expect(203);
    let second = gateway.get("/shop/prod/a/1").expect(203);
    assert_eq!((first.text(), first.is_hit()), ("[1]", false), "{:?}", first.fields);
    let posted = gateway.ask(&json("/shop/prod/a/1", "{}")).expect(203);
    assert_eq!((posted.text(), posted.is_hit()), ("[1]", false));
    assert_eq!(
        (second.text(), second.is_hit(), second.field("x-origin-id")),
        ("[1]", true, Some("shop")),
        "{:?}",
        second.fields
    );
    let head = gateway.connect().ask(&request("HEAD", "/shop/prod/a/1")).expect(203);
    assert!(head.is_hit() && head.body.is_empty() && head.field("content-length") == Some("3"), "{:?}", head.fields);
    assert_eq!(origin.requests(), 2);
}

#[test]
fn one_request_is_carried_out_for_all_who_ask_for_the_same_at_once() {
    let gate = crate::house::Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |_, out| {
        at_the_gate.wait();
        out.answer(200, &[JSON], r#"{"n":1}"#);
    });
    let made = "[[apis.shop.routes.integration.responses]]\nstatus = 200\n\
                response_templates = { \"application/json\" = '[$input.json(\"$.n\")]' }\n";
    let config = format!("{}cache = {{ enabled = true, ttl = \"300s\", size = \"16MiB\" }}\n", http(made));
    let gateway = Gateway::start(&config, &[&origin]);
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..6).map(|_| scope.spawn(|| gateway.get("/shop/prod/a/1").expect(200))).collect();
        eventually("the back end is asked", || origin.heads() == 1);
        gate.open();
        asked.into_iter().for_each(|answer| assert_eq!(answer.join().expect("an answer").text(), "[1]"));
    });
    assert_eq!(origin.requests(), 1);
}

#[test]
fn templates_work_over_http_2_and_with_an_expectation() {
    let origin = Origin::echo();
    let config = format!(
        "{}\n[server]\nlisten = [{{ address = \"127.0.0.1:0\", h2 = true }}]\nthreads = 2\ndrain_delay = \"0s\"\n",
        http(QUOTING)
    );
    let gateway = Gateway::start(&config, &[&origin]);
    let streams = Streams::open(gateway.http());
    assert_eq!(streams.ask(&json("/shop/prod/a/1", r#"{"a":2}"#)).expect(200).text(), r#"{"got":2}"#);
    let mut wire = gateway.connect();
    wire.send(
        "POST /shop/prod/a/1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\
         Expect: 100-continue\r\n\r\n",
    );
    wire.send(r#"{"a":3}"#);
    assert_eq!(wire.read().expect(200).text(), r#"{"got":3}"#);
    let mut wire = gateway.connect();
    wire.send("POST /shop/prod/a/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n");
    wire.send("4\r\n\":4}\r\n0\r\n\r\n");
    assert_eq!(wire.read().expect(200).text(), r#"{"got":4}"#);
    assert_eq!(origin.requests(), 3);
}

#[test]
fn a_body_over_the_limit_is_refused_packed_or_not() {
    let origin = Origin::echo();
    let config = http(QUOTING).replace("path = \"/a/{id}\"", "path = \"/a/{id}\"\nbody_limit = \"1KiB\"");
    let gateway = Gateway::start(&config, &[&origin]);
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(2000));
    assert_eq!(gateway.ask(&json("/shop/prod/a/1", &large)).status, 413);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(large.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 200);
    let wish = post("/shop/prod/a/1", packed).header(JSON.0, JSON.1).header("Content-Encoding", "gzip");
    assert_eq!(gateway.ask(&wish).status, 413);
    assert_eq!(origin.requests(), 0);
}

#[test]
fn a_back_end_that_is_down_or_slow_is_told_in_the_apis_style() {
    let slow = Origin::start(|_, out| out.close());
    for (style, status, told) in [("standard", 502, "code"), ("aws", 504, "message")] {
        let config = format!(
            "[apis.shop]\nerrors = \"{style}\"\n{}",
            http("timeout = \"300ms\"\ncontent_handling = \"CONVERT_TO_TEXT\"")
        );
        let gateway = Gateway::start(&config, &[&slow]);
        let answer = gateway.get("/shop/prod/a/1").expect(status);
        assert!(answer.json().get(told).is_some(), "{}", answer.text());
    }
    let gate = crate::house::Gate::default();
    let at_the_gate = gate.clone();
    let silent = Origin::start(move |_, _| at_the_gate.wait());
    let config = http("timeout = \"200ms\"\ncontent_handling = \"CONVERT_TO_TEXT\"");
    Gateway::start(&config, &[&silent]).get("/shop/prod/a/1").expect(504);
    gate.open();
}

#[test]
fn a_canarys_templates_see_its_own_variables() {
    let canary = "[apis.shop.stages.prod.canary]\npercent = 100.0\nvariables = { colour = \"green\" }\n";
    let gateway = Gateway::start(&format!("{}{canary}", api(TELLER)), &[]);
    let answer = gateway.get("/shop/prod/a/one").expect(200);
    assert_eq!(answer.json()["colour"], "green");
    assert_eq!(answer.field("x-origin-colour"), Some("green"));
}
