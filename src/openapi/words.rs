//! The words of OpenAPI and API Gateway, as documents and exports spell what the configuration has types for.

use crate::config::{ParameterEncoding, ParameterPlace, ParameterSource, ParameterTarget, ResponseHeaderSource};

pub(super) const PLACES: &[(&str, ParameterPlace)] = &[
    ("query", ParameterPlace::Querystring),
    ("header", ParameterPlace::Header),
    ("path", ParameterPlace::Path),
    ("cookie", ParameterPlace::Cookie),
];

/// Swagger 2.0's.
pub(super) const COLLECTION_FORMATS: &[(&str, ParameterEncoding)] = &[
    ("csv", ParameterEncoding::Commas),
    ("ssv", ParameterEncoding::Spaces),
    ("tsv", ParameterEncoding::Tabs),
    ("pipes", ParameterEncoding::Pipes),
    ("multi", ParameterEncoding::Repeated),
];

/// OpenAPI 3's, before `explode` is looked at.
pub(super) const STYLES: &[(&str, ParameterEncoding)] = &[
    ("form", ParameterEncoding::Repeated),
    ("simple", ParameterEncoding::Commas),
    ("spaceDelimited", ParameterEncoding::Spaces),
    ("pipeDelimited", ParameterEncoding::Pipes),
    ("deepObject", ParameterEncoding::DeepObject),
    ("label", ParameterEncoding::Opaque),
    ("matrix", ParameterEncoding::Opaque),
];

/// What `x-tollgate-encoding` says where a format has no word of its own.
pub(super) const ENCODINGS: &[(&str, ParameterEncoding)] = &[
    ("commas", ParameterEncoding::Commas),
    ("repeated", ParameterEncoding::Repeated),
    ("spaces", ParameterEncoding::Spaces),
    ("pipes", ParameterEncoding::Pipes),
    ("tabs", ParameterEncoding::Tabs),
    ("deep_object", ParameterEncoding::DeepObject),
    ("json", ParameterEncoding::Json),
    ("opaque", ParameterEncoding::Opaque),
];

