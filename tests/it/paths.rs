//! One path, one route: no other spelling of its path leads to a keyed route without its key.

use crate::house::{ALICE, Gateway, Origin, get, request};

const SHOP: &str = r#"
[apis.shop]
routes = [
    { method = "GET", path = "/admin/users", api_key_required = true, integration = { type = "HTTP_PROXY", uri = "http://@1/admin/users" } },
    { method = "GET", path = "/admin/{id}", api_key_required = true, integration = { type = "HTTP_PROXY", uri = "http://@1/admin/{id}" } },
    { method = "GET", path = "/files/{name}", integration = { type = "HTTP_PROXY", uri = "http://@1/files/{name}" } },
    { method = "GET", path = "/{proxy+}", integration = { type = "HTTP_PROXY", uri = "http://@1/{proxy}" } },
    { method = "DELETE", path = "/files/{name}", api_key_required = true, integration = { type = "MOCK" } },
]
[apis.shop.stages.prod]

[usage_plans.basic]
stages = ["shop/prod"]
[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["basic"]
"#;

#[test]
fn another_spelling_of_a_keyed_path_is_that_path_or_is_refused() {
    let origin = Origin::mirror();
    let gateway = Gateway::start(SHOP, &[&origin]);
    let spellings = [
        ("/admin/users", 401),
        ("/admin/users/", 401),
        ("/%61dmin/users", 401),
        ("/admin/%75sers", 401),
        ("//admin//users", 401),
        ("/./admin/./users", 401),
        ("/open/../admin/users", 401),
        ("/open/%2e%2e/admin/users", 401),
        ("/open/.%2E/admin/users", 401),
        ("/files/x/%2e%2e/%2e%2e/admin/users", 401),
        ("/admin/x%2F..%2Fusers", 401),
        ("/admin%2fusers", 400),
        ("/open/..%2fadmin/users", 400),
        ("/open/%2e%2e%2fadmin%2fusers", 400),
        ("/open/..;/admin/users", 400),
        ("/open;/../admin/users", 401),
        ("/admin;x=1/users", 400),
        ("/;x/admin/users", 400),
        ("/%61dmin%3bx/users", 400),
        ("/%2561dmin/users", 400),
        ("/open/%252e%252e%252fadmin%252fusers", 400),
        ("/open/%c0%ae%c0%ae/admin/users", 400),
        ("/admin%c0%afusers", 400),
        ("/open/..\\admin/users", 400),
        ("/open/..%5cadmin/users", 400),
        ("/admin/users%00", 400),
        ("/admin/users%20", 401),
        ("/admin/users%0a", 400),
        ("/admin/%zz", 400),
        ("/admin/users#x", 400),
    ];
    for (path, status) in spellings {
        let answer = gateway.get(&format!("/shop/prod{path}"));
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    assert_eq!(origin.requests(), 0, "the back end was asked: {}", origin.last().target);
}

#[test]
fn case_counts_and_what_is_forwarded_is_what_was_matched() {
    let origin = Origin::mirror();
    let gateway = Gateway::start(SHOP, &[&origin]);
    let check = |path: &str, forwarded: &str| {
        gateway.get(&format!("/shop/prod{path}")).expect(200);
        assert_eq!(origin.last().target, forwarded, "{path}");
    };
    check("/Admin/users", "/Admin/users");
    check("/open//a/./b/../c", "/open/a/c");
    check("/files/a%2fb", "/files/a%2Fb");
    check("/files/caf%c3%a9", "/files/caf%C3%A9");
    check("/files/%7e;v=1", "/files/~;v=1");
    check("/open/a|b", "/open/a%7Cb");
    gateway.ask(&get("/shop/prod/%61dmin/users").key(ALICE)).expect(200);
    assert_eq!(origin.last().target, "/admin/users");
}

#[test]
fn a_method_is_what_the_request_line_says() {
    let origin = Origin::mirror();
    let gateway = Gateway::start(SHOP, &[&origin]);
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        gateway.ask(&get("/shop/prod/files/a").header(name, "DELETE")).expect(200);
        assert_eq!(origin.last().method, "GET");
    }
    gateway.ask(&request("DELETE", "/shop/prod/files/a").header("X-HTTP-Method-Override", "GET")).expect(401);
}
