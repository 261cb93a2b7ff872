//! An ACME server: Let's Encrypt's Pebble, which validates for real, and a DNS server by which all names are ours.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::{Folder, eventually, eventually_some, tls};

/// Where a server will be, before it is started.
pub struct Ports {
    directory: u16,
    management: u16,
    dns: u16,
    dns_management: u16,
}

/// Pebble and its names. Both are killed when dropped.
pub struct Pebble {
    ports: Ports,
    children: [Child; 2],
    _folder: tempfile::TempDir,
}

/// Whether Pebble can be run. It is installed where that may be done; where it cannot be had the tests that need it say
/// so, and fail in CI.
pub fn has_pebble() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let is_there = || {
            let tried = Command::new("pebble").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status();
            tried.is_ok()
        };
        let has = is_there() || (install() && is_there());
        assert!(
            has || std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "pebble is missing and cannot be installed"
        );
        if !has {
            eprintln!("skipped what needs an ACME server: install Debian's package pebble");
        }
        has
    })
}

fn install() -> bool {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let pebble = ["install", "-y", "-qq", "--no-install-recommends", "pebble"];
    apt(&pebble) || (apt(&["update", "-qq"]) && apt(&pebble))
}

/// A port that is free and that the system gives to nobody who asks for any.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 100) as u16 * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Ports {
    pub fn choose() -> Ports {
        let [directory, management, dns, dns_management] = [(); 4].map(|()| free_port());
        Ports { directory, management, dns, dns_management }
    }

    /// What `[acme]` says of the server; `ca.pem` is the authority that [`Pebble::start`] writes into the folder.
    pub fn section(&self) -> String {
        let port = self.directory;
        format!(
            "[acme]\nagree_tos = true\nemail = \"ops@example.com\"\nca = \"ca.pem\"\n\
             directory = \"https://127.0.0.1:{port}/dir\"\n"
        )
    }

    /// Where a gateway keeps what it has from there, in its own folder.
    pub fn kept(&self) -> String {
        format!("data/acme/127.0.0.1_{}_dir", self.directory)
    }
}

impl Pebble {
    /// Serves at `ports`, asks for proofs at `http_port`, and issues for so many seconds. Its own authority is written
    /// into the gateway's folder first.
    pub fn start(ports: Ports, gateway: &Folder, http_port: u16, validity_s: u64) -> Pebble {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        gateway.write("ca.pem", &own.cert.pem());
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("cert.pem"), own.cert.pem()).expect("a file");
        std::fs::write(path("key.pem"), own.signing_key.serialize_pem()).expect("a file");
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", ports.directory),
            "managementListenAddress": format!("127.0.0.1:{}", ports.management),
            "certificate": path("cert.pem"),
            "privateKey": path("key.pem"),
            "httpPort": http_port,
            "tlsPort": 1,
            "certificateValidityPeriod": validity_s,
        }});
        std::fs::write(path("pebble.json"), config.to_string()).expect("a file");
        let names = spawn(
            Command::new("pebble-challtestsrv")
                .args(["-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""])
                .args(["-dns01", &format!("127.0.0.1:{}", ports.dns)])
                .args(["-management", &format!("127.0.0.1:{}", ports.dns_management)]),
        );
        let server = spawn(
            Command::new("pebble")
                .args(["-config", &path("pebble.json"), "-dnsserver", &format!("127.0.0.1:{}", ports.dns)])
                .env("PEBBLE_VA_NOSLEEP", "1")
                // It would reject one request in twenty without a reason.
                .env("PEBBLE_WFE_NONCEREJECT", "0")
                // Every order is validated.
                .env("PEBBLE_AUTHZREUSE", "0"),
        );
        for port in [ports.directory, ports.management, ports.dns] {
            eventually("pebble is there", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        }
        Pebble { ports, children: [names, server], _folder: folder }
    }

    /// A client that trusts what is issued here, and resumes nothing.
    pub fn client(&self, gateway: &Folder) -> Arc<ClientConfig> {
        pingora_rustls::install_default_crypto_provider();
        let root = eventually_some("pebble tells its root", || self.root(gateway));
        let mut roots = RootCertStore::empty();
        roots.add(root).expect("a root");
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    }

    fn root(&self, gateway: &Folder) -> Option<CertificateDer<'static>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(gateway.read("ca.pem").as_bytes()).ok()?).ok()?;
        let client = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
        let address = SocketAddr::from(([127, 0, 0, 1], self.ports.management));
        let mut secured = tls::connect_to("127.0.0.1", address, &client).ok()?;
        secured.write_all(b"GET /roots/0 HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        // It ends the connection without an alert.
        let _ = secured.read_to_end(&mut answer);
        CertificateDer::from_pem_slice(&answer).ok()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pebble starts")
}
