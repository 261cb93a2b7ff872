use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Footprint;
use super::api_key::{KeyDigest, digest};

/// Where something was written: a file of [`Sources`] and a range of its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: u32,
    pub start: u32,
    pub end: u32,
}

/// A value and where it was written. Compares, hashes and reads as the value.
#[derive(Clone, Debug)]
pub struct Located<T> {
    pub value: T,
    pub span: Span,
}

/// The files of a configuration and their texts, literal secrets blanked out. The first is the main file.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<File>,
    /// Digests of the strings that a `${env:…}` or `${file:…}` took part in.
    expanded: HashSet<KeyDigest>,
    footprint: Arc<Footprint>,
}

#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    text: Arc<str>,
}

/// A place as people name it: `file:line:column`, both counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    pub path: &'a Path,
    pub line: usize,
    pub column: usize,
}

impl<T> Located<T> {
    pub fn new(value: T, span: Span) -> Located<T> {
        Located { value, span }
    }
}

impl<T> Deref for Located<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Located<T>) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Located<T> {}

impl<T: std::hash::Hash> std::hash::Hash for Located<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl Sources {
    /// Adds a file and returns its number.
    pub fn add(&mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> u32 {
        self.files.push(File { path: path.into(), text: text.into().into() });
        (self.files.len() - 1) as u32
    }

    pub fn path(&self, file: u32) -> &Path {
        self.files.get(file as usize).map_or(Path::new(""), |file| &file.path)
    }

    pub fn text(&self, file: u32) -> &str {
        self.files.get(file as usize).map_or("", |file| &file.text)
    }

    /// Every file, the main one first.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// To tell whether the files have changed since they were read.
    pub fn footprint(&self) -> &Arc<Footprint> {
        &self.footprint
    }

    /// File, line and column of a span's start. Counts lines from the file's start: for messages, not for loops.
    pub fn place(&self, span: Span) -> Place<'_> {
        let line = Lines::of(self.text(span.file)).find(span.start as usize);
        Place { path: self.path(span.file), line: line.number, column: line.column }
    }

    pub(crate) fn footprint_mut(&mut self) -> &mut Footprint {
        Arc::make_mut(&mut self.footprint)
    }

    /// Lets go of all texts, for who keeps a configuration and shows nothing of it any more.
    pub fn forget_texts(&mut self) {
        self.files.iter_mut().for_each(|file| file.text = Arc::default());
    }

    /// The number that the next file gets.
    pub fn next(&self) -> u32 {
        self.files.len() as u32
    }

    pub(super) fn mark_expanded(&mut self, digests: impl IntoIterator<Item = KeyDigest>) {
        self.expanded.extend(digests);
    }

    /// Whether this string came out of a `${env:…}` or `${file:…}`, so that it must not be shown.
    pub(super) fn is_expanded(&self, text: &str) -> bool {
        !self.expanded.is_empty() && self.expanded.contains(&digest(text.as_bytes()))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// All sources with their lines, each text split once, so that many spans are found cheaply.
pub(super) struct Pages<'a> {
    pub sources: &'a Sources,
    lines: HashMap<u32, Lines<'a>>,
}

impl<'a> Pages<'a> {
    pub fn of(sources: &'a Sources) -> Pages<'a> {
        Pages { sources, lines: HashMap::new() }
    }

    /// The line in which a span begins.
    pub fn find(&mut self, span: Span) -> Line<'a> {
        let sources = self.sources;
        self.lines.entry(span.file).or_insert_with(|| Lines::of(sources.text(span.file))).find(span.start as usize)
    }
}

/// Where the lines of one text begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

/// One line of a text, and where in it an offset stands.
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub number: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// Without its line break.
    pub text: &'a str,
    /// The line's first byte in the whole text.
    pub start: usize,
}

impl<'a> Lines<'a> {
    pub fn of(text: &'a str) -> Lines<'a> {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// The line that holds the byte `offset`; an offset past the end is on the last one.
    pub fn find(&self, offset: usize) -> Line<'a> {
        let offset = offset.min(self.text.len());
        let index = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts[index];
        let end = self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        let text = &self.text[start..end];
        let before = self.text.get(start..offset).unwrap_or(text);
        Line { number: index + 1, column: before.chars().count() + 1, text: text.trim_end_matches('\r'), start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters_from_one() {
        let mut sources = Sources::default();
        let file = sources.add("a.toml", "é = 1\r\nb = 2\n");
        let place = |start| sources.place(Span { file, start, end: start }).to_string();
        assert_eq!(place(0), "a.toml:1:1");
        assert_eq!(place(5), "a.toml:1:5");
        assert_eq!(place(8), "a.toml:2:1");
        assert_eq!(place(4000), "a.toml:3:1");
    }
}
