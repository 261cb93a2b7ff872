use indexmap::IndexMap;
use serde_json::Value;

use super::{Located, Span};

/// What a document says of a route beside its path, its method and its integration.
#[derive(Debug, Default)]
pub struct Operation {
    /// `operationId`
    pub name: Option<String>,
    pub summary: Option<String>,
    pub description: Option<String>,
    pub tags: Vec<String>,
    pub parameters: Vec<Parameter>,
    /// By media type, in lower case and without parameters. `None`: of this type, whatever it holds.
    pub bodies: IndexMap<String, Option<Located<Value>>>,
    pub is_body_required: bool,
    /// By status (`200`), class (`4XX`) or `default`.
    pub responses: IndexMap<String, MethodResponse>,
    pub validator: Validator,
}

/// `x-amazon-apigateway-request-validator`, resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Validator {
    /// `validateRequestParameters`
    pub checks_parameters: bool,
    /// `validateRequestBody`
    pub checks_body: bool,
}

/// A parameter of a request.
#[derive(Debug)]
pub struct Parameter {
    pub span: Span,
    /// As it is written; a header's in lower case.
    pub name: String,
    pub place: ParameterPlace,
    /// Always true of a path parameter.
    pub is_required: bool,
    pub schema: Option<Located<Value>>,
    /// How a value of several is written: OpenAPI's `style` and `explode`, or Swagger's `collectionFormat`.
    pub encoding: ParameterEncoding,
    pub description: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParameterPlace {
    /// First, since this is the order in which API Gateway names what is missing.
    Header,
    Path,
    Querystring,
    Cookie,
}

/// How a list or an object stands in a parameter's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ParameterEncoding {
    /// `a,b`: `simple`, or `form` that is not exploded.
    #[default]
    Commas,
    /// `name=a&name=b`: `form` exploded, or `multi`.
    Repeated,
    /// `a b`
    Spaces,
    /// `a|b`
    Pipes,
    Tabs,
    /// `name[key]=value`
    DeepObject,
    /// The parameter's text is JSON, or of the media type in `content`.
    Json,
    /// `label` and `matrix` of path parameters, and what else has no reading here: not checked beyond presence.
    Opaque,
}

/// `responses.STATUS` of an operation.
#[derive(Debug, Default)]
pub struct MethodResponse {
    pub description: String,
    /// By name in lower case.
    pub headers: IndexMap<String, Option<Located<Value>>>,
    /// By media type, in lower case and without parameters.
    pub contents: IndexMap<String, Option<Located<Value>>>,
}
