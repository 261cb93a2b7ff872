use std::time::Duration;

use http::uri::Authority;

use super::read::Value;
use super::{ClientCertificate, Located};

/// `"host:port"` or `{ address = "host:port", weight = 3 }`
#[derive(Debug)]
pub struct Target {
    pub address: Located<String>,
    /// 1 to 1000; 1 unless written.
    pub weight: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Balance {
    /// `round_robin`, by weight.
    #[default]
    RoundRobin,
    /// `least_busy`: the fewest requests in flight for its weight.
    LeastBusy,
}

/// `protocol_version`: what is spoken to a back end, in the words of AWS's load balancers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProtocolVersion {
    /// `HTTP1`: HTTP/1.1
    #[default]
    Http1,
    /// `HTTP2`: HTTP/2 by prior knowledge, and by ALPN over TLS; gRPC needs it.
    Http2,
}

/// `health = { path = "/healthz", … }`: asked in the background; without `path` a connection is enough.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthCheck {
    /// Any 2xx or 3xx is healthy. `None`: a TCP connection is.
    pub path: Option<String>,
    /// 5 s unless written.
    pub interval: Duration,
    /// 2 s unless written.
    pub timeout: Duration,
    /// Successes in a row after which a target is used again; 2 unless written.
    pub healthy: u32,
    /// Failures in a row after which a target is not used; 3 unless written.
    pub unhealthy: u32,
}

/// `ejection = { failures = 5, for = "10s" }`: a target that fails real requests rests for a while.
/// Only with more than one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ejection {
    /// Failed connections, resets and timeouts in a row; 0 turns it off; 5 unless written.
    pub failures: u32,
    /// 10 s unless written.
    pub rest: Duration,
}

/// `tls = { … }` towards an `https` back end. Certificates are always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// `ca`: PEM text of the authorities to trust instead of the system's; written as a path.
    pub ca_pem: Option<String>,
    /// The name to send and to verify; the uri's host unless written.
    pub server_name: Option<String>,
    pub client: Option<ClientCertificate>,
}

impl Target {
    pub(super) fn read(value: Value<'_>) -> Option<Target> {
        if value.is_string() {
            return Some(Target { address: value.located(read_address)?, weight: 1 });
        }
        let table = value.table("a target", &["address", "weight"])?;
        let address = table.required("address", |value| value.located(read_address));
        let weight = table.or("weight", 1, |value| read_count(value, 1, 1000));
        Some(Target { address: address?, weight })
    }
}

/// A host and a port, either of which may hold stage variables.
fn read_address(value: Value<'_>) -> Option<String> {
    let text = value.text()?;
    let has_variable = text.contains("${stageVariables.");
    let is_address = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) && text.parse::<Authority>().is_ok()
    });
    let is_plain = !text.contains(['/', '@', ' ', '?', '#']);
    if is_plain && (has_variable || is_address) {
        return Some(text.into_owned());
    }
    value.refuse(
        format!("\"{}\" is not a target", value.written()),
        "write a host and a port, such as \"10.0.0.5:9001\" or \"backend:9001\"",
    )
}

impl Balance {
    pub(super) fn read(value: Value<'_>) -> Option<Balance> {
        value.word(&[Balance::RoundRobin, Balance::LeastBusy].map(|balance| (balance.as_str(), balance)))
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Balance::RoundRobin => "round_robin",
            Balance::LeastBusy => "least_busy",
        }
    }
}

impl ProtocolVersion {
    pub(super) fn read(value: Value<'_>) -> Option<ProtocolVersion> {
        value.word(&[ProtocolVersion::Http1, ProtocolVersion::Http2].map(|version| (version.as_str(), version)))
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            ProtocolVersion::Http1 => "HTTP1",
            ProtocolVersion::Http2 => "HTTP2",
        }
    }
}

impl HealthCheck {
    pub(super) fn read(value: Value<'_>) -> Option<HealthCheck> {
        let table = value.table("a health check", &["path", "interval", "timeout", "healthy", "unhealthy"])?;
        Some(HealthCheck {
            path: table.optional("path", read_health_path),
            interval: table.or("interval", Duration::from_secs(5), read_wait),
            timeout: table.or("timeout", Duration::from_secs(2), read_wait),
            healthy: table.or("healthy", 2, |value| read_count(value, 1, 100)),
            unhealthy: table.or("unhealthy", 3, |value| read_count(value, 1, 100)),
        })
    }
}

fn read_health_path(value: Value<'_>) -> Option<String> {
    let path = value.string()?;
    if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(path);
    }
    value.refuse_text("which is not a path", "write a path such as \"/healthz\"")
}

/// More often than ten times a second would be load, more seldom than hourly would be no check.
fn read_wait(value: Value<'_>) -> Option<Duration> {
    value.duration(Duration::from_millis(100)..=Duration::from_secs(3600))
}

fn read_count(value: Value<'_>, least: u32, most: u32) -> Option<u32> {
    value.integer(u64::from(least)..=u64::from(most))?.try_into().ok()
}

impl Default for Ejection {
    fn default() -> Ejection {
        Ejection { failures: 5, rest: Duration::from_secs(10) }
    }
}

impl Ejection {
    pub(super) fn read(value: Value<'_>) -> Option<Ejection> {
        let table = value.table("an ejection", &["failures", "for"])?;
        let default = Ejection::default();
        Some(Ejection {
            failures: table.or("failures", default.failures, |value| read_count(value, 0, 1_000_000)),
            rest: table.or("for", default.rest, read_wait),
        })
    }
}

impl UpstreamTls {
    pub(super) fn read(value: Value<'_>) -> Option<UpstreamTls> {
        let table = value.table("a back end's tls", &["ca", "cert", "key", "server_name"])?;
        Some(UpstreamTls {
            ca_pem: table.optional("ca", read_ca),
            server_name: table.optional("server_name", read_server_name),
            client: ClientCertificate::read(table),
        })
    }
}

fn read_ca(value: Value<'_>) -> Option<String> {
    read_pem(value, "-----BEGIN CERTIFICATE-----", "certificate")
}

/// The text of a PEM file, which holds `mark` somewhere.
pub(super) fn read_pem(value: Value<'_>, mark: &str, what: &str) -> Option<String> {
    let path = value.path()?;
    match std::fs::read_to_string(&path) {
        Ok(pem) if pem.contains(mark) => Some(pem),
        Ok(_) => value.refuse_text(format_args!("which holds no {what}"), format!("name a PEM file with a {what}")),
        Err(error) => value.refuse_text(
            format_args!("which cannot be read: {}", super::load::explain(&error)),
            format!("name a PEM file with a {what}; the path is relative to this file"),
        ),
    }
}

fn read_server_name(value: Value<'_>) -> Option<String> {
    let name = value.string()?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_allowed) {
        return Some(name);
    }
    value.refuse_text("which is not a host name", "write the name in the back end's certificate")
}
