use std::net::SocketAddr;
use std::pin::pin;

use pingora_core::server::ShutdownWatch;
use tokio::net::TcpStream;

use super::Peer;
use crate::gateway::proxy::express::Express;
use crate::gateway::proxy::express::client::Client;
use crate::gateway::proxy::express::converse::stopped;

/// RFC 9113 section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Express {
    /// Serves a client in plaintext that speaks HTTP/2 or HTTP/1.1, which its first bytes tell.
    pub async fn converse_either(&self, tcp: TcpStream, peer: SocketAddr, shutdown: &ShutdownWatch) {
        let mut client = Client::new(tcp, peer);
        let deadline = self.instant(self.live.clock().now(), self.live.snapshot().limits().idle_timeout);
        let is_waited_for = client.wait(deadline, pin!(stopped(shutdown.clone()))).await;
        if !is_waited_for {
            return;
        }
        let begins = self.read_preface(&mut client).await;
        if begins {
            let Client { tcp, peer, read_after, .. } = client;
            Box::pin(self.converse_streams(tcp, read_after, Peer::new(peer, None), shutdown)).await;
        } else {
            self.converse_with(client, shutdown).await;
        }
    }

    /// Reads as long as it may be the preface. `true`: it is. What was read is in `read_after`.
    async fn read_preface(&self, client: &mut Client) -> bool {
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
