use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;

use crate::gateway::proxy::TlsStream;

/// A TLS handshake that takes longer is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Shakes hands with a client; `None`: it went away, took too long, or does not speak what is wanted.
pub(in crate::server) async fn shake_hands(tcp: TcpStream, config: Arc<ServerConfig>) -> Option<TlsStream> {
    let handshake = TlsStream::accept(tcp, config);
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await.ok()? {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
    }
}
