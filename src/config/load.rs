use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::draft::Draft;
use super::read::{Reading, Value};
use super::reference::{References, Variables};
use super::secret::{conceal, find_likely_secrets};
use super::{Config, Fault, Faults, Located, Sources, Span, acme, include};

/// Of one file.
const FILE_BYTES_MAX: u64 = 64 << 20;

const KEYS: &[&str] =
    &["include", "server", "acme", "admin", "state", "telemetry", "apis", "usage_plans", "api_keys", "domains"];

/// Reads a main file and what it includes, with this process's environment.
pub fn load(path: &Path) -> Result<Config, Faults> {
    load_with(path, &process_variable)
}

/// Reads a main file and what it includes; `variables` answers `${env:…}`.
pub fn load_with(path: &Path, variables: Variables<'_>) -> Result<Config, Faults> {
    let mut loader = Loader::new(variables, true);
    match read_file(path) {
        Ok(text) => loader.main(path, text),
        Err(problem) => {
            loader.sources.add(path, "");
            loader.sources.footprint_mut().unreadable(path);
            let fault = Fault::of_file(format!("cannot read {}: {problem}", path.display()));
            loader
                .faults
                .push(fault.with_help("name the gateway's main file; conf/quickstart.toml is one to begin with"));
        }
    }
    loader.finish()
}

/// Reads one text as the file `tollgate.toml`, which may include nothing.
pub fn parse(text: &str) -> Result<Config, Faults> {
    parse_with(text, &process_variable)
}

/// Like [`parse`]; `variables` answers `${env:…}`.
pub fn parse_with(text: &str, variables: Variables<'_>) -> Result<Config, Faults> {
    let mut loader = Loader::new(variables, false);
    loader.main(Path::new("tollgate.toml"), text.to_owned());
    loader.finish()
}

fn process_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What the files have said so far.
struct Loader<'a> {
    variables: Variables<'a>,
    may_include: bool,
    sources: Sources,
    faults: Vec<Fault>,
    draft: Draft,
    /// Canonical paths of the files that were read.
    loaded: HashSet<PathBuf>,
    /// The files that are being read: each one included by the one before it.
    chain: Vec<PathBuf>,
}

impl<'a> Loader<'a> {
    fn new(variables: Variables<'a>, may_include: bool) -> Loader<'a> {
        Loader {
            variables,
            may_include,
            sources: Sources::default(),
            faults: Vec::new(),
            draft: Draft::default(),
            loaded: HashSet::new(),
            chain: Vec::new(),
        }
    }

    fn main(&mut self, path: &Path, text: String) {
        let is_blank = text.lines().map(str::trim_start).all(|line| line.is_empty() || line.starts_with('#'));
        if is_blank {
            let fault = Fault::of_file(format!("{} configures nothing", path.display()));
            self.faults.push(fault.with_help("conf/quickstart.toml is a configuration to begin with"));
        }
        self.file(path, text);
    }

    fn finish(self) -> Result<Config, Faults> {
        if !self.faults.is_empty() {
            return Err(Faults::new(self.sources, self.faults));
        }
        let config = self.draft.into_config(self.sources);
        match acme::check(&config) {
            faults if faults.is_empty() => Ok(config),
            faults => Err(Faults::new(config.sources, faults)),
        }
    }

    /// Reads one file, then what it includes.
    fn file(&mut self, path: &Path, text: String) {
        let canonical = canonical(path);
        self.loaded.insert(canonical.clone());
        self.chain.push(canonical);
        // A text that is no file cannot change.
        if self.may_include {
            self.sources.footprint_mut().read(path, &text);
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        for pattern in self.text(path, folder, text) {
            self.include(folder, &pattern);
        }
        self.chain.pop();
    }

    /// Reads one file's text and returns what it includes.
    fn text(&mut self, path: &Path, folder: &Path, text: String) -> Vec<Located<String>> {
        let reading = Reading::new(self.sources.next(), References { variables: self.variables, folder });
        let (tree, errors) = DeTable::parse_recoverable(&text);
        let tree = tree.into_inner();
        let is_sound = errors.is_empty();
        for error in &errors {
            reading.add(syntax_fault(&reading, error, text.len()));
        }
        let mut includes = Vec::new();
        if is_sound {
            let root = reading.root(&tree, KEYS);
            includes = root.list("include", |value| self.read_include(value));
            self.draft.read(root);
        }
        drop(tree);
        let mut notes = reading.into_notes();
        if !is_sound {
            notes.literal_secrets = find_likely_secrets(&text);
        }
        self.faults.append(&mut notes.faults);
        self.sources.mark_expanded(notes.expanded);
        self.sources.add(path, conceal(text, &notes.literal_secrets));
        includes
    }

    fn read_include(&self, value: Value<'_>) -> Option<Located<String>> {
        if !self.may_include {
            return value.refuse("this text is not a file, so it can include none", "write everything into it");
        }
        value.located(Value::string)
    }

    fn include(&mut self, folder: &Path, pattern: &Located<String>) {
        match include::expand(folder, pattern) {
            Ok(paths) => {
                self.sources.footprint_mut().included(folder, pattern, &paths);
                paths.iter().for_each(|path| self.included(path, pattern.span));
            }
            Err(error) => {
                self.refuse_include(pattern.span, &format!("cannot list {}: {}", &**pattern, explain(&error)))
            }
        }
    }

    fn included(&mut self, path: &Path, from: Span) {
        let identity = canonical(path);
        if let Some(at) = self.chain.iter().position(|open| *open == identity) {
            return self.refuse_cycle(at, path, from);
        }
        if self.loaded.contains(&identity) {
            return;
        }
        match read_file(path) {
            Ok(text) => self.file(path, text),
            Err(problem) => {
                self.sources.footprint_mut().unreadable(path);
                self.refuse_include(from, &format!("cannot read {}: {problem}", path.display()));
            }
        }
    }

    fn refuse_cycle(&mut self, at: usize, path: &Path, from: Span) {
        let names = self.chain[at..].iter().map(|open| file_name(open)).chain([file_name(path)]);
        let chain = names.collect::<Vec<_>>().join(" → ");
        let fault = Fault::at(from, format!("the files include each other: {chain}"));
        self.faults.push(fault.with_help("remove one of these includes, or narrow its pattern"));
    }

    fn refuse_include(&mut self, span: Span, message: &str) {
        self.faults.push(Fault::at(span, message).with_help("paths are relative to the file that includes them"));
    }
}

fn syntax_fault(reading: &Reading<'_>, error: &toml::de::Error, end: usize) -> Fault {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let fault = Fault::at(reading.span(error.span().unwrap_or(end..end)), format!("not TOML: {message}"));
    match message.as_str() {
        "duplicate key" => fault.with_help("each name is written once in a file: merge the two"),
        _ => fault.with_help("if the file was still being written, save it again"),
    }
}

/// The text of a configuration file, or what is wrong with it.
fn read_file(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| explain(&error))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| explain(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err("it is larger than 64MiB".into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("it is not UTF-8: the byte 0x{:02x} stands at offset {at}", error.as_bytes()[at])
    })
}

/// An error of the file system in our own words, which do not differ between systems.
pub fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => error.to_string(),
    }
}

/// One spelling of a path, so that a file is known again however it is reached.
fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
