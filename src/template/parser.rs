//! Text → tree, in one pass over the bytes: Velocity's grammar depends on what came before, so there are no tokens.
//! This file reads what stands between directives and references; its neighbours read those.

use std::collections::HashMap;

use super::fault::{Fault, Span};
use super::limits::Limits;
use super::tree::{Block, Escaped, Node, NodeKind, Slot};

/// The variables that a template names, numbered.
#[derive(Debug, Default)]
pub(super) struct Names {
    slots: HashMap<String, Slot>,
}

pub(super) struct Parser<'s, 'n> {
    pub source: &'s str,
    pub at: usize,
    end: usize,
    /// Where faults are shown, if `source` is not the template's own text but a string out of it, unquoted.
    shown: Option<Span>,
    is_string: bool,
    limits: Limits,
    depth: u32,
    names: &'n mut Names,
}

/// What ended a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closer {
    End,
    Else,
    ElseIf,
    EndOfText,
}

/// A block in the making.
#[derive(Default)]
pub(super) struct Draft {
    nodes: Vec<Node>,
    text: String,
    /// Where in `text` the part begins that came after the last directive, reference or comment.
    fresh_from: usize,
    text_from: usize,
}

impl Names {
    /// `None` if there are too many.
    pub fn slot(&mut self, name: &str) -> Option<Slot> {
        if let Some(slot) = self.slots.get(name) {
            return Some(*slot);
        }
        let slot = Slot::try_from(self.slots.len()).ok()?;
        self.slots.insert(name.to_owned(), slot);
        Some(slot)
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }
}

impl Draft {
    pub fn push_text(&mut self, at: usize, text: &str) {
        if self.text.is_empty() {
            self.text_from = at;
        }
        self.text.push_str(text);
    }

    pub fn push(&mut self, at: Span, kind: NodeKind) {
        self.flush();
        self.nodes.push(Node { at, kind });
    }

    /// A comment stood here: it prints nothing, but it parts the text as a directive does.
    fn note_comment(&mut self) {
        self.fresh_from = self.text.len();
    }

    /// `#set` swallows the white space that stands between it and the last directive, reference or comment, or the
    /// block's start; indentation after a line of text stays (both recorded).
    pub fn drop_indentation(&mut self) {
        let is_blank = |byte| matches!(byte, b' ' | b'\t');
        if self.text[self.fresh_from..].bytes().all(is_blank) {
            self.text.truncate(self.fresh_from);
        }
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let at = Span::new(self.text_from, self.text_from + self.text.len());
            let text = std::mem::take(&mut self.text).into_boxed_str();
            self.nodes.push(Node { at, kind: NodeKind::Text(text) });
        }
        self.fresh_from = 0;
    }

    fn finish(mut self) -> Block {
        self.flush();
        Block(self.nodes.into_boxed_slice())
    }
}

impl<'s, 'n> Parser<'s, 'n> {
    pub fn new(source: &'s str, limits: &Limits, names: &'n mut Names) -> Parser<'s, 'n> {
        let end = source.len();
        Parser { source, at: 0, end, shown: None, is_string: false, limits: *limits, depth: 0, names }
    }

    /// The whole text.
    pub fn template(&mut self) -> Result<Block, Fault> {
        let from = self.at;
        let (block, closer) = self.block()?;
        match closer {
            Closer::EndOfText => Ok(block),
            _ => Err(self.fault(from.max(self.at.saturating_sub(1)), "an #end, #else or #elseif that closes nothing")),
        }
    }

    /// The contents of a double-quoted string, which is a template of its own. `inside` has no quotes around it.
    pub fn string_template(&mut self, inside: Span, unquoted: Option<&str>) -> Result<Block, Fault> {
        self.enter(inside)?;
        let depth = self.depth;
        let (source, from, end) = match unquoted {
            Some(text) => (text, 0, text.len()),
            None => (self.source, inside.start as usize, inside.end as usize),
        };
        let shown = self.shown.or(unquoted.map(|_| inside));
        let limits = self.limits;
        let mut parser =
            Parser { source, at: from, end, shown, is_string: true, limits, depth, names: &mut *self.names };
        let block = parser.template()?;
        self.depth -= 1;
        Ok(block)
    }

    /// Up to an `#end`, `#else` or `#elseif`, which is read, or the end of the text.
    pub fn block(&mut self) -> Result<(Block, Closer), Fault> {
        self.enter(self.span(self.at, self.at + 1))?;
        let mut draft = Draft::default();
        let closer = loop {
            self.plain(&mut draft);
            let found = match self.peek() {
                None => Some(Closer::EndOfText),
                Some(b'\\') => self.escape(&mut draft)?,
                Some(b'$') => self.dollar(&mut draft)?,
                Some(_) => self.hash(&mut draft)?,
            };
            if let Some(closer) = found {
                break closer;
            }
        };
        self.depth -= 1;
        Ok((draft.finish(), closer))
    }

    /// Text up to the next character that may mean something.
    fn plain(&mut self, draft: &mut Draft) {
        let rest = &self.source[self.at..self.end];
        let length = memchr::memchr3(b'$', b'#', b'\\', rest.as_bytes()).unwrap_or(rest.len());
        if length > 0 {
            draft.push_text(self.at, &rest[..length]);
            self.at += length;
        }
    }

