use std::net::SocketAddr;
use std::time::Duration;

use super::read::Value;
use super::{Limits, ListenTls, Located, Span};
use crate::base::{Network, Networks};

/// `[server]`: the data plane's sockets.
#[derive(Debug)]
pub struct Server {
    /// `["0.0.0.0:8080"]` unless written.
    pub listen: Vec<Listen>,
    /// 0: one per core.
    pub threads: usize,
    /// `drain_delay`: how long requests are still taken after SIGTERM, while `/readyz` says no; 5 s unless written.
    pub drain_delay: Duration,
    /// `drain`: how long requests in flight may take after SIGTERM; 30 s unless written.
    pub drain: Duration,
    /// `trusted_proxies`: who may say for whom it asks, by `X-Forwarded-For` or PROXY protocol. Nobody unless written.
    pub trusted_proxies: Networks,
    pub limits: Limits,
}

/// `"address:port"` or `{ address = "…", tls = { cert = "…", key = "…" }, h2 = true }`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub address: Located<String>,
    pub tls: Option<ListenTls>,
    /// HTTP/2: by ALPN with TLS, by prior knowledge without. True with TLS, false without, unless written.
    pub h2: bool,
    /// `proxy_protocol`: every connection begins with a header of PROXY protocol, v1 or v2. False unless written.
    pub proxy_protocol: bool,
}

impl Default for Server {
    fn default() -> Server {
        let address = Located::new("0.0.0.0:8080".to_owned(), Span::default());
        Server {
            listen: vec![Listen { address, tls: None, h2: false, proxy_protocol: false }],
            threads: 0,
            drain_delay: Duration::from_secs(5),
            drain: Duration::from_secs(30),
            trusted_proxies: Networks::default(),
            limits: Limits::default(),
        }
    }
}

impl Server {
    pub(super) fn read(value: Value<'_>) -> Option<Server> {
        let keys = ["listen", "threads", "drain_delay", "drain", "trusted_proxies", "limits"];
        let table = value.table("[server]", &keys)?;
        let default = Server::default();
        let trusted_proxies: Networks = table.list("trusted_proxies", read_network).into_iter().collect();
        let listen = table.or("listen", default.listen, read_listeners);
        for listener in listen.iter().filter(|listener| listener.proxy_protocol && trusted_proxies.is_empty()) {
            let why = "`proxy_protocol` needs to know who may speak it";
            value.refuse_at::<()>(listener.address.span, why, "list the balancers in `server.trusted_proxies`");
        }
        Some(Server {
            listen,
            threads: table.or("threads", 0, |value| value.integer(0..=1024)?.try_into().ok()),
            drain_delay: table.or("drain_delay", default.drain_delay, read_patience),
            drain: table.or("drain", default.drain, read_patience),
            trusted_proxies,
            limits: table.or("limits", default.limits, Limits::read),
        })
    }
}

fn read_patience(value: Value<'_>) -> Option<Duration> {
    value.duration(Duration::ZERO..=Duration::from_secs(3600))
}

fn read_listeners(value: Value<'_>) -> Option<Vec<Listen>> {
    let listeners = value.list(Listen::read)?;
    if listeners.is_empty() {
        return value.refuse("`listen` is empty, so no request could come in", "write listen = [\"0.0.0.0:8080\"]");
    }
    Some(listeners)
}

impl Listen {
    /// Whether both can be served on one socket in one way: only what is shown and asked for in TLS may differ, but for
    /// what is to be obtained.
    pub fn shares_socket_with(&self, other: &Listen) -> bool {
        let kind = |listen: &Listen| (listen.tls.is_some(), listen.h2, listen.proxy_protocol);
        let obtained = |listen: &Listen| listen.tls.as_ref().map(|tls| tls.acme.clone());
        self.address == other.address && kind(self) == kind(other) && obtained(self) == obtained(other)
    }

    fn read(value: Value<'_>) -> Option<Listen> {
        if value.is_string() {
            return Some(Listen { address: value.located(read_address)?, tls: None, h2: false, proxy_protocol: false });
        }
        let table = value.table("a listener", &["address", "tls", "h2", "proxy_protocol"])?;
        let address = table.required("address", |value| value.located(read_address));
        let tls = table.optional("tls", ListenTls::read);
        let h2 = table.or("h2", table.get("tls").is_some(), Value::bool);
        let proxy_protocol = table.or("proxy_protocol", false, Value::bool);
        Some(Listen { address: address?, tls, h2, proxy_protocol })
    }
}

/// Reads a block of addresses.
fn read_network(value: Value<'_>) -> Option<Network> {
    let text = value.text()?;
    Network::parse(&text).map_err(|help| value.refuse_text::<()>("which is no block of addresses", help)).ok()
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