/// The word for a meaning.
pub(super) fn word_of<T: PartialEq>(words: &[(&'static str, T)], meaning: &T) -> &'static str {
    words.iter().find(|(_, known)| known == meaning).map_or("", |(word, _)| word)
}

/// In lower case and without its parameters.
pub(super) fn media_type(written: &str) -> String {
    written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// `integration.request.header.X` and the like; `None` for what is none of these.
pub(super) fn parse_target(text: &str) -> Option<ParameterTarget> {
    let (place, name) = text.strip_prefix("integration.request.")?.split_once('.')?;
    let name = is_name(name).then(|| name.to_owned())?;
    Some(match place {
        "header" => ParameterTarget::Header(field_name(&name)?),
        "querystring" => ParameterTarget::Querystring(name),
        "path" => ParameterTarget::Path(name),
        _ => return None,
    })
}

pub(super) fn write_target(target: &ParameterTarget) -> String {
    match target {
        ParameterTarget::Header(name) => format!("integration.request.header.{name}"),
        ParameterTarget::Querystring(name) => format!("integration.request.querystring.{name}"),
        ParameterTarget::Path(name) => format!("integration.request.path.{name}"),
    }
}

/// `method.request.header.X`, `stageVariables.X`, `'text'` and the like.
pub(super) fn parse_source(text: &str) -> Option<ParameterSource> {
    if let Some(fixed) = parse_static(text) {
        return Some(ParameterSource::Static(fixed));
    }
    let (first, rest) = text.split_once('.')?;
    match first {
        "stageVariables" => Some(ParameterSource::StageVariable(rest.to_owned())),
        "context" => Some(ParameterSource::Context(rest.to_owned())),
        "method" => parse_request_source(rest.strip_prefix("request.")?),
        _ => None,
    }
}

fn parse_request_source(rest: &str) -> Option<ParameterSource> {
    if let Some(path) = parse_body(rest) {
        return Some(ParameterSource::Body(path));
    }
    let (place, name) = rest.split_once('.')?;
    let name = is_name(name).then(|| name.to_owned())?;
    Some(match place {
        "path" => ParameterSource::Path(name),
        "querystring" => ParameterSource::Querystring(name),
        "multivaluequerystring" => ParameterSource::Querystrings(name),
        "header" => ParameterSource::Header(field_name(&name)?),
        "multivalueheader" => ParameterSource::Headers(field_name(&name)?),
        _ => return None,
    })
}

pub(super) fn write_source(source: &ParameterSource) -> String {
    match source {
        ParameterSource::Path(name) => format!("method.request.path.{name}"),
        ParameterSource::Querystring(name) => format!("method.request.querystring.{name}"),
        ParameterSource::Querystrings(name) => format!("method.request.multivaluequerystring.{name}"),
        ParameterSource::Header(name) => format!("method.request.header.{name}"),
        ParameterSource::Headers(name) => format!("method.request.multivalueheader.{name}"),
        ParameterSource::Body(path) => write_body("method.request", path.as_deref()),
        ParameterSource::StageVariable(name) => format!("stageVariables.{name}"),
        ParameterSource::Context(name) => format!("context.{name}"),
        ParameterSource::Static(text) => format!("'{text}'"),
    }
}

/// Where the value of a field of a gateway response comes from.
pub(super) fn parse_response_source(text: &str) -> Option<ResponseHeaderSource> {
    Some(match parse_source(text)? {
        ParameterSource::Static(text) => ResponseHeaderSource::Static(text),
        ParameterSource::Header(name) => ResponseHeaderSource::Header(name),
        ParameterSource::Querystring(name) => ResponseHeaderSource::Querystring(name),
        ParameterSource::Path(name) => ResponseHeaderSource::Path(name),
        ParameterSource::Context(name) => ResponseHeaderSource::Context(name),
        ParameterSource::StageVariable(name) => ResponseHeaderSource::StageVariable(name),
        ParameterSource::Querystrings(_) | ParameterSource::Headers(_) | ParameterSource::Body(_) => return None,
    })
}

pub(super) fn write_response_source(source: &ResponseHeaderSource) -> String {
    match source {
        ResponseHeaderSource::Static(text) => format!("'{text}'"),
        ResponseHeaderSource::Header(name) => format!("method.request.header.{name}"),
        ResponseHeaderSource::Querystring(name) => format!("method.request.querystring.{name}"),
        ResponseHeaderSource::Path(name) => format!("method.request.path.{name}"),
        ResponseHeaderSource::Context(name) => format!("context.{name}"),
        ResponseHeaderSource::StageVariable(name) => format!("stageVariables.{name}"),
    }
}

/// A field name in lower case, if it is one.
pub(super) fn field_name(name: &str) -> Option<String> {
    http::HeaderName::from_bytes(name.as_bytes()).ok().map(|name| name.as_str().to_owned())
}

fn parse_static(text: &str) -> Option<String> {
    let fixed = text.strip_prefix('\'')?.strip_suffix('\'')?;
    (!fixed.contains(char::is_control)).then(|| fixed.to_owned())
}

/// `body` or `body.JSONPATH`, which may leave its `$.` out.
fn parse_body(rest: &str) -> Option<Option<String>> {
    let path = rest.strip_prefix("body")?;
    match path.strip_prefix('.') {
        None => path.is_empty().then_some(None),
        Some("") => None,
        Some(path) if path.starts_with('$') => Some(Some(path.to_owned())),
        Some(path) => Some(Some(format!("$.{path}"))),
    }
}

fn write_body(prefix: &str, path: Option<&str>) -> String {
    match path {
        None => format!("{prefix}.body"),
        Some(path) => format!("{prefix}.body.{path}"),
    }
}

/// API Gateway's `^[a-zA-Z0-9._$-]+$`, and the brackets that lists in queries have elsewhere.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._$-[]".contains(&byte))
}
