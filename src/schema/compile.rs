use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::breach::{Path, Step};
use super::keywords::Keywords;
use super::node::{Node, Rule, SchemaId, Schemas};
use super::pattern::Pattern;
use crate::base::nearest;
use crate::config::{Dialect, Fault, Located, Models, Span};

/// Whose reading of a schema holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// API Gateway's: draft-04 and no more, so `readOnly`, `nullable` and OpenAPI's formats are for people.
    ApiGateway,
    OpenApi,
}

/// Makes [`Schemas`]: those of operations as they are [added](Compiler::add), models as they are referred to.
#[derive(Debug)]
pub struct Compiler<'m> {
    pub(super) dialect: Dialect,
    pub(super) flavor: Flavor,
    models: &'m Models,
    nodes: Vec<Node>,
    by_model: HashMap<&'m str, SchemaId>,
    /// Models that are referred to and not read yet.
    waiting: Vec<&'m str>,
    /// What was added, by its text: many operations say the same.
    by_text: HashMap<String, SchemaId>,
    patterns: HashMap<Box<str>, Arc<Pattern>>,
    /// What is read now, for faults.
    place: Place,
    faults: Vec<Fault>,
}

#[derive(Debug, Default)]
struct Place {
    span: Span,
    model: Option<String>,
}

/// Deeper than any schema that a person wrote.
const DEPTH_MAX: u32 = 128;

/// More are of no help.
const FAULTS_MAX: usize = 100;

