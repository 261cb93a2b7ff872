use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::gateway_response::status_of;
use super::{Asking, Reply, Response, Sink};
use crate::base::{Answer, RateFacts, RequestId, Violation, push_escaped, push_number};
use crate::config::ErrorStyle;

const CHALLENGE: &[u8] = b"ApiKey realm=\"tollgate\", header=\"x-api-key\"";

/// A refusal in the style of the API that it belongs to.
#[derive(Clone, Copy)]
pub struct Refused<'a> {
    pub answer: &'a Answer,
    pub style: ErrorStyle,
    pub request_id: &'a RequestId,
    /// What the API says instead.
    pub custom: Option<Custom<'a>>,
}

/// A gateway response of an API, and the request that it is filled from.
#[derive(Clone, Copy)]
pub struct Custom<'a> {
    pub response: &'a Response,
    pub asking: Asking<'a>,
}

impl Refused<'_> {
    pub fn status(&self) -> u16 {
        let own = self.custom.and_then(|custom| custom.response.status());
        own.unwrap_or_else(|| status_of(self.answer.refusal, self.style))
    }

    /// Hands over every field but those of a [`Seal`](super::Seal).
    pub fn fields(&self, sink: &mut impl Sink) {
        let mut rest = Beside { response: self.custom.map(|custom| custom.response), sink };
        match self.style {
            ErrorStyle::Standard => self.standard_fields(&mut rest),
            ErrorStyle::Aws => self.aws_fields(&mut rest),
        }
        if let Some(Custom { response, asking }) = &self.custom {
            response.fields(asking, sink);
        }
    }

    /// Appends the body.
    pub fn body(&self, out: &mut Vec<u8>) {
        match (&self.custom, self.style) {
            (Some(Custom { response, asking }), _) if response.has_body() => response.body(asking, out),
            (_, ErrorStyle::Standard) => self.problem(out),
            (_, ErrorStyle::Aws) => self.message(out),
        }
    }

    /// The whole of it, for whoever cannot write it out at once.
    pub fn reply(&self) -> Reply {
        let mut body = Vec::new();
        self.body(&mut body);
        let mut reply = Reply::new(self.status(), Bytes::from(body));
        self.fields(&mut reply);
        reply
    }

    fn standard_fields(&self, sink: &mut impl Sink) {
        let Answer { allow, retry_after_s, rate, .. } = self.answer;
        sink.text("content-type", b"application/problem+json");
        if self.status() == 401 {
            sink.text("www-authenticate", CHALLENGE);
        }
        if let Some(methods) = allow {
            sink.text("allow", methods.as_bytes());
        }
        if let Some(seconds) = retry_after_s {
            sink.field("retry-after", |out| push_number(out, (*seconds).into()));
        }
        if let Some(rate) = rate {
            rate_fields(rate, sink);
        }
    }

    /// API Gateway sends no `Retry-After` and no rate-limit fields (semantics document, section 3.2).
    fn aws_fields(&self, sink: &mut impl Sink) {
        sink.text("content-type", b"application/json");
        sink.text("x-amzn-errortype", self.answer.refusal.aws_error_type().as_bytes());
    }

    fn message(&self, out: &mut Vec<u8>) {
        let Answer { refusal, detail, .. } = self.answer;
        match refusal.aws_message() {
            Some(_) => out.extend_from_slice(refusal.aws_body().as_bytes()),
            None => {
                out.extend_from_slice(b"{\"message\":\"");
                push_escaped(out, detail.as_bytes());
                out.extend_from_slice(b"\"}");
            }
        }
    }

    /// A problem document (RFC 9457), in the order in which people read it. Written by hand: a gateway under attack
    /// does little else, and only the detail can hold what JSON must escape.
    fn problem(&self, out: &mut Vec<u8>) {
        let (answer, refusal) = (self.answer, self.answer.refusal);
        out.reserve(256 + answer.detail.len());
        out.extend_from_slice(refusal.problem_start().as_bytes());
        push_number(out, self.status().into());
        out.extend_from_slice(b",\"detail\":\"");
        push_escaped(out, answer.detail.as_bytes());
        out.extend_from_slice(refusal.problem_middle().as_bytes());
        out.extend_from_slice(self.request_id.as_bytes());
        out.push(b'"');
        if !answer.violations().is_empty() {
            push_violations(out, answer.violations());
        }
        out.push(b'}');
    }
}

/// An extension member (RFC 9457 section 3.2): everything that is wrong, not only the first.
fn push_violations(out: &mut Vec<u8>, violations: &[Violation]) {
    out.extend_from_slice(b",\"violations\":[");
    for (at, violation) in violations.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",{\"in\":\"" } else { b"{\"in\":\"" });
        out.extend_from_slice(violation.place.as_str().as_bytes());
        let members = [("name", &violation.name), ("pointer", &violation.pointer)];
        let members = members.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let sent = violation.sent.as_deref().map(|sent| ("sent", sent));
        for (name, value) in members.chain([("expected", &*violation.expected)]).chain(sent) {
            for part in ["\",\"", name, "\":\""] {
                out.extend_from_slice(part.as_bytes());
            }
            push_escaped(out, value.as_bytes());
        }
        out.extend_from_slice(b"\"}");
    }
    out.push(b']');
}

