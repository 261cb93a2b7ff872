use serde_json::{Map, Value};

use super::breach::{Path, Step};
use super::compile::{Compiler, Flavor};
use super::format::Format;
use super::kinds::Kinds;
use super::node::{Bound, Contains, Dependency, If, Items, Properties, Range, Required, Rule, SchemaId, Size};
use super::number::Number;
use crate::config::Dialect;

/// The keywords of one schema.
#[derive(Clone, Copy)]
pub(super) struct Keywords<'k> {
    pub all: &'k Map<String, Value>,
    pub path: &'k Path<'k>,
    pub depth: u32,
}

impl<'k> Keywords<'k> {
    /// The rules, cheap ones first.
    pub(super) fn read(self, compiler: &mut Compiler<'_>) -> Vec<Rule> {
        let mut rules = Vec::new();
        if compiler.flavor == Flavor::OpenApi && self.is_true("nullable") {
            rules.push(Rule::Nullable);
        }
        self.of_any(compiler, &mut rules);
        self.of_objects(compiler, &mut rules);
        self.of_numbers(compiler, &mut rules);
        self.of_strings(compiler, &mut rules);
        self.of_arrays(compiler, &mut rules);
        self.of_parts(compiler, &mut rules);
        if compiler.dialect == Dialect::Draft202012 {
            self.of_2020(compiler, &mut rules);
        }
        // Alone it allows what is allowed anyway.
        if matches!(rules[..], [Rule::Nullable]) { Vec::new() } else { rules }
    }

    fn of_any(self, compiler: &mut Compiler<'_>, rules: &mut Vec<Rule>) {
        if let Some(written) = self.get("type") {
            rules.extend(self.kinds(written, compiler).map(Rule::Kinds));
        }
        match self.get("enum") {
            None => {}
            Some(Value::Array(values)) => rules.push(Rule::Values(values.clone().into())),
            Some(_) => self.fault("enum", "a list of values", compiler),
        }
    }

