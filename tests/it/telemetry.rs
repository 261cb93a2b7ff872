//! What operators see: metrics, access logs, trace fields.

use crate::house::{ALICE, Gateway, Origin, eventually, get};

const SHOP: &str = r#"
[apis.shop]
routes = [
    { method = "GET", path = "/orders/{id}", integration = { type = "HTTP_PROXY", uri = "http://@1/orders/{id}" } },
    { method = "GET", path = "/cached", cache = { enabled = true }, integration = { type = "HTTP_PROXY", uri = "http://@1/cached" } },
    { method = "GET", path = "/mine", api_key_required = true, integration = { type = "MOCK" } },
    { method = "GET", path = "/spent", throttle = { rate = 0, burst = 0 }, integration = { type = "MOCK" } },
]
[apis.shop.stages.prod]
cache = { enabled = true }
[usage_plans.basic]
stages = ["shop/prod"]
throttle = { rate = 0.01, burst = 1 }
[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["basic"]
"#;

#[test]
fn every_metric_is_there_after_one_request_of_each_kind() {
    let gateway = Gateway::start(SHOP, &[&Origin::text("ok")]);
    for target in ["orders/1", "orders/2", "cached", "cached", "nothing", "spent", "mine"] {
        gateway.get(&format!("/shop/prod/{target}"));
    }
    gateway.ask(&get("/shop/prod/mine").key(ALICE)).expect(200);
    gateway.ask(&get("/shop/prod/mine").key(ALICE)).expect(429);
    gateway.reload();
    gateway.expect_metric("tollgate_requests_total", &[("api", "shop")], 9.0);

    let metrics = gateway.metrics();
    for name in [
        "tollgate_requests_total",
        "tollgate_request_duration_seconds",
        "tollgate_integration_duration_seconds",
        "tollgate_cache_hits_total",
        "tollgate_cache_misses_total",
        "tollgate_cache_bytes",
        "tollgate_throttled_total",
        "tollgate_api_key_requests_total",
        "tollgate_connections",
        "tollgate_config_reloads_total",
        "tollgate_config_last_reload_success",
        "tollgate_config_last_reload_timestamp_seconds",
        "tollgate_build_info",
        "tollgate_refusals_total",
        "tollgate_store_healthy",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        assert!(metrics.contains(&format!("# TYPE {name} ")), "{name} is missing");
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} is not explained");
    }

    let shop = ("api", "shop");
    let requests = |route, status, count| {
        gateway.expect_metric("tollgate_requests_total", &[shop, ("route", route), ("status", status)], count);
    };
    // Labels hold the template, not the path.
    requests("/orders/{id}", "200", 2.0);
    requests("/mine", "401", 1.0);
    requests("/mine", "200", 1.0);
    requests("", "404", 1.0);
    gateway.expect_metric("tollgate_request_duration_seconds_count", &[shop], 9.0);
    gateway.expect_metric("tollgate_integration_duration_seconds_count", &[shop], 3.0);
    gateway.expect_metric("tollgate_throttled_total", &[("reason", "route")], 1.0);
    gateway.expect_metric("tollgate_throttled_total", &[("plan", "basic"), ("reason", "rate")], 1.0);
    gateway.expect_metric("tollgate_api_key_requests_total", &[("plan", "basic"), ("key", "alice")], 2.0);
    assert!(!gateway.metrics().contains("orders/1"), "a path became a label");
}

#[test]
fn paths_and_methods_that_nobody_declared_make_no_labels() {
    let gateway = Gateway::start(SHOP, &[&Origin::text("ok")]);
    let mut wire = gateway.connect();
    for i in 0..50 {
        wire.ask(&crate::house::request(&format!("M{i}"), &format!("/shop/prod/invented-{i}")));
        wire.ask(&get(&format!("/invented-{i}/prod")));
    }
    gateway.expect_metric("tollgate_requests_total", &[], 100.0);
    let metrics = gateway.metrics();
    assert!(!metrics.contains("invented") && !metrics.contains("\"M7\""), "{metrics}");
}

