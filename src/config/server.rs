use std::net::SocketAddr;
use std::time::Duration;

use super::read::Value;
use super::{Limits, ListenTls, Located, Span};

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

impl Default for Server {
    fn default() -> Server {
        let address = Located::new("0.0.0.0:8080".to_owned(), Span::default());
        Server {
            listen: vec![Listen { address, tls: None, h2: false }],
            threads: 0,
            drain: Duration::from_secs(30),
            limits: Limits::default(),
        }
    }
}

impl Server {
    pub(super) fn read(value: Value<'_>) -> Option<Server> {
        let table = value.table("[server]", &["listen", "threads", "drain", "limits"])?;
        let default = Server::default();
        Some(Server {
            listen: table.or("listen", default.listen, read_listeners),
            threads: table.or("threads", 0, |value| value.integer(0..=1024)?.try_into().ok()),
            drain: table.or("drain", default.drain, |value| value.duration(Duration::ZERO..=Duration::from_secs(3600))),
            limits: table.or("limits", default.limits, Limits::read),
        })
    }
}

fn read_listeners(value: Value<'_>) -> Option<Vec<Listen>> {
    let listeners = value.list(Listen::read)?;
    if listeners.is_empty() {
        return value.refuse("`listen` is empty, so no request could come in", "write listen = [\"0.0.0.0:8080\"]");
    }
    Some(listeners)
}

impl Listen {
    fn read(value: Value<'_>) -> Option<Listen> {
        if value.is_string() {
            return Some(Listen { address: value.located(read_address)?, tls: None, h2: false });
        }
        let table = value.table("a listener", &["address", "tls", "h2"])?;
        let address = table.required("address", |value| value.located(read_address));
        let tls = table.optional("tls", ListenTls::read);
        let h2 = table.or("h2", table.get("tls").is_some(), Value::bool);
        Some(Listen { address: address?, tls, h2 })
    }
}

/// Reads an address to listen on: an IP address and a port.
pub(super) fn read_address(value: Value<'_>) -> Option<String> {
    let text = value.text()?;
    if text.parse::<SocketAddr>().is_ok() {
        return Some(text.into_owned());
    }
    let help = match text.strip_prefix(':').or(Some(&*text)).filter(|port| port.parse::<u16>().is_ok()) {
        Some(port) => format!("write \"0.0.0.0:{}\" for every address of this machine", value.shown(port)),
        None => "write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"".into(),
    };
    value.refuse(format!("\"{}\" is not an address to listen on", value.written()), help)
}
