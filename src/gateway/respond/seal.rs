use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_http::ResponseHeader;

use super::Sink;
use crate::base::RequestId;
use crate::config::ErrorStyle;
use crate::gateway::cache;

const REQUEST_ID: &str = "x-request-id";
const AWS_REQUEST_ID: &str = "x-amzn-requestid";
const CACHE_STATUS: &str = "cache-status";

/// By which a back end lets its answers be purged.
const TAGS: [&str; 2] = ["cache-tag", "surrogate-key"];

fn is_tags(name: &[u8]) -> bool {
    TAGS.iter().any(|tags| name.eq_ignore_ascii_case(tags.as_bytes()))
}

/// What every answer carries, whoever wrote it.
#[derive(Clone, Debug)]
pub struct Seal {
    pub request_id: RequestId,
    pub style: ErrorStyle,
    /// What `Cache-Status` says (RFC 9211), on routes that are cached.
    pub cached: Option<cache::Outcome>,
}

impl Seal {
    /// Hands over the fields, each to replace what the answer has under its name.
    pub fn fields(&self, sink: &mut impl Sink) {
        sink.text(self.id_name(), self.request_id.as_bytes());
        if let Some(outcome) = &self.cached {
            sink.field(CACHE_STATUS, |out| outcome.push_cache_status(out));
        }
    }

    /// Whether an answer's own field `name`, in any case, is replaced by one of these, or is for the cache alone.
    pub fn replaces(&self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        name.eq_ignore_ascii_case(self.id_name().as_bytes())
            || (self.cached.is_some() && (name.eq_ignore_ascii_case(CACHE_STATUS.as_bytes()) || is_tags(name)))
    }

    fn id_name(&self) -> &'static str {
        match self.style {
            ErrorStyle::Standard => REQUEST_ID,
            ErrorStyle::Aws => AWS_REQUEST_ID,
        }
    }

    /// Lays the fields over those of an answer to HTTP/2.
    pub fn lay_over(&self, fields: &mut HeaderMap) {
        self.fields(&mut Overlay(fields));
    }

    /// Adds the fields to an answer's head.
    pub fn apply(&self, head: &mut ResponseHeader) {
        if self.cached.is_some() {
            TAGS.iter().for_each(|name| drop(head.remove_header(*name)));
        }
        self.fields(&mut Insertion(head));
    }
}

/// A value that never comes again must not drive others out of the connection's table of fields, so it is marked as
/// one that is not indexed (RFC 7541 section 7.1.3).
struct Overlay<'f>(&'f mut HeaderMap);

impl Sink for Overlay<'_> {
    fn field(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        let mut value = Vec::with_capacity(RequestId::MAX_LEN);
        write(&mut value);
        // A request id and what the cache says are visible ASCII, so they are always legal values.
        if let Ok(mut value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
            value.set_sensitive(name != CACHE_STATUS);
            self.0.insert(HeaderName::from_static(name), value);
        }
    }
}

struct Insertion<'h>(&'h mut ResponseHeader);

impl Sink for Insertion<'_> {
    fn field(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        let mut value = Vec::new();
        write(&mut value);
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
            // Refused only past the header map's bound of 32,768 fields, which no parser of ours lets in.
            let _ = self.0.insert_header(HeaderName::from_static(name), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_seals_an_answer_is_not_in_the_lines_of_a_stored_one() {
        for name in [REQUEST_ID, AWS_REQUEST_ID, CACHE_STATUS] {
            assert!(cache::Entry::is_of_the_moment(name), "{name}");
        }
    }
}
