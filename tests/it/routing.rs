//! Which API, stage and route a request reaches, and what it hears when there is none.

use std::collections::BTreeSet;

use crate::house::{Answer, Gateway, Origin, Wire, delete, get, request};

/// Two APIs whose routes answer with their own names.
const SHOPS: &str = r#"
[apis.orders]
routes = [
    { method = "GET",    path = "/orders",          integration = { type = "MOCK", body = "list" } },
    { method = "DELETE", path = "/orders",          integration = { type = "MOCK", body = "clear" } },
    { method = "GET",    path = "/orders/{id}",     integration = { type = "MOCK", body = "one" } },
    { method = "GET",    path = "/orders/new",      integration = { type = "MOCK", body = "new" } },
    { method = "GET",    path = "/orders/new/form", integration = { type = "MOCK", body = "form" } },
    { method = "GET",    path = "/orders/{id}/items", integration = { type = "MOCK", body = "items" } },
    { method = "ANY",    path = "/files/{path+}",   integration = { type = "MOCK", body = "files" } },
    { method = "PUT",    path = "/files/{path+}",   integration = { type = "MOCK", body = "put file" } },
    { method = "GET",    path = "/files/readme",    integration = { type = "MOCK", body = "readme" } },
]
[apis.orders.stages.prod]
[apis.orders.stages.beta]

[apis.parcels]
routes = [{ method = "GET", path = "/{rest+}", integration = { type = "MOCK", body = "parcels" } }]
[apis.parcels.stages.prod]

[domains."api.example.com"]
mappings = { "/" = "orders/prod", "/parcels" = "parcels/prod", "/parcels/old" = "orders/beta" }
[domains."*"]
mappings = { "/any" = "parcels/prod" }
"#;

/// `METHOD http://host/path` → status and body.
#[track_caller]
fn check(gateway: &Gateway, wish: &str, expected: (u16, &str)) {
    let answer = ask(gateway, wish);
    let body = if answer.status == 200 { answer.text().to_owned() } else { answer.code() };
    assert_eq!((answer.status, body.as_str()), expected, "{wish}");
}

fn ask(gateway: &Gateway, wish: &str) -> Answer {
    let (method, url) = wish.split_once(' ').expect("METHOD URL");
    let url = url.strip_prefix("http://").expect("http://");
    let (host, path) = url.split_at(url.find('/').expect("a path"));
    gateway.ask(&request(method, path).host(host))
}

#[test]
fn a_request_finds_its_api_by_domain_and_longest_base_path() {
    let gateway = Gateway::start(SHOPS, &[]);
    check(&gateway, "GET http://api.example.com/orders", (200, "list"));
    check(&gateway, "GET http://API.Example.COM:8443/orders", (200, "list"));
    check(&gateway, "GET http://api.example.com/parcels/7", (200, "parcels"));
    check(&gateway, "GET http://api.example.com/parcels/old/orders", (200, "list"));
    check(&gateway, "GET http://api.example.com/parcelsold/7", (404, "unknown_route"));
    check(&gateway, "GET http://elsewhere.example/any/7", (200, "parcels"));
}

#[test]
fn a_request_finds_its_stage_in_the_path_and_by_execute_api_host() {
    let gateway = Gateway::start(SHOPS, &[]);
    check(&gateway, "GET http://localhost/orders/prod/orders", (200, "list"));
    check(&gateway, "GET http://localhost/orders/beta/orders/7", (200, "one"));
    check(&gateway, "GET http://orders.execute-api.eu-central-1.amazonaws.com/prod/orders", (200, "list"));
    check(&gateway, "GET http://parcels.execute-api.localhost/prod/x/y", (200, "parcels"));
    check(&gateway, "GET http://orders.execute-api.localhost/nowhere/orders", (404, "unknown_stage"));
    check(&gateway, "GET http://localhost/orders/nowhere/orders", (404, "unknown_stage"));
    check(&gateway, "GET http://localhost/", (404, "unknown_stage"));
}

#[test]
fn the_most_exact_route_wins_and_a_dead_end_is_left_again() {
    let gateway = Gateway::start(SHOPS, &[]);
    check(&gateway, "GET http://api.example.com/orders/new", (200, "new"));
    check(&gateway, "GET http://api.example.com/orders/newer", (200, "one"));
    check(&gateway, "GET http://api.example.com/orders/new/form", (200, "form"));
    check(&gateway, "GET http://api.example.com/orders/new/items", (200, "items"));
    check(&gateway, "GET http://api.example.com/files/readme", (200, "readme"));
    check(&gateway, "GET http://api.example.com/files/readme/more", (200, "files"));
    check(&gateway, "POST http://api.example.com/files/readme", (200, "files"));
    check(&gateway, "GET http://api.example.com/orders/new/", (200, "new"));
    check(&gateway, "GET http://api.example.com/orders/7/items/8", (404, "unknown_route"));
    check(&gateway, "GET http://api.example.com/nothing", (404, "unknown_route"));
}

