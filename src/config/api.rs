use std::path::PathBuf;

use indexmap::IndexMap;

use super::gateway_response::read_gateway_responses;
use super::read::{Table, Value};

use super::uri::read_origin;
use super::{Cors, Definition, Located, RequestValidation, ResponseValidation, Route, Span, Stage, name};

/// `[apis.NAME]`: a REST API with what it serves and its stages.
#[derive(Debug)]
pub struct Api {
    pub span: Span,
    /// `definition`: the OpenAPI document that says what is served. Until it is read, `definition` is empty.
    pub document: Option<Located<PathBuf>>,
    /// `basepath`: what becomes of the path that the document's servers have.
    pub base_path: BasePath,
    /// `to`: where operations go for which the document names no integration, instead of its first server.
    pub forward_to: Option<Located<String>>,
    /// `errors`, where it is written.
    pub written_errors: Option<ErrorStyle>,
    pub definition: Definition,
    /// `method_override`: whether a `POST` may name its method in `X-HTTP-Method-Override`. False unless written.
    pub method_override: bool,
    /// `validate_requests`, where it is written.
    pub validate_requests: Option<RequestValidation>,
    /// `validate_responses`, where it is written.
    pub validate_responses: Option<ResponseValidation>,
    pub stages: IndexMap<String, Stage>,
}

/// `basepath`, in API Gateway's words: what becomes of `/a/b` of a server's `https://api.example.com/a/b`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BasePath {
    /// Clients do not write it.
    #[default]
    Ignore,
    /// Every route begins with it.
    Prepend,
    /// Every route begins with what follows its first segment: `/b`.
    Split,
}

/// How refusals are worded, see `docs/errors.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorStyle {
    /// RFC 9457 problem documents.
    #[default]
    Standard,
    /// Byte for byte as API Gateway answers.
    Aws,
}

const KEYS: &[&str] = &[
    "protocol",
    "definition",
    "basepath",
    "to",
    "errors",
    "routes",
    "stages",
    "gateway_responses",
    "cors",
    "method_override",
    "binary_media_types",
    "minimum_compression_size",
    "validate_requests",
    "validate_responses",
];

impl Api {
    /// As it is written, else as the document suggests, else standard.
    pub fn errors(&self) -> ErrorStyle {
        self.written_errors.or(self.definition.errors).unwrap_or_default()
    }

    pub(super) fn read(value: Value<'_>) -> Option<Api> {
        name::API.check(value);
        let table = value.table("an api", KEYS)?;
        table.optional("protocol", read_protocol);
        let document = table.optional("definition", |value| value.located(Value::path));
        for key in ["basepath", "to"].into_iter().filter(|_| table.get("definition").is_none()) {
            table.refuse_alone(key, "definition");
        }
        if document.is_some() {
            table.refuse_beside("routes", "definition", "move the routes into the document, or remove one of the two");
        }
        Some(Api {
            span: value.name_span(),
            document,
            base_path: table.or("basepath", BasePath::Ignore, BasePath::read),
            forward_to: table.optional("to", |value| value.located(read_origin)),
            written_errors: table.optional("errors", ErrorStyle::read),
            definition: Definition {
                routes: table.list("routes", Route::read),
                gateway_responses: table.optional("gateway_responses", read_gateway_responses).unwrap_or_default(),
                cors: table.optional("cors", Cors::read),
                compression_bytes_min: table.optional("minimum_compression_size", |value| value.size(0..=10 << 20)),
                binary_media_types: table.list("binary_media_types", read_media_type),
                ..Definition::default()
            },
            method_override: table.or("method_override", false, Value::bool),
            validate_requests: table.optional("validate_requests", RequestValidation::read),
            validate_responses: table.optional("validate_responses", ResponseValidation::read),
            stages: read_stages(table),
        })
    }
}

impl BasePath {
    fn read(value: Value<'_>) -> Option<BasePath> {
        let words = [("ignore", BasePath::Ignore), ("prepend", BasePath::Prepend), ("split", BasePath::Split)];
        value.word(&words)
    }
}

impl ErrorStyle {
    fn read(value: Value<'_>) -> Option<ErrorStyle> {
        value.word(&[("standard", ErrorStyle::Standard), ("aws", ErrorStyle::Aws)])
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorStyle::Standard => "standard",
            ErrorStyle::Aws => "aws",
        }
    }
}

/// A media type, `image/*` or `*/*`, in lower case.
fn read_media_type(value: Value<'_>) -> Option<String> {
    let text = value.text()?.to_ascii_lowercase();
    match text.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() && !text.contains([';', ' ']) => Some(text),
        _ => value.refuse_text("which is no media type", "write \"image/png\", \"image/*\" or \"*/*\""),
    }
}

fn read_protocol(value: Value<'_>) -> Option<()> {
    let is_served = value.word(&[("REST", true), ("HTTP", false), ("WEBSOCKET", false)])?;
    if is_served {
        return Some(());
    }
    value.refuse(format!("the protocol {} is not served by this release", value.written()), "write \"REST\"")
}

fn read_stages(table: Table<'_>) -> IndexMap<String, Stage> {
    let stages = table.optional("stages", Value::entries).unwrap_or_default();
    stages.into_iter().filter_map(|value| Some((value.name().to_owned(), Stage::read(value)?))).collect()
}
