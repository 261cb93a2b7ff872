use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tower_service::Service;

use super::StartError;
use super::doors;
use crate::base::stand_back;
use crate::config::Limits;
use crate::control::{self, Control};
use crate::gateway::snapshot::{Connections, Live};
use crate::telemetry::AdminRefusal;

/// Threads for files that are read or written on an operator's behalf.
const FILE_THREADS_MAX: usize = 4;

/// Connections in all, and of one address.
const CONNECTIONS_MAX: usize = 256;
const CONNECTIONS_PER_ADDRESS_MAX: usize = 64;
/// For a request's head, and between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// For a client to take a piece of its answer.
const TAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a request's head, and of what is read ahead of a body.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// After `accept` failed for want of file descriptors there is no use in trying at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Starts the admin listener's thread. The receiver hears when it has answered what was asked before `closed`.
pub(super) fn start(
    socket: &std::net::TcpListener,
    live: Arc<Live>,
    control: Arc<Control>,
    closed: impl Future<Output = ()> + Send + 'static,
) -> Result<oneshot::Receiver<()>, StartError> {
    let cannot = |error: std::io::Error| StartError::new(format!("cannot start the admin thread: {error}"));
    let socket = socket.try_clone().map_err(cannot)?;
    let (end, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS_MAX)
        .build()
        .map_err(cannot)?;
    let run = move || {
        // Probes are answered all the same when requests take all that there is.
        stand_back();
        runtime.block_on(serve(socket, &live, control::router(control), closed));
        // Nobody waits for it in a process that has ended in another way.
        let _ = end.send(());
    };
    std::thread::Builder::new().name("admin".to_string()).spawn(run).map_err(cannot)?;
    Ok(ended)
}

async fn serve(socket: std::net::TcpListener, live: &Live, router: Router, closed: impl Future<Output = ()>) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the admin listener cannot be used"),
    };
    let seats = Connections::default();
    let limits = Limits {
        connections_max: CONNECTIONS_MAX,
        connections_per_address_max: CONNECTIONS_PER_ADDRESS_MAX,
        ..Limits::default()
    };
    let (stop, stopped) = watch::channel(false);
    let mut conversations = JoinSet::new();
    let mut closed = pin!(closed);
    loop {
        let accepted = tokio::select! {
            () = &mut closed => break,
            Some(_) = conversations.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => match seats.seat(peer.ip(), false, &limits) {
                Ok(seat) => {
                    let conversation = converse((tcp, peer), router.clone(), stopped.clone());
                    conversations.spawn(async move {
                        conversation.await;
                        drop(seat);
                    });
                }
                // Hung up on at once: whoever waited would take the place of a probe that comes later.
                Err(_) => live.telemetry().metrics.admin_refused(AdminRefusal::Connections),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin listener was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // Nobody hears it if nobody is connected.
    let _ = stop.send(true);
    while conversations.join_next().await.is_some() {}
}

async fn converse((tcp, peer): (TcpStream, SocketAddr), router: Router, stopped: watch::Receiver<bool>) {
    // Both are refinements, and fail only for a connection that is gone.
    let _ = tcp.set_nodelay(true);
    let _ = SockRef::from(&tcp).set_tcp_user_timeout(Some(TAKE_TIMEOUT));
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(tcp), service);
    let mut connection = pin!(connection);
    // How a client goes away is its own affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = doors::told(stopped) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
