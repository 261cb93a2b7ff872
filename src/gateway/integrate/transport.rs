use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::TcpKeepalive;
use pingora_core::protocols::tls::CaType;
use pingora_core::upstreams::peer::{H1UpgradePolicy, HttpPeer, HttpUpstreamRequestPolicy};
use pingora_core::utils::tls::WrappedX509;
use pingora_rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;

use super::identity::identity;
use crate::config::{ProtocolVersion, UpstreamTls};

/// Idle connections are given up before most servers would (60 to 75 s), so that fewer are found stale.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// Requests at a time on one connection of HTTP/2; a back end may allow fewer.
const H2_STREAMS_MAX: usize = 100;

const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: usize = 3;

/// How the endpoints of a pool are spoken to: a peer in which only the address is missing.
#[derive(Debug)]
pub(super) struct Transport {
    template: HttpPeer,
}

/// How long one attempt may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For TCP and TLS together.
    pub(super) connect: Duration,
    /// For everything.
    pub(super) total: Duration,
}

impl Transport {
    pub(super) fn plain(version: ProtocolVersion) -> Transport {
        Transport { template: template(false, String::new(), version) }
    }

    /// TLS that verifies `server_name`, which is never empty: Pingora would verify nothing then.
    ///
    /// # Errors
    /// What is wrong with the name, the authorities or the client certificate.
    pub(super) fn tls(server_name: &str, tls: &UpstreamTls, version: ProtocolVersion) -> Result<Transport, String> {
        if rustls_pki_types::ServerName::try_from(server_name).is_err() {
            return Err(format!("\"{server_name}\" is no name that a certificate can be verified for"));
        }
        let mut template = template(true, server_name.to_owned(), version);
        if let Some(pem) = &tls.ca_pem {
            template.options.ca = Some(authorities(pem)?);
        }
        if let Some(client) = &tls.client {
            template.client_cert_key = Some(identity(client)?);
        }
        if tls.ca_pem.is_some() || tls.client.is_some() {
            // Pingora's pool does not tell connections by whom they trust or say they are; the group does.
            let mut hasher = DefaultHasher::new();
            (&tls.ca_pem, &tls.client).hash(&mut hasher);
            template.group_key = hasher.finish();
        }
        Ok(Transport { template })
    }

    pub(super) fn peer(&self, address: SocketAddr, patience: Patience) -> HttpPeer {
        let mut peer = self.template.clone();
        peer._address = pingora_core::protocols::l4::socket::SocketAddr::Inet(address);
        let connect = patience.connect.min(patience.total);
        peer.options.connection_timeout = Some(connect);
        peer.options.total_connection_timeout = Some(connect);
        peer.options.read_timeout = Some(patience.total);
        peer.options.write_timeout = Some(patience.total);
        peer
    }

    pub(super) fn is_tls(&self) -> bool {
        self.template.is_tls()
    }
}

fn template(is_tls: bool, server_name: String, version: ProtocolVersion) -> HttpPeer {
    // An address is no name: nothing is resolved here.
    let mut peer = HttpPeer::new(SocketAddr::from(([0, 0, 0, 0], 0)), is_tls, server_name);
    peer.options.verify_cert = true;
    peer.options.verify_hostname = true;
    match version {
        ProtocolVersion::Http1 => peer.options.set_http_version(1, 1),
        ProtocolVersion::Http2 => peer.options.set_http_version(2, 2),
    }
    peer.options.max_h2_streams = H2_STREAMS_MAX;
    peer.options.idle_timeout = Some(IDLE_TIMEOUT);
    peer.options.tcp_keepalive = Some(TcpKeepalive {
        idle: KEEPALIVE_IDLE,
        interval: KEEPALIVE_INTERVAL,
        count: KEEPALIVE_PROBES,
        #[cfg(target_os = "linux")]
        user_timeout: Duration::ZERO,
    });
    // Nominations are `transform`'s: Pingora would let them strip credentials, and refuse the request for others.
    peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy {
        strip_hop_by_hop: true,
        strip_connection_nominated: false,
        reject_malformed_connection_nominations: false,
        h1_upgrade: H1UpgradePolicy::WebSocketOnly,
    };
    peer
}

/// Reads PEM text into the form that Pingora wants. Each certificate is tried as a root first: Pingora would find a bad
/// one at every connection, or panic.
fn authorities(pem: &str) -> Result<Arc<CaType>, String> {
    let mut roots = RootCertStore::empty();
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("the authorities are not PEM: {error}"))?;
        roots.add(certificate.clone()).map_err(|error| format!("an authority cannot be used: {error}"))?;
        found.push(WrappedX509::try_new(certificate.to_vec(), parse)?);
    }
    if found.is_empty() {
        return Err("the authorities hold no certificate".to_owned());
    }
    Ok(found.into())
}

fn parse<T: AsRef<[u8]>>(der: &T) -> Result<X509Certificate<'_>, String> {
    let parsed = x509_parser::parse_x509_certificate(der.as_ref());
    parsed.map(|(_, certificate)| certificate).map_err(|error| format!("an authority cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(pem: Option<String>) -> u64 {
        let tls = UpstreamTls { ca_pem: pem, server_name: None, client: None };
        let patience = Patience { connect: Duration::from_secs(5), total: Duration::from_secs(3) };
        let peer = Transport::tls("back.example", &tls, ProtocolVersion::Http1)
            .unwrap()
            .peer("10.0.0.1:443".parse().unwrap(), patience);
        assert_eq!(
            (peer.sni.as_str(), peer.options.verify_cert, peer.options.verify_hostname),
            ("back.example", true, true)
        );
        assert_eq!(peer.options.total_connection_timeout, Some(patience.total), "connecting is part of the whole");
        peer.group_key
    }

    fn authority() -> String {
        rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn connections_that_trust_differently_are_not_shared() {
        let (one, two) = (authority(), authority());
        assert_eq!(group(None), 0);
        assert_eq!(group(Some(one.clone())), group(Some(one.clone())));
        assert_ne!(group(Some(one)), group(Some(two)));
    }

    #[test]
    fn bad_authorities_and_empty_names_are_told_at_once() {
        let with = |name: &str, pem: &str| {
            let tls = UpstreamTls { ca_pem: Some(pem.to_owned()), server_name: None, client: None };
            Transport::tls(name, &tls, ProtocolVersion::Http2).unwrap_err()
        };
        assert!(with("", &authority()).contains("\"\""));
        assert!(with("a", "").contains("no certificate"));
        assert!(with("a", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").contains("cannot be used"));
    }
}
