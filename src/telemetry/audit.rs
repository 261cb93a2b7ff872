use std::net::IpAddr;

use prometheus::IntCounter;
use serde_json::{Value, json};

use super::Log;
use super::civil::Civil;
use crate::base::{Now, RequestId};
use crate::config::LogDestination;

/// The audit log: a line a change of what runs, and a line for each wrong token.
pub struct AuditLog(Log);

/// Who changes something, and how.
#[derive(Clone, Debug)]
pub enum Author {
    /// A request to the admin listener with a token, called by its name; `None`: with a wrong one.
    Admin { token: Option<Box<str>>, address: IpAddr, request_id: RequestId },
    /// Whoever may send signals to the process.
    Signal(&'static str),
    /// Whoever has saved a file of the configuration.
    Files,
    /// Whoever has started the process.
    Start,
}

/// What was to change, and whether it did.
#[derive(Debug)]
pub struct Change<'a> {
    /// In one or two words, such as `quota.extend`.
    pub what: &'static str,
    /// What it is about. Never a secret.
    pub about: Value,
    /// What it was before and is after, as a number or a digest; null where neither would say anything.
    pub before: Value,
    pub after: Value,
    /// Why it failed.
    pub failure: Option<&'a str>,
}

impl AuditLog {
    /// Starts the writer. `dropped` counts lines that are lost. The error names a file that cannot be opened.
    pub(super) fn open(destination: &LogDestination, dropped: IntCounter) -> Result<AuditLog, String> {
        Log::open("the audit log", destination, dropped).map(AuditLog)
    }

    /// Writes down what `author` has changed or tried to change.
    pub fn note(&self, author: &Author, change: &Change<'_>, now: Now) {
        if self.0.is_on() {
            let mut line = entry(author, change, now).to_string().into_bytes();
            line.push(b'\n');
            self.0.push(&line);
        }
    }

    pub(super) fn log(&self) -> &Log {
        &self.0
    }
}

impl Author {
    fn via(&self) -> &'static str {
        match self {
            Author::Admin { .. } => "admin",
            Author::Signal(_) => "signal",
            Author::Files => "files",
            Author::Start => "start",
        }
    }
}

fn entry(author: &Author, change: &Change<'_>, now: Now) -> Value {
    let mut time = Vec::new();
    Civil::default().push_rfc3339(&mut time, now.unix_ms);
    let mut entry = json!({
        "time": String::from_utf8_lossy(&time),
        "audit": change.what,
        "outcome": if change.failure.is_none() { "done" } else { "failed" },
        "via": author.via(),
    });
    match author {
        Author::Admin { token, address, request_id } => {
            entry["who"] = json!(token);
            entry["address"] = json!(address);
            entry["request_id"] = json!(request_id.as_str());
        }
        Author::Signal(signal) => entry["who"] = json!(signal),
        Author::Files | Author::Start => {}
    }
    let rest = [("about", &change.about), ("before", &change.before), ("after", &change.after)];
    for (name, value) in rest.into_iter().filter(|(_, value)| !value.is_null()) {
        entry[name] = value.clone();
    }
    if let Some(why) = change.failure {
        entry["detail"] = json!(why);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(author: &Author, change: &Change<'_>, expected: &str) {
        let now = Now { mono_ns: 1, unix_ms: 1_706_695_872_034 };
        assert_eq!(entry(author, change, now).to_string(), expected);
    }

    #[test]
    fn a_line_says_who_has_changed_what_and_how_it_went() {
        let address = "192.0.2.1".parse().expect("an address");
        let request_id = RequestId::from_client(b"request-1").expect("well-formed");
        let author = Author::Admin { token: Some("ci".into()), address, request_id };
        let about = json!({ "key": "alice\n" });
        let change = Change { what: "quota.extend", about, before: json!(0), after: json!(10), failure: None };
        check(
            &author,
            &change,
            r#"{"time":"2024-01-31T10:11:12.034Z","audit":"quota.extend","outcome":"done","via":"admin","who":"ci","address":"192.0.2.1","request_id":"request-1","about":{"key":"alice\n"},"before":0,"after":10}"#,
        );
        let failed = Some("no such file");
        let change =
            Change { what: "reload", about: Value::Null, before: json!("ab"), after: Value::Null, failure: failed };
        check(
            &Author::Signal("SIGHUP"),
            &change,
            r#"{"time":"2024-01-31T10:11:12.034Z","audit":"reload","outcome":"failed","via":"signal","who":"SIGHUP","before":"ab","detail":"no such file"}"#,
        );
    }
}
