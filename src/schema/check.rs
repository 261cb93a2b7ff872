use serde_json::{Map, Value};

use super::breach::{BREACHES_MAX, Breach, Path, Step, shown};
use super::node::{Items, Node, Properties, Range, Required, Rule, SchemaId, Schemas, Size};
use super::number::Number;
use super::unique::{find_repeated, is_same};

/// Who wrote a value: `readOnly` and `writeOnly` are about this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Request,
    Response,
}

/// A value judged by schemas.
pub(super) struct Check<'s> {
    pub schemas: &'s Schemas,
    side: Side,
    /// What is left to do.
    steps: u64,
    depth: u32,
    pub is_quiet: bool,
    found: Vec<Breach>,
}

/// Steps that any check may take, and that it may take for each byte of what is checked. A valid document of an
/// ordinary schema takes one step for some bytes.
const STEPS_MIN: u64 = 100_000;
const STEPS_PER_BYTE: u64 = 16;

/// Schemas within schemas, of which each level of a value needs a few. The parser stops at 128 levels.
const DEPTH_MAX: u32 = 512;

impl Schemas {
    /// Every breach of schema `id`; none: it holds. `size` is how large the value was as text, in bytes.
    pub fn check(&self, id: SchemaId, value: &Value, side: Side, size: usize) -> Vec<Breach> {
        let steps = STEPS_MIN + STEPS_PER_BYTE * size as u64;
        let mut quiet = Check { schemas: self, side, steps, depth: 0, is_quiet: true, found: Vec::new() };
        let is_held = quiet.judge(id, value, &Path::WHOLE);
        if quiet.steps == 0 {
            return vec![too_costly()];
        }
        if is_held {
            return Vec::new();
        }
        let mut telling = Check { schemas: self, side, steps, depth: 0, is_quiet: false, found: Vec::new() };
        telling.judge(id, value, &Path::WHOLE);
        match telling.found.is_empty() {
            true => vec![too_costly()],
            false => telling.found,
        }
    }
}

fn too_costly() -> Breach {
    let expected = "a value that its schema can be checked against in a bounded number of steps".to_owned();
    Breach { pointer: String::new(), expected, sent: None }
}

impl<'s> Check<'s> {
    /// Whether `value` holds to schema `id`. What does not is told, unless quiet.
    pub(super) fn judge(&mut self, id: SchemaId, value: &Value, path: &Path<'_>) -> bool {
        let rules = match self.schemas.node(id) {
            Node::Anything => return true,
            Node::Nothing => return self.breaks(path, Some(value), || "nothing here".to_owned()),
            Node::Rules(rules) => rules,
        };
        if !self.spend(1) || self.depth >= DEPTH_MAX {
            self.steps = 0;
            return false;
        }
        self.depth += 1;
        let is_held = self.judge_rules(rules, value, path);
        self.depth -= 1;
        is_held
    }

    fn judge_rules(&mut self, rules: &'s [Rule], value: &Value, path: &Path<'_>) -> bool {
        let mut is_held = true;
        for rule in rules {
            if matches!(rule, Rule::Nullable) && value.is_null() {
                return true;
            }
            if !self.rule(rule, rules, value, path) {
                is_held = false;
                // What is of another type is told once.
                if self.is_quiet || matches!(rule, Rule::Kinds(_)) || self.found.len() >= BREACHES_MAX {
                    break;
                }
            }
        }
        is_held
    }

