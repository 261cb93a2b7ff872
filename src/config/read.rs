//! The small words with which every concept reads its table. A reader that answers `None` has left a fault.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::api_key::{KeyDigest, digest};
use super::reference::{References, is_only_references, is_reference};
use super::{Fault, Located, Span};

/// What reading one file needs and gathers.
pub(super) struct Reading<'a> {
    file: u32,
    references: References<'a>,
    notes: RefCell<Notes>,
}

/// What was learned while a file was read.
#[derive(Default)]
pub(super) struct Notes {
    pub faults: Vec<Fault>,
    /// Secrets that stand in the file itself, to be blanked out.
    pub literal_secrets: Vec<Range<usize>>,
    /// Digests of strings that a reference took part in.
    pub expanded: Vec<KeyDigest>,
}

/// One value of a file, and the key that it was written for.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    tree: &'a Spanned<DeValue<'a>>,
    name: &'a str,
    name_span: Span,
    reading: &'a Reading<'a>,
}

/// A table with a closed set of keys.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    tree: &'a DeTable<'a>,
    /// With its article: "a route".
    what: &'static str,
    span: Span,
    reading: &'a Reading<'a>,
}

impl<'a> Reading<'a> {
    pub fn new(file: u32, references: References<'a>) -> Reading<'a> {
        Reading { file, references, notes: RefCell::default() }
    }

    pub fn into_notes(self) -> Notes {
        self.notes.into_inner()
    }

    /// A whole file as a table.
    pub fn root(&'a self, tree: &'a DeTable<'a>, keys: &[&str]) -> Table<'a> {
        let table = Table { tree, what: "a configuration", span: self.span(0..0), reading: self };
        table.refuse_unknown_keys(keys);
        table
    }

    pub fn add(&self, fault: Fault) {
        self.notes.borrow_mut().faults.push(fault);
    }

    pub fn span(&self, range: Range<usize>) -> Span {
        Span { file: self.file, start: range.start as u32, end: range.end as u32 }
    }
}

impl<'a> Table<'a> {
    pub fn span(self) -> Span {
        self.span
    }

    pub fn get(self, key: &str) -> Option<Value<'a>> {
        let (name, tree) = self.tree.get_key_value(key)?;
        Some(Value { tree, name: name.get_ref(), name_span: self.reading.span(name.span()), reading: self.reading })
    }

    pub fn optional<T>(self, key: &str, read: impl FnOnce(Value<'a>) -> Option<T>) -> Option<T> {
        self.get(key).and_then(read)
    }

    /// The default stands in for a faulty value too: its fault is enough to stop the configuration.
    pub fn or<T>(self, key: &str, default: T, read: impl FnOnce(Value<'a>) -> Option<T>) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    pub fn required<T>(self, key: &str, read: impl FnOnce(Value<'a>) -> Option<T>) -> Option<T> {
        match self.get(key) {
            Some(value) => read(value),
            None => self.refuse(format!("{} needs the key `{key}`", self.what), format!("add `{key} = …`")),
        }
    }

    pub fn list<T>(self, key: &str, read: impl FnMut(Value<'a>) -> Option<T>) -> Vec<T> {
        self.optional(key, |value| value.list(read)).unwrap_or_default()
    }

    /// Refuses a key that is part of the language, but of a later release.
    pub fn refuse_unserved(self, key: &str, help: &str) {
        if let Some(value) = self.get(key) {
            value.at_name(format!("`{key}` is not served by this release"), help);
        }
    }

    /// Refuses a key that means nothing without another.
    pub fn refuse_alone(self, key: &str, other: &str) {
        if let Some(value) = self.get(key) {
            value.at_name(format!("`{key}` means nothing without `{other}`"), format!("add `{other} = …`"));
        }
    }

    /// Refuses a key that contradicts another.
    pub fn refuse_beside(self, key: &str, other: &str, help: &str) {
        if let Some(value) = self.get(key) {
            value.at_name(format!("`{key}` stands beside `{other}`"), help);
        }
    }

    /// Leaves a fault at the table's place.
    pub fn refuse<T>(self, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.reading.add(Fault::at(self.span, message).with_help(help));
        None
    }

    /// Hides the values of unknown keys: one of them may be a secret whose key is misspelt.
    pub fn conceal_unknown(self, keys: &[&str]) {
        for (name, _) in self.tree.iter().filter(|(name, _)| !keys.contains(&name.get_ref().as_ref())) {
            if let Some(value) = self.get(name.get_ref()) {
                value.conceal();
            }
        }
    }

    /// Refuses every key but these; for tables from [`Value::open`].
    pub fn only(self, what: &'static str, keys: &[&str]) -> Table<'a> {
        let table = Table { what, ..self };
        table.refuse_unknown_keys(keys);
        table
    }

    fn refuse_unknown_keys(self, keys: &[&str]) {
        for name in self.tree.keys().filter(|name| !keys.contains(&name.get_ref().as_ref())) {
            let message = format!("unknown key `{}` in {}", name.get_ref(), self.what);
            let help = suggest(name.get_ref(), keys, "known keys are");
            self.reading.add(Fault::at(self.reading.span(name.span()), message).with_help(help));
        }
    }
}

impl<'a> Value<'a> {
    pub fn span(self) -> Span {
        self.reading.span(self.tree.span())
    }

    /// The key that this value was written for.
    pub fn name(self) -> &'a str {
        self.name
    }

    pub fn name_span(self) -> Span {
        self.name_span
    }

    /// The string as it is written, without what its references stand for.
    pub fn written(self) -> &'a str {
        self.tree.get_ref().as_str().unwrap_or_default()
    }

    pub fn has_reference(self) -> bool {
        is_reference(self.written())
    }

    /// A part of the string for a message: hidden where a reference brought it in.
    pub fn shown(self, part: &str) -> &str {
        if self.written().contains(part) { part } else { "…" }
    }

    /// Leaves a fault under the value.
    pub fn refuse<T>(self, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.reading.add(Fault::at(self.span(), message).with_help(help));
        None
    }

    /// Leaves a fault at a place within the value.
    pub fn refuse_at<T>(self, span: Span, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.reading.add(Fault::at(span, message).with_help(help));
        None
    }

    /// Leaves a fault under the key.
    pub fn at_name(self, message: impl Into<String>, help: impl Into<String>) {
        self.reading.add(Fault::at(self.name_span, message).with_help(help));
    }

    /// Leaves a fault for a thing that an earlier file has too, naming both places.
    pub fn refuse_second(self, what: &str, first: Span) {
        let fault = Fault::at(self.name_span, format!("{what} is defined a second time"));
        self.reading.add(fault.with_help("keep it in one file, whole").with_also(first, "first defined here"));
    }

    /// Leaves a fault that quotes the string as it is written.
    pub fn refuse_text<T>(self, problem: impl Display, help: impl Into<String>) -> Option<T> {
        self.refuse(format!("`{}` is \"{}\", {problem}", self.name, self.written()), help)
    }

    pub fn located<T>(self, read: impl FnOnce(Value<'a>) -> Option<T>) -> Option<Located<T>> {
        read(self).map(|value| Located::new(value, self.span()))
    }

    /// A table that may hold `keys`; `what` names it with its article.
    pub fn table(self, what: &'static str, keys: &[&str]) -> Option<Table<'a>> {
        let table = self.open(what)?;
        table.refuse_unknown_keys(keys);
        Some(table)
    }

    /// A table whose keys depend on what it holds: close it with [`Table::only`].
    pub fn open(self, what: &'static str) -> Option<Table<'a>> {
        match self.tree.get_ref() {
            DeValue::Table(tree) => Some(Table { tree, what, span: self.span(), reading: self.reading }),
            _ => self.wrong_type("a table"),
        }
    }

    /// The values of a table of names, in the order in which they were written.
    pub fn entries(self) -> Option<Vec<Value<'a>>> {
        let DeValue::Table(tree) = self.tree.get_ref() else { return self.wrong_type("a table") };
        let value = |(name, tree): (&'a Spanned<Cow<'a, str>>, &'a Spanned<DeValue<'a>>)| Value {
            tree,
            name: name.get_ref(),
            name_span: self.reading.span(name.span()),
            reading: self.reading,
        };
        let mut values: Vec<Value<'a>> = tree.iter().map(value).collect();
        values.sort_by_key(|value| value.name_span.start);
        Some(values)
    }

    /// Every element is read, so that all their faults are found.
    pub fn list<T>(self, mut read: impl FnMut(Value<'a>) -> Option<T>) -> Option<Vec<T>> {
        let DeValue::Array(array) = self.tree.get_ref() else { return self.wrong_type("a list in [ ]") };
        let read: Vec<Option<T>> = array.iter().map(|tree| read(Value { tree, ..self })).collect();
        read.into_iter().collect()
    }

    pub fn tree(self) -> &'a DeValue<'a> {
        self.tree.get_ref()
    }

    pub fn is_string(self) -> bool {
        self.tree.get_ref().is_str()
    }

    /// A string with its references replaced.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let DeValue::String(written) = self.tree.get_ref() else { return self.wrong_type("a string") };
        match self.reading.references.expand(written) {
            Ok(text) => {
                if is_reference(written) {
                    self.mark_expanded(&text);
                }
                Some(text)
            }
            Err(bad) => self.refuse(bad.message, bad.help),
        }
    }

    pub fn string(self) -> Option<String> {
        self.text().map(Cow::into_owned)
    }

    /// A string that no message, log or description may show.
    pub fn secret(self) -> Option<Cow<'a, str>> {
        self.conceal();
        self.text()
    }

    /// Blanks the string out of the text that faults show, unless it only says where the secret is.
    fn conceal(self) {
        if !is_only_references(self.written()) {
            let range = self.tree.span();
            let quote = usize::from(self.is_string());
            let inner = range.start + quote..range.end.saturating_sub(quote);
            self.reading.notes.borrow_mut().literal_secrets.push(inner);
        }
    }

    /// Remembers that `part` of the string must not be shown if a reference took part in it.
    pub fn mark_part(self, part: &str) {
        if is_reference(self.written()) {
            self.mark_expanded(part);
        }
    }

    fn mark_expanded(self, text: &str) {
        self.reading.notes.borrow_mut().expanded.push(digest(text.as_bytes()));
    }

    /// A path, relative to the file that names it.
    pub fn path(self) -> Option<PathBuf> {
        let text = self.text()?;
        if text.is_empty() {
            return self.refuse(format!("`{}` is an empty path", self.name), "write a path");
        }
        Some(self.reading.references.folder.join(text.as_ref()))
    }

    pub fn wrong_type<T>(self, expected: &str) -> Option<T> {
        let found = match self.tree.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse(format!("`{}` must be {expected}, not {found}", self.name), format!("write {expected}"))
    }
}

/// The nearest known word, or all of them.
pub(super) fn suggest(word: &str, known: &[&str], otherwise: &str) -> String {
    let distance = |candidate: &&&str| strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase());
    match known.iter().min_by_key(distance) {
        Some(nearest) if distance(&nearest) <= 1 + word.len() / 4 => format!("did you mean `{nearest}`?"),
        _ => format!("{otherwise} {}", known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")),
    }
}