impl<'m> Compiler<'m> {
    pub fn new(models: &'m Models, flavor: Flavor) -> Compiler<'m> {
        Compiler {
            dialect: models.dialect,
            flavor,
            models,
            nodes: Vec::new(),
            by_model: HashMap::new(),
            waiting: Vec::new(),
            by_text: HashMap::new(),
            patterns: HashMap::new(),
            place: Place::default(),
            faults: Vec::new(),
        }
    }

    /// Compiles a schema, unless one like it is there.
    pub fn add(&mut self, schema: &Located<Value>) -> SchemaId {
        let text = schema.value.to_string();
        if let Some(known) = self.by_text.get(&text) {
            return *known;
        }
        self.place = Place { span: schema.span, model: None };
        let id = self.schema(&schema.value, &Path::WHOLE, 0);
        while let Some(name) = self.waiting.pop() {
            self.read_model(name);
        }
        self.by_text.insert(text, id);
        id
    }

    /// What was compiled, and every fault of it.
    pub fn finish(mut self) -> (Schemas, Vec<Fault>) {
        let is_one_point_zero_integer = self.dialect == Dialect::Draft202012;
        let schemas = Schemas { nodes: std::mem::take(&mut self.nodes).into(), is_one_point_zero_integer };
        for (name, id) in &self.by_model {
            if schemas.is_its_own_part(*id) {
                let model = &self.models.schemas[*name];
                let message = format!("model \"{name}\" is made of itself and nothing else");
                let help = "a model may refer to itself only below a property or an item";
                self.faults.push(Fault::at(model.span, message).with_help(help));
            }
        }
        (schemas, self.faults)
    }

    pub(super) fn schema(&mut self, value: &Value, path: &Path<'_>, depth: u32) -> SchemaId {
        match value {
            Value::Object(keywords) if self.is_reference(keywords) => self.reference(&keywords["$ref"], path),
            value => {
                let node = self.read(value, path, depth);
                self.push(node)
            }
        }
    }

    /// Up to OpenAPI 3.0, what stands beside a `$ref` counts for nothing.
    fn is_reference(&self, keywords: &Map<String, Value>) -> bool {
        keywords.contains_key("$ref") && (self.dialect != Dialect::Draft202012 || keywords.len() == 1)
    }

    fn read(&mut self, value: &Value, path: &Path<'_>, depth: u32) -> Node {
        match value {
            _ if depth > DEPTH_MAX => {
                self.fault(path, "is nested too deep".to_owned(), "make models of its parts");
                Node::Anything
            }
            Value::Bool(true) => Node::Anything,
            Value::Bool(false) => Node::Nothing,
            Value::Object(keywords) => {
                let rules = Keywords { all: keywords, path, depth: depth + 1 }.read(self);
                if rules.is_empty() { Node::Anything } else { Node::Rules(rules.into()) }
            }
            other => {
                self.fault(path, format!("is {other}, which is no schema"), "write an object");
                Node::Anything
            }
        }
    }

    /// The model that a `$ref` names.
    pub(super) fn reference(&mut self, reference: &Value, path: &Path<'_>) -> SchemaId {
        let written = reference.as_str().unwrap_or_default();
        let name = written.strip_prefix("#/definitions/").unwrap_or(written);
        let decoded = name.replace("~1", "/").replace("~0", "~");
        let models = self.models;
        let Some((name, _)) = models.schemas.get_key_value(name).or_else(|| models.schemas.get_key_value(&decoded))
        else {
            let known = nearest(&decoded, models.schemas.keys().map(String::as_str));
            self.fault(&path.then(Step::Property("$ref")), format!("names the unknown model {reference}"), &known);
            return self.push(Node::Anything);
        };
        if let Some(known) = self.by_model.get(name.as_str()) {
            return *known;
        }
        let id = self.push(Node::Anything);
        self.by_model.insert(name, id);
        self.waiting.push(name);
        id
    }

    fn read_model(&mut self, name: &'m str) {
        let model = &self.models.schemas[name];
        self.place = Place { span: model.span, model: Some(name.to_owned()) };
        let id = self.by_model[name];
        let node = match &model.value {
            // Only another name for another model.
            Value::Object(keywords) if self.is_reference(keywords) => {
                let other = self.reference(&keywords["$ref"], &Path::WHOLE);
                Node::Rules([Rule::AllOf([other].into())].into())
            }
            schema => self.read(schema, &Path::WHOLE, 0),
        };
        self.nodes[id.0 as usize] = node;
    }

    /// Whether `$ref`s of a model's schema say that it is not for this side.
    pub(super) fn is_marked(&self, schema: &Value, mark: &str) -> bool {
        let referred = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/definitions/"));
        let model = referred.and_then(|name| self.models.schemas.get(name)).map(|model| &model.value);
        [Some(schema), model].into_iter().flatten().any(|schema| schema.get(mark) == Some(&Value::Bool(true)))
    }

    pub(super) fn pattern(&mut self, text: &str, path: &Path<'_>) -> Option<Arc<Pattern>> {
        if let Some(known) = self.patterns.get(text) {
            return Some(Arc::clone(known));
        }
        match Pattern::compile(text) {
            Ok(pattern) => {
                let pattern = Arc::new(pattern);
                self.patterns.insert(text.into(), Arc::clone(&pattern));
                Some(pattern)
            }
            Err(why) => {
                let help = "patterns run in linear time, so they have no look-around and no back-references; \
                            rewrite it, or leave it out";
                self.fault(path, format!("is {text:?}, which is no pattern: {why}"), help);
                None
            }
        }
    }

    /// `what` goes on after the place: `minLength of model "Pet" is …`.
    pub(super) fn fault(&mut self, path: &Path<'_>, what: String, help: &str) {
        if self.faults.len() >= FAULTS_MAX {
            return;
        }
        let pointer = path.pointer();
        let whole = match &self.place.model {
            Some(name) => format!("model \"{name}\""),
            None => "the schema".to_owned(),
        };
        let place = if pointer.is_empty() { whole } else { format!("{pointer} of {whole}") };
        self.faults.push(Fault::at(self.place.span, format!("{place} {what}")).with_help(help));
    }

    fn push(&mut self, node: Node) -> SchemaId {
        let id = SchemaId(self.nodes.len() as u32);
        self.nodes.push(node);
        id
    }
}

impl Schemas {
    /// Whether judging a value by `id` comes back to judging the same value by it.
    fn is_its_own_part(&self, id: SchemaId) -> bool {
        let (mut seen, mut open) = (HashSet::new(), vec![id]);
        while let Some(next) = open.pop() {
            for part in self.rules(next).iter().flat_map(Rule::parts) {
                if part == id {
                    return true;
                }
                if seen.insert(part.0) {
                    open.push(part);
                }
            }
        }
        false
    }
}

impl Rule {
    /// The schemas that judge the same value.
    fn parts(&self) -> Vec<SchemaId> {
        match self {
            Rule::AllOf(parts) | Rule::AnyOf(parts) | Rule::OneOf(parts) => parts.to_vec(),
            Rule::Not(part) => vec![*part],
            Rule::If(parts) => [Some(parts.condition), parts.then, parts.otherwise].into_iter().flatten().collect(),
            Rule::DependentSchemas(parts) => parts.iter().map(|(_, part)| *part).collect(),
            _ => Vec::new(),
        }
    }
}
