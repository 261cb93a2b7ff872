//! An API → a document, which says the same when it is read again.

mod answer;
mod integration;
mod operation;
mod parameter;
mod root;
mod schema;
mod yaml;

use serde_json::Value;

pub use yaml::to_yaml;

use crate::config::{Config, Definition};

/// In which language a document is written, in API Gateway's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `oas30`: OpenAPI 3.0, and 3.1 for an API whose models are in that dialect.
    OpenApi30,
    /// `swagger`: Swagger 2.0
    Swagger20,
}

/// An API as a document.
#[derive(Clone, Debug)]
pub struct Exported {
    pub document: Value,
    /// What the document has no words for.
    pub left_out: Vec<String>,
}

/// What is written, and how.
#[derive(Clone, Copy)]
struct Exporter<'c> {
    api: &'c str,
    stage: &'c str,
    definition: &'c Definition,
    format: Format,
    /// API Gateway's extensions, and those of our own for what the format cannot say.
    has_extensions: bool,
}

impl Format {
    pub const NAMES: &[(&str, Format)] = &[("oas30", Format::OpenApi30), ("swagger", Format::Swagger20)];

    pub fn from_name(name: &str) -> Option<Format> {
        Format::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    fn is_swagger(self) -> bool {
        self == Format::Swagger20
    }
}

/// Writes the API of a stage as a document.
///
/// # Errors
/// Why there is no such stage, and what to write instead.
pub fn export(config: &Config, stage: &str, format: Format, has_extensions: bool) -> Result<Exported, String> {
    let found = stage.split_once('/').and_then(|(api, name)| {
        let (api, written) = config.apis.get_key_value(api)?;
        Some((api, written, written.stages.get_key_value(name)?.0))
    });
    let Some((api, written, name)) = found else {
        let stages =
            config.apis.iter().flat_map(|(api, it)| it.stages.keys().map(move |stage| format!("{api}/{stage}")));
        let stages: Vec<String> = stages.collect();
        let help = crate::base::nearest(stage, stages.iter().map(String::as_str));
        return Err(format!("there is no stage {stage:?}: {help}"));
    };
    let exporter = Exporter { api, stage: name, definition: &written.definition, format, has_extensions };
    Ok(Exported { document: exporter.document(written.errors()), left_out: exporter.left_out() })
}
