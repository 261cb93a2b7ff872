use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use pingora_core::server::ShutdownWatch;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the data plane is told when its end comes, in this order.
pub(super) struct Doors {
    /// Accept nobody any more.
    closed: watch::Sender<bool>,
    /// Let go of clients that have not asked for anything.
    stopping: watch::Sender<bool>,
    /// Refuse what is not answered yet.
    cut: watch::Sender<bool>,
}

/// How a worker hears of it.
#[derive(Clone)]
pub(super) struct Watch {
    pub closed: ShutdownWatch,
    pub stopping: ShutdownWatch,
    pub cut: ShutdownWatch,
}

impl Doors {
    pub fn new() -> (Doors, Watch) {
        let ((closed, is_closed), (stopping, is_stopping)) = (watch::channel(false), watch::channel(false));
        let (cut, is_cut) = watch::channel(false);
        (Doors { closed, stopping, cut }, Watch { closed: is_closed, stopping: is_stopping, cut: is_cut })
    }

    // Nobody listens any more when every worker has died.

    pub fn close(&self) {
        let _ = self.closed.send(true);
    }

    pub fn stop(&self) {
        let _ = self.stopping.send(true);
    }

    pub fn cut(&self) {
        let _ = self.cut.send(true);
    }
}

/// Completes when it is said.
pub(super) async fn told(mut watch: ShutdownWatch) {
    // Who would say it is gone: then it is so.
    let _ = watch.wait_for(|is_so| *is_so).await;
}

/// Where clients come in, until it is closed.
pub(super) struct Entrance {
    socket: TcpListener,
    closed: ShutdownWatch,
    /// How many of those who waited at the door when it was closed are still let in; `None`: it is open.
    latecomers_max: Option<u32>,
}

/// More than the system lets wait.
const LATECOMERS_MAX: u32 = 4096;

impl Entrance {
    pub fn new(socket: TcpListener, closed: ShutdownWatch) -> Entrance {
        Entrance { socket, closed, latecomers_max: None }
    }

    /// The next client; `None`: there will be none. Closing the last copy of a socket resets those who wait to be
    /// accepted, so they are let in before.
    pub async fn next(&mut self) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        if self.latecomers_max.is_none() {
            tokio::select! {
                biased;
                // The sender lives as long as the process; were it gone, the door would be closed.
                _ = self.closed.changed() => self.latecomers_max = Some(LATECOMERS_MAX),
                accepted = self.socket.accept() => return Some(accepted),
            }
        }
        let left = self.latecomers_max.as_mut()?;
        *left = left.checked_sub(1)?;
        match poll_fn(|cx| Poll::Ready(self.socket.poll_accept(cx))).await {
            Poll::Ready(accepted) => Some(accepted),
            Poll::Pending => None,
        }
    }
}
