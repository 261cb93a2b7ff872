use std::time::Duration;

use instant_acme::{Account, CertificateIdentifier, Error};
use rustls_pki_types::Der;
use x509_parser::extensions::ParsedExtension;

use crate::server::tls::Certificate;

/// What an authority says about a certificate's renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suggestion {
    /// From when to when, in seconds since 1970.
    pub(super) window_unix_s: (i64, i64),
    /// When to ask again.
    pub(super) again: Duration,
}

/// Asks when a certificate should be renewed (RFC 9773); `None`: the authority says nothing about that.
pub(super) async fn ask(account: &Account, certificate: &Certificate) -> Result<Option<Suggestion>, Error> {
    let Some(identifier) = identify(certificate) else { return Ok(None) };
    match account.renewal_info(&identifier).await {
        Ok((info, again)) => {
            let window = info.suggested_window;
            let window_unix_s = (window.start.unix_timestamp(), window.end.unix_timestamp());
            Ok(Some(Suggestion { window_unix_s, again }))
        }
        Err(Error::Unsupported(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How authorities name a certificate: its issuer's key and its number (RFC 9773 section 4.1).
pub(super) fn identify(certificate: &Certificate) -> Option<CertificateIdentifier<'static>> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate.own()?).ok()?;
    let issuer = parsed.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(of) => of.key_identifier.as_ref(),
        _ => None,
    })?;
    let number = Der::from_slice(parsed.tbs_certificate.raw_serial());
    Some(CertificateIdentifier::new(Der::from_slice(issuer.0), number).into_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::pin::Pin;

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Full;
    use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;

    /// A directory, and an answer to the one question about renewal that is expected.
    struct Script {
        directory: &'static str,
        question: String,
    }

    impl HttpClient for Script {
        fn request(
            &self,
            request: Request<BodyWrapper<Bytes>>,
        ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
            let path = request.uri().path();
            let body = match path == "/directory" {
                true => self.directory,
                false if path == self.question => {
                    r#"{"suggestedWindow": {"start": "2026-01-02T04:00:00Z", "end": "2026-01-03T04:00:00Z"}}"#
                }
                false => panic!("{path} is not {}", self.question),
            };
            let answer = Response::builder().header("retry-after", "21600").body(Full::<Bytes>::from(body)).unwrap();
            Box::pin(async { Ok(BytesResponse::from(answer)) })
        }
    }

    const SILENT: &str =
        r#"{"newNonce": "https://ca/nonce", "newAccount": "https://ca/account", "newOrder": "https://ca/order"}"#;
    const SUGGESTING: &str = r#"{"newNonce": "https://ca/nonce", "newAccount": "https://ca/account", "newOrder": "https://ca/order",
        "renewalInfo": "https://ca/renewal"}"#;

    fn certificate() -> Certificate {
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![0x69, 0x88, 0x5b]);
        let issuer = Issuer::new(authority, KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x00, 0x87, 0x65]));
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let pem = key.serialize_pem() + &params.signed_by(&key, &issuer).unwrap().pem();
        Certificate::parse_both(Path::new("a.example.pem"), pem.as_bytes()).unwrap()
    }

    fn check(directory: &'static str, expected: Option<Suggestion>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let certificate = certificate();
            let question = format!("/renewal/{}", identify(&certificate).unwrap());
            assert_eq!(question, "/renewal/aYhb.AIdl");
            let builder = Account::builder_with_http(Box::new(Script { directory, question }));
            let (_, key) = instant_acme::Key::generate_pkcs8().unwrap();
            let account = builder.from_parts("https://ca/1".to_owned(), key, "https://ca/directory".to_owned());
            let suggestion = ask(&account.await.unwrap(), &certificate).await.unwrap();
            assert_eq!(suggestion.map(|it| it.window_unix_s), expected.map(|it| it.window_unix_s));
            // A date or a number of seconds: what is left of it.
            let is_near = |it: Suggestion| (21_590..=21_600).contains(&it.again.as_secs());
            assert!(suggestion.is_none_or(is_near), "{suggestion:?}");
        });
    }

    #[test]
    fn an_authority_is_asked_about_a_certificate_if_it_answers_such_questions() {
        let window_unix_s = (1_767_326_400, 1_767_412_800);
        check(SUGGESTING, Some(Suggestion { window_unix_s, again: Duration::from_secs(21_600) }));
        check(SILENT, None);
    }
}
