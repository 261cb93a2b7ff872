use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::{Located, MockAnswer};

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

impl Transformation {
    /// The answer of a `MOCK` that is the same for every request: its templates are plain text, and its headers too.
    pub fn fixed_answer(&self) -> Option<MockAnswer> {
        let status = status_code(template_of(&self.request_templates)?)?;
        let is_number = |response: &IntegrationResponse| {
            response.pattern.as_ref().is_none_or(|pattern| pattern.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let selects = |response: &&IntegrationResponse| {
            response.pattern.as_ref().is_some_and(|pattern| pattern.value == status.to_string())
        };
        let response = self.responses.iter().find(selects);
        let response = response.or_else(|| self.responses.iter().find(|response| response.pattern.is_none()))?;
        let headers = response.headers.iter().map(|(name, source)| match source {
            AnswerSource::Static(text) => Some((name.to_ascii_lowercase(), text.clone())),
            _ => None,
        });
        let mut headers: BTreeMap<String, String> = headers.collect::<Option<_>>()?;
        let body = if response.templates.is_empty() { "" } else { template_of(&response.templates)? };
        headers.entry("content-type".to_owned()).or_insert_with(|| "application/json".to_owned());
        let answer = MockAnswer { status: response.status, headers, body: body.to_owned(), transformation: None };
        self.responses.iter().all(is_number).then_some(answer)
    }
}

/// The template for JSON, else the first, where it is only text.
fn template_of(templates: &IndexMap<String, Located<String>>) -> Option<&str> {
    let template = templates.get("application/json").or_else(|| templates.values().next())?;
    (!template.contains(['$', '#'])).then_some(template.as_str())
}

/// `{"statusCode": 200}`, or the same with a name that is not quoted, which API Gateway takes too.
fn status_code(template: &str) -> Option<u16> {
    let (_, rest) = template.split_once("statusCode")?;
    let digits = rest.trim_start_matches(['"', '\'', ':', ' ', '\t', '\r', '\n']);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok().filter(|status| (200..600).contains(status))
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
