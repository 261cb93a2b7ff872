use std::sync::Arc;
use std::time::Duration;

use pingora_rustls::load_certs_and_key_files;
use rustls::{ServerConfig, version};
use tokio::net::TcpStream;

use super::StartError;
use crate::config;
use crate::gateway::proxy::TlsStream;

/// A TLS handshake that takes longer is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a listener says and wants in its handshakes. `speaks_http_2`: whether it is offered (RFC 7301).
pub(super) fn server_config(tls: &config::ListenTls, speaks_http_2: bool) -> Result<Arc<ServerConfig>, StartError> {
    let (cert, key) = (tls.cert.display().to_string(), tls.key.display().to_string());
    let refused = |why: String| StartError::new(format!("cannot serve TLS with cert {cert} and key {key}: {why}"));
    let loaded = load_certs_and_key_files(&cert, &key).map_err(|error| refused(error.to_string()))?;
    let (certs, key_der) = loaded.ok_or_else(|| refused("one of the files holds no PEM of its kind".to_string()))?;
    let mut config = ServerConfig::builder_with_protocol_versions(&[&version::TLS12, &version::TLS13])
        .with_no_client_auth()
        .with_single_cert(certs, key_der)
        .map_err(|error| refused(error.to_string()))?;
    let protocols: &[&[u8]] = if speaks_http_2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Shakes hands with a client; `None`: it went away, took too long, or does not speak what is wanted.
pub(super) async fn shake_hands(tcp: TcpStream, config: &Arc<ServerConfig>) -> Option<TlsStream> {
    let handshake = TlsStream::accept(tcp, Arc::clone(config));
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await.ok()? {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
    }
}
