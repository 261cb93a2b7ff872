use std::cell::{Cell, RefCell};

use super::document::{Document, Key, Node, Pointer, Tree};
use super::library::{Library, Unresolved};
use crate::config::{Fault, Located, Span, Unserved};

/// How many faults of one document are told.
const FAULTS_MAX: usize = 100;

/// How many values are read of a document in all: what is referred to counts each time.
const VALUES_MAX: usize = 4_000_000;

/// How long a chain of references may be.
const CHAIN_MAX: usize = 32;

/// What is learned while a document is read.
#[derive(Debug)]
pub(super) struct Desk<'d> {
    pub library: &'d Library,
    pub faults: RefCell<Vec<Fault>>,
    pub unserved: RefCell<Vec<Unserved>>,
    /// How many values have been read.
    spent: Cell<usize>,
}

/// A value of a document, where faults about it are left. A reader that answers `None` has left one.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'d> {
    pub node: &'d Node,
    pub document: &'d Document,
    pub desk: &'d Desk<'d>,
}

impl<'d> Desk<'d> {
    pub fn new(library: &'d Library) -> Desk<'d> {
        Desk { library, faults: RefCell::default(), unserved: RefCell::default(), spent: Cell::default() }
    }

    fn add(&self, fault: Fault) {
        let mut faults = self.faults.borrow_mut();
        if faults.len() < FAULTS_MAX && !faults.contains(&fault) {
            faults.push(fault);
        }
    }
}

impl<'d> At<'d> {
    pub fn span(self) -> Span {
        self.document.span(self.node)
    }

    pub fn pointer(self) -> Pointer {
        Pointer::of(self.node, &self.document.root).unwrap_or_default()
    }

    fn with(self, node: &'d Node) -> At<'d> {
        At { node, ..self }
    }

    /// The member of this name; `None` also where this is no object.
    pub fn get(self, name: &str) -> Option<At<'d>> {
        self.node.get(name).map(|node| self.with(node))
    }

    /// The members of an object.
    pub fn members(self) -> impl Iterator<Item = (&'d Key, At<'d>)> {
        self.node.entries().iter().map(move |(key, node)| (key, self.with(node)))
    }

    /// The elements of an array.
    pub fn elements(self) -> impl Iterator<Item = At<'d>> {
        self.node.elements().iter().map(move |node| self.with(node))
    }

    /// Leaves a fault here.
    pub fn refuse<T>(self, message: impl std::fmt::Display, help: impl Into<String>) -> Option<T> {
        let message = format!("{message} (at {})", self.pointer());
        self.desk.add(Fault::at(self.span(), message).with_help(help));
        None
    }

    /// Leaves a fault at a name of this object.
    pub fn refuse_name<T>(self, key: &Key, message: impl std::fmt::Display, help: impl Into<String>) -> Option<T> {
        let message = format!("{message} (at {})", self.pointer().join(&key.name));
        self.desk.add(Fault::at(self.name_span(key), message).with_help(help));
        None
    }

    pub fn name_span(self, key: &Key) -> Span {
        Span { file: self.document.file, start: key.range.start, end: key.range.end }
    }

    /// Tells of something here that is not served.
    pub fn unserved(self, what: impl Into<String>) {
        let unserved = Unserved { span: self.span(), what: what.into() };
        let mut all = self.desk.unserved.borrow_mut();
        if !all.contains(&unserved) {
            all.push(unserved);
        }
    }

    pub fn is_null(self) -> bool {
        matches!(self.node.tree, Tree::Null)
    }

    fn expect<T>(self, found: Option<T>, expected: &str) -> Option<T> {
        found.or_else(|| {
            self.refuse(format!("this is {}, not {expected}", self.node.kind()), format!("write {expected}"))
        })
    }

    pub fn object(self) -> Option<At<'d>> {
        self.expect(matches!(self.node.tree, Tree::Object(_)).then_some(self), "an object")
    }

    pub fn array(self) -> Option<At<'d>> {
        self.expect(matches!(self.node.tree, Tree::Array(_)).then_some(self), "an array")
    }

    pub fn str(self) -> Option<&'d str> {
        self.expect(self.node.as_str(), "a string")
    }

    pub fn string(self) -> Option<String> {
        self.str().map(str::to_owned)
    }

    /// A string, or a number or boolean as it is written: YAML makes those of versions and statuses.
    pub fn text(self) -> Option<String> {
        match &self.node.tree {
            Tree::Number(text) | Tree::String(text) => Some(text.to_string()),
            Tree::Bool(value) => Some(value.to_string()),
            _ => self.expect(None, "a string"),
        }
    }

    pub fn bool(self) -> Option<bool> {
        // Exports of API Gateway and templates of CloudFormation write these as text, too.
        let spelt = match self.node.as_str() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => self.node.as_bool(),
        };
        self.expect(spelt, "true or false")
    }

    pub fn integer(self, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let written = self.node.as_u64().or_else(|| self.node.as_str()?.parse().ok());
        let number = self.expect(written, "a whole number")?;
        if range.contains(&number) {
            return Some(number);
        }
        self.refuse(
            format!("{number} is out of range"),
            format!("write a number from {} to {}", range.start(), range.end()),
        )
    }

    /// One of `words`, whatever their case.
    pub fn word<T: Copy>(self, words: &[(&str, T)]) -> Option<T> {
        let text = self.str()?;
        words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, meaning)| *meaning).or_else(|| {
            let help = crate::base::nearest(text, words.iter().map(|(word, _)| *word));
            self.refuse(format!("{text:?} is not known here"), help)
        })
    }

    pub fn strings(self) -> Option<Vec<String>> {
        let read: Vec<Option<String>> = self.array()?.elements().map(At::string).collect();
        read.into_iter().collect()
    }

    pub fn located<T>(self, value: T) -> Located<T> {
        Located::new(value, self.span())
    }

    /// Counts the value as read. `None`: the document has come to too much by now.
    pub fn spend(self) -> Option<At<'d>> {
        let spent = &self.desk.spent;
        if spent.get() <= VALUES_MAX {
            spent.set(spent.get() + self.node.count());
            if spent.get() > VALUES_MAX {
                let message = format!("with all its references the document comes to more than {VALUES_MAX} values");
                return self
                    .refuse(message, "move what is repeated into schemas of its components: those are read once");
            }
        }
        (spent.get() <= VALUES_MAX).then_some(self)
    }

    /// The object itself, or what its `$ref` leads to.
    pub fn resolve(self) -> Option<At<'d>> {
        let end = self.end()?;
        if std::ptr::eq(end.node, self.node) { Some(self) } else { end.spend() }
    }

    /// Where a chain of references ends.
    pub fn end(self) -> Option<At<'d>> {
        let mut at = self;
        for _ in 0..CHAIN_MAX {
            match at.reference() {
                None => return Some(at),
                Some(_) => at = at.follow()?,
            }
        }
        self.refuse("this reference leads back to itself", "let one of the references name the thing itself")
    }

    /// The text of the `$ref` of an object that is a reference.
    pub fn reference(self) -> Option<&'d str> {
        self.node.get("$ref").and_then(Node::as_str)
    }

    /// One step along a reference.
    pub fn follow(self) -> Option<At<'d>> {
        let at = self.get("$ref")?;
        match self.desk.library.find(at.str()?, self.document) {
            Ok((document, node)) => Some(At { node, document, desk: self.desk }),
            Err(Unresolved { message, help, cause }) => {
                if let Some(fault) = cause {
                    self.desk.add(*fault);
                }
                at.refuse(message, help)
            }
        }
    }
}
