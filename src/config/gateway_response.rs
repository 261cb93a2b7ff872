use std::fmt;

use indexmap::IndexMap;

use super::parameter::{is_unmappable, read_field_name};
use super::read::{Value, suggest};
use super::{Located, Span, name};
pub use crate::base::ResponseType;

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

/// By which API Gateway's documents call their parts.
const HEADER_PREFIX: &str = "gatewayresponse.header.";

/// Reads `[apis.NAME.gateway_responses]`: a table for each type.
pub(super) fn read_gateway_responses(value: Value<'_>) -> Option<IndexMap<ResponseType, GatewayResponse>> {
    let entry = |value: Value<'_>| Some((read_type(value)?, GatewayResponse::read(value)?));
    Some(value.entries()?.into_iter().filter_map(entry).collect())
}

fn read_type(value: Value<'_>) -> Option<ResponseType> {
    match ResponseType::from_name(value.name()) {
        Some(kind) if kind.is_customisable() => Some(kind),
        Some(_) => {
            value.at_name(format!("`{}` is always answered alike", value.name()), "leave it out");
            None
        }
        None => {
            let names: Vec<&str> = ResponseType::all().map(ResponseType::as_str).collect();
            let help = suggest(value.name(), &names, "the types are");
            value.at_name(format!("`{}` is not a type of gateway response", value.name()), help);
            None
        }
    }
}

impl GatewayResponse {
    fn read(value: Value<'_>) -> Option<GatewayResponse> {
        let table = value.table("a gateway response", &["status", "headers", "templates"])?;
        let headers = table.optional("headers", Value::entries).unwrap_or_default();
        let templates = table.optional("templates", Value::entries).unwrap_or_default();
        Some(GatewayResponse {
            span: value.name_span(),
            status: table.optional("status", |value| value.integer(400..=599)?.try_into().ok()),
            headers: headers.into_iter().filter_map(read_header).collect(),
            templates: templates.into_iter().filter_map(read_template).collect(),
        })
    }
}

fn read_header(value: Value<'_>) -> Option<(String, ResponseHeaderSource)> {
    let name = value.name().strip_prefix(HEADER_PREFIX).unwrap_or(value.name());
    let name = match read_field_name(name) {
        Some(name) if !is_unmappable(&name) => Some(name),
        Some(_) => {
            value.at_name(format!("the gateway writes \"{name}\" itself"), "leave it out");
            None
        }
        None => {
            value.at_name(format!("\"{name}\" names no header field"), "use letters, digits and -");
            None
        }
    };
    let source = ResponseHeaderSource::read(value);
    Some((name?, source?))
}

impl ResponseHeaderSource {
    /// The source that `text` names, as documents and TOML write it.
    pub fn from_text(text: &str) -> Option<ResponseHeaderSource> {
        if let Some(fixed) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            let is_sendable = !fixed.chars().any(char::is_control);
            return is_sendable.then(|| ResponseHeaderSource::Static(fixed.to_owned()));
        }
        if let Some((place, name)) = text.strip_prefix("method.request.").and_then(|rest| rest.split_once('.')) {
            let name = Some(name).filter(|name| name::PARAMETER.allows(name))?;
            return match place {
                "header" => read_field_name(name).map(ResponseHeaderSource::Header),
                "querystring" => Some(ResponseHeaderSource::Querystring(name.to_owned())),
                "path" => Some(ResponseHeaderSource::Path(name.to_owned())),
                _ => None,
            };
        }
        match text.split_once('.') {
            Some(("context", name)) if !name.is_empty() => Some(ResponseHeaderSource::Context(name.to_owned())),
            Some(("stageVariables", name)) if name::STAGE_VARIABLE.allows(name) => {
                Some(ResponseHeaderSource::StageVariable(name.to_owned()))
            }
            _ => None,
        }
    }

    fn read(value: Value<'_>) -> Option<ResponseHeaderSource> {
        let text = value.text()?;
        value.mark_part(text.trim_matches('\''));
        ResponseHeaderSource::from_text(&text).or_else(|| {
            value.refuse(
                format!("\"{}\" is not where a header's value comes from", value.written()),
                "write method.request.{header|querystring|path}.NAME, context.NAME, stageVariables.NAME or 'text'",
            )
        })
    }
}

/// As documents and TOML write it.
impl fmt::Display for ResponseHeaderSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseHeaderSource::Static(text) => write!(f, "'{text}'"),
            ResponseHeaderSource::Header(name) => write!(f, "method.request.header.{name}"),
            ResponseHeaderSource::Querystring(name) => write!(f, "method.request.querystring.{name}"),
            ResponseHeaderSource::Path(name) => write!(f, "method.request.path.{name}"),
            ResponseHeaderSource::Context(name) => write!(f, "context.{name}"),
            ResponseHeaderSource::StageVariable(name) => write!(f, "stageVariables.{name}"),
        }
    }
}

fn read_template(value: Value<'_>) -> Option<(String, Located<String>)> {
    let media_type = value.name().to_ascii_lowercase();
    let is_type = media_type.split_once('/').is_some_and(|(kind, rest)| is_type_word(kind) && is_type_word(rest));
    if !is_type {
        value.at_name(format!("\"{}\" is not a media type", value.name()), "write one such as \"application/json\"");
    }
    let template = value.located(Value::string)?;
    is_type.then_some((media_type, template))
}

/// RFC 6838 section 4.2.
fn is_type_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
}
