use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use crate::config;

/// A certificate with its key, and what it says of itself.
#[derive(Clone, Debug)]
pub(in crate::server) struct Certificate {
    pub(super) certified: Arc<CertifiedKey>,
    /// The DNS names that it is for, in lower case; `*.` stands for one label.
    pub(in crate::server) names: Vec<String>,
    /// The file that it comes from.
    pub(super) file: String,
    pub(in crate::server) begins_unix_s: i64,
    pub(in crate::server) expires_unix_s: i64,
}

impl Certificate {
    /// Reads both files. The error names the one that is at fault.
    pub(super) fn read(files: &config::Certificate) -> Result<Certificate, String> {
        Certificate::parse((&files.cert, &read(&files.cert)?), (&files.key, &read(&files.key)?))
    }

    /// Reads a file that has both.
    pub(in crate::server) fn read_both(file: &Path) -> Result<Certificate, String> {
        Certificate::parse_both(file, &read(file)?)
    }

    /// The same of what `file` has, or is to have.
    pub(in crate::server) fn parse_both(file: &Path, pem: &[u8]) -> Result<Certificate, String> {
        Certificate::parse((file, pem), (file, pem))
    }

    fn parse((file, pem): (&Path, &[u8]), (key_file, key_pem): (&Path, &[u8])) -> Result<Certificate, String> {
        let chain = parse_chain(file, pem)?;
        let (file, key_file) = (file.display().to_string(), key_file.display());
        let key = PrivateKeyDer::from_pem_slice(key_pem)
            .map_err(|error| format!("{key_file} {}", explain(&error, "private key")))?;
        let provider = rustls::crypto::ring::default_provider();
        let (names, begins_unix_s, expires_unix_s) = describe(&chain[0]).map_err(|why| format!("{file}: {why}"))?;
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => format!("the key in {key_file} is not that of {file}"),
            error => format!("{file} with {key_file} cannot be used: {error}"),
        })?;
        Ok(Certificate { certified: Arc::new(certified), names, file, begins_unix_s, expires_unix_s })
    }

    /// The server's own, without those that vouch for it.
    pub(in crate::server) fn own(&self) -> Option<&CertificateDer<'static>> {
        self.certified.cert.first()
    }
}

/// Every certificate of a PEM file; at least one.
pub(in crate::server) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    parse_chain(path, &read(path)?)
}

fn parse_chain(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(format!("{} holds no certificate in PEM", path.display())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("{} {}", path.display(), explain(&error, "certificate"))),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn explain(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("holds no {what} in PEM"),
        error => format!("is not PEM: {error}"),
    }
}

fn describe(der: &CertificateDer<'_>) -> Result<(Vec<String>, i64, i64), String> {
    let parsed = x509_parser::parse_x509_certificate(der);
    let (_, certificate) = parsed.map_err(|error| format!("not an X.509 certificate: {error}"))?;
    let validity = certificate.validity();
    Ok((names_of(&certificate), validity.not_before.timestamp(), validity.not_after.timestamp()))
}

/// Its subject alternative names; a common name counts for nothing (RFC 9525 section 2).
fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else { return Vec::new() };
    let dns_name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    alternative.value.general_names.iter().filter_map(dns_name).collect()
}
