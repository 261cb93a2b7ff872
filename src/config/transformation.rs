use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;

use super::parameter::read_field_name;
use super::read::{Table, Value};
use super::{Located, MockAnswer, name};

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
        if self.passthrough != Passthrough::WhenNoMatch || self.content_handling.is_some() {
            return None;
        }
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

/// What an integration's table may have for this.
pub(super) const TRANSFORMATION_KEYS: &[&str] =
    &["request_templates", "passthrough_behavior", "content_handling", "responses"];

const RESPONSE_KEYS: &[&str] =
    &["selection_pattern", "status", "response_parameters", "response_templates", "content_handling"];

impl Transformation {
    /// `None` where the table says nothing of it.
    pub(super) fn read(table: Table<'_>) -> Option<Box<Transformation>> {
        if !TRANSFORMATION_KEYS.iter().any(|key| table.get(key).is_some()) {
            return None;
        }
        Some(Box::new(Transformation {
            passthrough: table.or("passthrough_behavior", Passthrough::WhenNoMatch, Passthrough::read),
            request_templates: table.or("request_templates", IndexMap::new(), read_templates),
            content_handling: table.optional("content_handling", ContentHandling::read),
            responses: table.list("responses", IntegrationResponse::read),
        }))
    }
}

impl Passthrough {
    fn read(value: Value<'_>) -> Option<Passthrough> {
        value.word(&[
            ("WHEN_NO_MATCH", Passthrough::WhenNoMatch),
            ("WHEN_NO_TEMPLATES", Passthrough::WhenNoTemplates),
            ("NEVER", Passthrough::Never),
        ])
    }
}

impl ContentHandling {
    fn read(value: Value<'_>) -> Option<ContentHandling> {
        value.word(&[
            ("CONVERT_TO_BINARY", ContentHandling::ConvertToBinary),
            ("CONVERT_TO_TEXT", ContentHandling::ConvertToText),
        ])
    }
}

impl IntegrationResponse {
    fn read(value: Value<'_>) -> Option<IntegrationResponse> {
        let table = value.table("an integration response", RESPONSE_KEYS)?;
        let headers = table.optional("response_parameters", Value::entries).unwrap_or_default();
        Some(IntegrationResponse {
            pattern: table.optional("selection_pattern", |value| value.located(Value::string)),
            status: table.required("status", |value| value.integer(200..=599)?.try_into().ok())?,
            headers: headers.into_iter().filter_map(read_header).collect(),
            templates: table.or("response_templates", IndexMap::new(), read_templates),
            content_handling: table.optional("content_handling", ContentHandling::read),
        })
    }
}

fn read_templates(value: Value<'_>) -> Option<IndexMap<String, Located<String>>> {
    let read = |value: Value<'_>| Some((value.name().to_ascii_lowercase(), value.located(read_template)?));
    Some(value.entries()?.into_iter().filter_map(read).collect())
}

/// A template's text is shown where it is faulty, so no secret may come into it.
fn read_template(value: Value<'_>) -> Option<String> {
    let is_one_file = value.written().starts_with("${file:") && value.written().matches("${").count() == 1;
    if value.has_reference() && !(is_one_file && value.written().ends_with('}')) {
        return value.refuse(
            "a mapping template holds a reference to the environment or to a part of it",
            "write the template itself, or \"${file:PATH}\" and nothing else; for values write $stageVariables.NAME",
        );
    }
    value.string()
}

/// `"method.response.header.NAME" = "source"`
fn read_header(value: Value<'_>) -> Option<(String, AnswerSource)> {
    let name = value.name().strip_prefix("method.response.header.").filter(|name| read_field_name(name).is_some());
    if name.is_none() {
        value.at_name(
            format!("`{}` is not a target of a response parameter", value.name()),
            "write \"method.response.header.NAME\"",
        );
    }
    let source = AnswerSource::read(value);
    Some((name?.to_owned(), source?))
}

impl fmt::Display for AnswerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerSource::Header(name) => write!(f, "integration.response.header.{name}"),
            AnswerSource::Headers(name) => write!(f, "integration.response.multivalueheader.{name}"),
            AnswerSource::Body(None) => f.write_str("integration.response.body"),
            AnswerSource::Body(Some(path)) => write!(f, "integration.response.body.{path}"),
            AnswerSource::StageVariable(name) => write!(f, "stageVariables.{name}"),
            AnswerSource::Context(name) => write!(f, "context.{name}"),
            AnswerSource::Static(text) => write!(f, "'{text}'"),
        }
    }
}

impl AnswerSource {
    fn read(value: Value<'_>) -> Option<AnswerSource> {
        let text = value.text()?;
        AnswerSource::parse(&text).or_else(|| {
            value.refuse(
                format!("\"{}\" is not a source of a response parameter", value.written()),
                "write integration.response.{header|multivalueheader}.NAME, integration.response.body[.JSONPATH], \
                 stageVariables.NAME, context.NAME or 'text'",
            )
        })
    }

    /// Reads it as API Gateway writes it; [`fmt::Display`] does the opposite.
    pub fn parse(text: &str) -> Option<AnswerSource> {
        if let Some(fixed) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            return (!fixed.chars().any(char::is_control)).then(|| AnswerSource::Static(fixed.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("integration.response.") {
            return AnswerSource::parse_response(rest);
        }
        match text.split_once('.')? {
            ("stageVariables", name) if name::STAGE_VARIABLE.allows(name) => {
                Some(AnswerSource::StageVariable(name.to_owned()))
            }
            ("context", name) => Some(AnswerSource::Context(name.to_owned())),
            _ => None,
        }
    }

    fn parse_response(rest: &str) -> Option<AnswerSource> {
        match rest.split_once('.') {
            None => (rest == "body").then_some(AnswerSource::Body(None)),
            Some(("header", name)) => read_field_name(name).map(AnswerSource::Header),
            Some(("multivalueheader", name)) => read_field_name(name).map(AnswerSource::Headers),
            Some(("body", path)) => {
                let path = if path.starts_with('$') { path.to_owned() } else { format!("$.{path}") };
                Some(AnswerSource::Body(Some(path)))
            }
            Some(_) => None,
        }
    }
}
