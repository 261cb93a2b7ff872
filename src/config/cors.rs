use std::time::Duration;

/// `cors = { … }`: who may call an API from a browser's page of another origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cors {
    /// `https://app.example.com`, `https://*` or `*`.
    pub allow_origins: Vec<String>,
    /// `*` or methods.
    pub allow_methods: Vec<String>,
    /// `*` or field names in lower case.
    pub allow_headers: Vec<String>,
    /// Field names in lower case.
    pub expose_headers: Vec<String>,
    pub max_age: Option<Duration>,
    pub allow_credentials: bool,
}
