use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value, json};

use super::Exporter;
use crate::config::{Located, MethodResponse, Operation};

type Contents = IndexMap<String, Option<Located<Value>>>;

impl Exporter<'_> {
    /// Adds `requestBody`, or Swagger's parameter and `consumes`.
    pub(super) fn bodies(&self, operation: &Operation, members: &mut Map<String, Value>, parameters: &mut Vec<Value>) {
        let Operation { bodies, is_body_required, .. } = operation;
        if bodies.is_empty() && !is_body_required {
            return;
        }
        if !self.format.is_swagger() {
            let mut body = Map::new();
            if *is_body_required {
                body.insert("required".to_owned(), json!(true));
            }
            body.insert("content".to_owned(), self.contents(bodies));
            members.insert("requestBody".to_owned(), body.into());
            return;
        }
        let types: IndexSet<&str> = bodies.keys().map(String::as_str).collect();
        let mut body = Map::from_iter([("name".to_owned(), json!("body")), ("in".to_owned(), json!("body"))]);
        if *is_body_required {
            body.insert("required".to_owned(), json!(true));
        }
        body.insert("schema".to_owned(), first_schema(bodies).unwrap_or_else(|| json!({})));
        parameters.push(body.into());
        members.insert("consumes".to_owned(), types.iter().copied().collect());
        if bodies.is_empty() || !is_natural(bodies, &types) {
            self.own("x-tollgate-contents", self.own_contents(bodies), members);
        }
    }

    /// Adds `responses`, and Swagger's `produces`.
    pub(super) fn responses(&self, operation: &Operation, members: &mut Map<String, Value>) {
        let responses = &operation.responses;
        let types: IndexSet<&str> =
            responses.values().flat_map(|response| response.contents.keys().map(String::as_str)).collect();
        if self.format.is_swagger() && !types.is_empty() {
            members.insert("produces".to_owned(), types.iter().copied().collect());
        }
        let written = responses.iter().map(|(status, response)| (status.clone(), self.response(response, &types)));
        members.insert("responses".to_owned(), written.collect::<Map<_, _>>().into());
    }

    fn response(&self, response: &MethodResponse, types: &IndexSet<&str>) -> Value {
        let MethodResponse { description, headers, contents } = response;
        let mut members = Map::from_iter([("description".to_owned(), json!(description))]);
        if !headers.is_empty() {
            let headers = headers.iter().map(|(name, schema)| (name.clone(), self.header(schema.as_ref())));
            members.insert("headers".to_owned(), headers.collect::<Map<_, _>>().into());
        }
        if !contents.is_empty() && !self.format.is_swagger() {
            members.insert("content".to_owned(), self.contents(contents));
        } else if !contents.is_empty() {
            if let Some(schema) = first_schema(contents) {
                members.insert("schema".to_owned(), schema);
            }
            if !is_natural(contents, types) {
                self.own("x-tollgate-contents", self.own_contents(contents), &mut members);
            }
        }
        members.into()
    }

    fn header(&self, schema: Option<&Located<Value>>) -> Value {
        match schema {
            _ if self.format.is_swagger() => self.inline(schema).into(),
            Some(schema) => json!({ "schema": self.schema(schema) }),
            None => json!({}),
        }
    }

    fn contents(&self, contents: &Contents) -> Value {
        let media = |schema: &Option<Located<Value>>| match schema {
            Some(schema) => json!({ "schema": self.schema(schema) }),
            None => json!({}),
        };
        contents.iter().map(|(kind, schema)| (kind.clone(), media(schema))).collect::<Map<_, _>>().into()
    }

    fn own_contents(&self, contents: &Contents) -> Value {
        let schemas = contents.iter().map(|(kind, schema)| (kind.clone(), self.schema_or_null(schema.as_ref())));
        schemas.collect::<Map<_, _>>().into()
    }
}

/// Whether Swagger says it all with one schema for all of an operation's types.
fn is_natural(contents: &Contents, types: &IndexSet<&str>) -> bool {
    let first = contents.first().and_then(|(_, schema)| schema.as_ref());
    first.is_some()
        && contents.keys().map(String::as_str).eq(types.iter().copied())
        && contents.values().all(|schema| schema.as_ref() == first)
}

fn first_schema(contents: &Contents) -> Option<Value> {
    contents.values().flatten().next().map(|schema| schema.value.clone())
}
