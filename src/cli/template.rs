use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value};

use super::Failure;
use crate::base::nearest;
use crate::config::{self, Faults, Sources};
use crate::template::{Budget, Event, Fact, Limits, Override, Overrides, Remark, Rendered, Table, Variable, What};

#[derive(Debug, clap::Args)]
pub(super) struct Template {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Render a mapping template for an event out of a file, as the gateway would
    Test(Test),
}

#[derive(Debug, clap::Args)]
struct Test {
    /// The template
    template: PathBuf,
    /// JSON with any of body, headers, path, querystring, context and stageVariables
    event: PathBuf,
    /// Tell on standard error which references were empty, which branches ran, and what was overridden
    #[arg(long)]
    explain: bool,
}

impl Template {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Command::Test(test) = self.command;
        test.run()
    }
}

impl Test {
    fn run(self) -> Result<ExitCode, Failure> {
        let source = read(&self.template)?;
        let event = EventFile::read(&self.event)?;
        let template = crate::template::Template::compile(&source, &Limits::default());
        let template = template.map_err(|fault| self.shown(&source, |file| fault.of_file(file)))?;
        let (rendered, remarks) = template.explain(&event, &Overrides::default(), &Budget::default());
        if self.explain {
            eprint!("{}", self.told(&source, &remarks));
        }
        let Rendered { text, overrides } =
            rendered.map_err(|failure| self.shown(&source, |file| failure.of_file(file)))?;
        if self.explain {
            eprint!("{}", listed(&overrides));
        }
        let written = std::io::stdout().lock().write_all(text.as_bytes());
        written.map_err(|error| Failure::new(format!("cannot write the output: {error}")))?;
        Ok(ExitCode::SUCCESS)
    }

    /// A fault with the template's line and a caret.
    fn shown(&self, source: &str, fault: impl FnOnce(u32) -> config::Fault) -> Failure {
        let mut sources = Sources::default();
        let file = sources.add(&self.template, source);
        let faults = Faults::new(sources, vec![fault(file)]);
        Failure::new(format!("the template cannot be rendered\n\n{}", faults.render(std::io::stderr().is_terminal())))
    }

    /// A line for each remark: place, what stands there, what happened.
    fn told(&self, source: &str, remarks: &[Remark]) -> String {
        let mut told = String::new();
        for remark in remarks {
            let written = source.get(remark.at.clone()).and_then(|text| text.lines().next()).unwrap_or_default();
            let _ = writeln!(told, "{}:{}: {written}  {}", self.template.display(), remark.place, outcome(remark.what));
        }
        told
    }
}

fn outcome(what: What) -> String {
    match what {
        What::Empty => "was empty".to_owned(),
        What::Branch(Some(1)) => "was true".to_owned(),
        What::Branch(Some(number)) => format!("took its #elseif number {}", number - 1),
        What::Branch(None) => "was false".to_owned(),
        What::Else => "took #else".to_owned(),
        What::Turns(1) => "went round once".to_owned(),
        What::Turns(turns) => format!("went round {turns} times"),
        What::NotIterable(kind) => format!("did not go round: {kind} is no list"),
        What::NoMethod(name) => format!("made nothing: such a value has no {name}()"),
        What::NoNumber => "made nothing: it wants numbers, and none to divide by that is zero".to_owned(),
        What::NotSet => "set nothing: what should hold it is neither map nor list".to_owned(),
    }
}

fn listed(overrides: &Overrides) -> String {
    let mut listed = String::new();
    let places = [
        ("requestOverride.header", &overrides.request_headers),
        ("requestOverride.path", &overrides.request_path),
        ("requestOverride.querystring", &overrides.request_querystring),
        ("responseOverride.header", &overrides.response_headers),
    ];
    for (place, values) in places {
        for (name, value) in values {
            let value = match value {
                Override::One(value) => value.clone(),
                Override::Many(values) => values.join(", "),
            };
            let _ = writeln!(listed, "{place}.{name} = {value}");
        }
    }
    if let Some(status) = overrides.response_status {
        let _ = writeln!(listed, "responseOverride.status = {status}");
    }
    listed
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

/// The event of a file.
#[derive(Debug)]
struct EventFile {
    body: String,
    parts: Map<String, Value>,
}

const PARTS: [&str; 6] = ["body", "headers", "path", "querystring", "context", "stageVariables"];

impl EventFile {
    fn read(path: &Path) -> Result<EventFile, Failure> {
        let refuse = |why: String| Failure::new(format!("{}: {why}", path.display()));
        let value: Value = serde_json::from_str(&read(path)?).map_err(|error| refuse(error.to_string()))?;
        let Value::Object(parts) = value else { return Err(refuse("an event is a JSON object".to_owned())) };
        for (name, part) in &parts {
            if !PARTS.contains(&name.as_str()) {
                return Err(refuse(format!("an event has no {name:?}: {}", nearest(name, PARTS))));
            }
            if name != "body" && !part.is_object() {
                return Err(refuse(format!("{name:?} is no object")));
            }
        }
        check_context(parts.get("context")).map_err(refuse)?;
        let body = match parts.get("body") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        Ok(EventFile { body, parts })
    }

    fn table(&self, table: Table) -> Option<&Map<String, Value>> {
        let part = |name: &str| self.parts.get(name)?.as_object();
        match table {
            Table::Path => part("path"),
            Table::QueryString => part("querystring"),
            Table::Header => part("headers"),
            Table::StageVariables => part("stageVariables"),
            Table::Authorizer => part("context")?.get("authorizer")?.as_object(),
            Table::Claims => part("context")?.get("authorizer")?.get("claims")?.as_object(),
        }
    }
}

impl Event for EventFile {
    fn body(&self) -> &str {
        &self.body
    }

    fn variable(&self, variable: Variable) -> Option<Fact<'_>> {
        let mut value = self.parts.get("context")?;
        for name in variable.path().split('.') {
            value = value.get(name)?;
        }
        fact(value)
    }

    fn entry<'e>(&'e self, table: Table, name: &str) -> Option<Fact<'e>> {
        fact(self.table(table)?.get(name)?)
    }

    fn entries<'e>(&'e self, table: Table, visit: &mut dyn FnMut(&'e str, Fact<'e>)) {
        for (name, value) in self.table(table).into_iter().flatten() {
            if let Some(fact) = fact(value) {
                visit(name, fact);
            }
        }
    }
}

fn fact(value: &Value) -> Option<Fact<'_>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Bool(flag) => Some(Fact::Flag(*flag)),
        Value::Number(number) => Some(number.as_i64().map_or_else(|| number.to_string().into(), Fact::Number)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Every name in `context` must be a variable that templates can read.
fn check_context(context: Option<&Value>) -> Result<(), String> {
    let mut open = vec![(String::new(), context)];
    while let Some((prefix, value)) = open.pop() {
        for (name, inner) in value.and_then(Value::as_object).into_iter().flatten() {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            if path == "authorizer" || Variable::named(&path).is_some() {
                continue;
            }
            if !Variable::ALL.iter().any(|variable| variable.path().starts_with(&format!("{path}."))) {
                let known = Variable::ALL.iter().map(|variable| variable.path());
                return Err(format!("there is no $context.{path}: {}", nearest(&path, known)));
            }
            open.push((path, Some(inner)));
        }
    }
    Ok(())
}
