use serde_json::Value;

use super::breach::Path;
use super::check::Check;
use super::node::{Rule, SchemaId};

impl Check<'_> {
    /// Judges by schemas that are put together.
    pub(super) fn compose(&mut self, rule: &Rule, value: &Value, path: &Path<'_>) -> bool {
        match rule {
            Rule::AllOf(parts) => self.all(parts.iter(), |check, part| check.judge(*part, value, path)),
            Rule::AnyOf(branches) => {
                branches.iter().any(|branch| self.quietly(*branch, value)) || self.none_of(branches, value, path)
            }
            Rule::OneOf(branches) => self.one_of(branches, value, path),
            Rule::Not(part) => {
                !self.quietly(*part, value) || self.breaks(path, Some(value), || "something else".to_owned())
            }
            Rule::If(parts) => {
                let branch = if self.quietly(parts.condition, value) { parts.then } else { parts.otherwise };
                branch.is_none_or(|branch| self.judge(branch, value, path))
            }
            // The others are of one type each, and the value is not of it.
            _ => true,
        }
    }

    fn one_of(&mut self, branches: &[SchemaId], value: &Value, path: &Path<'_>) -> bool {
        match branches.iter().filter(|branch| self.quietly(**branch, value)).take(2).count() {
            0 => self.none_of(branches, value, path),
            1 => true,
            _ => self.breaks(path, Some(value), || format!("just one of {} alternatives, not several", branches.len())),
        }
    }

    /// Tells what is wrong by the only branch that is for such a value, if there is one.
    fn none_of(&mut self, branches: &[SchemaId], value: &Value, path: &Path<'_>) -> bool {
        if self.is_quiet {
            return false;
        }
        let mut suiting = branches.iter().filter(|branch| self.suits(**branch, value));
        match (suiting.next(), suiting.next()) {
            (Some(only), None) => self.judge(*only, value, path),
            _ => self.breaks(path, Some(value), || format!("one of {} alternatives", branches.len())),
        }
    }

    /// Whether the branch is for values of this type, and for what is fixed in this one.
    fn suits(&self, branch: SchemaId, value: &Value) -> bool {
        self.schemas.is_of(value, self.schemas.kinds(branch)) && self.has_fixed(branch, value)
    }

    /// A property that may have one value alone tells branches apart.
    fn has_fixed(&self, branch: SchemaId, value: &Value) -> bool {
        let Value::Object(properties) = value else { return true };
        properties.iter().all(|(name, property)| {
            let schema = self.schemas.property(branch, name);
            let mut rules = schema.map(|schema| self.schemas.rules(schema)).unwrap_or_default().iter();
            !rules.any(|rule| matches!(rule, Rule::Values(values) if !values.contains(property)))
        })
    }
}
