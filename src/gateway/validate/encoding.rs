use std::borrow::Cow;

use serde_json::{Map, Value};

use super::json;
use super::parameter::Parameter;
use super::sent::{Sent, decode_percent, decode_query};
use crate::config::{ParameterEncoding, ParameterPlace};
use crate::schema::{Kinds, SchemaId, Schemas};

/// What the text of a parameter is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    Array,
    Object,
}

/// Why a parameter has no value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    Missing,
    /// It stands there several times, and is one.
    Repeated,
    /// What was expected instead.
    Broken(String),
}

impl Shape {
    /// A list or an object only where it is nothing else.
    pub(super) fn of(kinds: Kinds) -> Shape {
        let is_text = kinds.has(Kinds::STRING) || kinds.has(Kinds::INTEGER) || kinds.has(Kinds::BOOLEAN);
        match () {
            () if is_text => Shape::Scalar,
            () if kinds.has(Kinds::ARRAY) => Shape::Array,
            () if kinds.has(Kinds::OBJECT) => Shape::Object,
            () => Shape::Scalar,
        }
    }
}

impl Parameter {
    /// The value that was sent, with the text that it was read from.
    pub(super) fn read(&self, schemas: &Schemas, sent: &Sent<'_, '_>) -> Result<(Value, String), Unread> {
        if self.shape == Shape::Object && self.place == ParameterPlace::Querystring {
            match self.encoding {
                ParameterEncoding::DeepObject => return self.read_deep(schemas, sent),
                ParameterEncoding::Repeated => return self.read_spread(schemas, sent),
                _ => {}
            }
        }
        let texts = sent.texts(self.place, &self.name, self.path_index);
        let Some(first) = texts.first() else { return Err(Unread::Missing) };
        let decoded = || texts.iter().map(|text| self.decode(text)).collect::<Vec<_>>().join(",");
        let value = match (self.encoding, self.shape) {
            (ParameterEncoding::Json, _) => {
                json::read(self.decode(first).as_bytes()).map_err(|why| Unread::Broken(format!("JSON, not {why}")))?
            }
            (ParameterEncoding::Repeated, Shape::Array) => {
                let items = schemas.items(self.schema());
                texts.iter().map(|text| read_scalar(schemas, items, &self.decode(text))).collect()
            }
            // The lines of a field are one list (RFC 9110 section 5.3).
            (_, Shape::Array) if self.place == ParameterPlace::Header => self.read_list(schemas, &texts.join(",")),
            _ if texts.len() > 1 => return Err(Unread::Repeated),
            (_, Shape::Array) => self.read_list(schemas, first),
            (_, Shape::Object) => self.read_pairs(schemas, first),
            (_, Shape::Scalar) => read_scalar(schemas, self.schema, &self.decode(first)),
        };
        Ok((value, decoded()))
    }

    fn schema(&self) -> SchemaId {
        // Without a schema every shape is a scalar.
        self.schema.expect("a list or an object has a schema")
    }

    fn decode<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.place {
            ParameterPlace::Path => decode_percent(text),
            ParameterPlace::Querystring => decode_query(text),
            ParameterPlace::Header | ParameterPlace::Cookie => text.into(),
        }
    }

    /// Cut before it is decoded, so that an item may hold the separator.
    fn read_list(&self, schemas: &Schemas, text: &str) -> Value {
        let items = schemas.items(self.schema());
        self.parts(text).into_iter().map(|part| read_scalar(schemas, items, &self.decode(part.trim()))).collect()
    }

    /// `a,1,b,2`, or `a=1,b=2`.
    fn read_pairs(&self, schemas: &Schemas, text: &str) -> Value {
        let parts = self.parts(text);
        let is_assigned = parts.iter().all(|part| part.contains('='));
        let pairs: Vec<(&str, &str)> = match is_assigned {
            true => parts.iter().filter_map(|part| part.split_once('=')).collect(),
            false => parts.chunks(2).map(|pair| (pair[0], pair.get(1).copied().unwrap_or_default())).collect(),
        };
        let mut object = Map::new();
        for (name, value) in pairs {
            let name = self.decode(name.trim()).into_owned();
            let schema = schemas.property(self.schema(), &name);
            object.insert(name, read_scalar(schemas, schema, &self.decode(value.trim())));
        }
        Value::Object(object)
    }

    fn parts<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let separators: &[&str] = match self.encoding {
            _ if text.is_empty() => return Vec::new(),
            ParameterEncoding::Spaces => &["%20", "+", " "],
            ParameterEncoding::Pipes => &["|", "%7C", "%7c"],
            ParameterEncoding::Tabs => &["%09", "\t"],
            _ => &[","],
        };
        let mut parts = vec![text];
        for separator in separators {
            parts = parts.into_iter().flat_map(|part| part.split(separator)).collect();
        }
        parts
    }

    /// `name[key]=value`
    fn read_deep(&self, schemas: &Schemas, sent: &Sent<'_, '_>) -> Result<(Value, String), Unread> {
        self.gather(schemas, sent, |name| name.strip_prefix(&*self.name)?.strip_prefix('[')?.strip_suffix(']'))
    }

    /// Each property is a parameter of its own.
    fn read_spread(&self, schemas: &Schemas, sent: &Sent<'_, '_>) -> Result<(Value, String), Unread> {
        let known = schemas.property_names(self.schema());
        self.gather(schemas, sent, |name| known.contains(&name).then_some(name))
    }

    fn gather(
        &self,
        schemas: &Schemas,
        sent: &Sent<'_, '_>,
        key: impl Fn(&str) -> Option<&str>,
    ) -> Result<(Value, String), Unread> {
        let (mut object, mut text) = (Map::new(), String::new());
        sent.for_each_pair(|name, value| {
            let Some(key) = key(&name) else { return };
            let decoded = decode_query(value);
            text = format!("{text}{}{name}={decoded}", if text.is_empty() { "" } else { "&" });
            let schema = schemas.property(self.schema(), key);
            insert(schemas, &mut object, key, schema, &decoded);
        });
        if object.is_empty() { Err(Unread::Missing) } else { Ok((Value::Object(object), text)) }
    }
}

/// Adds a property, or one more item to it.
pub(super) fn insert(
    schemas: &Schemas,
    object: &mut Map<String, Value>,
    key: &str,
    schema: Option<SchemaId>,
    text: &str,
) {
    let is_list = schema.is_some_and(|schema| Shape::of(schemas.kinds(schema)) == Shape::Array);
    let item_schema = if is_list { schema.and_then(|schema| schemas.items(schema)) } else { schema };
    let item = read_scalar(schemas, item_schema, text);
    match object.get_mut(key) {
        Some(Value::Array(items)) => items.push(item),
        Some(first) => *first = vec![first.take(), item].into(),
        None => drop(object.insert(key.to_owned(), if is_list { vec![item].into() } else { item })),
    }
}

/// A text as the value that its schema has in mind: a number where it may be one, and a string where nothing else is
/// possible.
pub(super) fn read_scalar(schemas: &Schemas, schema: Option<SchemaId>, text: &str) -> Value {
    let kinds = schema.map_or(Kinds::STRING, |schema| schemas.kinds(schema));
    let number = || serde_json::from_str(text).ok().filter(Value::is_number);
    match text {
        _ if kinds == Kinds::ALL => text.into(),
        "true" | "false" if kinds.has(Kinds::BOOLEAN) => (text == "true").into(),
        "" if kinds.has(Kinds::NULL) && !kinds.has(Kinds::STRING) => Value::Null,
        text if kinds.has(Kinds::INTEGER) => number().unwrap_or_else(|| text.into()),
        text => text.into(),
    }
}
