use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::StartError;
use super::tls::Keeper;
use crate::config;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;

/// A bound socket of the data plane and what is spoken on it.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Arc<Keeper>>,
    pub(super) is_h2: bool,
}

impl Listener {
    pub(super) fn bind(listen: &config::Listen) -> Result<Listener, StartError> {
        let socket = bind(&listen.address)?;
        let address = socket.local_addr().map_err(|error| cannot_listen(&listen.address, &error))?;
        let tls = listen.tls.as_ref().map(|tls| Keeper::open(listen, tls)).transpose()?.map(Arc::new);
        Ok(Listener { socket, address, tls, is_h2: listen.h2 })
    }

    /// As a person would type it.
    pub(super) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

/// Binds a TCP socket that tokio can take over.
pub(super) fn bind(address: &str) -> Result<TcpListener, StartError> {
    let parsed: SocketAddr =
        address.parse().map_err(|_| StartError::new(format!("{address:?} is no address and port")))?;
    let bound = || -> std::io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(parsed), Type::STREAM, Some(Protocol::TCP))?;
        // A restarted gateway gets its port although old connections linger; a second gateway does not.
        socket.set_reuse_address(true)?;
        socket.bind(&parsed.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    bound().map_err(|error| cannot_listen(address, &error))
}

fn cannot_listen(address: &str, error: &std::io::Error) -> StartError {
    let help = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another process has this port; stop it or choose another port",
        std::io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher port",
        std::io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address",
        _ => "check the address",
    };
    StartError::new(format!("cannot listen on {address}: {error}\n  help: {help}"))
}
