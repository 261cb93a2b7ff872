//! Reads XML into maps, lists and strings, for `$util.parseXml`, which is Tollgate's own: API Gateway has no such function.
//! Names are local names. A reader of events, without namespaces and documents: what it costs is in proportion to the
//! text, however many prefixes and attributes somebody writes.

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::fault::{Trouble, Why};
use super::text::Text;
use super::value::{Heap, Map, Value};

/// An element that is open.
#[derive(Debug)]
struct Element<'r> {
    name: String,
    members: Map<'r>,
    text: String,
}

struct Tree<'h, 'r> {
    open: Vec<Element<'r>>,
    root: Option<Value<'r>>,
    heap: &'h mut Heap<'r>,
    /// Elements that are lists even when they come once.
    lists: &'h [Text<'r>],
}

/// The key of the text beside attributes or elements.
const TEXT: &str = "#text";

/// A document: a map with its root element.
pub(super) fn read<'r>(source: &str, lists: &[Text<'r>], heap: &mut Heap<'r>) -> Result<Value<'r>, Trouble> {
    heap.meter.read(source.len())?;
    let mut reader = Reader::from_str(source);
    let mut tree = Tree { open: Vec::new(), root: None, heap, lists };
    loop {
        let event = reader.read_event().map_err(|error| broken(&error, reader.error_position()))?;
        let at = reader.buffer_position();
        tree.heap.meter.step(1)?;
        match event {
            Event::Start(start) => tree.begin(&start, at)?,
            Event::Empty(start) => {
                tree.begin(&start, at)?;
                tree.end()?;
            }
            Event::End(_) => tree.end()?,
            Event::Text(text) => tree.text(&text.xml10_content(), at)?,
            Event::CData(text) => tree.text(&text.xml10_content(), at)?,
            Event::GeneralRef(name) => tree.text(referenced(&name, at)?.encode_utf8(&mut [0; 4]), at)?,
            Event::DocType(_) => return Err(broken("a document type is not read", at)),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof if !tree.open.is_empty() => return Err(broken("an element is not closed", at)),
            Event::Eof => return tree.root.ok_or_else(|| broken("there is no element", at)),
        }
    }
}

impl<'r> Tree<'_, 'r> {
    fn begin(&mut self, start: &BytesStart<'_>, at: u64) -> Result<(), Trouble> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(broken("a second element behind the first", at));
        }
        self.heap.meter.check_depth(self.open.len() as u32 + 1)?;
        let name = start.local_name().as_ref().to_owned();
        self.heap.meter.make(name.len())?;
        let mut element = Element { name, members: Map::default(), text: String::new() };
        // Looking for the same name twice takes the square of their number; the map does it as well.
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| broken(&error, at))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| broken(&error, at))?;
            let name = format!("@{}", attribute.key.local_name().as_ref());
            self.heap.meter.make(name.len() + value.len())?;
            element.members.put(name.into(), Value::Text(value.into_owned().into()));
        }
        self.open.push(element);
        Ok(())
    }

    fn text(&mut self, text: &str, at: u64) -> Result<(), Trouble> {
        self.heap.meter.make(text.len())?;
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim_start_matches('\u{feff}').trim().is_empty() => {}
            None => return Err(broken("text outside of the document", at)),
        }
        Ok(())
    }

    /// Closes the innermost element, which becomes a member of the one around it.
    fn end(&mut self) -> Result<(), Trouble> {
        let Some(element) = self.open.pop() else { return Ok(()) };
        let Element { name, members, text } = element;
        let value = self.value(members, text)?;
        let Some(mut parent) = self.open.pop() else {
            let mut root = Map::default();
            self.add(&mut root, name, value)?;
            self.root = Some(self.heap.make_map(root)?);
            return Ok(());
        };
        self.add(&mut parent.members, name, value)?;
        self.open.push(parent);
        Ok(())
    }

    /// A string where there is nothing but text; space between elements is nothing.
    fn value(&mut self, mut members: Map<'r>, text: String) -> Result<Value<'r>, Trouble> {
        if members.len() == 0 {
            return Ok(Value::Text(text.into()));
        }
        if !text.trim().is_empty() {
            members.put(TEXT.into(), Value::Text(text.into()));
        }
        self.heap.make_map(members)
    }

    /// What comes several times is a list.
    fn add(&mut self, members: &mut Map<'r>, name: String, value: Value<'r>) -> Result<(), Trouble> {
        let value = match members.get(&name) {
            Some(Value::List(list)) => {
                self.heap.list_mut(*list, 1)?.items.push(value);
                return Ok(());
            }
            Some(first) => self.heap.make_list(vec![first.clone(), value], true)?,
            None if self.lists.iter().any(|list| list.as_str() == name) => self.heap.make_list(vec![value], true)?,
            None => value,
        };
        members.put(name.into(), value);
        Ok(())
    }
}

/// `&lt;`, `&#x3c;`: without a document type there are no others.
fn referenced(name: &BytesRef<'_>, at: u64) -> Result<char, Trouble> {
    if let Some(c) = name.resolve_char_ref().map_err(|error| broken(&error, at))? {
        return Ok(c);
    }
    match &**name {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        other => Err(broken(format!("&{other}; is not known"), at)),
    }
}

fn broken(why: impl std::fmt::Display, at: u64) -> Trouble {
    Trouble::new(Why::Payload, format!("$util.parseXml: {why}, at position {at}"))
}

/// Text as it stands in an element or an attribute. What XML cannot hold is left out, as commons-text does.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::template::Budget;
    use crate::template::limits::Meter;

    /// Why a text is refused under a budget.
    fn refusal(source: &str, budget: &Budget) -> Option<String> {
        let mut heap = Heap::new(Meter::new(budget));
        read(source, &[], &mut heap).err().map(|trouble| trouble.message().to_owned())
    }

    #[test]
    fn depth_and_size_are_of_the_budget() {
        let check = |source: &str, budget: Budget, expected: &str| {
            let refused = refusal(source, &budget).unwrap_or_default();
            assert!(refused.contains(expected), "{refused:?} is not {expected:?}");
        };
        let budget = Budget::default();
        check(&"<a>".repeat(100_000), budget, "budget of nesting");
        check(&format!("<a>{}</a>", "<b/>".repeat(10_000)), Budget { steps: 5_000, ..budget }, "budget of steps");
        let long = format!("<a>{}</a>", "x".repeat(10_000));
        check(&long, Budget { memory_bytes: 5_000, ..budget }, "budget of memory");
        let prefixes: String = (0..60_000).map(|i| format!(" xmlns:p{i}='u'")).collect();
        assert_eq!(refusal(&format!("<a{prefixes}/>"), &budget), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(parts in prop::collection::vec(prop::sample::select(&[
            "<a>", "</a>", "<b c='1'", " d=\"&lt;\"", ">", "/>", "&#x41;", "&amp;", "&", ";", "<![CDATA[", "]]>", "<!--", "-->",
            "<?x", "?>", "<!DOCTYPE a", "'", "é", "\r\n", "]", "xmlns:p='u'", "<p:q ", "=", "\0",
        ]), 0..24)) {
            let _ = refusal(&parts.concat(), &Budget::default());
        }
    }
}
