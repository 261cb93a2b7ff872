use http::HeaderName;

use super::name;
use super::read::Value;
use super::route::check_parameter;

/// `"integration.request.header.X" = "method.request.header.Y"`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParameterMapping {
    pub target: ParameterTarget,
    pub source: ParameterSource,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ParameterTarget {
    /// In lower case. Never a hop-by-hop field, `content-length` or `host`.
    Header(String),
    /// Appended to the query.
    Querystring(String),
    /// `integration.request.path.X`: stands for `{X}` in the uri. Only documents say so.
    Path(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ParameterSource {
    /// `method.request.path.X`
    Path(String),
    /// `method.request.querystring.X`: the last value.
    Querystring(String),
    /// `method.request.multivaluequerystring.X`: a parameter for each value.
    Querystrings(String),
    /// `method.request.header.X`, in lower case: the last value.
    Header(String),
    /// `method.request.multivalueheader.X`, in lower case: all values, joined with commas.
    Headers(String),
    /// `method.request.body`, or a JSONPath behind it, with its `$`. Only documents say so.
    Body(Option<String>),
    /// `stageVariables.X`
    StageVariable(String),
    /// `context.requestId`, `context.stage`, `context.apiId`, `context.identity.sourceIp`,
    /// `context.identity.apiKeyId`, `context.httpMethod`, `context.path` or `context.resourcePath`
    Context(String),
    /// `'text'`
    Static(String),
}

/// What `context.…` may name in a parameter mapping.
const CONTEXT: &[&str] =
    &["requestId", "stage", "apiId", "identity.sourceIp", "identity.apiKeyId", "httpMethod", "path", "resourcePath"];

/// What a mapping may not write: fields that belong to one connection (RFC 9110 section 7.6.1), and framing.
const UNMAPPABLE: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl ParameterMapping {
    /// Reads `"target" = "source"`.
    pub(super) fn read(value: Value<'_>, path_parameters: Option<&[&str]>) -> Option<ParameterMapping> {
        let target = ParameterTarget::read(value);
        let source = ParameterSource::read(value)?;
        if let ParameterSource::Path(name) = &source {
            check_parameter(value, name, path_parameters)?;
        }
        Some(ParameterMapping { target: target?, source })
    }
}

impl ParameterTarget {
    fn read(value: Value<'_>) -> Option<ParameterTarget> {
        let refuse = |problem: &str, help: &str| {
            value.at_name(format!("`{}` {problem}", value.name()), help);
            None
        };
        match value.name().strip_prefix("integration.request.").and_then(|target| target.split_once('.')) {
            Some(("header", name)) => match read_field_name(name) {
                Some(name) if !is_unmappable(&name) => Some(ParameterTarget::Header(name)),
                Some(_) => refuse("cannot be mapped", "it belongs to the connection, which the gateway keeps itself"),
                None => refuse("names no header field", "use letters, digits and -"),
            },
            Some(("querystring", name)) if name::PARAMETER.allows(name) => {
                Some(ParameterTarget::Querystring(name.to_owned()))
            }
            _ => refuse(
                "is not a target of a parameter",
                "write \"integration.request.header.NAME\" or \"integration.request.querystring.NAME\"",
            ),
        }
    }
}

impl ParameterSource {
    fn read(value: Value<'_>) -> Option<ParameterSource> {
        let text = value.text()?;
        if let Some(fixed) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            return read_static(value, fixed);
        }
        let source = match text.split_once('.') {
            Some(("method", rest)) => read_request_source(rest),
            Some(("stageVariables", name)) if name::STAGE_VARIABLE.allows(name) => {
                Some(ParameterSource::StageVariable(name.to_owned()))
            }
            Some(("context", name)) if CONTEXT.contains(&name) => Some(ParameterSource::Context(name.to_owned())),
            Some(("context", name)) => {
                let help = format!("known are context.{}", CONTEXT.join(", context."));
                return value.refuse(format!("`context.{}` is not known", value.shown(name)), help);
            }
            _ => None,
        };
        source.or_else(|| {
            value.refuse(
                format!("\"{}\" is not a source of a parameter", value.written()),
                "write method.request.{path|querystring|header}.NAME, stageVariables.NAME, context.NAME or 'text'",
            )
        })
    }
}

fn read_request_source(rest: &str) -> Option<ParameterSource> {
    let (place, name) = rest.strip_prefix("request.")?.split_once('.')?;
    let name = Some(name).filter(|name| name::PARAMETER.allows(name))?;
    match place {
        "path" => Some(ParameterSource::Path(name.to_owned())),
        "querystring" => Some(ParameterSource::Querystring(name.to_owned())),
        "multivaluequerystring" => Some(ParameterSource::Querystrings(name.to_owned())),
        "header" => read_field_name(name).map(ParameterSource::Header),
        "multivalueheader" => read_field_name(name).map(ParameterSource::Headers),
        _ => None,
    }
}

fn read_static(value: Value<'_>, fixed: &str) -> Option<ParameterSource> {
    value.mark_part(fixed);
    if fixed.chars().any(char::is_control) {
        return value.refuse("the fixed text holds a control character", "no field or parameter can carry one");
    }
    Some(ParameterSource::Static(fixed.to_owned()))
}

/// Whether `context.NAME` is known to parameter mappings.
pub fn is_context_variable(name: &str) -> bool {
    CONTEXT.contains(&name)
}

/// A field name in lower case, if it is one (RFC 9110 section 5.1).
pub(super) fn read_field_name(name: &str) -> Option<String> {
    HeaderName::from_bytes(name.as_bytes()).ok().map(|name| name.as_str().to_owned())
}

/// Whether a field belongs to one connection or to the framing, so that nobody may write it.
pub fn is_unmappable(name: &str) -> bool {
    UNMAPPABLE.contains(&name)
}
