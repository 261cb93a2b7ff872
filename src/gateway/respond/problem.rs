use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde::Serialize;

use super::Reply;
use crate::base::{Answer, RateFacts, Refusal, RequestId};
use crate::config::ErrorStyle;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const AWS_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// A problem document (RFC 9457), in the order in which people read it.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: &'a str,
}

/// Words a refusal in the style of the API that it belongs to.
pub fn refuse(answer: &Answer, style: ErrorStyle, request_id: &RequestId) -> Reply {
    match style {
        ErrorStyle::Standard => standard(answer, request_id),
        ErrorStyle::Aws => aws(answer.refusal),
    }
}

fn standard(answer: &Answer, request_id: &RequestId) -> Reply {
    let refusal = answer.refusal;
    let problem = Problem {
        kind: format!("urn:tollgate:refusal:{}", refusal.code()),
        title: refusal.title(),
        status: refusal.status(),
        detail: &answer.detail,
        code: refusal.code(),
        request_id: request_id.as_str(),
    };
    // A struct of strings always serialises.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut reply = Reply::new(refusal.status(), Bytes::from(body)).with(header::CONTENT_TYPE, PROBLEM_JSON);
    if refusal.status() == 401 {
        reply = reply.with_text(header::WWW_AUTHENTICATE, "ApiKey realm=\"tollgate\", header=\"x-api-key\"");
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

/// draft-ietf-httpapi-ratelimit-headers, section 3.
fn with_rate(reply: Reply, rate: &RateFacts) -> Reply {
    let RateFacts { policy, limit, window_s, remaining, reset_s } = rate;
    reply
        .with_text(RATE_LIMIT, &format!("\"{policy}\";r={remaining};t={reset_s}"))
        .with_text(RATE_LIMIT_POLICY, &format!("\"{policy}\";q={limit};w={window_s}"))
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
