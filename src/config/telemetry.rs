use std::path::PathBuf;

/// `[telemetry]`
#[derive(Debug)]
pub struct Telemetry {
    pub access_log: AccessLog,
    /// `key_labels`: how many API keys get a metric label of their own; the rest are `other`. 1000 unless written.
    pub key_labels_max: usize,
}

/// `access_log = { path = "stdout", format = "json" }`
#[derive(Clone, Debug, PartialEq, Eq)]
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
