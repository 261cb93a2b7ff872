use indexmap::IndexMap;

use super::Located;

/// What a non-proxy integration makes of a request, and of the back end's answer.
#[derive(Clone, Debug, Default)]
pub struct Transformation {
    pub passthrough: Passthrough,
    /// `request_templates`: mapping templates by media type, or `$default`.
    pub request_templates: IndexMap<String, Located<String>>,
    pub content_handling: Option<ContentHandling>,
    /// In the order in which they are tried; the one without a pattern is the default.
    pub responses: Vec<IntegrationResponse>,
}

impl Transformation {
    /// Whether requests and answers pass as they are.
    pub fn is_plain(&self) -> bool {
        let Transformation { passthrough, request_templates, content_handling, responses } = self;
        *passthrough == Passthrough::WhenNoMatch
            && request_templates.is_empty()
            && content_handling.is_none()
            && responses.is_empty()
    }
}

/// `passthrough_behavior`: what becomes of a body for whose type there is no template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Passthrough {
    #[default]
    WhenNoMatch,
    WhenNoTemplates,
    Never,
}

/// How bytes and base64 are made of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentHandling {
    ConvertToBinary,
    ConvertToText,
}

/// One of `responses`: what the client gets for an answer that its pattern selects.
#[derive(Clone, Debug)]
pub struct IntegrationResponse {
    /// `selection_pattern`: a Java regular expression that the whole status matches. `None`: the default.
    pub pattern: Option<Located<String>>,
    /// Of the method response.
    pub status: u16,
    /// `response_parameters`: header names as they are written, and where their values come from.
    pub headers: Vec<(String, AnswerSource)>,
    /// `response_templates`: by media type.
    pub templates: IndexMap<String, Located<String>>,
    pub content_handling: Option<ContentHandling>,
}

/// Where the value of a `method.response.header.NAME` comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AnswerSource {
    /// `integration.response.header.NAME`, in lower case: the last value.
    Header(String),
    /// `integration.response.multivalueheader.NAME`, in lower case: all, joined with commas.
    Headers(String),
    /// `integration.response.body`, or a JSONPath behind it, with its `$`.
    Body(Option<String>),
    StageVariable(String),
    /// `context.NAME`
    Context(String),
    /// `'text'`
    Static(String),
}
