use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::{DEPTH_MAX, Key, NODES_MAX, Node, SyntaxFault, Tree};

/// Parses the one document of a YAML text, by the core schema of YAML 1.2 and with YAML 1.1's merge keys (`<<`), which
/// people go on writing.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxFault> {
    let places = Places::of(text);
    let mut builder = Builder::default();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            SyntaxFault::new(places.byte(error.marker().index()), format!("not YAML: {}", error.info()))
        })?;
        let range = places.range(span);
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
        }
        if documents > 1 {
            return Err(SyntaxFault::new(range.start, "a second document begins here"));
        }
        builder.event(event, range)?;
    }
    builder.root.ok_or_else(|| SyntaxFault::new(0, "the document is empty"))
}

/// From the parser's characters to bytes.
struct Places {
    /// Of each character where it begins, and the end; `None` where all are ASCII.
    starts: Option<Vec<u32>>,
}

impl Places {
    fn of(text: &str) -> Places {
        let starts = || text.char_indices().map(|(at, _)| at as u32).chain([text.len() as u32]).collect();
        Places { starts: (!text.is_ascii()).then(starts) }
    }

    fn byte(&self, character: usize) -> usize {
        match &self.starts {
            Some(starts) => starts[character.min(starts.len() - 1)] as usize,
            None => character,
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        self.byte(span.start.index())..self.byte(span.end.index())
    }
}

/// Builds the tree from the parser's events.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    /// What aliases stand for, and how many nodes each is.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
}

/// An array or object that has not ended.
struct Open {
    start: usize,
    anchor: usize,
    /// How many nodes there were before it.
    before: usize,
    inside: Inside,
}

enum Inside {
    Array(Vec<Node>),
    Object { entries: Vec<(Key, Node)>, key: Option<Key>, merged: Vec<Node> },
}

impl Builder {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) -> Result<(), SyntaxFault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let (tree, at) = (scalar(&text, style, tag.as_deref()), range.start);
                self.put(Node::new(tree, range), (anchor, 1), at)
            }
            Event::SequenceStart(anchor, _) => self.begin(range.start, anchor, Inside::Array(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let inside = Inside::Object { entries: Vec::new(), key: None, merged: Vec::new() };
                self.begin(range.start, anchor, inside)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range.end),
            Event::Alias(anchor) => {
                let Some((node, count)) = self.anchors.get(&anchor).cloned() else {
                    return Err(SyntaxFault::new(range.start, "this alias stands inside what it names"));
                };
                self.put(node, (0, count), range.start)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, start: usize, anchor: usize, inside: Inside) -> Result<(), SyntaxFault> {
        if self.open.len() >= DEPTH_MAX {
            return Err(SyntaxFault::too_deep(start));
        }
        if let Some(Open { inside: Inside::Object { key: None, .. }, .. }) = self.open.last() {
            return Err(SyntaxFault::new(start, "a name is no text"));
        }
        self.open.push(Open { start, anchor, before: self.nodes, inside });
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), SyntaxFault> {
        let Some(Open { start, anchor, before, inside }) = self.open.pop() else { return Ok(()) };
        let tree = match inside {
            Inside::Array(elements) => Tree::Array(elements),
            Inside::Object { mut entries, merged, .. } => {
                merged.iter().try_for_each(|node| merge(&mut entries, node))?;
                Tree::Object(entries)
            }
        };
        let count = self.nodes - before + 1;
        // What is inside was counted when it came.
        self.nodes = before;
        self.put(Node::new(tree, start..end), (anchor, count), start)
    }

    /// Puts a whole value of `count` nodes where it belongs. It stands `at` a byte, or an alias of it does.
    fn put(&mut self, node: Node, (anchor, count): (usize, usize), at: usize) -> Result<(), SyntaxFault> {
        self.nodes += count;
        if self.nodes > NODES_MAX {
            return Err(SyntaxFault::too_many(at));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), count));
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::Array(elements)) => elements.push(node),
            Some(Inside::Object { entries, key: key @ None, .. }) => {
                let new = name(node).ok_or_else(|| SyntaxFault::new(at, "a name is no text"))?;
                if let Some((first, _)) = entries.iter().find(|(other, _)| other.name == new.name) {
                    return Err(SyntaxFault::duplicate(&new.name, at, first.range.start as usize));
                }
                *key = Some(new);
            }
            Some(Inside::Object { entries, key, merged }) => match key.take() {
                Some(key) if &*key.name == "<<" => merged.push(node),
                Some(key) => entries.push((key, node)),
                None => {}
            },
        }
        Ok(())
    }
}

/// What a name is: any scalar's text.
fn name(node: Node) -> Option<Key> {
    let range = node.range.start as usize..node.range.end as usize;
    match node.tree {
        Tree::String(text) | Tree::Number(text) => Some(Key::new(text, range)),
        Tree::Bool(value) => Some(Key::new(if value { "true" } else { "false" }, range)),
        Tree::Null => Some(Key::new("null", range)),
        Tree::Array(_) | Tree::Object(_) => None,
    }
}

/// Adds what `<<` names and the object has not itself: one object, or a list of which earlier ones win.
fn merge(entries: &mut Vec<(Key, Node)>, node: &Node) -> Result<(), SyntaxFault> {
    match &node.tree {
        Tree::Object(others) => {
            for (key, value) in others {
                if entries.iter().all(|(own, _)| own.name != key.name) {
                    entries.push((key.clone(), value.clone()));
                }
            }
            Ok(())
        }
        Tree::Array(list) if list.iter().all(|node| matches!(node.tree, Tree::Object(_))) => {
            list.iter().try_for_each(|node| merge(entries, node))
        }
        _ => Err(SyntaxFault::new(node.range.start as usize, "what << names is no object")),
    }
}

/// What a scalar means in the core schema (YAML 1.2.2 section 10.3.2). `yes`, `on` and dates are text there.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Tree {
    let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    if style != ScalarStyle::Plain || is_text {
        return Tree::String(text.into());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Tree::Null,
        "true" | "True" | "TRUE" => Tree::Bool(true),
        "false" | "False" | "FALSE" => Tree::Bool(false),
        _ => number(text).map_or_else(|| Tree::String(text.into()), Tree::Number),
    }
}

/// A number in JSON's spelling; `None` for what is none, and for infinities, which JSON has not.
fn number(text: &str) -> Option<Box<str>> {
    let radix = |prefix, radix| {
        let digits = text.strip_prefix(prefix)?;
        u64::from_str_radix(digits, radix).ok().map(|value| value.to_string().into())
    };
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return None;
    }
    radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| decimal(text))
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?` of the schema.
fn decimal(text: &str) -> Option<Box<str>> {
    let unsigned = text.trim_start_matches(['+', '-']);
    if text.len() - unsigned.len() > 1 {
        return None;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_exponent = |text: &str| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        !digits.is_empty() && are_digits(digits)
    };
    if whole.len() + fraction.len() == 0 || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    if !exponent.is_none_or(is_exponent) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let mut out = String::with_capacity(text.len() + 1);
    out.push_str(if text.starts_with('-') { "-" } else { "" });
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    if let Some(exponent) = exponent {
        out.push('e');
        out.push_str(exponent);
    }
    Some(out.into())
}
