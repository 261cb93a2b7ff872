use std::path::PathBuf;
use std::time::Duration;

use super::{Limits, Located};

/// `[server]`: the data plane's sockets.
#[derive(Debug)]
pub struct Server {
    /// `["0.0.0.0:8080"]` unless written.
    pub listen: Vec<Listen>,
    /// 0: one per core.
    pub threads: usize,
    /// `drain`: how long requests in flight may take after SIGTERM; 30 s unless written.
    pub drain: Duration,
    pub limits: Limits,
}

/// `"address:port"` or `{ address = "…", tls = { cert = "…", key = "…" }, h2 = true }`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub address: Located<String>,
    pub tls: Option<ListenTls>,
    /// HTTP/2: by ALPN with TLS, by prior knowledge without. True with TLS, false without, unless written.
    pub h2: bool,
}

/// Paths of PEM files, resolved against the file that names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    pub cert: Located<PathBuf>,
    pub key: Located<PathBuf>,
}
