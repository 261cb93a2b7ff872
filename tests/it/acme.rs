//! Certificates by ACME: obtained, renewed, kept, and what happens where they cannot be had.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use crate::house::acme::{Pebble, Ports, free_port, has_pebble};
use crate::house::{Folder, Gateway, Wire, eventually, eventually_some, get, tls};

/// All paths of all hosts have a route: a challenge is answered before there is any.
const SHOP: &str = r#"
[apis.shop]
routes = [{ method = "ANY", path = "/{proxy+}", integration = { type = "MOCK", body = "shop" } }]
[apis.shop.stages.prod]
[domains."*"]
mappings = { "/" = "shop/prod" }
"#;

const DAY_S: u64 = 24 * 3600;

/// A gateway with plaintext on `http_port` and these words in the `tls` of its second listener.
fn folder(ports: &Ports, http_port: u16, words: &str) -> Arc<Folder> {
    let acme = ports.section();
    let listen = format!("[\"127.0.0.1:{http_port}\", {{ address = \"127.0.0.1:0\", tls = {{ {words} }} }}]");
    let server = format!("[server]\nlisten = {listen}\nthreads = 2\ndrain_delay = \"0s\"\n");
    Arc::new(Folder::new(&format!("{acme}{server}{SHOP}"), &[]))
}

/// What a client sees under this name.
fn shown(host: &str, gateway: &Gateway, client: &Arc<ClientConfig>) -> Option<CertificateDer<'static>> {
    let secured = tls::connect_to(host, gateway.listeners()[1], client).ok()?;
    let shown = secured.conn.peer_certificates()?.first()?.clone().into_owned();
    assert_eq!(Wire::over(secured).ask(&get("/a")).status, 200);
    Some(shown)
}

fn orders(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric("tollgate_acme_orders_total", &[("result", result)])
}

fn next_order_in_s(gateway: &Gateway, certificate: &str) -> f64 {
    let now_s = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
    gateway.metric("tollgate_acme_next_order_timestamp_seconds", &[("certificate", certificate)]) - now_s
}

fn verbose(gateway: &Gateway) -> String {
    gateway.admin(get("/readyz?verbose")).expect(200).text().to_owned()
}