#[test]
fn any_takes_what_no_exact_method_does() {
    let gateway = Gateway::start(SHOPS, &[]);
    check(&gateway, "PUT http://api.example.com/files/a/b/c", (200, "put file"));
    for method in ["GET", "POST", "DELETE", "PATCH", "OPTIONS"] {
        check(&gateway, &format!("{method} http://api.example.com/files/a/b/c"), (200, "files"));
    }
}

#[test]
fn a_path_without_this_method_is_answered_with_405_and_the_methods_it_has() {
    let gateway = Gateway::start(SHOPS, &[]);
    check(&gateway, "POST http://api.example.com/orders", (405, "method_not_allowed"));
    let answer = ask(&gateway, "POST http://api.example.com/orders");
    let allow: BTreeSet<_> = answer.field("allow").expect("Allow").split(", ").collect();
    assert!(allow.contains("GET") && allow.contains("DELETE") && !allow.contains("POST"), "{allow:?}");
    check(&gateway, "get http://api.example.com/orders", (405, "method_not_allowed"));
}

#[test]
fn every_spelling_of_a_path_is_judged_as_the_one_that_is_forwarded() {
    let config = r#"
        [apis.shop]
        routes = [
            { method = "GET", path = "/open/{rest+}", integration = { type = "HTTP_PROXY", uri = "http://@1/open/{rest}" } },
            { method = "GET", path = "/admin", api_key_required = true, integration = { type = "MOCK", body = "admin" } },
        ]
        [apis.shop.stages.prod]
        [domains."*"]
        mappings = { "/" = "shop/prod" }
    "#;
    let origin = Origin::mirror();
    let gateway = Gateway::start(config, &[&origin]);
    for spelling in
        ["/admin", "//admin", "/./admin", "/open/../admin", "/open/%2e%2e/admin", "/%61dmin", "/x/..//admin"]
    {
        assert_eq!(gateway.get(spelling).expect(401).code(), "missing_api_key", "{spelling}");
    }
    assert_eq!(origin.requests(), 0);

    for (spelling, forwarded) in [
        ("/open/a", "GET /open/a"),
        ("//open///a", "GET /open/a"),
        ("/open/%7euser/./b", "GET /open/~user/b"),
        ("/open/x/../a?q=1&q=2", "GET /open/a?q=1&q=2"),
        ("/open/a%2fb", "GET /open/a%2Fb"),
    ] {
        assert_eq!(gateway.get(spelling).expect(200).text(), forwarded, "{spelling}");
    }
    for malformed in ["/open/%00", "/open/%", "/open/%4", "/open/%zz", "/open/%5cadmin"] {
        assert_eq!(gateway.get(malformed).expect(400).code(), "malformed_request", "{malformed}");
    }
}

#[test]
fn path_parameters_and_stage_variables_reach_the_back_end() {
    let config = r#"
        [apis.shop]
        routes = [
            { method = "GET", path = "/orders/{id}", integration = { type = "HTTP_PROXY", uri = "http://${stageVariables.backend}/v1/o/{id}" } },
            { method = "ANY", path = "/files/{path+}", integration = { type = "HTTP_PROXY", uri = "http://@1/f/{path}" } },
        ]
        [apis.shop.stages.prod]
        variables = { backend = "@1" }
        [apis.shop.stages.beta]
        variables = { backend = "@2" }
    "#;
    let (blue, green) = (Origin::mirror(), Origin::text("green"));
    let gateway = Gateway::start(config, &[&blue, &green]);
    assert_eq!(gateway.get("/shop/prod/orders/7?full=1").expect(200).text(), "GET /v1/o/7?full=1");
    assert_eq!(gateway.get("/shop/beta/orders/7").expect(200).text(), "green");
    assert_eq!(gateway.ask(&delete("/shop/prod/files/a/b%20c")).expect(200).text(), "DELETE /f/a/b%20c");
}

#[test]
fn hosts_without_a_domain_still_reach_apis_by_path() {
    let gateway = Gateway::start(SHOPS, &[]);
    let answer = gateway.ask(&get("/orders/prod/orders").host("other.example"));
    assert_eq!(answer.expect(200).text(), "list");
}

#[test]
fn every_listener_serves_the_same() {
    let server = "[server]\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\nthreads = 1\n";
    let gateway = Gateway::start(&format!("{server}{SHOPS}"), &[]);
    assert_eq!(gateway.listeners().len(), 2);
    for address in gateway.listeners() {
        let answer = Wire::open(*address).ask(&get("/orders/prod/orders"));
        assert_eq!(answer.expect(200).text(), "list");
    }
}
