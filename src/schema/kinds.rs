use std::fmt;

use serde_json::Value;

use super::node::{Node, Rule, SchemaId, Schemas};

/// A set of JSON's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

/// So deep a schema is looked into for the types that it takes.
const LOOK_MAX: u32 = 16;

const NAMED: [(Kinds, &str); 7] = [
    (Kinds::STRING, "a string"),
    (Kinds::NUMBER, "a number"),
    (Kinds::INTEGER, "an integer"),
    (Kinds::BOOLEAN, "true or false"),
    (Kinds::ARRAY, "an array"),
    (Kinds::OBJECT, "an object"),
    (Kinds::NULL, "null"),
];

impl Kinds {
    pub const NULL: Kinds = Kinds(1);
    pub const BOOLEAN: Kinds = Kinds(2);
    pub const INTEGER: Kinds = Kinds(4);
    /// Integers are numbers too.
    pub const NUMBER: Kinds = Kinds(4 | FRACTION);
    pub const STRING: Kinds = Kinds(16);
    pub const ARRAY: Kinds = Kinds(32);
    pub const OBJECT: Kinds = Kinds(64);
    pub const ALL: Kinds = Kinds(127);
    pub(super) const NONE: Kinds = Kinds(0);

    /// By the value of `type`.
    pub(super) fn named(name: &str) -> Option<Kinds> {
        Some(match name {
            "null" => Kinds::NULL,
            "boolean" => Kinds::BOOLEAN,
            "integer" => Kinds::INTEGER,
            "number" => Kinds::NUMBER,
            "string" => Kinds::STRING,
            "array" => Kinds::ARRAY,
            "object" => Kinds::OBJECT,
            // Swagger 2.0: whatever is uploaded.
            "file" => Kinds::ALL,
            _ => return None,
        })
    }

    pub fn has(self, kind: Kinds) -> bool {
        self.0 & kind.0 == kind.0
    }

    fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn with(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 & other.0)
    }
}

/// Of numbers with a fraction.
const FRACTION: u8 = 8;

impl fmt::Display for Kinds {
    /// `a string or null`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_number = self.has(Kinds::NUMBER);
        let named = NAMED.iter().filter(|(kind, _)| self.has(*kind) && !(is_number && *kind == Kinds::INTEGER));
        for (at, (_, name)) in named.enumerate() {
            f.write_str(if at > 0 { " or " } else { "" })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl Schemas {
    /// The type of a value, as one bit.
    fn kind_of(&self, value: &Value) -> Kinds {
        match value {
            Value::Null => Kinds::NULL,
            Value::Bool(_) => Kinds::BOOLEAN,
            Value::Number(number) if number.is_f64() => match number.as_f64() {
                Some(float) if self.is_one_point_zero_integer && float.fract() == 0.0 => Kinds::INTEGER,
                _ => Kinds(FRACTION),
            },
            Value::Number(_) => Kinds::INTEGER,
            Value::String(_) => Kinds::STRING,
            Value::Array(_) => Kinds::ARRAY,
            Value::Object(_) => Kinds::OBJECT,
        }
    }

    pub(super) fn is_of(&self, value: &Value, kinds: Kinds) -> bool {
        kinds.meets(self.kind_of(value))
    }

    /// The types that a value may have at most.
    pub fn kinds(&self, id: SchemaId) -> Kinds {
        self.kinds_within(id, LOOK_MAX)
    }

    fn kinds_within(&self, id: SchemaId, depth: u32) -> Kinds {
        if depth == 0 {
            return Kinds::ALL;
        }
        if matches!(self.node(id), Node::Nothing) {
            return Kinds::NONE;
        }
        let any = |branches: &[SchemaId]| {
            branches.iter().fold(Kinds::NONE, |kinds, branch| kinds.with(self.kinds_within(*branch, depth - 1)))
        };
        let (mut kinds, mut is_nullable) = (Kinds::ALL, false);
        for rule in self.rules(id) {
            kinds = match rule {
                Rule::Nullable => {
                    is_nullable = true;
                    kinds
                }
                Rule::Kinds(own) => kinds.and(*own),
                Rule::Values(values) => {
                    let own = values.iter().fold(Kinds::NONE, |own, value| own.with(self.kind_of(value)));
                    kinds.and(own)
                }
                Rule::AllOf(branches) => {
                    branches.iter().fold(kinds, |kinds, branch| kinds.and(self.kinds_within(*branch, depth - 1)))
                }
                Rule::AnyOf(branches) | Rule::OneOf(branches) => kinds.and(any(branches)),
                _ => kinds,
            };
        }
        if is_nullable { kinds.with(Kinds::NULL) } else { kinds }
    }

    /// The schema of the items, where one is said.
    pub fn items(&self, id: SchemaId) -> Option<SchemaId> {
        self.find(id, LOOK_MAX, &|rule| match rule {
            Rule::Items(items) => items.prefix.first().copied().or(items.rest),
            _ => None,
        })
    }

    /// The schema of a property, where one is said.
    pub fn property(&self, id: SchemaId, name: &str) -> Option<SchemaId> {
        self.find(id, LOOK_MAX, &|rule| match rule {
            Rule::Properties(properties) => properties.named(name).or(properties.rest),
            _ => None,
        })
    }

    /// The names of the properties that are said.
    pub fn property_names(&self, id: SchemaId) -> Vec<&str> {
        let mut names = Vec::new();
        self.collect_names(id, LOOK_MAX, &mut names);
        names
    }

    fn collect_names<'s>(&'s self, id: SchemaId, depth: u32, names: &mut Vec<&'s str>) {
        if depth == 0 {
            return;
        }
        for rule in self.rules(id) {
            match rule {
                Rule::Properties(properties) => names.extend(properties.named.iter().map(|(name, _)| &**name)),
                Rule::AllOf(branches) | Rule::AnyOf(branches) | Rule::OneOf(branches) => {
                    branches.iter().for_each(|branch| self.collect_names(*branch, depth - 1, names));
                }
                _ => {}
            }
        }
    }

    fn find(&self, id: SchemaId, depth: u32, pick: &dyn Fn(&Rule) -> Option<SchemaId>) -> Option<SchemaId> {
        let depth = depth.checked_sub(1)?;
        self.rules(id).iter().find_map(|rule| match rule {
            Rule::AllOf(branches) | Rule::AnyOf(branches) | Rule::OneOf(branches) => {
                branches.iter().find_map(|branch| self.find(*branch, depth, pick))
            }
            rule => pick(rule),
        })
    }
}