    fn kinds(self, written: &Value, compiler: &mut Compiler<'_>) -> Option<Kinds> {
        let names: Option<Vec<&str>> = match written {
            Value::String(name) => Some(vec![name]),
            Value::Array(names) => names.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let kinds = names.and_then(|names| {
            names.into_iter().try_fold(Kinds::NONE, |kinds, name| Some(kinds.with(Kinds::named(name)?)))
        });
        if kinds.is_none() {
            self.fault("type", "a type such as \"string\", or a list of types", compiler);
        }
        kinds
    }

    fn of_numbers(self, compiler: &mut Compiler<'_>, rules: &mut Vec<Rule>) {
        let range = Range {
            min: self.bound("minimum", "exclusiveMinimum", compiler),
            max: self.bound("maximum", "exclusiveMaximum", compiler),
            multiple_of: self.number("multipleOf", compiler).filter(|step| step.is_positive()),
        };
        if range.min.is_some() || range.max.is_some() || range.multiple_of.is_some() {
            rules.push(Rule::Range(Box::new(range)));
        }
    }

    /// `exclusiveMinimum` is a bound of its own, or says whether `minimum` is one that is not reached.
    fn bound(self, inclusive: &'static str, exclusive: &'static str, compiler: &mut Compiler<'_>) -> Option<Bound> {
        let own = self.get(exclusive).filter(|value| !value.is_boolean());
        let own = own.and_then(|_| self.number(exclusive, compiler));
        let limit = self.number(inclusive, compiler);
        match (own, limit) {
            (Some(own), Some(limit)) => {
                let is_inner = own.compare(limit).is_gt() == (inclusive == "minimum");
                let is_exclusive = is_inner || own.compare(limit).is_eq();
                Some(Bound { limit: if is_exclusive { own } else { limit }, is_exclusive })
            }
            (Some(limit), None) => Some(Bound { limit, is_exclusive: true }),
            (None, Some(limit)) => Some(Bound { limit, is_exclusive: self.is_true(exclusive) }),
            (None, None) => None,
        }
    }

    fn of_strings(self, compiler: &mut Compiler<'_>, rules: &mut Vec<Rule>) {
        rules.extend(self.size("minLength", "maxLength", compiler).map(Rule::Length));
        match self.get("format") {
            None => {}
            Some(Value::String(name)) => {
                rules.extend(Format::named(name, compiler.flavor == Flavor::OpenApi).map(Rule::Format));
            }
            Some(_) => self.fault("format", "the name of a format", compiler),
        }
        match self.get("pattern") {
            None => {}
            Some(Value::String(text)) => {
                let path = self.path.then(Step::Property("pattern"));
                rules.extend(compiler.pattern(text, &path).map(Rule::Pattern));
            }
            Some(_) => self.fault("pattern", "a regular expression", compiler),
        }
    }

    fn of_arrays(self, compiler: &mut Compiler<'_>, rules: &mut Vec<Rule>) {
        rules.extend(self.size("minItems", "maxItems", compiler).map(Rule::ItemCount));
        let is_2020 = compiler.dialect == Dialect::Draft202012;
        let (prefix, rest) = match self.get("items") {
            Some(Value::Array(_)) => ("items", "additionalItems"),
            _ if is_2020 => ("prefixItems", "items"),
            _ => ("", "items"),
        };
        let items = Items { prefix: self.list(prefix, compiler).unwrap_or_default(), rest: self.part(rest, compiler) };
        if items.rest.is_some() || !items.prefix.is_empty() {
            rules.push(Rule::Items(Box::new(items)));
        }
        if self.is_true("uniqueItems") {
            rules.push(Rule::UniqueItems);
        }
    }

    fn of_objects(self, compiler: &mut Compiler<'_>, rules: &mut Vec<Rule>) {
        match self.get("required") {
            // Draft-03 had it at the property itself; it is common, and it means nothing now.
            None | Some(Value::Bool(_)) => {}
            Some(Value::Array(names)) => {
                let required: Box<[Required]> =
                    names.iter().filter_map(Value::as_str).map(|name| self.required(name, compiler)).collect();
                rules.extend((!required.is_empty()).then_some(Rule::Required(required)));
            }
            Some(_) => self.fault("required", "a list of names", compiler),
        }
        rules.extend(self.size("minProperties", "maxProperties", compiler).map(Rule::PropertyCount));
        let mut named = self.map("properties", compiler);
        named.sort_by(|one, other| one.0.cmp(&other.0));
        let patterns = self.map("patternProperties", compiler);
        let patterns = patterns.into_iter().filter_map(|(text, schema)| {
            let path = self.path.then(Step::Property("patternProperties"));
            Some((compiler.pattern(&text, &path)?, schema))
        });
        let patterns = patterns.collect();
        let properties =
            Properties { named: named.into(), patterns, rest: self.part("additionalProperties", compiler) };
        if !properties.named.is_empty() || !properties.patterns.is_empty() || properties.rest.is_some() {
            rules.push(Rule::Properties(Box::new(properties)));
        }
    }

    fn required(self, name: &str, compiler: &Compiler<'_>) -> Required {
        let property = self.get("properties").and_then(|properties| properties.get(name));
        let is_marked = |mark| {
            compiler.flavor == Flavor::OpenApi && property.is_some_and(|property| compiler.is_marked(property, mark))
        };
        Required { name: name.into(), is_read_only: is_marked("readOnly"), is_write_only: is_marked("writeOnly") }
    }

    fn of_parts(self, compiler: &mut Compiler<'_>, rules: &mut Vec<Rule>) {
        if compiler.dialect == Dialect::Draft202012
            && let Some(reference) = self.get("$ref")
        {
            rules.push(Rule::AllOf([compiler.reference(reference, self.path)].into()));
        }
        rules.extend(self.list("allOf", compiler).map(Rule::AllOf));
        rules.extend(self.list("anyOf", compiler).map(Rule::AnyOf));
        rules.extend(self.list("oneOf", compiler).map(Rule::OneOf));
        rules.extend(self.part("not", compiler).map(Rule::Not));
        self.dependencies("dependencies", compiler, rules);
    }

    fn of_2020(self, compiler: &mut Compiler<'_>, rules: &mut Vec<Rule>) {
        if let Some(value) = self.get("const") {
            rules.push(Rule::Values([value.clone()].into()));
        }
        if let Some(schema) = self.part("contains", compiler) {
            let min = self.count("minContains", compiler).unwrap_or(1);
            let count = Size { min, max: self.count("maxContains", compiler).unwrap_or(u64::MAX) };
            rules.push(Rule::Contains(Box::new(Contains { schema, count })));
        }
        rules.extend(self.part("propertyNames", compiler).map(Rule::PropertyNames));
        self.dependencies("dependentRequired", compiler, rules);
        self.dependencies("dependentSchemas", compiler, rules);
        if let Some(condition) = self.part("if", compiler) {
            let (then, otherwise) = (self.part("then", compiler), self.part("else", compiler));
            rules.push(Rule::If(Box::new(If { condition, then, otherwise })));
        }
        // Last, since they are about what all others left.
        rules.extend(self.part("unevaluatedItems", compiler).map(Rule::UnevaluatedItems));
        rules.extend(self.part("unevaluatedProperties", compiler).map(Rule::UnevaluatedProperties));
    }

    /// By property: names of others, or a schema of the whole.
    fn dependencies(self, keyword: &'static str, compiler: &mut Compiler<'_>, rules: &mut Vec<Rule>) {
        let Some(written) = self.get(keyword) else { return };
        let Some(written) = written.as_object() else {
            return self.fault(keyword, "an object", compiler);
        };
        let (mut required, mut schemas) = (Vec::new(), Vec::new());
        let path = self.path.then(Step::Property(keyword));
        for (name, dependency) in written {
            match dependency {
                Value::Array(names) => {
                    let others = names.iter().filter_map(Value::as_str).map(Box::from).collect();
                    required.push(Dependency { name: name.as_str().into(), others });
                }
                schema => {
                    let id = compiler.schema(schema, &path.then(Step::Property(name)), self.depth);
                    schemas.push((name.as_str().into(), id));
                }
            }
        }
        rules.extend((!required.is_empty()).then(|| Rule::DependentRequired(required.into())));
        rules.extend((!schemas.is_empty()).then(|| Rule::DependentSchemas(schemas.into())));
    }

    fn get(self, keyword: &str) -> Option<&'k Value> {
        self.all.get(keyword)
    }

