use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use pingora_core::apps::HttpServerApp;
use pingora_core::server::ShutdownWatch;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::StartError;
use super::doors::{self, Entrance, Watch};
use super::listen::{Bound, Listener};
use super::proxied;
use super::tls::shake_hands;
use crate::gateway::proxy::{self, Express, Lane, Peer, Wire};
use crate::gateway::snapshot::{Live, Pressure, Snapshot};
use crate::telemetry::{Cut, Shed};

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
        listeners: &[Bound],
        watch: Watch,
    ) -> Result<Worker, StartError> {
        let copy = |bound: &Bound| Ok((bound.copy()?, Arc::clone(&bound.listener)));
        let listeners = listeners.iter().map(copy).collect::<Result<Vec<_>, StartError>>()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StartError::new(format!("cannot start a worker: {error}")))?;
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || runtime.block_on(serve(live, listeners, watch)))
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

async fn serve(live: Arc<Live>, listeners: Vec<(std::net::TcpListener, Arc<Listener>)>, watch: Watch) {
    let (full, fetches) = proxy::lane(Arc::clone(&live));
    let express = Express::new(Arc::clone(&live), Arc::clone(&full), Arc::clone(&fetches));
    let fetching = tokio::spawn(async move { fetches.run().await });
    let lanes = Arc::new(Lanes { express, full });
    let tending = tokio::spawn(tend(Arc::clone(&lanes)));
    let loops: Vec<_> = listeners
        .into_iter()
        .map(|each| tokio::spawn(accept_loop(Arc::clone(&live), Arc::clone(&lanes), each, watch.clone())))
        .collect();
    for each in loops {
        // Ends when the watch says so; a panic in it is a bug that has been printed.
        let _ = each.await;
    }
    doors::told(watch.stopping).await;
    // Kept connections that wait for a request are closed, requests in flight go on.
    lanes.full.http_cleanup().await;
    live.connections().closed_all().await;
    tending.abort();
    fetching.abort();
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

async fn accept_loop(
    live: Arc<Live>,
    lanes: Arc<Lanes>,
    (socket, listener): (std::net::TcpListener, Arc<Listener>),
    watch: Watch,
) {
    let mut entrance = match TcpListener::from_std(socket) {
        Ok(socket) => Entrance::new(socket, watch.closed.clone()),
        Err(error) => {
            tracing::error!(address = %listener.address, %error, "a worker cannot use its listener");
            return;
        }
    };
    while let Some(accepted) = entrance.next().await {
        match accepted {
            Ok((tcp, peer)) => {
                let open = live.connections().open();
                let (lanes, listener, watch) = (Arc::clone(&lanes), Arc::clone(&listener), watch.clone());
                let live = Arc::clone(&live);
                tokio::spawn(async move {
                    let work = admit(&live, (tcp, peer), &lanes, &listener, &watch.stopping);
                    woken_by(watch.cut.clone(), pin!(work)).await;
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

/// Carries `work` on, and wakes it once when `watch` says so: what that means it finds out itself.
async fn woken_by(watch: ShutdownWatch, mut work: Pin<&mut impl Future<Output = ()>>) {
    let mut told = pin!(doors::told(watch));
    let mut is_listening = false;
    poll_fn(|cx| {
        if !std::mem::replace(&mut is_listening, true) {
            let _ = told.as_mut().poll(cx);
        }
        work.as_mut().poll(cx)
    })
    .await;
}

/// Finds out whose connection it is, and serves it if that may have one more.
async fn admit(
    live: &Live,
    (mut tcp, mut peer): (TcpStream, SocketAddr),
    lanes: &Lanes,
    listener: &Listener,
    shutdown: &ShutdownWatch,
) {
    let snapshot = live.snapshot();
    if listener.is_proxied {
        let Some(source) = Box::pin(read_source(&snapshot, &mut tcp, peer)).await else {
            return live.telemetry().metrics.connection_cut(Cut::ProxyProtocol);
        };
        peer = source;
    }
    let seat = if live.overload().pressure() == Pressure::None {
        let is_shared = snapshot.trusted_proxies().contains(peer.ip().to_canonical());
        live.connections().seat(peer.ip(), is_shared, snapshot.limits())
    } else {
        Err(Shed::Memory)
    };
    drop(snapshot);
    match seat {
        Ok(_seat) => converse((tcp, peer), lanes, listener, shutdown).await,
        Err(reason) => Box::pin(turn_away(live, (tcp, peer), lanes, listener, reason)).await,
    }
}

/// Whose connection it is, as a trusted proxy says before all else. `None`: the proxy is not trusted, says something
/// else, or says it too slowly.
async fn read_source(snapshot: &Snapshot, tcp: &mut TcpStream, peer: SocketAddr) -> Option<SocketAddr> {
    if !snapshot.trusted_proxies().contains(peer.ip().to_canonical()) {
        tracing::debug!(%peer, "PROXY protocol is not taken from who is not among server.trusted_proxies");
        return None;
    }
    let timeout = snapshot.limits().head_timeout;
    match tokio::time::timeout(timeout, proxied::read_header(tcp)).await {
        Ok(Ok(source)) => Some(source.unwrap_or(peer)),
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a connection's PROXY protocol was not read");
            None
        }
        Err(_) => None,
    }
}

/// Tells a client that there is no room for it, where that costs little: before a TLS handshake it is only hung up on.
async fn turn_away(
    live: &Live,
    (tcp, peer): (TcpStream, SocketAddr),
    lanes: &Lanes,
    listener: &Listener,
    reason: Shed,
) {
    let answer = live.shed(reason);
    let farewell = live.connections().farewell();
    if listener.tls.is_none() && farewell.is_some() {
        lanes.express.turn_away(tcp, peer, answer).await;
    }
}

/// Every connection takes the express lane, which knows what to hand over.
async fn converse((tcp, peer): (TcpStream, SocketAddr), lanes: &Lanes, listener: &Listener, shutdown: &ShutdownWatch) {
    match &listener.tls {
        None if !listener.is_h2 => lanes.express.converse(tcp, peer, shutdown).await,
        // A connection of nothing but HTTP/1.1 in plaintext has no use for the room that others take.
        None => Box::pin(lanes.express.converse_either(tcp, peer, shutdown)).await,
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
