use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::Importer;
use super::parameter::inline_schema;
use crate::config::Located;
use crate::openapi::At;
use crate::openapi::words::media_type;

/// Schemas by media type; `None`: of this type, whatever it holds.
pub(super) type Contents = IndexMap<String, Option<Located<Value>>>;

impl<'d> Importer<'d> {
    /// The bodies that an operation takes, and whether it wants one. `parameters` are Swagger's that are bodies.
    pub(super) fn read_bodies(&self, operation: At<'d>, parameters: &[At<'d>]) -> (Contents, bool) {
        if self.version.is_swagger() {
            return self.read_swagger_bodies(operation, parameters);
        }
        let Some(body) = operation.get("requestBody").and_then(At::resolve).and_then(At::object) else {
            return (Contents::new(), false);
        };
        let is_required = body.get("required").and_then(At::bool).unwrap_or(false);
        (body.get("content").map(|content| self.read_contents(content)).unwrap_or_default(), is_required)
    }

    pub(super) fn read_contents(&self, content: At<'d>) -> Contents {
        let media = content.object().into_iter().flat_map(At::members);
        media.map(|(key, at)| (media_type(&key.name), self.read_media(at))).collect()
    }

    /// Some generators write `schema: null` where they have none.
    fn read_media(&self, at: At<'d>) -> Option<Located<Value>> {
        at.get("schema").filter(|schema| !schema.is_null()).and_then(|schema| self.schema(schema))
    }

    fn read_swagger_bodies(&self, operation: At<'d>, parameters: &[At<'d>]) -> (Contents, bool) {
        let is_required = |at: &At<'_>| at.get("required").and_then(At::bool).unwrap_or(false);
        let is_wanted = parameters.iter().any(is_required);
        if let Some(own) = operation.get("x-tollgate-contents") {
            return (self.read_own_contents(own), is_wanted);
        }
        let consumes = self.media_types(operation, "consumes", &self.consumes);
        let is_body = |at: &&At<'_>| at.get("in").and_then(|place| place.node.as_str()) == Some("body");
        let Some(first) = parameters.first() else { return (Contents::new(), false) };
        let (schema, otherwise) = match parameters.iter().find(is_body) {
            Some(body) => (body.get("schema").and_then(|at| self.schema(at)), "application/json"),
            None => (Some(first.located(form_schema(parameters))), form_type(parameters)),
        };
        let types = if consumes.is_empty() { vec![otherwise.to_owned()] } else { consumes };
        (types.into_iter().map(|kind| (kind, schema.clone())).collect(), is_wanted)
    }

    /// What an export wrote where Swagger has no words for it: schemas by media type, `null` for any body.
    pub(super) fn read_own_contents(&self, at: At<'d>) -> Contents {
        let schema = |at: At<'d>| if at.node.to_json().is_null() { None } else { self.schema(at) };
        at.members().map(|(key, at)| (key.name.to_string(), schema(at))).collect()
    }

    /// Swagger's `consumes` or `produces`, of the operation or else of the document.
    pub(super) fn media_types(&self, operation: At<'d>, word: &str, common: &[String]) -> Vec<String> {
        match operation.get(word).and_then(At::strings) {
            Some(own) => own.iter().map(|kind| media_type(kind)).collect(),
            None => common.to_vec(),
        }
    }
}

/// What a form of Swagger 2.0 is in the words of schemas: an object of its fields.
fn form_schema(fields: &[At<'_>]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let Some(name) = field.get("name").and_then(At::string) else { continue };
        if field.get("required").and_then(|at| at.node.as_bool()).unwrap_or(false) {
            required.push(Value::String(name.clone()));
        }
        properties.insert(name, field_schema(*field));
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = Value::Array(required);
    }
    schema
}

fn field_schema(field: At<'_>) -> Value {
    let mut schema = inline_schema(field).map_or_else(|| json!({}), |schema| schema.value);
    if is_file(field) {
        schema["format"] = "binary".into();
    }
    schema
}

fn is_file(field: At<'_>) -> bool {
    field.get("type").and_then(|at| at.node.as_str()) == Some("file")
}

fn form_type(fields: &[At<'_>]) -> &'static str {
    let has_file = fields.iter().any(|field| is_file(*field));
    if has_file { "multipart/form-data" } else { "application/x-www-form-urlencoded" }
}
