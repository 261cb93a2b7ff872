use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{HOST, HeaderValue, RETRY_AFTER};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use pingora_rustls::{ClientTlsStream, TlsConnector};
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

use super::trouble::Unreachable;
use crate::server::tls::read_chain;

/// For one request and its answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// No answer of an ACME server is nearly as large.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Speaks HTTPS to an ACME server: a connection for each request, since there are few.
#[derive(Clone)]
pub(super) struct Https {
    tls: TlsConnector,
    /// What the last answer that was an error said about coming back.
    retry_after: Arc<Mutex<Option<Duration>>>,
}

impl Https {
    /// `ca`: a PEM file of authorities to trust instead of the system's.
    pub(super) fn new(ca: Option<&Path>) -> Result<Https, String> {
        let mut roots = RootCertStore::empty();
        match ca {
            Some(ca) => read_chain(ca)?
                .into_iter()
                .try_for_each(|authority| roots.add(authority))
                .map_err(|error| format!("an authority in {} cannot be used: {error}", ca.display()))?,
            None => pingora_rustls::load_platform_certs_incl_env_into_store(&mut roots)
                .map_err(|error| format!("cannot read the system's authorities: {error}"))?,
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Https { tls: TlsConnector::from(Arc::new(config)), retry_after: Arc::default() })
    }

    /// How long the server wants to be left alone, as it said since this was asked last.
    pub(super) fn take_retry_after(&self) -> Option<Duration> {
        self.retry_after.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<Response<Full<Bytes>>, Unreachable> {
        let server = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let unreachable = |why: String| Unreachable(format!("cannot reach the ACME server {server}: {why}"));
        match tokio::time::timeout(TIMEOUT, self.exchange(request)).await {
            Ok(Ok(answer)) => {
                self.note(&answer);
                Ok(answer)
            }
            Ok(Err(why)) => Err(unreachable(why)),
            Err(_) => Err(unreachable(format!("no answer in {} s", TIMEOUT.as_secs()))),
        }
    }

    async fn exchange(&self, mut request: Request<BodyWrapper<Bytes>>) -> Result<Response<Full<Bytes>>, String> {
        let tls = self.connect(request.uri()).await?;
        to_origin_form(&mut request)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.map_err(|error| error.to_string())?;
        let answered = async {
            let (head, body) = sender.send_request(request).await.map_err(|error| error.to_string())?.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
            Ok(Response::from_parts(head, Full::new(body.to_bytes())))
        };
        let (mut connection, mut answered) = (pin!(connection), pin!(answered));
        let mut is_open = true;
        loop {
            tokio::select! {
                answer = &mut answered => return answer,
                _ = &mut connection, if is_open => is_open = false,
            }
        }
    }

    async fn connect(&self, uri: &Uri) -> Result<ClientTlsStream<TcpStream>, String> {
        // Directories may name other hosts, and must not lead to plaintext (RFC 8555 section 6.1).
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https")).ok_or("its URL is not of HTTPS")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let tcp = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await.map_err(|error| error.to_string())?;
        self.tls.connect(name, tcp).await.map_err(|error| error.to_string())
    }

    fn note(&self, answer: &Response<Full<Bytes>>) {
        if answer.status().is_client_error() || answer.status().is_server_error() {
            let said = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after = said.and_then(|said| parse_retry_after(said, SystemTime::now()));
            *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = retry_after;
        }
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let asked = self.clone().ask(request);
        Box::pin(async { asked.await.map(BytesResponse::from).map_err(|error| Error::Other(Box::new(error))) })
    }
}

/// The target without the authority, which goes into `Host` (RFC 9112 section 3.2.1).
fn to_origin_form(request: &mut Request<BodyWrapper<Bytes>>) -> Result<(), String> {
    let uri = request.uri().clone();
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(host).map_err(|error| error.to_string())?;
    request.headers_mut().insert(HOST, host);
    *request.uri_mut() = uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
    Ok(())
}

/// Seconds or a date (RFC 9110 section 10.2.3).
fn parse_retry_after(said: &str, now: SystemTime) -> Option<Duration> {
    match said.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(said).ok()?.duration_since(now).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_says_in_seconds_or_by_a_date_when_to_come_back() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let check = |said: &str, expected: Option<u64>| {
            assert_eq!(parse_retry_after(said, now), expected.map(Duration::from_secs), "{said}");
        };
        check("120", Some(120));
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
        check("Sun, 06 Nov 1994 08:49:36 GMT", None);
        check("soon", None);
    }
}
