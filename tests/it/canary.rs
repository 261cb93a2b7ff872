//! Two variants of a stage: how requests are shared out, who stays where, and how a canary becomes the stage.

use std::collections::BTreeSet;
use std::thread;

use serde_json::json;

use crate::house::{Answer, Gateway, Origin, get};

/// A stage on the first back end with a canary on the second; `{CANARY}` is the canary's body.
const SHOP: &str = r#"
[apis.shop]
routes = [{ method = "GET", path = "/{rest+}", integration = { type = "HTTP_PROXY", uri = "http://${stageVariables.backend}/{rest}" } }]

# what everybody gets
[apis.shop.stages.prod]
variables = { backend = "@1", colour = "blue" } # the old ones
{STAGE}

[apis.shop.stages.prod.canary]
{CANARY}
variables = { backend = "@2" }
"#;

fn shop(stage: &str, canary: &str) -> String {
    SHOP.replace("{STAGE}", stage).replace("{CANARY}", canary)
}

fn variants() -> (Origin, Origin) {
    (Origin::text("stable"), Origin::text("canary"))
}

fn is_canary(answer: &Answer) -> bool {
    match (answer.status, answer.text()) {
        (200, "stable") => false,
        (200, "canary") => true,
        other => panic!("{other:?}"),
    }
}

/// How many of 2,000 requests the canary got.
fn share(gateway: &Gateway) -> usize {
    let client = || {
        let mut wire = gateway.connect();
        (0..250).filter(|_| is_canary(&wire.ask(&get("/shop/prod/x")))).count()
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().expect("a client that ran")).sum()
    })
}

#[test]
fn a_canary_gets_its_percentage_of_requests() {
    let (stable, canary) = variants();
    let gateway = Gateway::start(&shop("", "percent = 20.0"), &[&stable, &canary]);
    // Five standard deviations of a binomial: sqrt(2000 * 0.2 * 0.8) = 17.9.
    let asked = share(&gateway);
    assert!((310..=490).contains(&asked), "{asked} of 2000 at 20 percent");
    for (variant, count) in [("canary", asked), ("stable", 2000 - asked)] {
        gateway.expect_metric("tollgate_requests_total", &[("stage", "prod"), ("variant", variant)], count as f64);
    }
    assert_eq!(canary.requests(), asked);
}

#[test]
fn the_ends_of_the_scale_are_exact() {
    let (stable, canary) = variants();
    let gateway = Gateway::start(&shop("", "percent = 0.0"), &[&stable, &canary]);
    assert_eq!(share(&gateway), 0);
    gateway.change(&shop("", "percent = 100.0"), &[&stable, &canary]);
    assert_eq!(share(&gateway), 2000);
}

/// The callers out of 200 that the canary serves; each asks three times and must stay where it is.
fn callers_of_the_canary(gateway: &Gateway, field: &str) -> BTreeSet<usize> {
    let mut wire = gateway.connect();
    let mut chosen = BTreeSet::new();
    for caller in 0..200 {
        let wish = get("/shop/prod/x").header(field, format!("caller-{caller:04}-of-the-sticky-test"));
        let answers: BTreeSet<_> = (0..3).map(|_| is_canary(&wire.ask(&wish))).collect();
        assert_eq!(answers.len(), 1, "caller {caller} was moved");
        if answers.contains(&true) {
            chosen.insert(caller);
        }
    }
    chosen
}

#[test]
fn a_sticky_canary_keeps_its_callers_and_growing_it_only_adds_some() {
    for (sticky, field) in [("api_key", "x-api-key"), ("header.X-Tenant", "x-tenant")] {
        let (stable, canary) = variants();
        let weight = |percent: u32| shop("", &format!("percent = {percent}.0\nsticky = \"{sticky}\""));
        let gateway = Gateway::start(&weight(10), &[&stable, &canary]);
        let mut before = callers_of_the_canary(&gateway, field);
        assert!((3..=45).contains(&before.len()), "{sticky}: {} of 200 at 10 percent", before.len());
        for percent in [30, 60] {
            gateway.change(&weight(percent), &[&stable, &canary]);
            let now = callers_of_the_canary(&gateway, field);
            assert!(now.is_superset(&before), "{sticky}: callers left the canary at {percent} percent");
            assert!(now.len() > before.len(), "{sticky}: {} of 200 at {percent} percent", now.len());
            before = now;
        }
    }
}

#[test]
fn a_client_stays_where_it_is_by_its_address() {
    let (stable, canary) = variants();
    let gateway = Gateway::start(&shop("", "percent = 50.0\nsticky = \"ip\""), &[&stable, &canary]);
    assert!([0, 2000].contains(&share(&gateway)));
}

#[test]
fn the_variants_share_cached_answers_only_where_told() {
    let cache = "cache = { enabled = true }";
    let tenants = |gateway: &Gateway| -> BTreeSet<bool> {
        let ask = |n| gateway.ask(&get("/shop/prod/x").header("X-Tenant", format!("tenant-{n:04}")));
        (0..64).map(|n| is_canary(&ask(n))).collect()
    };
    let (stable, canary) = variants();
    let apart = shop(cache, "percent = 50.0\nsticky = \"header.X-Tenant\"\nuse_stage_cache = false");
    let gateway = Gateway::start(&apart, &[&stable, &canary]);
    assert_eq!(tenants(&gateway).len(), 2);
    assert_eq!((stable.requests(), canary.requests()), (1, 1));

    let (stable, canary) = variants();
    let shared = shop(cache, "percent = 50.0\nsticky = \"header.X-Tenant\"\nuse_stage_cache = true");
    let gateway = Gateway::start(&shared, &[&stable, &canary]);
    assert_eq!(tenants(&gateway).len(), 1);
    assert_eq!(stable.requests() + canary.requests(), 1);
}

#[test]
fn log_lines_name_the_variant() {
    let (stable, canary) = variants();
    let gateway = Gateway::start(&shop("", "percent = 100.0"), &[&stable, &canary]);
    let answer = gateway.get("/shop/prod/x").expect(200);
    assert_eq!(gateway.log_of(answer.field("x-request-id").unwrap())["variant"], "canary");
}

#[test]
fn promotion_makes_the_canary_the_stage_and_keeps_the_rest_of_the_file() {
    let (stable, canary) = variants();
    let gateway = Gateway::start(&shop("", "percent = 10.0 # careful"), &[&stable, &canary]);
    gateway.command("/v1/promote", &json!({ "stage": "shop/prod" }));
    let file = gateway.folder().read("tollgate.toml");
    for kept in ["# what everybody gets", "# the old ones", "colour = \"blue\"", &canary.address()] {
        assert!(file.contains(kept), "{kept} is missing:\n{file}");
    }
    for gone in ["canary", "percent", &stable.address()] {
        assert!(!file.contains(gone), "{gone} is still there:\n{file}");
    }
    crate::house::eventually("the promoted stage serves", || is_canary(&gateway.get("/shop/prod/x")));
    assert_eq!(share(&gateway), 2000);

    let again = gateway.admin(
        crate::house::post("/v1/promote", r#"{"stage":"shop/prod"}"#).header("Content-Type", "application/json"),
    );
    assert!((400..500).contains(&again.status), "there is nothing left to promote: {}", again.status);
}
