use http::header::{CONNECTION, HOST, HeaderValue, TE};
use http::uri::{Authority, PathAndQuery};
use http::{Uri, Version};
use pingora_core::protocols::http::client::HttpSession;
use pingora_error::{ErrorType, OrErr, Result};
use pingora_http::RequestHeader;

use crate::base::Head;

/// Whether the client takes trailers (RFC 9110 section 10.1.4): all that `TE` may say in HTTP/2, and what gRPC's servers
/// look for.
pub fn takes_trailers(head: &Head<'_>) -> bool {
    let is_trailers = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"trailers");
    let mut takes = false;
    head.fields.for_each("te", |value| takes |= value.split(|byte| *byte == b',').any(is_trailers));
    takes
}

/// Says so to a back end.
pub fn ask_for_trailers(request: &mut RequestHeader) -> Result<()> {
    request.insert_header(TE, HeaderValue::from_static("trailers"))
}

/// Makes a request of the gateway's own fit for its session: HTTP/2 wants scheme and authority in the target (RFC 9113
/// section 8.3.1), and no fields that are about a connection (section 8.2.2).
pub(super) fn fit(request: &mut RequestHeader, session: &HttpSession, is_tls: bool) -> Result<()> {
    if matches!(session, HttpSession::H2(_)) {
        request.set_uri(absolute(request, if is_tls { "https" } else { "http" })?);
        request.set_version(Version::HTTP_2);
        request.remove_header(&HOST);
        request.remove_header(&CONNECTION);
    }
    Ok(())
}

fn absolute(request: &RequestHeader, scheme: &str) -> Result<Uri> {
    let host = request.headers.get(HOST).map_or(&b""[..], HeaderValue::as_bytes);
    let authority = Authority::try_from(host).or_err(ErrorType::InvalidHTTPHeader, "Host is no authority")?;
    let target =
        PathAndQuery::try_from(request.raw_path()).or_err(ErrorType::InvalidHTTPHeader, "no path and query")?;
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build();
    uri.or_err(ErrorType::InvalidHTTPHeader, "no target of HTTP/2")
}
