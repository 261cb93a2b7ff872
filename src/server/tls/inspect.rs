use std::time::{SystemTime, UNIX_EPOCH};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use super::certificate::{Certificate, read_chain};
use crate::config::{self, Config, Fault, Located};

/// What is wrong with the files that listeners would show and ask for in TLS.
#[derive(Debug, Default)]
pub struct Inspection {
    /// With these the gateway does not start.
    pub faults: Vec<Fault>,
    /// With these it does, and clients refuse it.
    pub warnings: Vec<Fault>,
}

const HELP: &str =
    "a PEM file that this user may read: the server's own certificate first, then those that vouch for it";

/// Opens every certificate, key and list of authorities that listeners name.
pub fn inspect(config: &Config) -> Inspection {
    let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut inspection = Inspection::default();
    for tls in config.server.listen.iter().filter_map(|listen| listen.tls.as_ref()) {
        for pair in &tls.certificates {
            inspection.pair(pair, i64::try_from(now_unix_s).unwrap_or(i64::MAX));
        }
        if let Some(auth) = &tls.client_auth {
            inspection.authorities(&auth.ca);
        }
    }
    inspection
}

impl Inspection {
    fn pair(&mut self, pair: &config::Certificate, now_unix_s: i64) {
        let chain = match read_chain(&pair.cert) {
            Ok(chain) => chain,
            Err(why) => return self.faults.push(Fault::at(pair.cert.span, why).with_help(HELP)),
        };
        let validity = match Validity::of(&chain[0]) {
            Ok(validity) => validity,
            Err(why) => return self.faults.push(Fault::at(pair.cert.span, format!("{}: {why}", pair.cert.display()))),
        };
        if let Err(why) = Certificate::read(pair) {
            let fault =
                Fault::at(pair.key.span, why).with_help("the private key that belongs to the first certificate");
            self.faults.push(fault.with_also(pair.cert.span, "the certificate"));
        }
        if let Some(why) = validity.fault(now_unix_s) {
            let warning = Fault::at(pair.cert.span, format!("{} {why}", pair.cert.display()));
            self.warnings.push(warning.with_help("renew it; a running gateway takes it over without a reload"));
        }
    }

    fn authorities(&mut self, ca: &Located<std::path::PathBuf>) {
        let added = read_chain(ca).and_then(|chain| {
            let mut roots = RootCertStore::empty();
            chain.into_iter().try_for_each(|one| roots.add(one)).map_err(|error| format!("{}: {error}", ca.display()))
        });
        if let Err(why) = added {
            self.faults.push(
                Fault::at(ca.span, why).with_help("a PEM file of the authorities that sign clients' certificates"),
            );
        }
    }
}

/// When a certificate is good, both ends included.
struct Validity {
    from_unix_s: i64,
    to_unix_s: i64,
}

impl Validity {
    fn of(der: &CertificateDer<'_>) -> Result<Validity, String> {
        let parsed = x509_parser::parse_x509_certificate(der);
        let (_, certificate) = parsed.map_err(|error| format!("not an X.509 certificate: {error}"))?;
        let validity = certificate.validity();
        Ok(Validity { from_unix_s: validity.not_before.timestamp(), to_unix_s: validity.not_after.timestamp() })
    }

    fn fault(&self, now_unix_s: i64) -> Option<String> {
        let day = |unix_s| jiff::Timestamp::from_second(unix_s).map_or_else(|_| "ever".into(), |at| at.to_string());
        if now_unix_s > self.to_unix_s {
            return Some(format!("has expired: it was good until {}", day(self.to_unix_s)));
        }
        (now_unix_s < self.from_unix_s).then(|| format!("is not good yet: it will be from {}", day(self.from_unix_s)))
    }
}
