use http::{HeaderName, HeaderValue};
use pingora_http::ResponseHeader;

use crate::base::RequestId;
use crate::config::ErrorStyle;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const AWS_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What every answer carries, whoever wrote it.
#[derive(Clone, Debug)]
pub struct Seal {
    pub request_id: RequestId,
    pub style: ErrorStyle,
    /// The value of `Cache-Status` (RFC 9211), on routes that are cached.
    pub cache_status: Option<HeaderValue>,
}

impl Seal {
    /// The fields, each to replace what the answer has under its name.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let id_name = match self.style {
            ErrorStyle::Standard => REQUEST_ID,
            ErrorStyle::Aws => AWS_REQUEST_ID,
        };
        // A request id is visible ASCII, so it is always a legal value.
        let id = HeaderValue::from_str(self.request_id.as_str()).ok().map(|value| (id_name, value));
        id.into_iter().chain(self.cache_status.clone().map(|value| (CACHE_STATUS, value)))
    }

    /// Adds the fields to an answer's head.
    pub fn apply(&self, head: &mut ResponseHeader) {
        for (name, value) in self.fields() {
            // Refused only past the header map's bound of 32,768 fields, which no parser of ours lets in.
            let _ = head.insert_header(name, value);
        }
    }
}
