use indexmap::IndexMap;

use super::{Located, Span};

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

/// What an API says instead of one of the gateway's own answers.
#[derive(Clone, Debug)]
pub struct GatewayResponse {
    pub span: Span,
    /// The type's own unless written.
    pub status: Option<u16>,
    /// `responseParameters`: header names in lower case, and where their values come from.
    pub headers: Vec<(String, ResponseHeaderSource)>,
    /// By media type. Substituted simply, not a mapping template.
    pub templates: IndexMap<String, Located<String>>,
}

/// Where the value of a `gatewayresponse.header.NAME` comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResponseHeaderSource {
    /// `'text'`
    Static(String),
    /// `method.request.header.NAME`, in lower case.
    Header(String),
    /// `method.request.querystring.NAME`
    Querystring(String),
    /// `method.request.path.NAME`
    Path(String),
    /// `context.NAME`
    Context(String),
    /// `stageVariables.NAME`
    StageVariable(String),
}

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
}
