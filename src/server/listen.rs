use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::StartError;
use super::tls::Keeper;
use crate::config;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;

/// A bound socket of the data plane, held for as long as connections may come.
pub(super) struct Bound {
    pub(super) socket: TcpListener,
    /// The address as it is configured.
    pub(super) written: String,
    pub(super) listener: Arc<Listener>,
}

/// What is spoken on a socket.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Arc<Keeper>>,
    pub(super) is_h2: bool,
    /// Whether connections begin with PROXY protocol.
    pub(super) is_proxied: bool,
}

/// Sockets that were bound by the process that this one replaces, by their addresses as they were configured.
#[derive(Debug, Default)]
pub(super) struct Inherited(Vec<(String, TcpListener)>);

impl Inherited {
    pub(super) fn new(sockets: Vec<(String, TcpListener)>) -> Inherited {
        Inherited(sockets)
    }

    /// The socket with this address: one that was handed over, else a new one.
    pub(super) fn take_or_bind(&mut self, address: &str) -> Result<TcpListener, StartError> {
        match self.0.iter().position(|(written, _)| written == address) {
            Some(place) => Ok(self.0.remove(place).1),
            None => bind(address),
        }
    }
}

impl Bound {
    /// `obtained`: where certificates are kept that are obtained.
    pub(super) fn new(
        listen: &config::Listen,
        obtained: &Path,
        inherited: &mut Inherited,
    ) -> Result<Bound, StartError> {
        let tls = listen.tls.as_ref().map(|tls| Keeper::open(listen, tls, obtained)).transpose()?.map(Arc::new);
        let socket = inherited.take_or_bind(&listen.address)?;
        let address = socket.local_addr().map_err(|error| cannot_listen(&listen.address, &error))?;
        let listener = Arc::new(Listener { address, tls, is_h2: listen.h2, is_proxied: listen.proxy_protocol });
        Ok(Bound { socket, written: listen.address.value.clone(), listener })
    }

    /// The same socket once more, for another thread or process.
    pub(super) fn copy(&self) -> Result<TcpListener, StartError> {
        self.socket.try_clone().map_err(|error| StartError::new(format!("cannot copy a listening socket: {error}")))
    }
}

impl Listener {
    /// As a person would type it.
    pub(super) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

/// Binds a TCP socket that tokio can take over.
fn bind(address: &str) -> Result<TcpListener, StartError> {
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
