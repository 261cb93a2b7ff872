use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::Express;
use super::alarm::within;
use super::client::Client;
use super::streams::is_preface;
use crate::base::Answer;

/// How long a client that is turned away has to begin its request: one that sees an answer before it asked is puzzled.
const PATIENCE: Duration = Duration::from_secs(1);
/// Of its request, what is looked at.
const LOOK_BYTES: usize = 1024;

/// `SETTINGS` with nothing in it, and `GOAWAY` before any stream, for there is too much to do (RFC 9113 sections 6.5,
/// 6.8 and 7).
const NOT_NOW: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";

impl Express {
    /// Answers whatever a client in plaintext asks with `answer`, and closes.
    pub async fn turn_away(&self, tcp: TcpStream, peer: std::net::SocketAddr, answer: Answer) {
        let mut client = Client::new(tcp, peer);
        let mut look = [0; LOOK_BYTES];
        let now = self.live.clock().now();
        let Some(Ok(count)) = client.read(&mut look, self.instant(now, PATIENCE)).await else { return };
        if count == 0 {
            return;
        }
        if is_preface(&look[..count]) {
            let _ = within(PATIENCE, pin!(client.wire.write_all(NOT_NOW))).await;
            return client.close_gently().await;
        }
        let mut desk = self.desks.borrow(&self.live);
        self.refuse_unread(&mut client, &mut desk.paper, answer, now).await;
        self.desks.give_back(desk);
        client.close_gently().await;
    }
}
