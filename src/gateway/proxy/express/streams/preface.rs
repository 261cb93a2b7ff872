use std::net::SocketAddr;
use std::pin::pin;

use pingora_core::server::ShutdownWatch;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Peer;
use crate::gateway::proxy::express::Express;
use crate::gateway::proxy::express::client::Client;
use crate::gateway::proxy::express::converse::stopped;

/// RFC 9113 section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether what a client has sent first is of HTTP/2.
pub(in crate::gateway::proxy::express) fn is_preface(bytes: &[u8]) -> bool {
    bytes.len() >= 4 && (bytes.starts_with(PREFACE) || PREFACE.starts_with(bytes))
}

impl Express {
    /// Serves a client in plaintext that speaks HTTP/2 or HTTP/1.1, which its first bytes tell.
    pub async fn converse_either(&self, tcp: TcpStream, peer: SocketAddr, shutdown: &ShutdownWatch) {
        let mut client = Client::new(tcp, peer);
        let deadline = self.instant(self.live.clock().now(), self.live.snapshot().limits().idle_timeout);
        if !self.wait_for_bytes(&mut client, deadline, shutdown).await {
            return;
        }
        let speaks_http_2 = self.read_preface(&mut client).await;
        let Client { wire: tcp, peer, read_after, .. } = client;
        if speaks_http_2 {
            // Its future is large, and a connection of HTTP/1.1 has no use for the room.
            Box::pin(self.converse_streams(tcp, read_after, Peer::new(peer, None), shutdown)).await;
        } else {
            // What woke this task when the gateway stops is gone, so the client is a new one.
            let mut client = Client::new(tcp, peer);
            client.read_after = read_after;
            self.converse_with(client, shutdown).await;
        }
    }

    async fn wait_for_bytes(
        &self,
        client: &mut Client<TcpStream>,
        deadline: Instant,
        shutdown: &ShutdownWatch,
    ) -> bool {
        client.wait(deadline, pin!(stopped(shutdown.clone())), || self.live.is_draining()).await
    }

    /// Reads as long as it may be the preface. `true`: it is. What was read is in `read_after`.
    async fn read_preface(&self, client: &mut Client<TcpStream>) -> bool {
        let deadline = self.instant(self.live.clock().now(), self.live.snapshot().limits().head_timeout);
        let mut read = [0; PREFACE.len()];
        let mut filled = 0;
        while filled < PREFACE.len() && read[..filled] == PREFACE[..filled] {
            match client.read(&mut read[filled..], deadline).await {
                Some(Ok(count)) if count > 0 => filled += count,
                // HTTP/1.1 knows what to say to what is too slow or breaks off.
                _ => break,
            }
        }
        client.read_after = read[..filled].to_vec();
        filled == PREFACE.len() && read == *PREFACE
    }
}
