use std::path::PathBuf;

use super::Located;
use super::read::{Table, Value};

/// `tls = { cert = "…", key = "…" }` of a listener. Paths are resolved against the file that names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    /// `cert` and `key` first: for clients that name no host, or one that no certificate is for. Then `certificates`.
    pub certificates: Vec<Certificate>,
    /// 1.2 unless written.
    pub min_version: TlsVersion,
    /// `None`: clients are asked for no certificate.
    pub client_auth: Option<ClientAuth>,
}

/// A PEM file with a chain, the server's own certificate first, and one with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub cert: Located<PathBuf>,
    pub key: Located<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    #[default]
    Tls12,
    Tls13,
}

/// `client_ca` and `client_auth`: which clients are let in by their certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// A PEM file of authorities.
    pub ca: Located<PathBuf>,
    /// `client_auth = "required"`, which it is unless written; `"optional"` lets in who shows no certificate.
    pub is_required: bool,
}

impl ListenTls {
    pub(super) fn read(value: Value<'_>) -> Option<ListenTls> {
        let keys = &["cert", "key", "certificates", "min_version", "client_ca", "client_auth"];
        let table = value.table("a listener's tls", keys)?;
        let first = Certificate::read(table);
        let more =
            table.list("certificates", |value| Certificate::read(value.table("a certificate", &["cert", "key"])?));
        let min_version = table.or("min_version", TlsVersion::default(), TlsVersion::read);
        let client_auth = ClientAuth::read(table);
        Some(ListenTls { certificates: std::iter::once(first?).chain(more).collect(), min_version, client_auth })
    }
}

impl Certificate {
    fn read(table: Table<'_>) -> Option<Certificate> {
        let cert = table.required("cert", |value| value.located(Value::path));
        let key = table.required("key", |value| value.located(Value::path));
        Some(Certificate { cert: cert?, key: key? })
    }
}

impl TlsVersion {
    fn read(value: Value<'_>) -> Option<TlsVersion> {
        value.word(&[TlsVersion::Tls12, TlsVersion::Tls13].map(|version| (version.as_str(), version)))
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            TlsVersion::Tls12 => "1.2",
            TlsVersion::Tls13 => "1.3",
        }
    }
}

impl ClientAuth {
    fn read(table: Table<'_>) -> Option<ClientAuth> {
        let is_required = table.or("client_auth", true, |value| value.word(&[("required", true), ("optional", false)]));
        match (table.optional("client_ca", |value| value.located(Value::path)), table.get("client_auth")) {
            (Some(ca), _) => Some(ClientAuth { ca, is_required }),
            (None, Some(value)) if table.get("client_ca").is_none() => value.refuse(
                "`client_auth` is written without `client_ca`, so no certificate could be verified",
                "add `client_ca`: a PEM file of the authorities that sign clients' certificates",
            ),
            (None, _) => None,
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &'static str {
        if self.is_required { "required" } else { "optional" }
    }
}