    fn rule(&mut self, rule: &'s Rule, all: &'s [Rule], value: &Value, path: &Path<'_>) -> bool {
        match (rule, value) {
            (Rule::Nullable, _) => true,
            (Rule::Kinds(kinds), value) => {
                self.schemas.is_of(value, *kinds) || self.breaks(path, Some(value), || kinds.to_string())
            }
            (Rule::Values(values), value) => self.one_of_values(values, value, path),
            (Rule::Range(range), Value::Number(number)) => self.range(range, Number::of(number), value, path),
            (Rule::Length(size), Value::String(text)) => {
                let length = text.chars().count() as u64;
                self.spend(length / 64) && self.size(*size, length, "character", value, path)
            }
            (Rule::Pattern(pattern), Value::String(text)) => {
                self.spend(text.len() as u64 / 8)
                    && (pattern.is_match(text)
                        || self.breaks(path, Some(value), || format!("text that matches {}", pattern.text)))
            }
            (Rule::Format(format), value) => {
                format.holds(value) || self.breaks(path, Some(value), || format!("format {}", format.as_str()))
            }
            (Rule::ItemCount(size), Value::Array(items)) => self.size(*size, items.len() as u64, "item", value, path),
            (Rule::Items(rule), Value::Array(items)) => self.items(rule, items, path),
            (Rule::UniqueItems, Value::Array(items)) => self.unique(items, path),
            (Rule::Contains(rule), Value::Array(items)) => {
                let count = items.iter().filter(|item| self.quietly(rule.schema, item)).count();
                self.size(rule.count, count as u64, "fitting item", value, path)
            }
            (Rule::PropertyCount(size), Value::Object(properties)) => {
                self.size(*size, properties.len() as u64, "property", value, path)
            }
            (Rule::Required(required), Value::Object(properties)) => self.required(required, properties, path),
            (Rule::Properties(rule), Value::Object(properties)) => self.properties(rule, properties, path),
            (Rule::PropertyNames(schema), Value::Object(properties)) => self.names(*schema, properties, path),
            (Rule::DependentRequired(dependencies), Value::Object(properties)) => {
                let there = dependencies.iter().filter(|it| properties.contains_key(&*it.name));
                let names = there.flat_map(|it| &it.others);
                self.all(names, |check, name| properties.contains_key(&**name) || check.misses(name, path))
            }
            (Rule::DependentSchemas(dependencies), Value::Object(properties)) => {
                let there = dependencies.iter().filter(|(name, _)| properties.contains_key(&**name));
                self.all(there, |check, (_, schema)| check.judge(*schema, value, path))
            }
            (Rule::UnevaluatedProperties(schema), Value::Object(properties)) => {
                self.unevaluated_properties(*schema, all, properties, value, path)
            }
            (Rule::UnevaluatedItems(schema), Value::Array(items)) => {
                self.unevaluated_items(*schema, all, items, value, path)
            }
            (rule, value) => self.compose(rule, value, path),
        }
    }

    fn one_of_values(&mut self, values: &[Value], value: &Value, path: &Path<'_>) -> bool {
        self.spend(values.len() as u64 / 8)
            && (values.iter().any(|allowed| is_same(allowed, value))
                || self.breaks(path, Some(value), || {
                    let listed: Vec<String> = values.iter().take(8).map(shown).collect();
                    match (values.len(), listed.join(", ")) {
                        (1, only) => only,
                        (2..=8, all) => format!("one of {all}"),
                        (_, some) => format!("one of {some}, …"),
                    }
                }))
    }

    fn range(&mut self, range: &Range, number: Number, value: &Value, path: &Path<'_>) -> bool {
        let mut is_held = true;
        if let Some(min) = range.min
            && (number.compare(min.limit).is_lt() || min.is_exclusive && number.compare(min.limit).is_eq())
        {
            let least = if min.is_exclusive { "more than" } else { "at least" };
            is_held = self.breaks(path, Some(value), || format!("{least} {}", min.limit));
        }
        if let Some(max) = range.max
            && (number.compare(max.limit).is_gt() || max.is_exclusive && number.compare(max.limit).is_eq())
        {
            let most = if max.is_exclusive { "less than" } else { "at most" };
            is_held = self.breaks(path, Some(value), || format!("{most} {}", max.limit));
        }
        if let Some(step) = range.multiple_of
            && !number.is_multiple_of(step)
        {
            is_held = self.breaks(path, Some(value), || format!("a multiple of {step}"));
        }
        is_held
    }

    fn size(&mut self, size: Size, count: u64, what: &str, value: &Value, path: &Path<'_>) -> bool {
        size.holds(count)
            || self.breaks(path, Some(value), || {
                let (bound, limit) = if count < size.min { ("at least", size.min) } else { ("at most", size.max) };
                match (limit, what) {
                    (1, what) => format!("{bound} 1 {what}"),
                    (limit, "property") => format!("{bound} {limit} properties"),
                    (limit, what) => format!("{bound} {limit} {what}s"),
                }
            })
    }

