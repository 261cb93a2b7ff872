use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;

/// Certificates by the names that they are for.
#[derive(Debug)]
pub(super) struct Names {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows `*`, from the dot on.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    /// For everybody else; `None` while there is no certificate at all.
    first: Option<Arc<CertifiedKey>>,
}

impl Names {
    /// Of two certificates for a name the earlier one has it.
    pub(super) fn new(certificates: &[Certificate]) -> Names {
        let first = certificates.first().map(|first| Arc::clone(&first.certified));
        let mut names = Names { exact: HashMap::new(), wildcard: HashMap::new(), first };
        for certificate in certificates {
            for name in &certificate.names {
                let (map, name) = match name.strip_prefix('*') {
                    Some(rest) => (&mut names.wildcard, rest),
                    None => (&mut names.exact, name.as_str()),
                };
                map.entry(name.to_owned()).or_insert_with(|| Arc::clone(&certificate.certified));
            }
        }
        names
    }

    /// The certificate for a host, which may be unnamed.
    fn find(&self, host: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let of_host = |host: &str| {
            let host = host.to_ascii_lowercase();
            // One label, and not none (RFC 9525 section 6.3).
            let parent = host.find('.').filter(|at| *at > 0).map(|at| &host[at..]);
            self.exact.get(&host).or_else(|| self.wildcard.get(parent?))
        };
        host.and_then(of_host).or(self.first.as_ref())
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(file: &str, names: &[&str]) -> Certificate {
        let made = rcgen::generate_simple_self_signed([file.to_owned()]).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(vec![made.cert.der().clone()], key, &provider).unwrap();
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Certificate {
            certified: Arc::new(certified),
            names,
            file: file.to_owned(),
            begins_unix_s: 0,
            expires_unix_s: 0,
        }
    }

    #[test]
    fn a_host_gets_what_is_for_it_exactly_before_by_wildcard_and_the_first_otherwise() {
        let certificates = [
            certificate("first", &["first.example"]),
            certificate("wild", &["*.example.com", "*.deep.example.com"]),
            certificate("exact", &["api.example.com", "example.com"]),
            certificate("late", &["api.example.com"]),
        ];
        let names = Names::new(&certificates);
        let check = |host: Option<&str>, expected: &str| {
            let found = names.find(host).unwrap();
            let found = certificates.iter().find(|one| Arc::ptr_eq(&one.certified, found)).unwrap();
            assert_eq!(found.file, expected, "{host:?}");
        };
        check(None, "first");
        check(Some("first.example"), "first");
        check(Some("unknown.example"), "first");
        check(Some("api.example.com"), "exact");
        check(Some("API.example.COM"), "exact");
        check(Some("example.com"), "exact");
        check(Some("other.example.com"), "wild");
        check(Some("a.deep.example.com"), "wild");
        check(Some("a.b.example.com"), "first");
        check(Some(".example.com"), "first");
        check(Some("com"), "first");
        assert!(Names::new(&[]).find(Some("first.example")).is_none());
    }
}