    fn dollar(&mut self, draft: &mut Draft) -> Result<Option<Closer>, Fault> {
        let from = self.at;
        if let Some(reference) = self.reference()? {
            draft.push(self.span(from, self.at), NodeKind::Reference(reference));
            return Ok(None);
        }
        if self.at + 1 == self.end && !self.is_string {
            let fault = self.fault(from, "a $ that ends the template: the service answers 500 to it");
            return Err(fault.with_help("leave it out, or let a space or a line break follow"));
        }
        self.literal(draft, 1);
        Ok(None)
    }

    fn hash(&mut self, draft: &mut Draft) -> Result<Option<Closer>, Fault> {
        let rest = self.rest();
        if rest.starts_with("##") {
            let line = rest.find('\n').map_or(rest.len(), |at| at + 1);
            self.at += line;
            draft.note_comment();
        } else if rest.starts_with("#*") {
            self.skip_past("*#", 2, "a comment #* that no *# ends")?;
            draft.note_comment();
        } else if rest.starts_with("#[[") {
            let from = self.at + 3;
            self.skip_past("]]#", 3, "a text block #[[ that no ]]# ends")?;
            draft.push_text(from, &self.source[from..self.at - 3]);
        } else {
            return self.directive(draft);
        }
        Ok(None)
    }

    fn skip_past(&mut self, close: &str, opening: usize, message: &str) -> Result<(), Fault> {
        match self.rest()[opening..].find(close) {
            Some(length) => self.at += opening + length + close.len(),
            None => return Err(self.fault(self.at, message)),
        }
        Ok(())
    }

    /// Backslashes: they escape a reference or a directive that follows them, and are plain text otherwise.
    fn escape(&mut self, draft: &mut Draft) -> Result<Option<Closer>, Fault> {
        let from = self.at;
        let slashes = self.rest().bytes().take_while(|byte| *byte == b'\\').count();
        self.at += slashes;
        match self.peek() {
            Some(b'$') => self.escaped_reference(draft, slashes)?,
            Some(b'#') if self.known_directive().is_some() => {
                draft.push_text(from, &self.source[from..from + slashes / 2]);
                if slashes % 2 == 1 {
                    let length = self.known_directive().unwrap_or(1);
                    self.literal(draft, length);
                }
            }
            _ => draft.push_text(from, &self.source[from..self.at]),
        }
        Ok(None)
    }

    fn escaped_reference(&mut self, draft: &mut Draft, slashes: usize) -> Result<(), Fault> {
        let from = self.at;
        let Some(reference) = self.reference()? else {
            draft.push_text(from - slashes, &self.source[from - slashes..from]);
            return Ok(());
        };
        let written = &self.source[from..self.at];
        let at = self.span(from - slashes, self.at);
        if slashes % 2 == 1 {
            draft.push(at, NodeKind::Escaped(Escaped { slashes, reference, written: written.into() }));
        } else {
            draft.push_text(from - slashes, &self.source[from - slashes..from - slashes / 2]);
            draft.push(at, NodeKind::Reference(reference));
        }
        Ok(())
    }

    /// Takes bytes as text.
    pub fn literal(&mut self, draft: &mut Draft, length: usize) {
        draft.push_text(self.at, &self.source[self.at..self.at + length]);
        self.at += length;
    }

    /// White space and the line break after it; nothing if there is more on the line.
    pub fn gobble_line(&mut self) {
        let rest = self.rest();
        let line = rest.trim_start_matches([' ', '\t']);
        let line_break = ["\r\n", "\n", "\r"].into_iter().find(|line_break| line.starts_with(line_break));
        if let Some(line_break) = line_break {
            self.at += rest.len() - line.len() + line_break.len();
        }
    }

    pub fn rest(&self) -> &'s str {
        &self.source[self.at..self.end]
    }

    pub fn peek(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    pub fn peek_at(&self, distance: usize) -> Option<u8> {
        self.rest().as_bytes().get(distance).copied()
    }

    /// Takes `byte` if it comes next.
    pub fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    pub fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    /// Takes `byte` after white space, or says what it should have closed.
    pub fn expect(&mut self, byte: u8, what: &str) -> Result<(), Fault> {
        self.skip_space();
        if self.take(byte) {
            return Ok(());
        }
        Err(self.unexpected(&format!("{:?} {what}", char::from(byte))))
    }

    /// A fault that names what stands here and what should.
    pub fn unexpected(&self, wanted: &str) -> Fault {
        let found = match self.rest().chars().next() {
            Some(found) => format!("found {found:?}"),
            None if self.is_string => "the string ends".to_owned(),
            None => "the template ends".to_owned(),
        };
        self.fault(self.at, format!("{found} where {wanted} should be"))
    }

    pub fn fault(&self, at: usize, message: impl Into<String>) -> Fault {
        let length = self.source.get(at..self.end).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        Fault::new(self.span(at, at + length), message)
    }

    pub fn span(&self, start: usize, end: usize) -> Span {
        self.shown.unwrap_or(Span::new(start, end))
    }

    pub fn enter(&mut self, at: Span) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth <= self.limits.nesting {
            return Ok(());
        }
        Err(Fault::new(at, format!("nested more than {} deep", self.limits.nesting)))
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    pub fn slot(&mut self, name: &str, at: usize) -> Result<Slot, Fault> {
        self.names.slot(name).ok_or_else(|| self.fault(at, "more variables than a template may have: 65536"))
    }
}
