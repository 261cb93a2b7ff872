use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

use super::Reply;
use crate::base::{Answer, RateFacts, Refusal, RequestId, push_escaped, push_number};
use crate::config::ErrorStyle;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const AWS_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

const CHALLENGE: HeaderValue = HeaderValue::from_static("ApiKey realm=\"tollgate\", header=\"x-api-key\"");

/// Words a refusal in the style of the API that it belongs to.
pub fn refuse(answer: &Answer, style: ErrorStyle, request_id: &RequestId) -> Reply {
    match style {
        ErrorStyle::Standard => standard(answer, request_id),
        ErrorStyle::Aws => aws(answer.refusal),
    }
}

fn standard(answer: &Answer, request_id: &RequestId) -> Reply {
    let refusal = answer.refusal;
    let body = problem(answer, request_id);
    let mut reply = Reply::new(refusal.status(), body).with(header::CONTENT_TYPE, PROBLEM_JSON);
    if refusal.status() == 401 {
        reply = reply.with(header::WWW_AUTHENTICATE, CHALLENGE);
    }
    if let Some(methods) = &answer.allow {
        reply = reply.with_text(header::ALLOW, methods);
    }
    if let Some(seconds) = answer.retry_after_s {
        reply = reply.with_number(header::RETRY_AFTER, u64::from(seconds));
    }
    match &answer.rate {
        Some(rate) => with_rate(reply, rate),
        None => reply,
    }
}

/// A problem document (RFC 9457), in the order in which people read it. Written by hand: a gateway under attack does
/// little else, and only the detail can hold what JSON must escape.
fn problem(answer: &Answer, request_id: &RequestId) -> Bytes {
    let refusal = answer.refusal;
    let mut out = Vec::with_capacity(200 + 2 * refusal.code().len() + answer.detail.len());
    for part in ["{\"type\":\"urn:tollgate:refusal:", refusal.code(), "\",\"title\":\"", refusal.title()] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\",\"status\":");
    push_number(&mut out, refusal.status().into());
    out.extend_from_slice(b",\"detail\":\"");
    push_escaped(&mut out, answer.detail.as_bytes());
    for part in ["\",\"code\":\"", refusal.code(), "\",\"request_id\":\"", request_id.as_str(), "\"}"] {
        out.extend_from_slice(part.as_bytes());
    }
    Bytes::from(out)
}

/// draft-ietf-httpapi-ratelimit-headers, section 3.
fn with_rate(reply: Reply, rate: &RateFacts) -> Reply {
    let RateFacts { policy, limit, window_s, remaining, reset_s } = rate;
    let reply = reply.with_bytes(RATE_LIMIT, item(policy, (";r=", *remaining), (";t=", *reset_s)));
    reply.with_bytes(RATE_LIMIT_POLICY, item(policy, (";q=", *limit), (";w=", *window_s)))
}

/// `"policy";a=1;b=2` (RFC 9651 section 3.3).
fn item(policy: &str, first: (&str, u64), second: (&str, u64)) -> Bytes {
    let mut out = Vec::with_capacity(policy.len() + 32);
    out.push(b'"');
    out.extend_from_slice(policy.as_bytes());
    out.push(b'"');
    for (name, number) in [first, second] {
        out.extend_from_slice(name.as_bytes());
        push_number(&mut out, number);
    }
    Bytes::from(out)
}

/// API Gateway sends no `Retry-After` and no rate-limit fields (semantics document, section 3.2).
fn aws(refusal: Refusal) -> Reply {
    Reply::new(refusal.aws_status(), Bytes::from_static(refusal.aws_body().as_bytes()))
        .with(header::CONTENT_TYPE, JSON)
        .with(AWS_ERROR_TYPE, HeaderValue::from_static(refusal.aws_error_type()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
        reply.fields.iter().find(|(n, _)| n.as_str() == name).and_then(|(_, v)| v.to_str().ok())
    }

    #[test]
    fn a_refusal_in_standard_style_is_a_problem_document() {
        let rate = RateFacts { policy: "basic".into(), limit: 20, window_s: 2, remaining: 0, reset_s: 1 };
        let answer = Answer::new(Refusal::RateExceeded, "slow down").with_retry_after(1).with_rate(rate);
        let reply = refuse(&answer, ErrorStyle::Standard, &RequestId::generate(0, 0));
        assert_eq!(
            std::str::from_utf8(&reply.body).unwrap(),
            r#"{"type":"urn:tollgate:refusal:rate_exceeded","title":"Rate exceeded","status":429,"detail":"slow down","code":"rate_exceeded","request_id":"00000000-0000-7000-8000-000000000000"}"#
        );
        assert_eq!(field(&reply, "retry-after"), Some("1"));
        assert_eq!(field(&reply, "ratelimit"), Some("\"basic\";r=0;t=1"));
        assert_eq!(field(&reply, "ratelimit-policy"), Some("\"basic\";q=20;w=2"));
    }

    #[test]
    fn a_refusal_in_aws_style_is_the_services_own() {
        let answer = Answer::new(Refusal::QuotaExceeded, "spent").with_retry_after(9);
        let reply = refuse(&answer, ErrorStyle::Aws, &RequestId::generate(0, 0));
        assert_eq!((reply.status, &reply.body[..]), (429, &br#"{"message":"Limit Exceeded"}"#[..]));
        assert_eq!(field(&reply, "x-amzn-errortype"), Some("LimitExceededException"));
        assert_eq!(field(&reply, "retry-after"), None);
    }
}
