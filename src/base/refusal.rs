use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::Violation;

/// Whose doing a refusal is; what dashboards split errors by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    Client,
    Gateway,
    BackEnd,
}

/// One row of the table of refusals.
struct Row {
    refusal: Refusal,
    /// The `code` of a problem document, the metric label, the log field and the heading in `docs/errors.md`.
    code: &'static str,
    status: u16,
    title: &'static str,
    /// What its problem documents begin with, up to the status.
    problem_start: &'static str,
    /// What follows their detail, up to the request's id.
    problem_middle: &'static str,
    blame: Blame,
    aws: AwsRow,
}

/// How API Gateway words the same refusal.
struct AwsRow {
    status: u16,
    error_type: &'static str,
    /// The body's bytes, spacing as recorded from the service. A message `…` is the answer's detail.
    body: &'static str,
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $status:literal, $title:literal, $blame:ident,
        aws $aws_status:literal $aws_type:literal $aws_body:literal;)+) => {
        /// Every way in which the gateway says no: one closed list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal { $($(#[doc = $doc])+ $name,)+ }

        const TABLE: &[Row] = &[$(Row {
            refusal: Refusal::$name, code: $code, status: $status, title: $title, blame: Blame::$blame,
            problem_start:
                concat!("{\"type\":\"urn:tollgate:refusal:", $code, "\",\"title\":\"", $title, "\",\"status\":"),
            problem_middle: concat!("\",\"code\":\"", $code, "\",\"request_id\":\""),
            aws: AwsRow { status: $aws_status, error_type: $aws_type, body: $aws_body },
        },)+];

        /// The sentences of `docs/errors.md`, in the order of [`Refusal::all`].
        const DOCS: &[&str] = &[$(concat!($($doc),+),)+];
    };
}

