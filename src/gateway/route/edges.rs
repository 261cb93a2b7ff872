use std::hash::{BuildHasher, BuildHasherDefault};
use std::num::NonZeroU32;

use ahash::AHasher;

/// A node of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(NonZeroU32);

impl NodeId {
    pub const ROOT: NodeId = NodeId(NonZeroU32::MIN);

    /// The node at `index` of all.
    pub fn new(index: usize) -> NodeId {
        NodeId(NonZeroU32::MIN.saturating_add(index as u32))
    }

    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The static segments of all paths: from a node by a text to its child.
///
/// One table with open addressing for the whole tree. A segment stands in its slot with its text, and two slots lie in a
/// cache line, so that a step of a search costs one line: a map for each node, with texts of their own, costs four.
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// As many as a power of two, or none; half of them are free.
    slots: Box<[Slot]>,
    len: usize,
}

#[derive(Debug, Default)]
#[repr(align(32))]
struct Slot(Option<Edge>);

#[derive(Debug)]
struct Edge {
    from: NodeId,
    to: NodeId,
    text: Text,
}

/// As long as nearly every segment is, it is held in place.
#[derive(Debug)]
enum Text {
    Short { len: u8, bytes: [u8; SHORT_MAX] },
    Long(Box<str>),
}

const SHORT_MAX: usize = 22;

impl Edges {
    pub fn find(&self, from: NodeId, text: &str) -> Option<NodeId> {
        if self.slots.is_empty() {
            return None;
        }
        let Slot(slot) = &self.slots[self.place_of(from, text)];
        slot.as_ref().map(|edge| edge.to)
    }

    /// Adds an edge that is not there yet.
    pub fn insert(&mut self, from: NodeId, text: &str, to: NodeId) {
        if 2 * (self.len + 1) > self.slots.len() {
            self.grow();
        }
        self.put(Edge { from, to, text: Text::new(text) });
    }

    fn put(&mut self, edge: Edge) {
        let at = self.place_of(edge.from, edge.text.as_bytes());
        self.slots[at] = Slot(Some(edge));
        self.len += 1;
    }

    /// Where the edge is, or would be.
    fn place_of(&self, from: NodeId, text: impl AsRef<[u8]>) -> usize {
        let (text, mask) = (text.as_ref(), self.slots.len() - 1);
        let is_other = |edge: &Edge| edge.from != from || edge.text.as_bytes() != text;
        let mut at = hash(from, text) as usize & mask;
        while self.slots[at].0.as_ref().is_some_and(is_other) {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let room = (2 * self.slots.len()).max(8);
        let grown = Edges { slots: std::iter::repeat_with(Slot::default).take(room).collect(), len: 0 };
        let old = std::mem::replace(self, grown);
        old.slots.into_iter().filter_map(|Slot(edge)| edge).for_each(|edge| self.put(edge));
    }
}

/// Without a seed of its own: only the operator puts something in.
fn hash(from: NodeId, text: &[u8]) -> u64 {
    BuildHasherDefault::<AHasher>::default().hash_one((from.0, text))
}

impl Text {
    fn new(text: &str) -> Text {
        let mut bytes = [0; SHORT_MAX];
        match bytes.get_mut(..text.len()) {
            Some(short) => {
                short.copy_from_slice(text.as_bytes());
                Text::Short { len: text.len() as u8, bytes }
            }
            None => Text::Long(text.into()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Text::Short { len, bytes } => &bytes[..usize::from(*len)],
            Text::Long(text) => text.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_is_found_and_no_other_however_the_table_grew() {
        let mut edges = Edges::default();
        let text = |of: usize| "s".repeat(of % 40) + &of.to_string();
        assert_eq!(edges.find(NodeId::ROOT, "s"), None);
        for of in 0..500 {
            edges.insert(NodeId::new(of / 100), &text(of), NodeId::new(of));
        }
        for of in 0..500 {
            assert_eq!(edges.find(NodeId::new(of / 100), &text(of)), Some(NodeId::new(of)), "{of}");
            assert_eq!(edges.find(NodeId::new(of / 100 + 1), &text(of)), None, "{of}");
        }
    }

    #[test]
    fn two_slots_lie_in_a_cache_line() {
        assert_eq!(size_of::<Slot>(), 32);
    }
}
