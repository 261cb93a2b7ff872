use std::path::PathBuf;

use indexmap::IndexMap;

use super::read::{Table, Value};

use super::{Definition, Located, RequestValidation, ResponseValidation, Route, Span, Stage, name};

/// `[apis.NAME]`: a REST API with what it serves and its stages.
#[derive(Debug)]
pub struct Api {
    pub span: Span,
    /// `definition`: the OpenAPI document that says what is served. Until it is read, `definition` is empty.
    pub document: Option<Located<PathBuf>>,
    /// `errors`, where it is written.
    pub written_errors: Option<ErrorStyle>,
    pub definition: Definition,
    /// `validate_requests`, where it is written.
    pub validate_requests: Option<RequestValidation>,
    /// `validate_responses`, where it is written.
    pub validate_responses: Option<ResponseValidation>,
    pub stages: IndexMap<String, Stage>,
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

const KEYS: &[&str] =
    &["protocol", "definition", "errors", "routes", "stages", "validate_requests", "validate_responses"];

impl Api {
    /// As it is written, else as the document suggests, else standard.
    pub fn errors(&self) -> ErrorStyle {
        self.written_errors.or(self.definition.errors).unwrap_or_default()
    }

    pub(super) fn read(value: Value<'_>) -> Option<Api> {
        name::API.check(value);
        let table = value.table("an api", KEYS)?;
        table.optional("protocol", read_protocol);
        Some(Api {
            span: value.name_span(),
            document: table.optional("definition", |value| value.located(Value::path)),
            written_errors: table.optional("errors", ErrorStyle::read),
            definition: Definition { routes: table.list("routes", Route::read), ..Definition::default() },
            validate_requests: table.optional("validate_requests", RequestValidation::read),
            validate_responses: table.optional("validate_responses", ResponseValidation::read),
            stages: read_stages(table),
        })
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
