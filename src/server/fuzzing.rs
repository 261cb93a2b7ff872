//! What reads bytes from the network here, for fuzz targets.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::proxied;

/// Reads a header of PROXY protocol, and nothing after it; `None`: the proxy speaks for itself.
///
/// # Errors
/// The connection begins otherwise, or ends.
pub async fn proxy_header(tcp: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    proxied::read_header(tcp).await
}
