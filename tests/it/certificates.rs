//! Certificates: by name, renewed while the gateway runs, asked of clients, and shown to back ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};

use crate::house::*;

const HELLO: &str = r#"
    [[apis.shop.routes]]
    method = "GET"
    path = "/hello"
    integration = { type = "MOCK", body = "hello" }
    [apis.shop.stages.prod]
"#;

/// A listener with these words in its `tls`, besides `hello` on it.
fn listening(words: &str) -> String {
    format!("[server]\nlisten = [{{ address = \"127.0.0.1:0\", tls = {{ {words} }} }}]\n{HELLO}")
}

/// A certificate and its key.
struct Pair {
    cert_pem: String,
    key_pem: String,
    cert: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

/// Signs what tests need, and is trusted by their clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    own: Pair,
}

impl Pair {
    fn new(cert: &rcgen::Certificate, key: &KeyPair) -> Pair {
        let der = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        Pair { cert_pem: cert.pem(), key_pem: key.serialize_pem(), cert: cert.der().clone(), key: der }
    }
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "An authority");
        let key = KeyPair::generate().expect("a key");
        let cert = params.self_signed(&key).expect("a certificate");
        let own = Pair::new(&cert, &key);
        Authority { issuer: Issuer::new(params, key), own }
    }

    /// For these hosts; the first one is its common name.
    fn sign(&self, names: &[&str]) -> Pair {
        self.sign_for(names, None)
    }

    /// The same, good between the beginnings of two years.
    fn sign_for(&self, names: &[&str], years: Option<(i32, i32)>) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).expect("parameters");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, &*names[0]);
        if let Some((from, to)) = years {
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        }
        let key = KeyPair::generate().expect("a key");
        Pair::new(&params.signed_by(&key, &self.issuer).expect("a certificate"), &key)
    }

    /// A client that trusts it, and shows a certificate if it has one.
    fn client(&self, shown: Option<&Pair>) -> Arc<ClientConfig> {
        pingora_rustls::install_default_crypto_provider();
        let mut roots = RootCertStore::empty();
        roots.add(self.own.cert.clone()).expect("a certificate");
        let client = ClientConfig::builder().with_root_certificates(roots);
        Arc::new(match shown {
            Some(pair) => client.with_client_auth_cert(vec![pair.cert.clone()], pair.key.clone_key()).expect("a pair"),
            None => client.with_no_client_auth(),
        })
    }
}

/// A folder with these pairs as `NAME.pem` and `NAME.key`, and the authority as `ca.pem`.
fn folder(config: &str, authority: &Authority, pairs: &[(&str, &Pair)]) -> Folder {
    let folder = Folder::new(config, &[]);
    folder.write("ca.pem", &authority.own.cert_pem);
    for (name, pair) in pairs {
        put(&folder, name, pair);
    }
    folder
}

fn put(folder: &Folder, name: &str, pair: &Pair) {
    folder.write(&format!("{name}.pem"), &pair.cert_pem);
    folder.write(&format!("{name}.key"), &pair.key_pem);
}

/// What a client sees of a gateway.
struct Visit {
    shown: CertificateDer<'static>,
    handshake: Option<HandshakeKind>,
    answer: Answer,
}

/// Connects and asks: in TLS 1.3 it is with the first answer that a client hears whether it was let in.
fn visit(host: &str, address: SocketAddr, client: &Arc<ClientConfig>) -> io::Result<Visit> {
    let secured = tls::connect_to(host, address, client)?;
    let shown = secured.conn.peer_certificates().expect("a certificate")[0].clone().into_owned();
    let handshake = secured.conn.handshake_kind();
    let answer = Wire::over(secured).try_ask(&get("/shop/prod/hello"))?;
    Ok(Visit { shown, handshake, answer })
}

