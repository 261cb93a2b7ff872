use serde_json::{Map, Value, json};

use super::Exporter;
use crate::config::{Parameter, ParameterEncoding, ParameterPlace};
use crate::openapi::words::{COLLECTION_FORMATS, ENCODINGS, PLACES, word_of};

impl Exporter<'_> {
    pub(super) fn parameter(&self, parameter: &Parameter) -> Value {
        let Parameter { name, place, is_required, schema, encoding, description, .. } = parameter;
        let mut members = Map::new();
        members.insert("name".to_owned(), json!(name));
        members.insert("in".to_owned(), json!(word_of(PLACES, place)));
        if *is_required {
            members.insert("required".to_owned(), json!(true));
        }
        if let Some(description) = description {
            members.insert("description".to_owned(), json!(description));
        }
        if self.format.is_swagger() {
            members.append(&mut self.inline(schema.as_ref()));
            self.swagger_place(*place, &mut members);
            self.collection_format(*encoding, &mut members);
        } else if *encoding == ParameterEncoding::Json {
            let media = schema.as_ref().map_or_else(|| json!({}), |schema| json!({ "schema": self.schema(schema) }));
            members.insert("content".to_owned(), json!({ "application/json": media }));
        } else {
            if let Some(schema) = schema {
                members.insert("schema".to_owned(), self.schema(schema));
            }
            self.style(*place, *encoding, &mut members);
        }
        members.into()
    }

    /// Swagger has no cookies: they are fields all the same.
    fn swagger_place(&self, place: ParameterPlace, members: &mut Map<String, Value>) {
        if place == ParameterPlace::Cookie {
            members.insert("in".to_owned(), json!("header"));
            self.own("x-tollgate-in", "cookie", members);
        }
    }

    fn collection_format(&self, encoding: ParameterEncoding, members: &mut Map<String, Value>) {
        match word_of(COLLECTION_FORMATS, &encoding) {
            "" => self.own("x-tollgate-encoding", word_of(ENCODINGS, &encoding), members),
            "csv" => {}
            word => drop(members.insert("collectionFormat".to_owned(), json!(word))),
        }
    }

    fn style(&self, place: ParameterPlace, encoding: ParameterEncoding, members: &mut Map<String, Value>) {
        let is_form = matches!(place, ParameterPlace::Querystring | ParameterPlace::Cookie);
        let mut set = |word: &str, value: Value| drop(members.insert(word.to_owned(), value));
        match encoding {
            ParameterEncoding::Repeated if is_form => {}
            ParameterEncoding::Commas if !is_form => {}
            ParameterEncoding::Commas => set("explode", json!(false)),
            ParameterEncoding::Spaces => set("style", json!("spaceDelimited")),
            ParameterEncoding::Pipes => set("style", json!("pipeDelimited")),
            ParameterEncoding::DeepObject => set("style", json!("deepObject")),
            other => self.own("x-tollgate-encoding", word_of(ENCODINGS, &other), members),
        }
    }

    /// Says what the format cannot.
    pub(super) fn own(&self, word: &str, value: impl Into<Value>, members: &mut Map<String, Value>) {
        if self.has_extensions {
            members.insert(word.to_owned(), value.into());
        }
    }
}
