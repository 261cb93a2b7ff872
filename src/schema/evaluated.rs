use std::collections::HashSet;

use serde_json::{Map, Value};

use super::breach::{Path, Step};
use super::check::Check;
use super::node::{Rule, SchemaId};

/// What of a value the rules beside `unevaluatedProperties` and `unevaluatedItems` have spoken of.
#[derive(Default)]
struct Evaluated<'v> {
    has_all: bool,
    names: HashSet<&'v str>,
    items: HashSet<usize>,
    /// The first so many items.
    first_items: usize,
}

impl Check<'_> {
    pub(super) fn unevaluated_properties(
        &mut self,
        schema: SchemaId,
        all: &[Rule],
        properties: &Map<String, Value>,
        value: &Value,
        path: &Path<'_>,
    ) -> bool {
        let mut evaluated = Evaluated::default();
        let others = |rule: &&Rule| !matches!(rule, Rule::UnevaluatedProperties(_));
        all.iter().filter(others).for_each(|rule| self.evaluate(rule, value, &mut evaluated));
        let others =
            properties.iter().filter(|(name, _)| !evaluated.has_all && !evaluated.names.contains(name.as_str()));
        self.all(others, |check, (name, property)| check.judge(schema, property, &path.then(Step::Property(name))))
    }

    pub(super) fn unevaluated_items(
        &mut self,
        schema: SchemaId,
        all: &[Rule],
        items: &[Value],
        value: &Value,
        path: &Path<'_>,
    ) -> bool {
        let mut evaluated = Evaluated::default();
        let others = |rule: &&Rule| !matches!(rule, Rule::UnevaluatedItems(_));
        all.iter().filter(others).for_each(|rule| self.evaluate(rule, value, &mut evaluated));
        let is_other = |at: usize| !evaluated.has_all && at >= evaluated.first_items && !evaluated.items.contains(&at);
        let others = items.iter().enumerate().filter(|(at, _)| is_other(*at));
        self.all(others, |check, (at, item)| check.judge(schema, item, &path.then(Step::Item(at))))
    }

    fn evaluate<'v>(&mut self, rule: &Rule, value: &'v Value, evaluated: &mut Evaluated<'v>) {
        match (rule, value) {
            (Rule::Properties(rule), Value::Object(properties)) => {
                evaluated.has_all |= rule.rest.is_some();
                let is_spoken_of =
                    |name: &str| rule.named(name).is_some() || rule.patterns.iter().any(|(it, _)| it.is_match(name));
                evaluated.names.extend(properties.keys().map(String::as_str).filter(|name| is_spoken_of(name)));
            }
            (Rule::Items(rule), Value::Array(_)) => {
                evaluated.has_all |= rule.rest.is_some();
                evaluated.first_items = evaluated.first_items.max(rule.prefix.len());
            }
            (Rule::Contains(rule), Value::Array(items)) => {
                let fitting = items.iter().enumerate().filter(|(_, item)| self.quietly(rule.schema, item));
                evaluated.items.extend(fitting.map(|(at, _)| at));
            }
            (Rule::UnevaluatedProperties(_), Value::Object(_)) | (Rule::UnevaluatedItems(_), Value::Array(_)) => {
                evaluated.has_all = true;
            }
            (Rule::AllOf(parts) | Rule::AnyOf(parts) | Rule::OneOf(parts), value) => {
                parts.iter().for_each(|part| self.evaluate_part(*part, value, evaluated));
            }
            (Rule::If(parts), value) => {
                let is_so = self.quietly(parts.condition, value);
                let branch = if is_so { parts.then } else { parts.otherwise };
                let condition = is_so.then_some(parts.condition);
                condition.into_iter().chain(branch).for_each(|part| self.evaluate_part(part, value, evaluated));
            }
            (Rule::DependentSchemas(dependencies), Value::Object(properties)) => {
                let there = dependencies.iter().filter(|(name, _)| properties.contains_key(&**name));
                there.for_each(|(_, part)| self.evaluate_part(*part, value, evaluated));
            }
            _ => {}
        }
    }

    /// A schema that does not hold has spoken of nothing.
    fn evaluate_part<'v>(&mut self, id: SchemaId, value: &'v Value, evaluated: &mut Evaluated<'v>) {
        if !evaluated.has_all && self.quietly(id, value) {
            let rules = self.schemas.rules(id);
            rules.iter().for_each(|rule| self.evaluate(rule, value, evaluated));
        }
    }
}
