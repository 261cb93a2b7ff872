use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Node, Pointer, SyntaxFault, json, yaml};
use crate::config::{Fault, Sources, Span, explain};

/// Of one document.
const BYTES_MAX: u64 = 64 << 20;

/// A file that was parsed. Its text is among the [`Sources`], so that faults can show lines of it.
#[derive(Debug)]
pub struct Document {
    pub path: PathBuf,
    /// Its number among the sources.
    pub file: u32,
    pub root: Node,
}

impl Document {
    /// Reads and parses a file. What begins with `{` is JSON, whatever it is called: with YAML's parser it would get
    /// YAML's messages.
    ///
    /// # Errors
    /// Why the file cannot be read, or where it is no document. It is among the sources even then.
    pub fn read(path: &Path, sources: &mut Sources) -> Result<Document, Fault> {
        match text_of(path) {
            Ok(text) => {
                sources.footprint_mut().read(path, &text);
                Document::parse(path, text, sources)
            }
            Err(why) => {
                sources.footprint_mut().unreadable(path);
                sources.add(path, "");
                Err(Fault::of_file(format!("cannot read {}: {why}", path.display())))
            }
        }
    }

    /// Parses a text that came from `path`.
    ///
    /// # Errors
    /// See [`Document::read`].
    pub fn parse(path: &Path, mut text: String, sources: &mut Sources) -> Result<Document, Fault> {
        if text.starts_with('\u{feff}') {
            text.remove(0);
        }
        let is_json = text.trim_start().starts_with('{');
        let parsed = if is_json { json::parse(&text) } else { yaml::parse(&text) };
        let located = parsed.map_err(|fault| fault.at_file(sources.next(), &text));
        let file = sources.add(path, text);
        located.map(|root| Document { path: path.to_owned(), file, root })
    }

    /// Where a value of this document stands.
    pub fn span(&self, node: &Node) -> Span {
        Span { file: self.file, start: node.range.start, end: node.range.end }
    }

    /// The value that a pointer points to.
    pub fn find(&self, pointer: &Pointer) -> Option<&Node> {
        pointer.find(&self.root)
    }
}

impl SyntaxFault {
    fn at_file(self, file: u32, text: &str) -> Fault {
        let span = |at: usize| {
            let len = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            Span { file, start: at as u32, end: (at + len) as u32 }
        };
        let fault = Fault::at(span(self.at), self.message);
        match self.also {
            Some((at, label)) => fault.with_also(span(at), label),
            None => fault,
        }
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| explain(&error))?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| explain(&error))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err("it is larger than 64MiB".into());
    }
    String::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
}
