use std::collections::HashMap;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::document::{Document, Node, Pointer};
use crate::config::{Fault, Sources};

/// How many files the references of one document may name.
const FILES_MAX: usize = 500;

/// A document and every file that a `$ref` of it names, of those a `$ref` names, and so on.
#[derive(Debug)]
pub(super) struct Library {
    /// The first is the document itself. `Err`: why a file is none, which is a fault where it is referred to.
    files: Vec<Result<Document, Fault>>,
    /// By their canonical paths.
    places: HashMap<PathBuf, usize>,
    /// The canonical folder of the document: no reference leaves it.
    folder: PathBuf,
}

/// Why a `$ref` names nothing, and what to try.
#[derive(Debug)]
pub(super) struct Unresolved {
    pub message: String,
    pub help: String,
    /// What is wrong with the file itself.
    pub cause: Option<Box<Fault>>,
}

impl Library {
    /// Reads a document and what it refers to. All of them are among the sources and their footprint then.
    pub fn read(path: &Path, sources: &mut Sources) -> Result<Library, Fault> {
        let folder = canonical(path.parent().unwrap_or(Path::new("")));
        let mut library = Library { files: Vec::new(), places: HashMap::new(), folder };
        library.add(path.to_owned(), sources);
        let mut at = 0;
        while at < library.files.len() {
            for path in library.files[at].as_ref().map(files_of).unwrap_or_default() {
                let may_be_read = library.is_inside(&path) && library.files.len() < FILES_MAX;
                if may_be_read && !library.places.contains_key(&canonical(&path)) {
                    library.add(path, sources);
                }
            }
            at += 1;
        }
        match library.files.first() {
            Some(Err(fault)) => Err(fault.clone()),
            _ => Ok(library),
        }
    }

    /// One text; a reference to a file leads nowhere.
    pub fn alone(text: &str, sources: &mut Sources) -> Result<Library, Fault> {
        let path = Path::new("openapi");
        let document = Document::parse(path, text.to_owned(), sources)?;
        Ok(Library { files: vec![Ok(document)], places: HashMap::new(), folder: PathBuf::from("/dev/null") })
    }

    fn add(&mut self, path: PathBuf, sources: &mut Sources) {
        self.places.insert(canonical(&path), self.files.len());
        self.files.push(Document::read(&path, sources));
    }

    fn is_inside(&self, path: &Path) -> bool {
        canonical(path).starts_with(&self.folder)
    }

    /// The document that was asked for.
    pub fn main(&self) -> Option<&Document> {
        self.files.first()?.as_ref().ok()
    }

    /// What a reference in `from` names.
    pub fn find<'l>(&'l self, reference: &str, from: &'l Document) -> Result<(&'l Document, &'l Node), Unresolved> {
        let (file, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let document = if file.is_empty() { from } else { self.file(file, from)? };
        let pointer = Pointer::parse(fragment).map_err(|why| Unresolved {
            message: format!("the reference {reference:?} cannot be followed: {why}"),
            help: "write a file, # and a JSON pointer, such as \"#/components/schemas/Order\"".into(),
            cause: None,
        })?;
        let node = document.find(&pointer).ok_or_else(|| Unresolved {
            message: format!("the reference {reference:?} names nothing"),
            help: nearest_sibling(document, &pointer),
            cause: None,
        })?;
        Ok((document, node))
    }

    fn file(&self, written: &str, from: &Document) -> Result<&Document, Unresolved> {
        let refuse = |message: String, help: &str| Unresolved { message, help: help.into(), cause: None };
        if is_url(written) {
            let help = "save that document beside this one and name the file";
            return Err(refuse(format!("the reference to {written} leads to the network, which is never asked"), help));
        }
        let path = path_of(written, from);
        if !self.is_inside(&path) {
            let message = format!("the reference to {written:?} leaves the folder of the document");
            return Err(refuse(message, "move the file beside the document"));
        }
        match self.places.get(&canonical(&path)).map(|at| &self.files[*at]) {
            Some(Ok(document)) => Ok(document),
            Some(Err(fault)) => Err(Unresolved {
                message: format!("the reference to {written:?} leads to a file that is no document"),
                help: fault.message.clone(),
                cause: fault.span.is_some().then(|| Box::new(fault.clone())),
            }),
            None => Err(refuse(format!("more than {FILES_MAX} files are referred to"), "bundle them into fewer files")),
        }
    }
}

/// The files that the references of a document name, each once.
fn files_of(document: &Document) -> Vec<PathBuf> {
    fn collect(node: &Node, document: &Document, found: &mut Vec<PathBuf>) {
        if let Some(reference) = node.get("$ref").and_then(Node::as_str) {
            let file = reference.split('#').next().unwrap_or_default();
            let path = path_of(file, document);
            if !file.is_empty() && !is_url(file) && !found.contains(&path) {
                found.push(path);
            }
        }
        node.entries().iter().for_each(|(_, value)| collect(value, document, found));
        node.elements().iter().for_each(|value| collect(value, document, found));
    }
    let mut found = Vec::new();
    collect(&document.root, document, &mut found);
    found
}

fn is_url(reference: &str) -> bool {
    reference.split(['/', '.']).next().is_some_and(|first| first.contains(':')) || reference.starts_with("//")
}

fn path_of(written: &str, from: &Document) -> PathBuf {
    let decoded = percent_decode_str(written).decode_utf8_lossy();
    from.path.parent().unwrap_or(Path::new("")).join(&*decoded)
}

/// Names that stand where a pointer should have led.
fn nearest_sibling(document: &Document, pointer: &Pointer) -> String {
    let (parent, name) = pointer.split();
    match document.find(&parent).map(Node::entries) {
        Some(entries) if !entries.is_empty() => crate::base::nearest(&name, entries.iter().map(|(key, _)| &*key.name)),
        _ => format!("nothing stands at {parent}"),
    }
}

fn canonical(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std::fs::canonicalize(path).unwrap_or_else(|_| {
        // A file that is not there: by its folder, with what leads upwards taken out.
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => canonical(parent).join(name),
            _ => path.to_owned(),
        }
    })
}