#[test]
fn the_access_log_tells_a_request_in_one_line_of_json() {
    let gateway = Gateway::start(SHOP, &[&Origin::text("ok")]);
    let answer =
        gateway.ask(&get("/shop/prod/orders/7?secret=token").header("User-Agent", "tests \"quoted\"")).expect(200);
    let line = gateway.log_of(answer.field("x-request-id").unwrap());
    for (name, expected) in [("method", "GET"), ("api", "shop"), ("stage", "prod"), ("route", "/orders/{id}")] {
        assert_eq!(line[name], expected, "{line}");
    }
    assert_eq!(line["status"], 200, "{line}");
    assert_eq!(line["client"], "127.0.0.1", "{line}");
    assert_eq!(line["variant"], "stable", "{line}");

    let answer = gateway.get("/shop/prod/mine").expect(401);
    let line = gateway.log_of(answer.field("x-request-id").unwrap());
    assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(401), Some("missing_api_key")), "{line}");
}

#[test]
fn a_stage_may_have_a_log_format_in_api_gateways_words() {
    let config = r#"
        [apis.shop]
        routes = [{ method = "GET", path = "/orders/{id}", integration = { type = "MOCK", body = "12345" } }]
        [apis.shop.stages.prod]
        access_log = { format = "$context.requestId $context.identity.sourceIp $context.httpMethod $context.resourcePath $context.path $context.stage $context.status $context.responseLength $context.nonsense" }
    "#;
    let error = crate::house::Folder::new(config, &[]);
    let checked = crate::house::tollgate(&["check", error.config().to_str().unwrap()]);
    assert!(checked.code != 0 && checked.said().contains("$context.nonsense"), "{}", checked.said());

    let gateway = Gateway::start(&config.replace(" $context.nonsense", ""), &[]);
    let answer = gateway.get("/shop/prod/orders/7").expect(200);
    let id = answer.field("x-request-id").unwrap();
    let expected = format!("{id} 127.0.0.1 GET /orders/{{id}} /shop/prod/orders/7 prod 200 5");
    eventually("the line is written", || gateway.access_log().contains(&expected));
}

#[test]
fn a_trace_is_continued_and_a_broken_one_is_begun_anew() {
    let origin = Origin::text("ok");
    let gateway = Gateway::start(SHOP, &[&origin]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let sent = format!("00-{trace}-b7ad6b7169203331-01");
    gateway.ask(&get("/shop/prod/orders/1").header("traceparent", &sent).header("tracestate", "vendor=1")).expect(200);
    let seen = origin.last();
    let passed = seen.field("traceparent").expect("traceparent").to_owned();
    assert!(passed.starts_with(&format!("00-{trace}-")) && passed.ends_with("-01"), "{passed}");
    assert_eq!(seen.field("tracestate"), Some("vendor=1"));

    for broken in ["00-short-b7ad6b7169203331-01", "nonsense", &format!("00-{}-b7ad6b7169203331-01", "0".repeat(32))] {
        gateway.ask(&get("/shop/prod/orders/1").header("traceparent", broken)).expect(200);
        assert_ne!(origin.last().field("traceparent"), Some(broken));
    }
}

#[test]
fn an_access_log_file_is_written_where_told() {
    let config = format!("[telemetry]\naccess_log = {{ path = \"access.log\" }}\n{SHOP}");
    let gateway = Gateway::start(&config, &[&Origin::text("ok")]);
    gateway.get("/shop/prod/orders/1").expect(200);
    let path = gateway.folder().path().join("access.log");
    eventually("the line is in the file", || {
        std::fs::read_to_string(&path).is_ok_and(|text| text.contains("/orders/{id}"))
    });
    assert!(gateway.access_log().is_empty());
}