    fn is_true(self, keyword: &str) -> bool {
        self.get(keyword) == Some(&Value::Bool(true))
    }

    fn part(self, keyword: &str, compiler: &mut Compiler<'_>) -> Option<SchemaId> {
        let schema = self.get(keyword)?;
        Some(compiler.schema(schema, &self.path.then(Step::Property(keyword)), self.depth))
    }

    fn list(self, keyword: &'static str, compiler: &mut Compiler<'_>) -> Option<Box<[SchemaId]>> {
        let Some(Value::Array(schemas)) = self.get(keyword) else {
            if self.get(keyword).is_some() {
                self.fault(keyword, "a list of schemas", compiler);
            }
            return None;
        };
        let path = self.path.then(Step::Property(keyword));
        let each = |(at, schema)| compiler.schema(schema, &path.then(Step::Item(at)), self.depth);
        Some(schemas.iter().enumerate().map(each).collect())
    }

    fn map(self, keyword: &'static str, compiler: &mut Compiler<'_>) -> Vec<(Box<str>, SchemaId)> {
        let Some(Value::Object(schemas)) = self.get(keyword) else {
            if self.get(keyword).is_some() {
                self.fault(keyword, "an object of schemas", compiler);
            }
            return Vec::new();
        };
        let path = self.path.then(Step::Property(keyword));
        let each = |(name, schema): (&String, &Value)| {
            let id = compiler.schema(schema, &path.then(Step::Property(name)), self.depth);
            (name.as_str().into(), id)
        };
        schemas.iter().map(each).collect()
    }

    fn number(self, keyword: &'static str, compiler: &mut Compiler<'_>) -> Option<Number> {
        match self.get(keyword)? {
            Value::Number(number) => Some(Number::of(number)),
            _ => {
                self.fault(keyword, "a number", compiler);
                None
            }
        }
    }

    fn size(self, min: &'static str, max: &'static str, compiler: &mut Compiler<'_>) -> Option<Size> {
        let (min, max) = (self.count(min, compiler), self.count(max, compiler));
        (min.is_some() || max.is_some()).then(|| Size { min: min.unwrap_or(0), max: max.unwrap_or(u64::MAX) })
    }

    /// Some write `3.0`.
    fn count(self, keyword: &'static str, compiler: &mut Compiler<'_>) -> Option<u64> {
        let written = self.get(keyword)?;
        let whole = written.as_f64().filter(|float| *float >= 0.0 && float.fract() == 0.0).map(|float| float as u64);
        let count = written.as_u64().or(whole);
        if count.is_none() {
            self.fault(keyword, "a whole number from 0", compiler);
        }
        count
    }

    fn fault(self, keyword: &str, wanted: &str, compiler: &mut Compiler<'_>) {
        let written = self.get(keyword).map(super::breach::shown).unwrap_or_default();
        compiler.fault(&self.path.then(Step::Property(keyword)), format!("is {written}"), &format!("write {wanted}"));
    }
}