    fn items(&mut self, rule: &Items, items: &[Value], path: &Path<'_>) -> bool {
        let of_item = |at: usize| rule.prefix.get(at).copied().or(rule.rest);
        let judged = items.iter().enumerate().map_while(|(at, item)| Some((at, item, of_item(at)?)));
        self.all(judged, |check, (at, item, schema)| check.judge(schema, item, &path.then(Step::Item(at))))
    }

    fn unique(&mut self, items: &[Value], path: &Path<'_>) -> bool {
        self.spend(items.len() as u64)
            && match find_repeated(items) {
                None => true,
                Some(at) => self.breaks(&path.then(Step::Item(at)), Some(&items[at]), || {
                    "an item unlike those before it".to_owned()
                }),
            }
    }

    fn required(&mut self, required: &[Required], properties: &Map<String, Value>, path: &Path<'_>) -> bool {
        self.all(required.iter(), |check, Required { name, is_read_only, is_write_only }| {
            let is_excused = if check.side == Side::Request { *is_read_only } else { *is_write_only };
            is_excused || properties.contains_key(&**name) || check.misses(name, path)
        })
    }

    fn misses(&mut self, name: &str, path: &Path<'_>) -> bool {
        self.breaks(&path.then(Step::Property(name)), None, || "a value".to_owned())
    }

    fn properties(&mut self, rule: &Properties, properties: &Map<String, Value>, path: &Path<'_>) -> bool {
        self.all(properties.iter(), |check, (name, property)| {
            check.property(rule, name, property, &path.then(Step::Property(name)))
        })
    }

    fn property(&mut self, rule: &Properties, name: &str, property: &Value, path: &Path<'_>) -> bool {
        let named = rule.named(name);
        let mut is_held = named.is_none_or(|schema| self.judge(schema, property, path));
        let mut is_known = named.is_some();
        for (pattern, schema) in &rule.patterns {
            if self.spend(1 + name.len() as u64 / 8) && pattern.is_match(name) {
                is_known = true;
                is_held &= self.judge(*schema, property, path);
            }
        }
        match rule.rest.filter(|_| !is_known) {
            None => is_held,
            Some(rest) if matches!(self.schemas.node(rest), Node::Nothing) => {
                self.breaks(path, Some(property), || "no such property".to_owned())
            }
            Some(rest) => self.judge(rest, property, path),
        }
    }

    fn names(&mut self, schema: SchemaId, properties: &Map<String, Value>, path: &Path<'_>) -> bool {
        self.all(properties.keys(), |check, name| {
            check.quietly(schema, &Value::from(name.as_str()))
                || check.breaks(&path.then(Step::Property(name)), None, || "a property of another name".to_owned())
        })
    }

    /// Whether all of them hold. The first that does not is not the last to be told.
    pub(super) fn all<T>(
        &mut self,
        parts: impl Iterator<Item = T>,
        mut holds: impl FnMut(&mut Self, T) -> bool,
    ) -> bool {
        let mut is_held = true;
        for part in parts {
            is_held &= holds(self, part);
            if !is_held && self.is_enough() {
                break;
            }
        }
        is_held
    }

    /// Whether `value` holds, without telling why not.
    pub(super) fn quietly(&mut self, id: SchemaId, value: &Value) -> bool {
        let was_quiet = std::mem::replace(&mut self.is_quiet, true);
        let is_held = self.judge(id, value, &Path::WHOLE);
        self.is_quiet = was_quiet;
        is_held
    }

    /// Tells a breach. `false`, as what is judged does not hold.
    pub(super) fn breaks(&mut self, path: &Path<'_>, sent: Option<&Value>, expected: impl FnOnce() -> String) -> bool {
        if !self.is_quiet && self.found.len() < BREACHES_MAX {
            self.found.push(Breach { pointer: path.pointer(), expected: expected(), sent: sent.map(shown) });
        }
        false
    }

    /// Whether nothing more needs to be looked at.
    fn is_enough(&self) -> bool {
        self.is_quiet || self.steps == 0 || self.found.len() >= BREACHES_MAX
    }

    /// Whether there are so many steps left, which are then spent.
    pub(super) fn spend(&mut self, steps: u64) -> bool {
        // None left is a mark: all has been spent.
        let is_enough = self.steps > steps;
        self.steps = self.steps.saturating_sub(steps);
        is_enough
    }
}
