use serde_json::{Map, Value, json};

use super::Exporter;
use crate::config::{Method, Operation, Route, Validator, find_path_parameters};

/// Under which name API keys are asked for.
pub(super) const KEY_SCHEME: &str = "api_key";

/// The names that exports give to validators.
pub(super) const VALIDATORS: &[(&str, Validator)] = &[
    ("all", Validator { checks_parameters: true, checks_body: true }),
    ("body", Validator { checks_parameters: false, checks_body: true }),
    ("parameters", Validator { checks_parameters: true, checks_body: false }),
];

impl Exporter<'_> {
    /// Every route below its path.
    pub(super) fn paths(&self) -> Value {
        let mut paths = Map::new();
        for route in &self.definition.routes {
            let item = paths.entry(route.path.value.clone()).or_insert_with(|| json!({}));
            if let (Some(word), Some(item)) = (word_of(&route.method), item.as_object_mut()) {
                item.insert(word, self.operation(route));
            }
        }
        paths.into()
    }

    fn operation(&self, route: &Route) -> Value {
        let mut members = Map::new();
        match route.operation.as_deref() {
            Some(operation) => self.described(operation, &mut members),
            None => {
                let parameters = find_path_parameters(&route.path).map(|name| self.path_parameter(name));
                let parameters: Vec<Value> = parameters.collect();
                if !parameters.is_empty() {
                    members.insert("parameters".to_owned(), parameters.into());
                }
                members.insert("responses".to_owned(), json!({}));
            }
        }
        if route.api_key_required {
            members.insert("security".to_owned(), json!([{ (KEY_SCHEME): [] }]));
        }
        if self.has_extensions {
            members.insert("x-amazon-apigateway-integration".to_owned(), self.integration(route));
        }
        members.into()
    }

    fn described(&self, operation: &Operation, members: &mut Map<String, Value>) {
        let Operation { name, summary, description, tags, .. } = operation;
        for (word, text) in [("operationId", name), ("summary", summary), ("description", description)] {
            if let Some(text) = text {
                members.insert(word.to_owned(), json!(text));
            }
        }
        if !tags.is_empty() {
            members.insert("tags".to_owned(), json!(tags));
        }
        let mut parameters: Vec<Value> = operation.parameters.iter().map(|it| self.parameter(it)).collect();
        self.bodies(operation, members, &mut parameters);
        if !parameters.is_empty() {
            members.insert("parameters".to_owned(), parameters.into());
        }
        self.responses(operation, members);
        if let Some((name, _)) = VALIDATORS.iter().find(|(_, validator)| *validator == operation.validator) {
            self.own("x-amazon-apigateway-request-validator", *name, members);
        }
    }

    fn path_parameter(&self, name: &str) -> Value {
        match self.format.is_swagger() {
            true => json!({ "name": name, "in": "path", "required": true, "type": "string" }),
            false => json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
        }
    }
}

/// What a path item calls a method; `None` for one that OpenAPI does not have.
pub(super) fn word_of(method: &Method) -> Option<String> {
    match method {
        Method::Any => Some("x-amazon-apigateway-any-method".to_owned()),
        Method::Exact(name) => {
            let known = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];
            known.contains(&name.as_str()).then(|| name.to_ascii_lowercase())
        }
    }
}
