use serde_json::{Map, Value};

use super::{Exporter, Format};
use crate::config::Located;
use crate::openapi::import::INLINE_WORDS;
use crate::openapi::import::{LIST_WORDS, SCHEMA_WORDS, TABLE_WORDS};

const HOME: &str = "#/definitions/";

impl Exporter<'_> {
    /// A schema with its references as the format has them.
    pub(super) fn schema(&self, schema: &Value) -> Value {
        match self.format {
            Format::Swagger20 => schema.clone(),
            Format::OpenApi30 => relocate(schema),
        }
    }

    pub(super) fn schema_or_null(&self, schema: Option<&Located<Value>>) -> Value {
        schema.map_or(Value::Null, |schema| self.schema(schema))
    }

    /// A schema as Swagger writes it into a parameter or a header. What it has no words for is beside it.
    pub(super) fn inline(&self, schema: Option<&Located<Value>>) -> Map<String, Value> {
        if let Some(Value::Object(members)) = schema.map(|schema| &schema.value)
            && is_inline(members)
        {
            return members.clone();
        }
        let kind = schema.and_then(|schema| schema["type"].as_str()).filter(|kind| SIMPLE_TYPES.contains(kind));
        let mut members = Map::new();
        members.insert("type".to_owned(), kind.unwrap_or("string").into());
        if self.has_extensions {
            members.insert("x-tollgate-schema".to_owned(), self.schema_or_null(schema));
        }
        members
    }
}

const SIMPLE_TYPES: &[&str] = &["string", "number", "integer", "boolean"];

/// Whether Swagger has words for all that a schema says.
fn is_inline(members: &Map<String, Value>) -> bool {
    let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
    let is_list = kind == "array" && members.get("items").and_then(Value::as_object).is_some_and(is_inline);
    let has_items = members.contains_key("items");
    members.keys().all(|word| INLINE_WORDS.contains(&word.as_str()))
        && (is_list || (SIMPLE_TYPES.contains(&kind) && !has_items))
}

/// A schema whose references lead to components.
fn relocate(schema: &Value) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    members.iter().map(|(word, value)| (word.clone(), relocate_member(word, value))).collect::<Map<_, _>>().into()
}

fn relocate_member(word: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if word == "$ref" => move_home(text),
        Value::Object(table) if TABLE_WORDS.contains(&word) => {
            table.iter().map(|(name, schema)| (name.clone(), relocate(schema))).collect::<Map<_, _>>().into()
        }
        Value::Object(_) if SCHEMA_WORDS.contains(&word) => relocate(value),
        Value::Array(list) if LIST_WORDS.contains(&word) || word == "items" => list.iter().map(relocate).collect(),
        Value::Object(_) if word == "discriminator" => relocate_discriminator(value),
        _ => value.clone(),
    }
}

fn relocate_discriminator(value: &Value) -> Value {
    let mut value = value.clone();
    for target in value.get_mut("mapping").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        if let Some(text) = target.as_str() {
            *target = move_home(text);
        }
    }
    value
}

fn move_home(reference: &str) -> Value {
    match reference.strip_prefix(HOME) {
        Some(name) => format!("#/components/schemas/{name}").into(),
        None => reference.into(),
    }
}
