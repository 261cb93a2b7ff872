use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use pingora_core::apps::HttpServerApp;
use pingora_core::server::ShutdownWatch;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::StartError;
use super::listen::Listener;
use super::tls::shake_hands;
use crate::gateway::proxy::{self, Express, Lane, Peer, Wire};
use crate::gateway::snapshot::Live;

/// After `accept` failed for want of file descriptors there is no use in trying at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Between two looks at idle connections to back ends.
const TEND_INTERVAL: Duration = Duration::from_secs(10);

/// One thread of the data plane: a runtime of its own, every listener, its own pool of back-end connections.
///
/// Nothing is stolen between threads: a connection lives where it was accepted.
pub(super) struct Worker {
    thread: JoinHandle<()>,
}

impl Worker {
    pub(super) fn start(
        number: usize,
        live: Arc<Live>,
        listeners: &[Arc<Listener>],
        shutdown: ShutdownWatch,
    ) -> Result<Worker, StartError> {
        let listeners = listeners.to_vec();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StartError::new(format!("cannot start a worker: {error}")))?;
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || runtime.block_on(serve(live, listeners, shutdown)))
            .map_err(|error| StartError::new(format!("cannot start a worker: {error}")))?;
        Ok(Worker { thread })
    }
}

/// Tells when every worker has ended its drain.
pub(super) fn join_all(workers: Vec<Worker>) -> oneshot::Receiver<()> {
    let (done, all_done) = oneshot::channel();
    std::thread::spawn(move || {
        for worker in workers {
            // A worker that panicked has said so on its way out.
            let _ = worker.thread.join();
        }
        // Nobody waits any more when the drain's time is over.
        let _ = done.send(());
    });
    all_done
}

async fn serve(live: Arc<Live>, listeners: Vec<Arc<Listener>>, shutdown: ShutdownWatch) {
    let full = proxy::lane(Arc::clone(&live));
    let express = Express::new(Arc::clone(&live), Arc::clone(&full));
    let lanes = Arc::new(Lanes { express, full });
    let tending = tokio::spawn(tend(Arc::clone(&lanes)));
    let loops: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::spawn(accept_loop(Arc::clone(&live), Arc::clone(&lanes), listener, shutdown.clone())))
        .collect();
    for each in loops {
        // Ends when the watch says so; a panic in it is a bug that has been printed.
        let _ = each.await;
    }
    // Kept connections that wait for a request are closed, requests in flight go on.
    lanes.full.http_cleanup().await;
    live.connections().closed_all().await;
    tending.abort();
}

async fn tend(lanes: Arc<Lanes>) {
    let mut ticks = tokio::time::interval(TEND_INTERVAL);
    loop {
        ticks.tick().await;
        lanes.express.tend();
    }
}

struct Lanes {
    express: Express,
    /// Its connections come from the express lane only.
    full: Arc<Lane>,
}

async fn accept_loop(live: Arc<Live>, lanes: Arc<Lanes>, listener: Arc<Listener>, mut shutdown: ShutdownWatch) {
    let socket = match listener.socket.try_clone().and_then(TcpListener::from_std) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(address = %listener.address, %error, "a worker cannot use its listener");
            return;
        }
    };
    loop {
        let accepted = tokio::select! {
            biased;
            _ = shutdown.changed() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                let open = live.connections().open();
                let (lanes, listener, shutdown) = (Arc::clone(&lanes), Arc::clone(&listener), shutdown.clone());
                tokio::spawn(async move {
                    converse((tcp, peer), &lanes, &listener, &shutdown).await;
                    drop(open);
                });
            }
            Err(error) => {
                tracing::warn!(address = %listener.address, %error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Every connection takes the express lane, which knows what to hand over.
async fn converse((tcp, peer): (TcpStream, SocketAddr), lanes: &Lanes, listener: &Listener, shutdown: &ShutdownWatch) {
    match &listener.tls {
        None if listener.is_h2 => lanes.express.converse_either(tcp, peer, shutdown).await,
        None => lanes.express.converse(tcp, peer, shutdown).await,
        // A connection in plaintext has no use for the room that it takes.
        Some(tls) => Box::pin(converse_over_tls((tcp, peer), lanes, tls.current(), shutdown)).await,
    }
}

async fn converse_over_tls(
    (tcp, peer): (TcpStream, SocketAddr),
    lanes: &Lanes,
    config: Arc<ServerConfig>,
    shutdown: &ShutdownWatch,
) {
    let Some(tls) = shake_hands(tcp, config).await else { return };
    if tls.speaks_http_2() {
        let peer = Peer::new(peer, tls.digest());
        Box::pin(lanes.express.converse_streams(tls, Vec::new(), peer, shutdown)).await;
    } else {
        Box::pin(lanes.express.converse(tls, peer, shutdown)).await;
    }
}
