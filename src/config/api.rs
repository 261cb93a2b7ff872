use indexmap::IndexMap;

use super::read::{Table, Value};
use super::{Route, Span, Stage, name};

/// `[apis.NAME]`: a REST API with its routes and stages.
#[derive(Debug)]
pub struct Api {
    pub span: Span,
    pub errors: ErrorStyle,
    pub routes: Vec<Route>,
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

const KEYS: &[&str] = &["protocol", "definition", "errors", "routes", "stages"];

impl Api {
    pub(super) fn read(value: Value<'_>) -> Option<Api> {
        name::API.check(value);
        let table = value.table("an api", KEYS)?;
        table.refuse_unserved("definition", "write the api's routes as [[apis.NAME.routes]]");
        table.optional("protocol", read_protocol);
        Some(Api {
            span: value.name_span(),
            errors: table.or("errors", ErrorStyle::Standard, ErrorStyle::read),
            routes: table.list("routes", Route::read),
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
