use std::sync::Arc;

use http::header::VARY;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_http::ResponseHeader;

use super::{Grant, Sink};
use crate::base::{Ascii, RequestId};
use crate::gateway::cache;
use crate::telemetry::Trace;

const REQUEST_ID: &str = "x-request-id";
const AWS_REQUEST_ID: &str = "x-amzn-requestid";
const EXTENDED_ID: &str = "x-amz-apigw-id";
const TRACE_ID: &str = "x-amzn-trace-id";
const OF_ONE_REQUEST: [&str; 4] = [REQUEST_ID, AWS_REQUEST_ID, EXTENDED_ID, TRACE_ID];
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
    /// In aws style what API Gateway says beside it.
    pub aws: Option<AwsSeal>,
    /// What `Cache-Status` says (RFC 9211), on routes that are cached.
    pub cached: Option<cache::Outcome>,
    /// What is said of CORS, where the gateway answers for it.
    pub cors: Option<Arc<Grant>>,
}

/// What API Gateway says of a request in its answer.
#[derive(Clone, Debug)]
pub struct AwsSeal {
    /// `x-amz-apigw-id`
    pub extended_id: Ascii<16>,
    /// `X-Amzn-Trace-Id`: only in answers that `HTTP` integrations gave.
    pub trace: Option<Trace>,
}

impl Seal {
    /// Hands over the fields, each to replace what the answer has under its name; but `Vary` is added to it.
    pub fn fields(&self, sink: &mut impl Sink) {
        sink.text(self.id_name(), self.request_id.as_bytes());
        if let Some(AwsSeal { extended_id, trace }) = &self.aws {
            sink.text(EXTENDED_ID, extended_id.as_bytes());
            if let Some(trace) = trace {
                sink.field(TRACE_ID, |out| trace.push_amzn(out));
            }
        }
        if let Some(outcome) = &self.cached {
            sink.field(CACHE_STATUS, |out| outcome.push_cache_status(out));
        }
        if let Some(grant) = &self.cors {
            grant.fields(sink);
        }
    }

    /// Whether an answer's own field `name`, in any case, is replaced by one of these, or is for the cache alone.
    pub fn replaces(&self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        name.eq_ignore_ascii_case(self.id_name().as_bytes())
            || (self.aws.is_some() && name.eq_ignore_ascii_case(EXTENDED_ID.as_bytes()))
            || (self.cached.is_some() && (name.eq_ignore_ascii_case(CACHE_STATUS.as_bytes()) || is_tags(name)))
    }

    fn id_name(&self) -> &'static str {
        match self.aws {
            None => REQUEST_ID,
            Some(_) => AWS_REQUEST_ID,
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
        // A request id, an origin and what the cache says are visible, so they are always legal values.
        if let Ok(mut value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
            value.set_sensitive(OF_ONE_REQUEST.contains(&name));
            self.named(&HeaderName::from_static(name), value);
        }
    }

    fn named(&mut self, name: &HeaderName, value: HeaderValue) {
        match *name {
            VARY => drop(self.0.append(name, value)),
            _ => drop(self.0.insert(name, value)),
        }
    }
}

struct Insertion<'h>(&'h mut ResponseHeader);

impl Sink for Insertion<'_> {
    fn field(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        let mut value = Vec::new();
        write(&mut value);
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
            self.named(&HeaderName::from_static(name), value);
        }
    }

    fn named(&mut self, name: &HeaderName, value: HeaderValue) {
        // Refused only past the header map's bound of 32,768 fields, which no parser of ours lets in.
        let _ = match *name {
            VARY => self.0.append_header(name, value).map(drop),
            _ => self.0.insert_header(name, value),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_seals_an_answer_is_not_in_the_lines_of_a_stored_one() {
        for name in [REQUEST_ID, AWS_REQUEST_ID, EXTENDED_ID, CACHE_STATUS] {
            assert!(cache::Entry::is_of_the_moment(name), "{name}");
        }
    }
}
