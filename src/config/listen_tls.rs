use std::path::PathBuf;

use super::read::{Table, Value};
use super::{AcmeCertificate, Located};

/// `tls = { cert = "…", key = "…" }` of a listener, or `tls = { acme = ["…"] }`, or both. Paths are resolved against the
/// file that names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    /// `cert` and `key` first: for clients that name no host, or one that no certificate is for. Then `certificates`.
    pub certificates: Vec<Certificate>,
    /// Certificates that are obtained, after those from files; there is at least one of either kind.
    pub acme: Vec<AcmeCertificate>,
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
        let keys = &["cert", "key", "certificates", "acme", "min_version", "client_ca", "client_auth"];
        let table = value.table("a listener's tls", keys)?;
        let acme = table.get("acme").map_or(Some(Vec::new()), |value| value.list(AcmeCertificate::read));
        let needs_files = ["cert", "key"].iter().any(|key| table.get(key).is_some()) || table.get("acme").is_none();
        let first = if needs_files { Certificate::read(table).map(Some) } else { Some(None) };
        let more =
            table.list("certificates", |value| Certificate::read(value.table("a certificate", &["cert", "key"])?));
        let min_version = table.or("min_version", TlsVersion::default(), TlsVersion::read);
        let client_auth = ClientAuth::read(table);
        let (acme, certificates) = (acme?, first?.into_iter().chain(more).collect::<Vec<_>>());
        if certificates.is_empty() && acme.is_empty() {
            return table.refuse("a listener's tls names no certificate", "add `cert` and `key`, or a name to `acme`");
        }
        Some(ListenTls { certificates, acme, min_version, client_auth })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Faults, parse};

    fn read(words: &str) -> Result<Config, Faults> {
        parse(&format!("[server]\nlisten = [{{ address = \"0.0.0.0:443\", tls = {{ {words} }} }}]\n"))
    }

    fn check(words: &str, expected: Option<&str>) {
        let refused = read(words).err();
        let found = refused.as_ref().and_then(|faults| faults.iter().next()).map(|fault| fault.message.as_str());
        assert_eq!(found, expected, "{words}");
    }

    #[test]
    fn what_could_not_be_kept_is_refused() {
        let pair = "cert = \"a.pem\", key = \"a.key\"";
        check(pair, None);
        check(&format!("{pair}, client_ca = \"ca.pem\", client_auth = \"optional\", min_version = \"1.3\""), None);
        check("cert = \"a.pem\"", Some("a listener's tls needs the key `key`"));
        check(&format!("{pair}, certificates = [{{ key = \"b.key\" }}]"), Some("a certificate needs the key `cert`"));
        check(&format!("{pair}, min_version = \"1.1\""), Some("`min_version` is \"1.1\", which is not known"));
        let lonely = "`client_auth` is written without `client_ca`, so no certificate could be verified";
        check(&format!("{pair}, client_auth = \"required\""), Some(lonely));
    }

    #[test]
    fn the_first_certificate_is_the_listener_s_own_and_clients_must_show_theirs() {
        let pairs = "cert = \"a.pem\", key = \"a.key\", certificates = [{ cert = \"b.pem\", key = \"b.key\" }]";
        let config = read(&format!("{pairs}, client_ca = \"ca.pem\"")).unwrap();
        let tls = config.server.listen[0].tls.as_ref().unwrap();
        let files: Vec<_> = tls.certificates.iter().map(|it| it.cert.display().to_string()).collect();
        assert_eq!(files, ["a.pem", "b.pem"]);
        assert!(tls.client_auth.as_ref().unwrap().is_required);
        assert_eq!(tls.min_version, TlsVersion::Tls12);
    }
}
