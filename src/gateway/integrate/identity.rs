use std::sync::Arc;

use pingora_core::utils::tls::CertKey;
use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::ClientCertificate;

/// Reads whom the gateway says that it is into the form that Pingora wants. The pair is tried first: Pingora would find
/// a bad one at every connection, or panic.
pub(super) fn identity(client: &ClientCertificate) -> Result<Arc<CertKey>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(client.cert_pem.as_bytes()).collect();
    let chain = chain.map_err(|error| format!("the client certificate is not PEM: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(client.key_pem.as_bytes())
        .map_err(|error| format!("the client certificate's key is not PEM: {error}"))?;
    for certificate in &chain {
        x509_parser::parse_x509_certificate(certificate)
            .map_err(|error| format!("the client certificate cannot be used: {error}"))?;
    }
    let rustls = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_root_certificates(RootCertStore::empty()).with_client_auth_cert(chain.clone(), key.clone_key())
        });
    rustls.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => "the key is not the client certificate's".to_owned(),
        error => format!("the client certificate cannot be used: {error}"),
    })?;
    let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
    Ok(Arc::new(CertKey::new(chain, key.secret_der().to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> ClientCertificate {
        let made = rcgen::generate_simple_self_signed(["gateway.example".to_owned()]).unwrap();
        ClientCertificate { cert_pem: made.cert.pem(), key_pem: made.signing_key.serialize_pem() }
    }

    #[test]
    fn a_pair_that_does_not_belong_together_is_told_at_once() {
        let (one, two) = (pair(), pair());
        assert!(identity(&one).is_ok());
        let mixed = ClientCertificate { key_pem: two.key_pem, ..one.clone() };
        assert_eq!(identity(&mixed).unwrap_err(), "the key is not the client certificate's");
        let keyless = ClientCertificate { key_pem: String::new(), ..one };
        assert!(identity(&keyless).unwrap_err().contains("not PEM"));
    }
}
