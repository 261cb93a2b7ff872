use std::ops::Range;

use serde_json::{Map, Number, Value};

/// A value of a document and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub tree: Tree,
    /// Bytes of the document's text.
    pub range: Range<u32>,
}

/// What a value is. Objects keep the order in which they were written.
#[derive(Clone, Debug)]
pub enum Tree {
    Null,
    Bool(bool),
    /// As it was written, so that no digit is lost; in JSON's spelling.
    Number(Box<str>),
    String(Box<str>),
    Array(Vec<Node>),
    /// No name twice.
    Object(Vec<(Key, Node)>),
}

/// A name in an object and where it stands.
#[derive(Clone, Debug)]
pub struct Key {
    pub name: Box<str>,
    pub range: Range<u32>,
}

impl Node {
    pub(super) fn new(tree: Tree, range: Range<usize>) -> Node {
        Node { tree, range: narrow(range) }
    }

    /// The member of this name; `None` also where this is no object.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| &*key.name == name).map(|(_, node)| node)
    }

    /// The element at this place; `None` also where this is no array.
    pub fn at(&self, index: usize) -> Option<&Node> {
        self.elements().get(index)
    }

    /// The members of an object; of anything else none.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.tree {
            Tree::Object(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of an array; of anything else none.
    pub fn elements(&self) -> &[Node] {
        match &self.tree {
            Tree::Array(elements) => elements,
            _ => &[],
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.tree {
            Tree::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.tree {
            Tree::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match &self.tree {
            Tree::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// How many values it is, itself and all in it.
    pub fn count(&self) -> usize {
        let members = self.entries().iter().map(|(_, node)| node.count());
        1 + members.sum::<usize>() + self.elements().iter().map(Node::count).sum::<usize>()
    }

    /// What people call it, with its article.
    pub fn kind(&self) -> &'static str {
        match self.tree {
            Tree::Null => "null",
            Tree::Bool(_) => "a boolean",
            Tree::Number(_) => "a number",
            Tree::String(_) => "a string",
            Tree::Array(_) => "an array",
            Tree::Object(_) => "an object",
        }
    }

    /// The value without its places. A number that `serde_json` cannot hold exactly becomes the nearest it can.
    pub fn to_json(&self) -> Value {
        match &self.tree {
            Tree::Null => Value::Null,
            Tree::Bool(value) => Value::Bool(*value),
            Tree::Number(text) => text.parse::<Number>().map_or(Value::Null, Value::Number),
            Tree::String(text) => Value::String(text.to_string()),
            Tree::Array(elements) => Value::Array(elements.iter().map(Node::to_json).collect()),
            Tree::Object(entries) => Value::Object(
                entries.iter().map(|(key, node)| (key.name.to_string(), node.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }
}

impl Key {
    pub(super) fn new(name: impl Into<Box<str>>, range: Range<usize>) -> Key {
        Key { name: name.into(), range: narrow(range) }
    }
}

/// Documents are smaller than 4 GiB: `read` sees to that.
fn narrow(range: Range<usize>) -> Range<u32> {
    range.start as u32..range.end as u32
}