refusals! {
    /// The request breaks HTTP's grammar or is ambiguous, so it is not judged any further.
    MalformedRequest = "malformed_request", 400, "Bad Request", Client,
        aws 400 "BadRequestException" r#"{"message":"Bad Request"}"#;
    /// Parameters are not what the operation says, and perhaps the body too; the problem lists every violation.
    InvalidParameters = "invalid_parameters", 400, "Invalid parameters", Client,
        aws 400 "BadRequestException" r#"{"message":"…"}"#;
    /// The body is not what the operation says; the problem lists every violation.
    InvalidBody = "invalid_body", 400, "Invalid body", Client,
        aws 400 "BadRequestException" r#"{"message":"Invalid request body"}"#;
    /// The route wants an API key and the request carries none in `x-api-key`.
    MissingApiKey = "missing_api_key", 401, "API key required", Client,
        aws 403 "ForbiddenException" r#"{"message":"Forbidden"}"#;
    /// No API key has this value.
    UnknownApiKey = "unknown_api_key", 401, "Unknown API key", Client,
        aws 403 "ForbiddenException" r#"{"message":"Forbidden"}"#;
    /// The API key exists and is switched off.
    DisabledApiKey = "disabled_api_key", 403, "API key disabled", Client,
        aws 403 "ForbiddenException" r#"{"message":"Forbidden"}"#;
    /// The API key is in no usage plan that covers this stage.
    NoUsagePlan = "no_usage_plan", 403, "No usage plan for this stage", Client,
        aws 403 "ForbiddenException" r#"{"message":"Forbidden"}"#;
    /// The client asked to refresh a cached answer and its usage plan may not.
    InvalidationForbidden = "cache_invalidation_forbidden", 403, "Cache invalidation not allowed", Client,
        aws 403 "AccessDeniedException" r#"{"Message":"User is not authorized to access this resource"}"#;
    /// Neither a domain nor the path names an API and a stage.
    UnknownStage = "unknown_stage", 404, "No such API or stage", Client,
        aws 403 "ForbiddenException" r#"{"message":"Forbidden"}"#;
    /// The API has no route for this path.
    UnknownRoute = "unknown_route", 404, "No such route", Client,
        aws 403 "MissingAuthenticationTokenException" r#"{"message":"Missing Authentication Token"}"#;
    /// The path has routes, none of them for this method; `Allow` lists theirs.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed", Client,
        aws 403 "MissingAuthenticationTokenException" r#"{"message":"Missing Authentication Token"}"#;
    /// Only in aws style: no route has this path and method, and the request's `Authorization` is no AWS signature.
    IncompleteSignature = "incomplete_signature", 403, "Incomplete signature", Client,
        aws 403 "IncompleteSignatureException" r#"{"message":"…"}"#;
    /// No content that the operation declares suits the request's `Accept`.
    NotAcceptable = "not_acceptable", 406, "Not acceptable", Client,
        aws 406 "NotAcceptableException" r#"{"message":"Not Acceptable"}"#;
    /// The client sent its request too slowly.
    RequestTimeout = "request_timeout", 408, "Request timed out", Client,
        aws 408 "RequestTimeoutException" r#"{"message":"Request Timeout"}"#;
    /// The body is larger than the limit.
    BodyTooLarge = "body_too_large", 413, "Request body too large", Client,
        aws 413 "RequestTooLargeException" r#"{"message":"Request Too Long"}"#;
    /// The route takes no body of this type or in this coding.
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported media type", Client,
        aws 415 "BadRequestException" r#"{"message": "Unsupported Media Type"}"#;
    /// The request target is longer than the limit for the whole head.
    UriTooLong = "uri_too_long", 414, "Request target too long", Client,
        aws 414 "RequestTooLargeException" r#"{"message":"Request-URI Too Long"}"#;
    /// The request line and header fields together are larger than the limit.
    HeadersTooLarge = "headers_too_large", 431, "Request header fields too large", Client,
        aws 431 "RequestTooLargeException" r#"{"message":"Request Header Fields Too Large"}"#;
    /// The API key has spent its rate and burst.
    RateExceeded = "rate_exceeded", 429, "Rate exceeded", Client,
        aws 429 "TooManyRequestsException" r#"{"message":"Too Many Requests"}"#;
    /// The API key has spent its quota for this period.
    QuotaExceeded = "quota_exceeded", 429, "Quota exceeded", Client,
        aws 429 "LimitExceededException" r#"{"message":"Limit Exceeded"}"#;
    /// All callers of this route together have spent its rate and burst.
    RouteThrottled = "route_throttled", 429, "Route throttled", Client,
        aws 429 "TooManyRequestsException" r#"{"message":"Too Many Requests"}"#;
    /// All callers of this stage together have spent its rate and burst.
    StageThrottled = "stage_throttled", 429, "Stage throttled", Client,
        aws 429 "TooManyRequestsException" r#"{"message":"Too Many Requests"}"#;
    /// The gateway itself failed; the log says how.
    InternalError = "internal_error", 500, "Internal error", Gateway,
        aws 500 "InternalServerErrorException" r#"{"message": "Internal server error"}"#;
    /// The back end refused or reset the connection, or its answer is not HTTP.
    BackEndFailed = "back_end_failed", 502, "Back end failed", BackEnd,
        aws 504 "InternalServerErrorException" r#"{"message": "Internal server error"}"#;
    /// The back end's answer is not what the operation says; the log says where.
    ResponseBreaksContract = "response_breaks_contract", 502, "Back end broke its contract", BackEnd,
        aws 502 "InternalServerErrorException" r#"{"message": "Internal server error"}"#;
    /// Every target of the integration is unhealthy.
    NoHealthyBackEnd = "no_healthy_back_end", 503, "No healthy back end", BackEnd,
        aws 503 "ServiceUnavailableException" r#"{"message":"Service Unavailable"}"#;
    /// The gateway is shutting down or over a limit of its own.
    Unavailable = "unavailable", 503, "Service unavailable", Gateway,
        aws 503 "ServiceUnavailableException" r#"{"message":"Service Unavailable"}"#;
    /// The back end did not answer in the integration's `timeout`.
    BackEndTimeout = "back_end_timeout", 504, "Back end timed out", BackEnd,
        aws 504 "InternalServerErrorException" r#"{"message": "Endpoint request timed out"}"#;
    /// The request says `only-if-cached`, and nothing is stored that answers it.
    NotCached = "not_cached", 504, "Not cached", Client,
        aws 504 "GatewayTimeoutException" r#"{"message":"Not cached"}"#;
}

