use std::sync::Arc;

use pingora_core::protocols::tls::SslDigest;
use rustls_pki_types::CertificateDer;

/// The subject of a client's certificate, as `CN=…, O=…`; `None` for one that names nobody.
pub(super) fn read(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(parsed.subject().to_string()).filter(|subject| !subject.is_empty())
}

/// What [`read`] gave, of a connection whose client showed a certificate. Pingora's digest has no place for a subject
/// and nobody has a use for an organization, so it travels as that.
pub(in crate::gateway::proxy) fn client_subject(digest: Option<&SslDigest>) -> Option<Arc<str>> {
    digest?.organization.as_deref().map(Arc::from)
}
