use super::Refusal;

/// The kinds of answers that the gateway gives by itself, in API Gateway's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResponseType {
    AccessDenied,
    ApiConfigurationError,
    AuthorizerConfigurationError,
    AuthorizerFailure,
    BadRequestBody,
    BadRequestParameters,
    Default4xx,
    Default5xx,
    ExpiredToken,
    IntegrationFailure,
    IntegrationTimeout,
    InvalidApiKey,
    InvalidSignature,
    MissingAuthenticationToken,
    QuotaExceeded,
    RequestTooLarge,
    ResourceNotFound,
    Throttled,
    Unauthorized,
    UnsupportedMediaType,
    WafFiltered,
}

/// Every type, as API Gateway writes it.
const NAMES: &[(&str, ResponseType)] = &[
    ("ACCESS_DENIED", ResponseType::AccessDenied),
    ("API_CONFIGURATION_ERROR", ResponseType::ApiConfigurationError),
    ("AUTHORIZER_CONFIGURATION_ERROR", ResponseType::AuthorizerConfigurationError),
    ("AUTHORIZER_FAILURE", ResponseType::AuthorizerFailure),
    ("BAD_REQUEST_BODY", ResponseType::BadRequestBody),
    ("BAD_REQUEST_PARAMETERS", ResponseType::BadRequestParameters),
    ("DEFAULT_4XX", ResponseType::Default4xx),
    ("DEFAULT_5XX", ResponseType::Default5xx),
    ("EXPIRED_TOKEN", ResponseType::ExpiredToken),
    ("INTEGRATION_FAILURE", ResponseType::IntegrationFailure),
    ("INTEGRATION_TIMEOUT", ResponseType::IntegrationTimeout),
    ("INVALID_API_KEY", ResponseType::InvalidApiKey),
    ("INVALID_SIGNATURE", ResponseType::InvalidSignature),
    ("MISSING_AUTHENTICATION_TOKEN", ResponseType::MissingAuthenticationToken),
    ("QUOTA_EXCEEDED", ResponseType::QuotaExceeded),
    ("REQUEST_TOO_LARGE", ResponseType::RequestTooLarge),
    ("RESOURCE_NOT_FOUND", ResponseType::ResourceNotFound),
    ("THROTTLED", ResponseType::Throttled),
    ("UNAUTHORIZED", ResponseType::Unauthorized),
    ("UNSUPPORTED_MEDIA_TYPE", ResponseType::UnsupportedMediaType),
    ("WAF_FILTERED", ResponseType::WafFiltered),
];

impl ResponseType {
    /// Every type, in the order of its names.
    pub fn all() -> impl Iterator<Item = ResponseType> {
        NAMES.iter().map(|(_, kind)| *kind)
    }

    pub fn from_name(name: &str) -> Option<ResponseType> {
        NAMES.iter().find(|(written, _)| *written == name).map(|(_, kind)| *kind)
    }

    /// As API Gateway writes it.
    pub fn as_str(self) -> &'static str {
        NAMES[self as usize].0
    }

    /// The status that it has unless somebody writes another; `None` for the two defaults, which have that of the type
    /// they stand in for.
    pub fn status(self) -> Option<u16> {
        Some(match self {
            ResponseType::Default4xx | ResponseType::Default5xx => return None,
            ResponseType::BadRequestBody | ResponseType::BadRequestParameters => 400,
            ResponseType::Unauthorized => 401,
            ResponseType::AccessDenied
            | ResponseType::ExpiredToken
            | ResponseType::InvalidApiKey
            | ResponseType::InvalidSignature
            | ResponseType::MissingAuthenticationToken
            | ResponseType::WafFiltered => 403,
            ResponseType::ResourceNotFound => 404,
            ResponseType::RequestTooLarge => 413,
            ResponseType::UnsupportedMediaType => 415,
            ResponseType::QuotaExceeded | ResponseType::Throttled => 429,
            ResponseType::ApiConfigurationError
            | ResponseType::AuthorizerConfigurationError
            | ResponseType::AuthorizerFailure => 500,
            ResponseType::IntegrationFailure | ResponseType::IntegrationTimeout => 504,
        })
    }

    /// Whether an API may say something else instead. API Gateway lets nobody change what is too large.
    pub fn is_customisable(self) -> bool {
        self != ResponseType::RequestTooLarge
    }

    /// The one that stands in for types that nobody customised, by the class of their status.
    pub fn default_of(status: u16) -> ResponseType {
        if status < 500 { ResponseType::Default4xx } else { ResponseType::Default5xx }
    }
}

impl Refusal {
    /// The type of gateway response that it is answered with.
    pub fn response_type(self) -> ResponseType {
        match self {
            Refusal::MissingApiKey | Refusal::UnknownApiKey | Refusal::DisabledApiKey | Refusal::NoUsagePlan => {
                ResponseType::InvalidApiKey
            }
            Refusal::InvalidationForbidden => ResponseType::AccessDenied,
            Refusal::UnknownRoute | Refusal::MethodNotAllowed => ResponseType::MissingAuthenticationToken,
            Refusal::BodyTooLarge | Refusal::UriTooLong | Refusal::HeadersTooLarge => ResponseType::RequestTooLarge,
            Refusal::RateExceeded | Refusal::RouteThrottled | Refusal::StageThrottled => ResponseType::Throttled,
            Refusal::QuotaExceeded => ResponseType::QuotaExceeded,
            Refusal::InvalidParameters => ResponseType::BadRequestParameters,
            Refusal::InvalidBody => ResponseType::BadRequestBody,
            Refusal::UnsupportedMediaType => ResponseType::UnsupportedMediaType,
            Refusal::BackEndFailed => ResponseType::IntegrationFailure,
            Refusal::BackEndTimeout => ResponseType::IntegrationTimeout,
            Refusal::MalformedRequest
            | Refusal::UnknownStage
            | Refusal::IncompleteSignature
            | Refusal::RequestTimeout
            | Refusal::NotAcceptable
            | Refusal::NotCached => ResponseType::Default4xx,
            Refusal::InternalError
            | Refusal::NoHealthyBackEnd
            | Refusal::ResponseBreaksContract
            | Refusal::Unavailable => ResponseType::Default5xx,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_name_and_names_are_told_when_one_is_unknown() {
        for kind in ResponseType::all() {
            assert_eq!(ResponseType::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(NAMES.len(), 21);
    }

    #[test]
    fn a_type_has_the_class_of_what_it_answers() {
        for refusal in Refusal::all().filter(|refusal| refusal.response_type().status().is_some()) {
            let kind = refusal.response_type();
            assert_eq!(kind.status().map(|status| status / 100), Some(refusal.aws_status() / 100), "{refusal:?}");
        }
    }
}