#[test]
fn each_name_gets_a_certificate_that_clients_trust_and_requests_go_on() {
    if !has_pebble() {
        return;
    }
    let (ports, http_port) = (Ports::choose(), free_port());
    let words = r#"acme = [["shop.test", "www.shop.test"], "api.test"]"#;
    let kept = ports.kept();
    let folder = folder(&ports, http_port, words);
    let pebble = Pebble::start(ports, &folder, http_port, DAY_S);
    let gateway = Gateway::start_in(Arc::clone(&folder), &[]);
    let client = pebble.client(&folder);
    let [shop, www, api] =
        ["shop.test", "www.shop.test", "api.test"].map(|host| eventually_some(host, || shown(host, &gateway, &client)));
    assert_eq!(shop, www);
    assert_ne!(shop, api);
    assert!(shown("elsewhere.test", &gateway, &client).is_none(), "who is shown another's certificate goes away");

    assert_eq!((orders(&gateway, "success"), orders(&gateway, "failure")), (2.0, 0.0));
    // After some two thirds of a day.
    let next_s = next_order_in_s(&gateway, "api.test");
    assert!((0.6..0.7).contains(&(next_s / DAY_S as f64)), "{next_s}");
    assert!(verbose(&gateway).contains("[+] certificates: ok"));
    // What is no open challenge is a path like any other.
    gateway.get("/.well-known/acme-challenge/other").expect(200);
    assert_eq!(gateway.get("/.well-known/acme-challenge/other").text(), "shop");
    for file in ["account.json", "shop.test.pem", "api.test.pem"] {
        let data = fs::metadata(folder.path().join(&kept).join(file)).expect(file);
        assert_eq!(data.permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_certificate_is_renewed_before_it_expires_and_taken_over_without_a_restart() {
    if !has_pebble() {
        return;
    }
    let (ports, http_port) = (Ports::choose(), free_port());
    let folder = folder(&ports, http_port, r#"acme = ["shop.test"]"#);
    let pebble = Pebble::start(ports, &folder, http_port, 15);
    let gateway = Gateway::start_in(Arc::clone(&folder), &[]);
    let client = pebble.client(&folder);
    let first = eventually_some("a certificate", || shown("shop.test", &gateway, &client));
    eventually("another one", || shown("shop.test", &gateway, &client).is_some_and(|now| now != first));
    assert!(orders(&gateway, "success") >= 2.0);
}

#[test]
fn a_killed_gateway_serves_what_it_had_though_the_authority_is_away() {
    if !has_pebble() {
        return;
    }
    let (ports, http_port) = (Ports::choose(), free_port());
    let folder = folder(&ports, http_port, r#"acme = ["shop.test"]"#);
    let pebble = Pebble::start(ports, &folder, http_port, DAY_S);
    let mut gateway = Gateway::start_in(Arc::clone(&folder), &[]);
    let client = pebble.client(&folder);
    let before = eventually_some("a certificate", || shown("shop.test", &gateway, &client));
    drop(pebble);
    gateway.kill9();
    gateway.restart();
    assert_eq!(shown("shop.test", &gateway, &client), Some(before));
    assert_eq!((orders(&gateway, "success"), orders(&gateway, "failure")), (0.0, 0.0));
}

#[test]
fn what_was_issued_and_no_disk_took_is_not_ordered_again() {
    if !has_pebble() {
        return;
    }
    let (ports, http_port) = (Ports::choose(), free_port());
    let kept = ports.kept();
    let folder = folder(&ports, http_port, r#"acme = ["shop.test"]"#);
    // Nothing can be renamed to where a folder is.
    let taken = folder.path().join(kept).join("shop.test.pem");
    fs::create_dir_all(&taken).expect("a folder");
    let pebble = Pebble::start(ports, &folder, http_port, DAY_S);
    let client = pebble.client(&folder);
    let gateway = Gateway::start_in(Arc::clone(&folder), &[]);
    eventually("it cannot be written", || verbose(&gateway).contains("[-] certificates: shop.test: cannot write "));
    drop(pebble);
    fs::remove_dir(&taken).expect("an empty folder");
    eventually("a certificate", || shown("shop.test", &gateway, &client).is_some());
}

#[test]
fn an_authority_that_comes_late_is_asked_again() {
    if !has_pebble() {
        return;
    }
    let (ports, http_port) = (Ports::choose(), free_port());
    let folder = folder(&ports, http_port, r#"acme = ["shop.test"]"#);
    folder.write("ca.pem", tls::pem().0);
    let gateway = Gateway::start_in(Arc::clone(&folder), &[]);
    eventually("the first order fails", || orders(&gateway, "failure") >= 1.0);
    assert!(verbose(&gateway).contains("[-] certificates: shop.test: cannot reach the ACME server 127.0.0.1:"));
    assert!(gateway.stderr().contains("there is no certificate yet"), "{}", gateway.stderr());
    // Nothing is shown that nobody would trust, and plaintext is served.
    assert!(shown("shop.test", &gateway, &tls::client()).is_none());
    gateway.get("/a").expect(200);

    let pebble = Pebble::start(ports, &folder, http_port, DAY_S);
    let client = pebble.client(&folder);
    eventually("a certificate", || shown("shop.test", &gateway, &client).is_some());
    assert!(verbose(&gateway).contains("[+] certificates: ok"));
}

#[test]
fn a_name_that_cannot_be_proved_is_told_of_and_other_certificates_serve() {
    if !has_pebble() {
        return;
    }
    let (ports, http_port) = (Ports::choose(), free_port());
    let words = r#"cert = "cert.pem", key = "key.pem", acme = ["shop.test"]"#;
    let folder = folder(&ports, http_port, words);
    // Nobody answers where it asks.
    let _pebble = Pebble::start(ports, &folder, free_port(), DAY_S);
    let gateway = Gateway::start_in(Arc::clone(&folder), &[]);
    eventually("the order fails", || orders(&gateway, "failure") == 1.0);
    eventually("that is told", || verbose(&gateway).contains("[-] certificates: shop.test: "));
    let said = gateway.stderr();
    assert!(said.contains("a certificate was not obtained") && said.contains("connection refused"), "{said}");
    assert!(shown(tls::NAME, &gateway, &tls::client()).is_some());
    let again_s = next_order_in_s(&gateway, "shop.test");
    assert!((200.0..=360.0).contains(&again_s), "{again_s}");
}

#[test]
fn what_cannot_be_obtained_is_a_fault_of_the_configuration() {
    let check = |acme: &str, listen: &str, said: &[&str]| {
        let folder = Folder::new(&format!("[acme]\n{acme}\n[server]\nlisten = {listen}\n{SHOP}"), &[]);
        let output = crate::house::tollgate(&["check", folder.config().to_str().expect("a path of text")]).expect(1);
        for word in said {
            assert!(output.stderr.contains(word), "{word:?} is missing:\n{}", output.stderr);
        }
    };
    let both = |names: &str| format!(r#"["127.0.0.1:0", {{ address = "127.0.0.1:0", tls = {{ acme = [{names}] }} }}]"#);
    let agreed = "agree_tos = true";
    check(agreed, &both("\"*.shop.test\""), &["wildcard, which HTTP-01 cannot prove", "DNS-01"]);
    check("", &both("\"shop.test\""), &["terms are not agreed to", "agree_tos = true"]);
    let only_tls = r#"[{ address = "127.0.0.1:0", tls = { acme = ["shop.test"] } }]"#;
    check(agreed, only_tls, &["no listener is in plaintext", "server.listen"]);
}