#[test]
fn a_host_gets_the_certificate_that_is_for_it() {
    let authority = Authority::new();
    let (first, wild) = (authority.sign(&["gateway.test"]), authority.sign(&["*.shops.test", "shops.test"]));
    let config =
        listening(r#"cert = "first.pem", key = "first.key", certificates = [{ cert = "wild.pem", key = "wild.key" }]"#);
    let folder = folder(&config, &authority, &[("first", &first), ("wild", &wild)]);
    let gateway = Gateway::start_in(Arc::new(folder), &[]);
    let client = authority.client(None);
    let check = |host: &str, expected: &Pair| {
        let visit = visit(host, gateway.http(), &client).unwrap_or_else(|e| panic!("{host}: {e}"));
        assert_eq!(visit.shown, expected.cert, "{host}");
        assert_eq!(visit.answer.expect(200).text(), "hello");
    };
    check("gateway.test", &first);
    check("a.shops.test", &wild);
    check("shops.test", &wild);
    // Everybody else is shown the first, which is not for them.
    assert!(visit("elsewhere.test", gateway.http(), &client).is_err());
    let expires_s = |file: &str| {
        let name = format!("{}/{file}", gateway.folder().path().display());
        gateway.metric("tollgate_certificate_expiry_timestamp_seconds", &[("certificate", &name)])
    };
    // rcgen's certificates are good until the year 4096. The background tells of them, in its own time.
    eventually("both expiries are told", || expires_s("first.pem") > 6e10 && expires_s("wild.pem") > 6e10);
}

#[test]
fn a_renewed_certificate_is_taken_over_and_a_bad_one_leaves_the_last() {
    let authority = Authority::new();
    let (old, new) = (authority.sign(&["gateway.test"]), authority.sign(&["gateway.test"]));
    let config = listening(r#"cert = "own.pem", key = "own.key""#);
    let gateway = Gateway::start_in(Arc::new(folder(&config, &authority, &[("own", &old)])), &[]);
    let client = authority.client(None);
    let shown = || visit("gateway.test", gateway.http(), &authority.client(None)).expect("a handshake").shown;
    let is_current = |value| gateway.expect_metric("tollgate_certificate_last_load_success", &[], value);
    visit("gateway.test", gateway.http(), &client).expect("a handshake");
    is_current(1.0);

    // The key of another certificate.
    gateway.folder().write("own.pem", &new.cert_pem);
    is_current(0.0);
    assert_eq!(shown(), old.cert);
    eventually("the log says why", || gateway.stderr().contains("is not that of"));

    gateway.folder().write("own.key", &new.key_pem);
    is_current(1.0);
    assert_eq!(shown(), new.cert);
    // Sessions that were begun under the old one go on.
    let resumed = visit("gateway.test", gateway.http(), &client).expect("a handshake");
    assert_eq!(resumed.handshake, Some(HandshakeKind::Resumed));
}

#[test]
fn a_certificate_that_a_reload_adds_is_served_without_a_restart() {
    let authority = Authority::new();
    let (own, shops) = (authority.sign(&["gateway.test"]), authority.sign(&["shops.test"]));
    let of_one = listening(r#"cert = "own.pem", key = "own.key""#);
    let of_two =
        listening(r#"cert = "own.pem", key = "own.key", certificates = [{ cert = "shops.pem", key = "shops.key" }]"#);
    let folder = folder(&of_one, &authority, &[("own", &own), ("shops", &shops)]);
    let gateway = Gateway::start_in(Arc::new(folder), &[]);
    let client = authority.client(None);
    // Each time a client that has no session to resume.
    let is_served = || visit("shops.test", gateway.http(), &authority.client(None)).is_ok();
    assert!(!is_served());
    gateway.change(&of_two, &[]);
    eventually("the second certificate is served", is_served);
    assert!(!gateway.admin(get("/readyz?verbose")).text().contains("needs a restart"));
    gateway.change(&of_one, &[]);
    eventually("it is not served any more", || !is_served());
    gateway.change(&of_one.replace("cert = \"own.pem\"", "cert = \"missing.pem\""), &[]);
    gateway.expect_metric("tollgate_certificate_last_load_success", &[], 0.0);
    visit("gateway.test", gateway.http(), &client).expect("the last good one is served");
    gateway.change(&of_one.replace("tls = {", "h2 = false, tls = {"), &[]);
    assert!(gateway.admin(get("/readyz?verbose")).text().contains("server.listen: changed in the files"));
}

#[test]
fn a_check_opens_the_certificates_and_points_to_what_is_wrong() {
    let authority = Authority::new();
    let (own, other) = (authority.sign(&["gateway.test"]), authority.sign(&["gateway.test"]));
    let folder =
        folder(&listening(r#"cert = "own.pem", key = "own.key", client_ca = "ca.pem""#), &authority, &[("own", &own)]);
    let check = |arguments: &[&str]| tollgate_in(folder.path(), &[&["check", "tollgate.toml"], arguments].concat());
    let sound = check(&[]).expect(0);
    assert_eq!(sound.stderr, "");

    folder.write("own.key", &other.key_pem);
    let said = check(&[]).expect(1).stderr;
    assert!(said.contains("is not that of") && said.contains("tollgate.toml:2:"), "{said}");
    assert!(said.contains("^^^^"), "{said}");
    check(&["--without-certificates"]).expect(0);

    folder.write("ca.pem", "no certificate");
    std::fs::remove_file(folder.path().join("own.pem")).expect("it is there");
    let faults = check(&["--json"]).expect(1).json();
    let messages: Vec<&str> =
        faults["faults"].as_array().expect("a list").iter().filter_map(|it| it["message"].as_str()).collect();
    assert!(
        messages.len() == 2 && messages[0].contains("cannot read") && messages[1].contains("holds no certificate"),
        "{messages:?}"
    );
}

#[test]
fn a_check_warns_of_certificates_that_are_not_good_today() {
    let authority = Authority::new();
    let check = |from: i32, to: i32, expected: &str| {
        let own = authority.sign_for(&["gateway.test"], Some((from, to)));
        let folder = folder(&listening(r#"cert = "own.pem", key = "own.key""#), &authority, &[("own", &own)]);
        let said = tollgate_in(folder.path(), &["check", "tollgate.toml"]).expect(0).stderr;
        assert!(said.starts_with("warning: ") && said.contains(expected), "{said}");
        let told = tollgate_in(folder.path(), &["check", "--json", "tollgate.toml"]).expect(0).json();
        assert!(told["warnings"][0]["message"].as_str().is_some_and(|why| why.contains(expected)), "{told}");
    };
    check(2000, 2001, "has expired: it was good until 2001-");
    check(4000, 4001, "is not good yet: it will be from 4000-");
}

#[test]
fn only_clients_that_an_authority_knows_are_let_in_and_the_log_names_them() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (own, alice) = (authority.sign(&["gateway.test"]), authority.sign(&["alice"]));
    let of_stranger = stranger.sign(&["alice"]);
    let start = |auth: &str| {
        let words = format!(r#"cert = "own.pem", key = "own.key", client_ca = "ca.pem"{auth}"#);
        Gateway::start_in(Arc::new(folder(&listening(&words), &authority, &[("own", &own)])), &[])
    };
    let is_let_in = |gateway: &Gateway, shown: Option<&Pair>| {
        visit("gateway.test", gateway.http(), &authority.client(shown)).map(|visit| visit.answer.expect(200))
    };
    let subject_of = |gateway: &Gateway, answer: &Answer| {
        let id = answer.field("x-request-id").expect("an id").to_owned();
        gateway.log_of(&id)["client_subject"].as_str().map(str::to_owned)
    };

    let required = start("");
    let answer = is_let_in(&required, Some(&alice)).expect("an answer");
    assert_eq!(subject_of(&required, &answer).as_deref(), Some("O=Example, CN=alice"));
    assert!(is_let_in(&required, None).is_err());
    assert!(is_let_in(&required, Some(&of_stranger)).is_err());

    let optional = start(r#", client_auth = "optional""#);
    assert!(is_let_in(&optional, Some(&alice)).is_ok());
    let answer = is_let_in(&optional, None).expect("an answer");
    assert_eq!(subject_of(&optional, &answer), None);
    assert!(is_let_in(&optional, Some(&of_stranger)).is_err());
}

#[test]
fn a_session_is_not_resumed_under_other_authorities() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (own, alice) = (authority.sign(&["gateway.test"]), authority.sign(&["alice"]));
    let config = listening(r#"cert = "own.pem", key = "own.key", client_ca = "clients.pem""#);
    let folder = folder(&config, &authority, &[("own", &own)]);
    folder.write("clients.pem", &authority.own.cert_pem);
    let gateway = Gateway::start_in(Arc::new(folder), &[]);
    let client = authority.client(Some(&alice));
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let visit = visit("gateway.test", gateway.http(), &client).expect("an answer");
        assert_eq!(visit.handshake, Some(expected));
    }
    gateway.folder().write("clients.pem", &other.own.cert_pem);
    eventually("other clients are let in", || visit("gateway.test", gateway.http(), &client).is_err());
}

#[test]
fn a_listener_may_want_tls_1_3() {
    let authority = Authority::new();
    let own = authority.sign(&["gateway.test"]);
    let config = listening(r#"cert = "own.pem", key = "own.key", min_version = "1.3""#);
    let gateway = Gateway::start_in(Arc::new(folder(&config, &authority, &[("own", &own)])), &[]);
    let roots = || {
        let mut roots = RootCertStore::empty();
        roots.add(authority.own.cert.clone()).expect("a certificate");
        roots
    };
    for (version, is_spoken) in [(&rustls::version::TLS12, false), (&rustls::version::TLS13, true)] {
        let client = ClientConfig::builder_with_protocol_versions(&[version]).with_root_certificates(roots());
        let visit = visit("gateway.test", gateway.http(), &Arc::new(client.with_no_client_auth()));
        assert_eq!(visit.is_ok(), is_spoken, "{version:?}");
    }
}

#[test]
fn a_back_end_is_shown_who_asks() {
    let authority = Authority::new();
    let (own, edge) = (authority.sign(&["back-end.test"]), authority.sign(&["edge"]));
    let secure = listening(r#"cert = "own.pem", key = "own.key", client_ca = "ca.pem""#);
    let back_end = Gateway::start_in(Arc::new(folder(&secure, &authority, &[("own", &own)])), &[]);
    let integration = |words: &str| {
        let address = back_end.http();
        format!(
            r#"{{ type = "HTTP_PROXY", uri = "https://back-end.test/shop/prod/hello", targets = ["{address}"], {words} }}"#
        )
    };
    let shown = r#"tls = { ca = "ca.pem", cert = "edge.pem", key = "edge.key" }"#;
    let known = integration(shown);
    let known_by_streams = integration(&format!(r#"protocol_version = "HTTP2", {shown}"#));
    let unknown = integration(r#"tls = { ca = "ca.pem" }"#);
    let config = format!(
        r#"
        [apis.front]
        routes = [
            {{ method = "GET", path = "/known", integration = {known} }},
            {{ method = "GET", path = "/streams", integration = {known_by_streams} }},
            {{ method = "GET", path = "/unknown", integration = {unknown} }},
        ]
        [apis.front.stages.prod]
        "#
    );
    let gateway = Gateway::start_in(Arc::new(folder(&config, &authority, &[("edge", &edge)])), &[]);
    for path in ["/known", "/streams"] {
        assert_eq!(gateway.get(&format!("/front/prod{path}")).expect(200).text(), "hello", "{path}");
    }
    // Whoever shows nothing is not let in on a connection of somebody who did.
    gateway.get("/front/prod/unknown").expect(502);
    eventually("the back end's log has the gateway's subject twice", || {
        let log = back_end.access_log();
        log.iter().filter(|line| line.contains(r#""client_subject":"O=Example, CN=edge""#)).count() == 2
    });
}
