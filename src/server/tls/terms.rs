use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ProducesTickets, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use rustls_pki_types::CertificateDer;

use super::certificate::{Certificate, read_chain};
use super::names::Names;
use crate::config::{ClientAuth, ListenTls, TlsVersion};

/// What a listener's TLS is read from.
pub(super) struct Files {
    pub(super) tls: ListenTls,
    /// Where certificates are kept that are obtained, each with its key.
    pub(super) obtained: Vec<PathBuf>,
}

/// What a listener's files say at one time.
pub(super) struct Terms {
    pub(super) server: Arc<ServerConfig>,
    pub(super) certificates: Vec<Certificate>,
    authorities: Vec<CertificateDer<'static>>,
    ticketer: Arc<dyn ProducesTickets>,
}

impl Terms {
    /// Reads every file. `before`: what was served until now, whose tickets go on being good unless other clients are
    /// let in: who resumes a session is not asked for a certificate again.
    pub(super) fn read(files: &Files, speaks_http_2: bool, before: Option<&Terms>) -> Result<Terms, String> {
        let tls = &files.tls;
        let mut certificates: Vec<_> = tls.certificates.iter().map(Certificate::read).collect::<Result<_, _>>()?;
        certificates.extend(files.obtained.iter().filter_map(|file| read_obtained(file, before)));
        let authorities = tls.client_auth.as_ref().map_or(Ok(Vec::new()), |auth| read_chain(&auth.ca))?;
        let ticketer = match before.filter(|before| before.authorities == authorities) {
            Some(before) => Arc::clone(&before.ticketer),
            None => Ticketer::new().map_err(|error| format!("no key for session tickets: {error}"))?,
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions(tls.min_version))
            .map_err(|error| error.to_string())?;
        let builder = match &tls.client_auth {
            Some(auth) => builder.with_client_cert_verifier(verifier(auth, &authorities)?),
            None => builder.with_no_client_auth(),
        };
        let mut server = builder.with_cert_resolver(Arc::new(Names::new(&certificates)));
        let protocols: &[&[u8]] = if speaks_http_2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        server.ticketer = Arc::clone(&ticketer);
        Ok(Terms { server: Arc::new(server), certificates, authorities, ticketer })
    }
}

/// A certificate that was obtained; `None`: it has not been so far. One that was served is not let go of because its file
/// is gone or spoilt.
fn read_obtained(file: &Path, before: Option<&Terms>) -> Option<Certificate> {
    let why = match Certificate::read_both(file) {
        Ok(certificate) => return Some(certificate),
        Err(why) => why,
    };
    if file.exists() {
        tracing::error!(why, "a certificate that was obtained cannot be served");
    }
    let name = file.display().to_string();
    before?.certificates.iter().find(|certificate| certificate.file == name).cloned()
}

static FROM_1_2: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
static FROM_1_3: &[&SupportedProtocolVersion] = &[&version::TLS13];

fn versions(least: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match least {
        TlsVersion::Tls12 => FROM_1_2,
        TlsVersion::Tls13 => FROM_1_3,
    }
}

fn verifier(auth: &ClientAuth, authorities: &[CertificateDer<'static>]) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let refused = |why: String| refused(&auth.ca, &why);
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| refused(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
    let builder = if auth.is_required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| refused(error.to_string()))
}

fn refused(ca: &Path, why: &str) -> String {
    format!("no client's certificate can be verified with {}: {why}", ca.display())
}
