//! TLS as a client: one certificate for all gateways of the tests.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

/// A client's side of TLS over a socket of its own.
pub type Secured = StreamOwned<ClientConnection, TcpStream>;

/// The name that the certificate is for.
pub const NAME: &str = "gateway.test";

struct Certified {
    cert_pem: String,
    key_pem: String,
    cert: CertificateDer<'static>,
}

fn certified() -> &'static Certified {
    static CERTIFIED: OnceLock<Certified> = OnceLock::new();
    CERTIFIED.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
        let (cert_pem, key_pem) = (made.cert.pem(), made.signing_key.serialize_pem());
        Certified { cert_pem, key_pem, cert: made.cert.der().clone() }
    })
}

/// The files that a listener's `tls` names: certificate and key.
pub fn pem() -> (&'static str, &'static str) {
    (&certified().cert_pem, &certified().key_pem)
}

/// What a client that trusts the gateways of the tests wants. It resumes its sessions.
pub fn client() -> Arc<ClientConfig> {
    client_of(rustls::DEFAULT_VERSIONS)
}

/// The same in these versions.
pub fn client_of(versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    pingora_rustls::install_default_crypto_provider();
    let mut roots = RootCertStore::empty();
    roots.add(certified().cert.clone()).expect("a certificate");
    let config = ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

/// Connects and shakes hands.
pub fn connect(address: SocketAddr, client: &Arc<ClientConfig>) -> io::Result<Secured> {
    connect_to(NAME, address, client)
}

/// The same for a host of another name.
pub fn connect_to(host: &str, address: SocketAddr, client: &Arc<ClientConfig>) -> io::Result<Secured> {
    let mut tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(super::DEADLINE))?;
    tcp.set_write_timeout(Some(super::DEADLINE))?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from(host.to_owned()).expect("a name");
    let mut tls = ClientConnection::new(Arc::clone(client), name).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(tls, tcp))
}
