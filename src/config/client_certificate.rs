use std::fmt;

use super::read::{Table, Value};
use super::target::read_pem;

/// `cert` and `key` of a back end's `tls`: whom the gateway says that it is. Both are written as paths.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// PEM text of the chain, the gateway's own certificate first.
    pub cert_pem: String,
    /// PEM text. A secret.
    pub key_pem: String,
}

impl ClientCertificate {
    pub(super) fn read(table: Table<'_>) -> Option<ClientCertificate> {
        match (table.get("cert"), table.get("key")) {
            (Some(cert), Some(key)) => {
                let cert_pem = read_pem(cert, "CERTIFICATE-----", "certificate");
                let key_pem = read_pem(key, "PRIVATE KEY-----", "private key");
                Some(ClientCertificate { cert_pem: cert_pem?, key_pem: key_pem? })
            }
            (Some(lonely), None) | (None, Some(lonely)) => refuse_lonely(lonely),
            (None, None) => None,
        }
    }
}

fn refuse_lonely<T>(value: Value<'_>) -> Option<T> {
    value.refuse(
        format!("`{}` is only one half of a client certificate", value.name()),
        "write both `cert` and `key`, the paths of PEM files",
    )
}

/// Without the key.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("cert_pem", &self.cert_pem).finish_non_exhaustive()
    }
}
