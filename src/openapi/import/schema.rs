use std::collections::{HashMap, HashSet, VecDeque};

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::config::{Dialect, Located, Models};
use crate::openapi::At;
use crate::openapi::document::{Node, Tree};

/// Where models are, for who refers to one.
const HOME: &str = "#/definitions/";

/// How API Gateway refers to a model of an API.
const MODEL_URL: &str = "https://apigateway.amazonaws.com/restapis/";

/// Words whose value is a schema, or for `items` a list of them.
pub(in crate::openapi) const SCHEMA_WORDS: &[&str] = &[
    "additionalProperties",
    "additionalItems",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Words whose value is a table of schemas.
pub(in crate::openapi) const TABLE_WORDS: &[&str] =
    &["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// Words whose value is a list of schemas.
pub(in crate::openapi) const LIST_WORDS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];

/// The schemas of a document under names that any of them can refer to.
#[derive(Debug)]
pub(super) struct Schemas<'d> {
    dialect: Dialect,
    /// The document's own, for references in API Gateway's way.
    named: HashMap<&'d str, At<'d>>,
    /// By identity of what a reference led to.
    names: HashMap<*const Node, String>,
    taken: HashSet<String>,
    /// Named, and not read yet.
    waiting: VecDeque<(String, At<'d>)>,
}

impl<'d> Schemas<'d> {
    /// `home` has the schemas that the document names itself: `definitions` or `components/schemas`.
    pub fn new(dialect: Dialect, home: Option<At<'d>>) -> Schemas<'d> {
        let mut schemas = Schemas {
            dialect,
            named: HashMap::new(),
            names: HashMap::new(),
            taken: HashSet::new(),
            waiting: VecDeque::new(),
        };
        for (key, schema) in home.and_then(At::object).into_iter().flat_map(At::members) {
            schemas.named.insert(&key.name, schema);
            schemas.name(schema, &key.name);
        }
        schemas
    }

    /// What a schema says, with references to models only.
    pub fn read(&mut self, at: At<'d>) -> Option<Located<Value>> {
        self.convert(at.spend()?).map(|value| at.located(value))
    }

    /// All that were named or referred to.
    pub fn finish(mut self) -> Models {
        let mut schemas = IndexMap::new();
        while let Some((name, at)) = self.waiting.pop_front() {
            if let Some(schema) = self.read(at) {
                schemas.insert(name, schema);
            }
        }
        Models { dialect: self.dialect, schemas }
    }

    fn convert(&mut self, at: At<'d>) -> Option<Value> {
        match &at.node.tree {
            Tree::Bool(all) => Some(Value::Bool(*all)),
            Tree::Object(_) if at.reference().is_some() => self.reference(at),
            Tree::Object(_) => self.members(at),
            _ => at.refuse(format!("this is {}, not a schema", at.node.kind()), "write an object"),
        }
    }

    fn members(&mut self, at: At<'d>) -> Option<Value> {
        // Swagger's word for bytes, which no schema language has.
        if self.dialect == Dialect::Draft4 && at.node.get("type").and_then(Node::as_str) == Some("file") {
            return Some(json!({ "type": "string", "format": "binary" }));
        }
        let mut members = Map::new();
        for (key, value) in at.members() {
            members.insert(key.name.to_string(), self.member(&key.name, value)?);
        }
        Some(Value::Object(members))
    }

    fn member(&mut self, word: &str, value: At<'d>) -> Option<Value> {
        match &value.node.tree {
            Tree::Object(_) if TABLE_WORDS.contains(&word) => self.table(value),
            Tree::Array(_) if LIST_WORDS.contains(&word) || word == "items" => self.list(value),
            Tree::Object(_) if SCHEMA_WORDS.contains(&word) => self.convert(value),
            Tree::Object(_) if word == "discriminator" => Some(self.discriminator(value)),
            _ => Some(value.node.to_json()),
        }
    }

    fn table(&mut self, at: At<'d>) -> Option<Value> {
        let mut table = Map::new();
        for (key, value) in at.members() {
            // `dependencies` may list names instead.
            let schema = match &value.node.tree {
                Tree::Array(_) => value.node.to_json(),
                _ => self.convert(value)?,
            };
            table.insert(key.name.to_string(), schema);
        }
        Some(Value::Object(table))
    }

    fn list(&mut self, at: At<'d>) -> Option<Value> {
        let mut list = Vec::new();
        for element in at.elements() {
            list.push(self.convert(element)?);
        }
        Some(Value::Array(list))
    }

    /// Its mapping may refer to schemas as references do.
    fn discriminator(&mut self, at: At<'d>) -> Value {
        let mut value = at.node.to_json();
        for (key, target) in at.get("mapping").into_iter().flat_map(At::members) {
            let reference = target.node.as_str().unwrap_or_default();
            if let Ok((document, node)) = at.desk.library.find(reference, at.document) {
                let name = self.name(At { document, node, desk: at.desk }, &last_step(reference));
                value["mapping"][&*key.name] = Value::String(format!("{HOME}{name}"));
            }
        }
        value
    }

    /// `{"$ref": …}` to the model that it leads to. Beside it counts only what 3.1 lets count.
    fn reference(&mut self, at: At<'d>) -> Option<Value> {
        let (target, hint) = self.target(at)?;
        let name = self.name(target, &hint);
        let mut members = Map::new();
        members.insert("$ref".to_owned(), Value::String(format!("{HOME}{name}")));
        if self.dialect == Dialect::Draft202012 {
            for (key, value) in at.members().filter(|(key, _)| &*key.name != "$ref") {
                members.insert(key.name.to_string(), self.member(&key.name, value)?);
            }
        }
        Some(Value::Object(members))
    }

    fn target(&self, at: At<'d>) -> Option<(At<'d>, String)> {
        let reference = at.reference().unwrap_or_default();
        if let Some(rest) = reference.strip_prefix(MODEL_URL) {
            let name = rest.rsplit('/').next().unwrap_or_default();
            let model = self.named.get(name).copied();
            let known = || crate::base::nearest(name, self.named.keys().copied());
            return match model {
                Some(model) => Some((model, name.to_owned())),
                None => at.refuse(format!("there is no model {name:?}"), known()),
            };
        }
        // A chain of nothing but references must end.
        at.end()?;
        Some((at.follow()?, last_step(reference)))
    }

    /// The name of a schema: a new one, alike `hint`, where it has none yet.
    fn name(&mut self, at: At<'d>, hint: &str) -> String {
        if let Some(name) = self.names.get(&std::ptr::from_ref(at.node)) {
            return name.clone();
        }
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || "._-".contains(*c);
        let plain: String = hint.chars().map(|c| if is_plain(&c) { c } else { '_' }).collect();
        let plain = if plain.is_empty() { "schema".to_owned() } else { plain };
        let numbered = (2..).map(|number| format!("{plain}_{number}"));
        let name = std::iter::once(plain.clone()).chain(numbered).find(|name| !self.taken.contains(name));
        let name = name.unwrap_or(plain);
        self.taken.insert(name.clone());
        self.names.insert(at.node, name.clone());
        self.waiting.push_back((name.clone(), at));
        name
    }
}

/// What a reference calls its target: the last step of its pointer, else its file without the extension.
fn last_step(reference: &str) -> String {
    let (file, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    let step = fragment.rsplit('/').next().unwrap_or_default();
    if !step.is_empty() {
        return step.replace("~1", "/").replace("~0", "~");
    }
    let stem = std::path::Path::new(file).file_stem();
    stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