impl Refusal {
    /// Every refusal, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Refusal> {
        TABLE.iter().map(|row| row.refusal)
    }

    /// The word for this refusal everywhere: problem document, metric label, log and docs.
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The status in standard style.
    pub fn status(self) -> u16 {
        self.row().status
    }

    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// What the problem document (RFC 9457) begins with, up to the status: the same for each, so written beforehand.
    pub fn problem_start(self) -> &'static str {
        self.row().problem_start
    }

    /// What follows the detail of the problem document, up to the request's id.
    pub fn problem_middle(self) -> &'static str {
        self.row().problem_middle
    }

    pub fn blame(self) -> Blame {
        self.row().blame
    }

    /// Whether the request is not what its operation says.
    pub fn is_of_validation(self) -> bool {
        use Refusal::{InvalidBody, InvalidParameters, NotAcceptable, UnsupportedMediaType};
        matches!(self, InvalidParameters | InvalidBody | NotAcceptable | UnsupportedMediaType)
    }

    /// One sentence on when this happens, for the documentation.
    pub fn doc(self) -> &'static str {
        DOCS[self as usize].trim()
    }

    /// The status that API Gateway answers with.
    pub fn aws_status(self) -> u16 {
        self.row().aws.status
    }

    /// The value of API Gateway's `x-amzn-ErrorType`.
    pub fn aws_error_type(self) -> &'static str {
        self.row().aws.error_type
    }

    /// API Gateway's body, byte for byte.
    pub fn aws_body(self) -> &'static str {
        self.row().aws.body
    }

    /// What is said in API Gateway's body; `None`: the answer's detail.
    pub fn aws_message(self) -> Option<&'static str> {
        let message = self.aws_body().split_once(':').map(|(_, message)| message.trim_start());
        message.and_then(|message| message.strip_prefix('"')?.strip_suffix("\"}")).filter(|message| *message != "…")
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

/// What a refused caller is told about the limit it met (draft-ietf-httpapi-ratelimit-headers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateFacts {
    /// The usage plan, route or stage whose limit it is.
    pub policy: Arc<str>,
    /// Requests that the limit allows in `window_s`.
    pub limit: u64,
    /// Seconds in which `limit` requests become available.
    pub window_s: u32,
    /// Requests left now.
    pub remaining: u64,
    /// Seconds until there is more.
    pub reset_s: u32,
}

/// What the log may know about a refusal and the client may not.
///
/// It has no `Display` and no `Serialize`, so it cannot slip into an answer; only [`LogDetail::for_log`] reads it.
#[derive(Default)]
pub struct LogDetail(Option<Box<str>>);

impl LogDetail {
    pub fn new(detail: impl Into<String>) -> LogDetail {
        LogDetail(Some(detail.into().into_boxed_str()))
    }

    pub fn for_log(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for LogDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogDetail(…)")
    }
}

/// A refusal with what its answer says. Ordinary work, not an error.
#[derive(Debug)]
pub struct Answer {
    pub refusal: Refusal,
    /// One sentence for the client.
    pub detail: Cow<'static, str>,
    /// Seconds for `Retry-After`.
    pub retry_after_s: Option<u32>,
    /// The value of `Allow`.
    pub allow: Option<Arc<str>>,
    pub rate: Option<RateFacts>,
    violations: Option<Box<Violations>>,
    pub log: LogDetail,
}

/// Behind a thin pointer, which keeps an answer small.
#[derive(Debug)]
struct Violations(Vec<Violation>);

impl Answer {
    pub fn new(refusal: Refusal, detail: impl Into<Cow<'static, str>>) -> Answer {
        let (detail, log) = (detail.into(), LogDetail(None));
        Answer { refusal, detail, retry_after_s: None, allow: None, rate: None, violations: None, log }
    }

    /// Adds what only the log may say.
    pub fn with_log(mut self, detail: impl Into<String>) -> Answer {
        self.log = LogDetail::new(detail);
        self
    }

    pub fn with_retry_after(mut self, seconds: u32) -> Answer {
        self.retry_after_s = Some(seconds);
        self
    }

    pub fn with_allow(mut self, methods: Arc<str>) -> Answer {
        self.allow = Some(methods);
        self
    }

    pub fn with_violations(mut self, violations: Vec<Violation>) -> Answer {
        self.violations = Some(Box::new(Violations(violations)));
        self
    }

    /// Where the request is not what its operation says.
    pub fn violations(&self) -> &[Violation] {
        self.violations.as_ref().map_or(&[], |violations| &violations.0)
    }

    pub fn with_rate(mut self, rate: RateFacts) -> Answer {
        self.rate = Some(rate);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_finds_its_own_row_and_has_its_own_code() {
        let codes: std::collections::BTreeSet<_> = Refusal::all().map(Refusal::code).collect();
        assert_eq!(codes.len(), TABLE.len());
        for (row, refusal) in TABLE.iter().zip(Refusal::all()) {
            assert_eq!(row.code, refusal.code());
            assert!(refusal.doc().ends_with('.'), "{}", refusal.doc());
            let body: serde_json::Value = serde_json::from_str(refusal.aws_body()).unwrap();
            let said = body.as_object().unwrap().values().next().unwrap();
            assert_eq!(said, refusal.aws_message().unwrap_or("…"));
        }
    }

    #[test]
    fn an_answer_stays_small_enough_to_return_by_value() {
        assert!(size_of::<Answer>() <= 160, "{}", size_of::<Answer>());
    }
}
