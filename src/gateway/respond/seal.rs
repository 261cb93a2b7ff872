use http::{HeaderName, HeaderValue};
use pingora_http::ResponseHeader;

use crate::base::RequestId;
use crate::config::ErrorStyle;
use crate::gateway::cache::CacheStatus;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const AWS_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What every answer carries, whoever wrote it.
#[derive(Clone, Debug)]
pub struct Seal {
    pub request_id: RequestId,
    pub style: ErrorStyle,
    /// The value of `Cache-Status` (RFC 9211), on routes that are cached.
    pub cache_status: Option<CacheStatus>,
}

impl Seal {
    /// The fields, each to replace what the answer has under its name.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let id_name = self.id_name();
        // A request id is visible ASCII, so it is always a legal value.
        let id = HeaderValue::from_str(self.request_id.as_str()).ok().map(|value| (id_name, value));
        id.into_iter().chain(self.cache_status.map(|value| (CACHE_STATUS, value.into())))
    }

    /// Writes the fields as lines of a head.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut line = |name: &HeaderName, value: &[u8]| {
            [name.as_str().as_bytes(), b": ", value, b"\r\n"].iter().for_each(|part| out.extend_from_slice(part));
        };
        line(&self.id_name(), self.request_id.as_str().as_bytes());
        if let Some(status) = &self.cache_status {
            line(&CACHE_STATUS, status.as_bytes());
        }
    }

    /// Whether an answer's own field `name`, in any case, is replaced by one of these.
    pub fn replaces(&self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        name.eq_ignore_ascii_case(self.id_name().as_str().as_bytes())
            || (self.cache_status.is_some() && name.eq_ignore_ascii_case(CACHE_STATUS.as_str().as_bytes()))
    }

    fn id_name(&self) -> HeaderName {
        match self.style {
            ErrorStyle::Standard => REQUEST_ID,
            ErrorStyle::Aws => AWS_REQUEST_ID,
        }
    }

    /// Adds the fields to an answer's head.
    pub fn apply(&self, head: &mut ResponseHeader) {
        for (name, value) in self.fields() {
            // Refused only past the header map's bound of 32,768 fields, which no parser of ours lets in.
            let _ = head.insert_header(name, value);
        }
    }
}
