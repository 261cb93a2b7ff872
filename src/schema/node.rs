use std::sync::Arc;

use serde_json::Value;

use super::format::Format;
use super::kinds::Kinds;
use super::number::Number;
use super::pattern::Pattern;

/// Every schema of a definition, compiled.
#[derive(Debug)]
pub struct Schemas {
    pub(super) nodes: Box<[Node]>,
    /// Whether `1.0` is an integer: since draft-06.
    pub(super) is_one_point_zero_integer: bool,
}

/// One of [`Schemas`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SchemaId(pub(super) u32);

#[derive(Debug, Default)]
pub(super) enum Node {
    /// `true`, `{}`
    #[default]
    Anything,
    /// `false`
    Nothing,
    /// All of them hold; the cheap ones stand first.
    Rules(Box<[Rule]>),
}

/// A keyword, or several that are judged together.
#[derive(Debug)]
pub(super) enum Rule {
    /// `nullable`: null is fine whatever the others say.
    Nullable,
    Kinds(Kinds),
    /// `enum` and `const`.
    Values(Box<[Value]>),
    Range(Box<Range>),
    /// In characters.
    Length(Size),
    Pattern(Arc<Pattern>),
    Format(Format),
    ItemCount(Size),
    Items(Box<Items>),
    UniqueItems,
    Contains(Box<Contains>),
    PropertyCount(Size),
    Required(Box<[Required]>),
    Properties(Box<Properties>),
    PropertyNames(SchemaId),
    DependentRequired(Box<[Dependency]>),
    DependentSchemas(Box<[(Box<str>, SchemaId)]>),
    AllOf(Box<[SchemaId]>),
    AnyOf(Box<[SchemaId]>),
    OneOf(Box<[SchemaId]>),
    Not(SchemaId),
    If(Box<If>),
    UnevaluatedProperties(SchemaId),
    UnevaluatedItems(SchemaId),
}

#[derive(Debug, Default)]
pub(super) struct Range {
    pub min: Option<Bound>,
    pub max: Option<Bound>,
    pub multiple_of: Option<Number>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub limit: Number,
    pub is_exclusive: bool,
}

/// From `min` to `max`, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub min: u64,
    pub max: u64,
}

#[derive(Debug)]
pub(super) struct Items {
    /// Of the first items, one each.
    pub prefix: Box<[SchemaId]>,
    /// Of those after them.
    pub rest: Option<SchemaId>,
}

#[derive(Debug)]
pub(super) struct Contains {
    pub schema: SchemaId,
    pub count: Size,
}

/// A property that must be there.
#[derive(Debug)]
pub(super) struct Required {
    pub name: Box<str>,
    /// `readOnly`: nobody sends it.
    pub is_read_only: bool,
    /// `writeOnly`: nobody gets it.
    pub is_write_only: bool,
}

/// Where the property `name` is, the others are.
#[derive(Debug)]
pub(super) struct Dependency {
    pub name: Box<str>,
    pub others: Box<[Box<str>]>,
}

#[derive(Debug, Default)]
pub(super) struct Properties {
    /// In the order of the names.
    pub named: Box<[(Box<str>, SchemaId)]>,
    pub patterns: Box<[(Arc<Pattern>, SchemaId)]>,
    /// `additionalProperties`
    pub rest: Option<SchemaId>,
}

#[derive(Debug)]
pub(super) struct If {
    pub condition: SchemaId,
    pub then: Option<SchemaId>,
    pub otherwise: Option<SchemaId>,
}

impl Schemas {
    pub(super) fn node(&self, SchemaId(at): SchemaId) -> &Node {
        // Only the compiler makes ids, and it makes a node for each.
        &self.nodes[at as usize]
    }

    pub(super) fn rules(&self, id: SchemaId) -> &[Rule] {
        match self.node(id) {
            Node::Rules(rules) => rules,
            Node::Anything | Node::Nothing => &[],
        }
    }

    /// How many schemas there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

impl Size {
    pub(super) fn holds(self, count: u64) -> bool {
        (self.min..=self.max).contains(&count)
    }
}

impl Properties {
    pub(super) fn named(&self, name: &str) -> Option<SchemaId> {
        let at = self.named.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(self.named[at].1)
    }
}
