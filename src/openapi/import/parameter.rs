use serde_json::{Map, Value};

use super::Importer;
use crate::config::{Located, Parameter, ParameterEncoding, ParameterPlace};
use crate::openapi::At;
use crate::openapi::document::Node;
use crate::openapi::words;

/// What Swagger 2.0 writes of a schema into a parameter itself.
pub(in crate::openapi) const INLINE_WORDS: &[&str] = &[
    "type",
    "format",
    "items",
    "default",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "enum",
    "multipleOf",
];

/// What a parameter is, where it is no part of the body.
pub(super) enum Read<'d> {
    Parameter(Parameter),
    /// Swagger's `in: body` and `in: formData`.
    Body(At<'d>),
}

impl<'d> Importer<'d> {
    /// The parameters of an operation: its own, and those of its path that it does not write itself.
    pub(super) fn read_parameters(&self, item: At<'d>, operation: At<'d>) -> (Vec<Parameter>, Vec<At<'d>>) {
        let (mut parameters, mut bodies) = (Vec::<Parameter>::new(), Vec::new());
        for list in [operation, item].into_iter().filter_map(|at| at.get("parameters")) {
            let (known, known_bodies) = (parameters.len(), bodies.len());
            for at in list.array().into_iter().flat_map(At::elements) {
                match self.read_parameter(at) {
                    None => {}
                    Some(Read::Body(_)) if known_bodies > 0 => {}
                    Some(Read::Body(at)) => bodies.push(at),
                    Some(Read::Parameter(parameter)) => {
                        let is_same =
                            |other: &Parameter| (&other.name, other.place) == (&parameter.name, parameter.place);
                        match parameters.iter().position(is_same) {
                            None => parameters.push(parameter),
                            Some(first) if first < known => {}
                            Some(_) => refuse_twice(at, &parameter),
                        }
                    }
                }
            }
        }
        (parameters, bodies)
    }

    fn read_parameter(&self, at: At<'d>) -> Option<Read<'d>> {
        let at = at.resolve()?.object()?;
        let Some(place) = at.get("in") else {
            return at.refuse("this parameter does not say where it is", "add `in: query`, `header` or `path`");
        };
        if self.version.is_swagger() && ["body", "formData"].contains(&place.str()?) {
            return Some(Read::Body(at));
        }
        let Some(name) = at.get("name") else {
            return at.refuse("this parameter has no name", "add `name: …`");
        };
        let place = match at.get("x-tollgate-in") {
            Some(own) => own.word(words::PLACES)?,
            None => place.word(words::PLACES)?,
        };
        let name = match place {
            ParameterPlace::Header => name.string()?.to_ascii_lowercase(),
            _ => name.string()?,
        };
        let is_required = place == ParameterPlace::Path || at.get("required").and_then(At::bool).unwrap_or(false);
        Some(Read::Parameter(Parameter {
            span: at.span(),
            name,
            place,
            is_required,
            schema: self.read_parameter_schema(at),
            encoding: self.read_encoding(at, place)?,
            description: at.get("description").and_then(At::string),
        }))
    }

    /// In `schema`, in `content`, or in the parameter itself.
    pub(super) fn read_parameter_schema(&self, at: At<'d>) -> Option<Located<Value>> {
        let content = at.get("content").into_iter().flat_map(At::members).find_map(|(_, media)| media.get("schema"));
        if let Some(schema) = at.get("x-tollgate-schema").or_else(|| at.get("schema")).or(content) {
            return if schema.is_null() { None } else { self.schema(schema) };
        }
        self.version.is_swagger().then(|| inline_schema(at)).flatten()
    }

    fn read_encoding(&self, at: At<'d>, place: ParameterPlace) -> Option<ParameterEncoding> {
        if let Some(own) = at.get("x-tollgate-encoding") {
            return own.word(words::ENCODINGS);
        }
        if self.version.is_swagger() {
            let format = at.get("collectionFormat").map(|format| format.word(words::COLLECTION_FORMATS));
            return format.unwrap_or(Some(ParameterEncoding::Commas));
        }
        if let Some((key, _)) = at.get("content").into_iter().flat_map(At::members).next() {
            let is_json = words::media_type(&key.name).ends_with("json");
            return Some(if is_json { ParameterEncoding::Json } else { ParameterEncoding::Opaque });
        }
        let is_form = matches!(place, ParameterPlace::Querystring | ParameterPlace::Cookie);
        let style = match at.get("style") {
            Some(style) => style.word(words::STYLES)?,
            None if is_form => ParameterEncoding::Repeated,
            None => ParameterEncoding::Commas,
        };
        let is_exploded = at.get("explode").map(At::bool).unwrap_or(Some(style == ParameterEncoding::Repeated))?;
        Some(match style {
            ParameterEncoding::Repeated if !is_exploded => ParameterEncoding::Commas,
            // A list that is exploded is written as `form` writes it, whatever was to stand between its values.
            ParameterEncoding::Spaces | ParameterEncoding::Pipes if is_exploded => ParameterEncoding::Repeated,
            style => style,
        })
    }
}

fn refuse_twice(at: At<'_>, parameter: &Parameter) {
    at.refuse::<()>(format!("the parameter {:?} is written twice", parameter.name), "remove one of the two");
}

/// What a parameter or header of Swagger 2.0 says of its value.
pub(super) fn inline_schema(at: At<'_>) -> Option<Located<Value>> {
    let word = |word: &&str| Some(((*word).to_owned(), at.get(word)?.node));
    let members: Map<String, Value> =
        INLINE_WORDS.iter().filter_map(word).map(|(word, node)| (word, inline_value(node))).collect();
    (!members.is_empty()).then(|| at.located(Value::Object(members)))
}

/// `file` is bytes.
fn inline_value(node: &Node) -> Value {
    match node.as_str() {
        Some("file") => Value::String("string".to_owned()),
        _ => node.to_json(),
    }
}
