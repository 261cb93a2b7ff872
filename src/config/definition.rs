use indexmap::IndexMap;
use serde_json::Value;

use super::read::Value as ReadValue;
use super::{Cors, ErrorStyle, GatewayResponse, Located, ResponseType, Route, Span, Validator};

/// What an API serves: its routes and what they have in common, whether its TOML says so or an OpenAPI document does.
#[derive(Debug, Default)]
pub struct Definition {
    pub routes: Vec<Route>,
    /// The style that the document suggests: `aws` where it carries API Gateway's extensions.
    pub errors: Option<ErrorStyle>,
    pub models: Models,
    pub gateway_responses: IndexMap<ResponseType, GatewayResponse>,
    /// `binary_media_types`: in lower case, such as `image/png` or `*/*`.
    pub binary_media_types: Vec<String>,
    /// `minimum_compression_size`: answers of this many bytes and more are compressed. `None`: no answer is.
    pub compression_bytes_min: Option<u64>,
    pub cors: Option<Cors>,
    /// `validate_responses`: whether back ends are held to what the operations say of their answers.
    pub validate_responses: ResponseValidation,
    pub about: About,
    /// What the document declares and this release does not serve.
    pub unserved: Vec<Unserved>,
}

impl Definition {
    /// What the TOML of an API says beside its document, over what that document says.
    pub fn over(self, document: Definition) -> Definition {
        let Definition { gateway_responses, binary_media_types, compression_bytes_min, cors, .. } = self;
        let mut all = document.gateway_responses;
        all.extend(gateway_responses);
        let media_types = [binary_media_types, document.binary_media_types].into_iter().find(|types| !types.is_empty());
        Definition {
            gateway_responses: all,
            binary_media_types: media_types.unwrap_or_default(),
            compression_bytes_min: compression_bytes_min.or(document.compression_bytes_min),
            cors: cors.or(document.cors),
            validate_responses: self.validate_responses,
            ..document
        }
    }
}

/// What a document says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    pub title: Option<String>,
    pub version: Option<String>,
    pub description: Option<String>,
}

/// The schemas that request and response bodies are made of.
///
/// A schema of any operation refers to these, and these to each other, by `{"$ref": "#/definitions/NAME"}` and in no
/// other way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Models {
    pub dialect: Dialect,
    pub schemas: IndexMap<String, Located<Value>>,
}

/// How schemas are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// JSON Schema draft-04: what API Gateway's models are, and Swagger 2.0's schemas.
    #[default]
    Draft4,
    /// OpenAPI 3.0: draft-04's words with `nullable`.
    OpenApi30,
    /// OpenAPI 3.1.
    Draft202012,
}

/// What of requests is checked, whatever a document says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestValidation {
    Off,
    Parameters,
    Body,
    All,
}

/// What becomes of an answer that breaks its operation's contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResponseValidation {
    #[default]
    Off,
    /// It goes out, and the log says what is wrong with it.
    Log,
    /// The client gets 502 instead.
    Enforce,
}

const REQUESTS: &[(&str, RequestValidation)] = &[
    ("off", RequestValidation::Off),
    ("parameters", RequestValidation::Parameters),
    ("body", RequestValidation::Body),
    ("all", RequestValidation::All),
];

const RESPONSES: &[(&str, ResponseValidation)] =
    &[("off", ResponseValidation::Off), ("log", ResponseValidation::Log), ("enforce", ResponseValidation::Enforce)];

impl RequestValidation {
    pub(super) fn read(value: ReadValue<'_>) -> Option<RequestValidation> {
        value.word(REQUESTS)
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        REQUESTS[self as usize].0
    }

    pub fn validator(self) -> Validator {
        Validator {
            checks_parameters: matches!(self, RequestValidation::Parameters | RequestValidation::All),
            checks_body: matches!(self, RequestValidation::Body | RequestValidation::All),
        }
    }
}

impl ResponseValidation {
    pub(super) fn read(value: ReadValue<'_>) -> Option<ResponseValidation> {
        value.word(RESPONSES)
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        RESPONSES[self as usize].0
    }
}

/// Something that a document declares and this release does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    pub span: Span,
    /// Such as "the authorizer `pool` of GET /orders".
    pub what: String,
}
