use std::path::PathBuf;

use super::read::Value;

/// `[telemetry]`
#[derive(Debug)]
pub struct Telemetry {
    pub access_log: AccessLog,
    /// `key_labels`: how many API keys get a metric label of their own; the rest are `other`. 1000 unless written.
    pub key_labels_max: usize,
}

/// `access_log = { path = "stdout", format = "json" }`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLog {
    /// Standard output unless written.
    pub destination: LogDestination,
    /// JSON unless written.
    pub format: LogFormat,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogDestination {
    #[default]
    Stdout,
    Stderr,
    Off,
    File(PathBuf),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `json`
    #[default]
    Json,
    /// One line of text with `$context.…` variables, in API Gateway's words.
    Context(String),
}

impl Default for Telemetry {
    fn default() -> Telemetry {
        Telemetry { access_log: AccessLog::default(), key_labels_max: 1000 }
    }
}

impl Telemetry {
    pub(super) fn read(value: Value<'_>) -> Option<Telemetry> {
        let table = value.table("[telemetry]", &["access_log", "key_labels"])?;
        let default = Telemetry::default();
        Some(Telemetry {
            access_log: table.or("access_log", default.access_log, AccessLog::read),
            key_labels_max: table
                .or("key_labels", default.key_labels_max, |value| value.integer(0..=1_000_000)?.try_into().ok()),
        })
    }
}

impl AccessLog {
    fn read(value: Value<'_>) -> Option<AccessLog> {
        let table = value.table("an access log", &["path", "format"])?;
        Some(AccessLog {
            destination: table.or("path", LogDestination::Stdout, LogDestination::read),
            format: table.or("format", LogFormat::Json, LogFormat::read),
        })
    }
}

impl LogDestination {
    fn read(value: Value<'_>) -> Option<LogDestination> {
        match value.text()?.as_ref() {
            "stdout" => Some(LogDestination::Stdout),
            "stderr" => Some(LogDestination::Stderr),
            "off" => Some(LogDestination::Off),
            _ => value.path().map(LogDestination::File),
        }
    }
}

/// `audit_log = { path = "stderr" }` of `[admin]`. Its lines are JSON.
pub(super) fn read_audit_log(value: Value<'_>) -> Option<LogDestination> {
    value.table("an audit log", &["path"])?.required("path", LogDestination::read)
}

impl LogFormat {
    pub(super) fn read(value: Value<'_>) -> Option<LogFormat> {
        match value.text()? {
            text if text == "json" => Some(LogFormat::Json),
            text if text.contains("$context.") => Some(LogFormat::Context(text.into_owned())),
            _ => value.refuse_text(
                "which is neither json nor a line with variables",
                "write \"json\", or text with variables such as \"$context.requestId $context.status\"",
            ),
        }
    }
}