/// Leaves out what a gateway response says itself.
struct Beside<'b, S> {
    response: Option<&'b Response>,
    sink: &'b mut S,
}

impl<S: Sink> Sink for Beside<'_, S> {
    fn field(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.response.is_some_and(|response| response.sets(name)) {
            self.sink.field(name, write);
        }
    }

    fn named(&mut self, name: &HeaderName, value: HeaderValue) {
        self.sink.named(name, value);
    }
}

/// draft-ietf-httpapi-ratelimit-headers, section 3.
fn rate_fields(rate: &RateFacts, sink: &mut impl Sink) {
    let RateFacts { policy, limit, window_s, remaining, reset_s } = rate;
    sink.field("ratelimit", |out| push_item(out, policy, (b";r=", *remaining), (b";t=", (*reset_s).into())));
    sink.field("ratelimit-policy", |out| push_item(out, policy, (b";q=", *limit), (b";w=", (*window_s).into())));
}

/// `"policy";a=1;b=2` (RFC 9651 section 3.3).
fn push_item(out: &mut Vec<u8>, policy: &str, first: (&[u8; 3], u64), second: (&[u8; 3], u64)) {
    out.push(b'"');
    out.extend_from_slice(policy.as_bytes());
    out.push(b'"');
    for (name, number) in [first, second] {
        out.extend_from_slice(name);
        push_number(out, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Place, Refusal};

    fn refuse(answer: &Answer, style: ErrorStyle) -> Reply {
        Refused { answer, style, request_id: &RequestId::generate(0, 0), custom: None }.reply()
    }

    fn field<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
        reply.fields.iter().find(|(n, _)| n.as_str() == name).and_then(|(_, v)| v.to_str().ok())
    }

    #[test]
    fn a_refusal_in_standard_style_is_a_problem_document() {
        let rate = RateFacts { policy: "basic".into(), limit: 20, window_s: 2, remaining: 0, reset_s: 1 };
        let answer = Answer::new(Refusal::RateExceeded, "slow down").with_retry_after(1).with_rate(rate);
        let reply = refuse(&answer, ErrorStyle::Standard);
        assert_eq!(
            std::str::from_utf8(&reply.body).unwrap(),
            r#"{"type":"urn:tollgate:refusal:rate_exceeded","title":"Rate exceeded","status":429,"detail":"slow down","code":"rate_exceeded","request_id":"00000000-0000-7000-8000-000000000000"}"#
        );
        assert_eq!(field(&reply, "retry-after"), Some("1"));
        assert_eq!(field(&reply, "ratelimit"), Some("\"basic\";r=0;t=1"));
        assert_eq!(field(&reply, "ratelimit-policy"), Some("\"basic\";q=20;w=2"));
    }

    #[test]
    fn a_problem_lists_every_violation() {
        let violations = vec![
            Violation::new(Place::Query, "an integer").named("limit").with_sent(Some("x\"")),
            Violation::new(Place::Body, "a value").at("/name"),
        ];
        let answer = Answer::new(Refusal::InvalidParameters, "bad").with_violations(violations);
        let reply = refuse(&answer, ErrorStyle::Standard);
        let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let expected = serde_json::json!([
            {"in": "query", "name": "limit", "expected": "an integer", "sent": "x\""},
            {"in": "body", "pointer": "/name", "expected": "a value"},
        ]);
        assert_eq!(problem["violations"], expected);
    }

    #[test]
    fn missing_parameters_are_named_in_aws_style() {
        let detail = "Missing required request parameters: [x-header-param, issuer, qs1]";
        let answer = Answer::new(Refusal::InvalidParameters, detail);
        let reply = refuse(&answer, ErrorStyle::Aws);
        let expected = br#"{"message":"Missing required request parameters: [x-header-param, issuer, qs1]"}"#;
        assert_eq!((reply.status, &reply.body[..]), (400, &expected[..]));
    }

    #[test]
    fn a_refusal_is_the_same_in_lines_and_in_a_map() {
        let answer = Answer::new(Refusal::MethodNotAllowed, "no \"such\" method").with_allow("GET, HEAD".into());
        for style in [ErrorStyle::Standard, ErrorStyle::Aws] {
            let (mut lines, mut expected) = (Vec::new(), Vec::new());
            Refused { answer: &answer, style, request_id: &RequestId::generate(0, 0), custom: None }.fields(&mut lines);
            for (name, value) in refuse(&answer, style).fields {
                crate::base::push_line(&mut expected, name.as_str().as_bytes(), value.as_bytes());
            }
            assert_eq!(lines, expected);
        }
    }

    #[test]
    fn a_refusal_in_aws_style_is_the_services_own() {
        let answer = Answer::new(Refusal::QuotaExceeded, "spent").with_retry_after(9);
        let reply = refuse(&answer, ErrorStyle::Aws);
        assert_eq!((reply.status, &reply.body[..]), (429, &br#"{"message":"Limit Exceeded"}"#[..]));
        assert_eq!(field(&reply, "x-amzn-errortype"), Some("LimitExceededException"));
        assert_eq!(field(&reply, "retry-after"), None);
    }
}
