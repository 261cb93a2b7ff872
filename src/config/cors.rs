use std::time::Duration;

use super::parameter::read_field_name;
use super::read::{Table, Value};
use super::route::{is_method, method_help};

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

const KEYS: &[&str] =
    &["allow_origins", "allow_methods", "allow_headers", "expose_headers", "max_age", "allow_credentials"];

/// API Gateway's bound.
const MAX_AGE_MAX: Duration = Duration::from_secs(86_400);

impl Cors {
    pub(super) fn read(value: Value<'_>) -> Option<Cors> {
        let table = value.table("a cors block", KEYS)?;
        let cors = Cors {
            allow_origins: table.required("allow_origins", |value| value.list(read_origin))?,
            allow_methods: table.list("allow_methods", read_method),
            allow_headers: table.list("allow_headers", read_name),
            expose_headers: table.list("expose_headers", read_name),
            max_age: table.optional("max_age", |value| value.duration(Duration::ZERO..=MAX_AGE_MAX)),
            allow_credentials: table.or("allow_credentials", false, Value::bool),
        };
        cors.check(value, table)
    }

    /// Browsers read `*` as itself where credentials are allowed (Fetch Standard, section 3.2.5).
    fn check(self, value: Value<'_>, table: Table<'_>) -> Option<Cors> {
        if self.allow_origins.is_empty() {
            return value
                .refuse("the cors block allows no origin", "write `allow_origins = [\"https://…\"]`, or [\"*\"]");
        }
        let lists = [("allow_origins", &self.allow_origins), ("expose_headers", &self.expose_headers)];
        let wild = lists.into_iter().filter(|(_, list)| self.allow_credentials && list.iter().any(|word| word == "*"));
        let wild: Vec<_> = wild.filter_map(|(key, _)| table.get(key)).collect();
        for value in &wild {
            let message = format!("`{}` is \"*\" while credentials are allowed", value.name());
            value.at_name(message, "name each, or leave `allow_credentials` out: browsers do not take both");
        }
        wild.is_empty().then_some(self)
    }
}

/// `scheme://host` or `scheme://host:port`, in lower case as browsers send it; or `*` for all of it or for the host.
fn read_origin(value: Value<'_>) -> Option<String> {
    let text = value.text()?.to_ascii_lowercase();
    let host = match text.split_once("://") {
        Some(("http" | "https", host)) => Some(host),
        _ => None,
    };
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
    };
    match text == "*" || host.is_some_and(|host| host == "*" || is_host(host)) {
        true => Some(text),
        false => value.refuse(
            format!("\"{}\" is not an origin", value.written()),
            "write \"https://app.example.com\" without a path, \"https://*\" or \"*\"",
        ),
    }
}

fn read_method(value: Value<'_>) -> Option<String> {
    let text = value.string()?;
    match text == "*" || is_method(&text) {
        true => Some(text),
        false => value.refuse(format!("\"{}\" is not a method", value.written()), method_help(&text)),
    }
}

fn read_name(value: Value<'_>) -> Option<String> {
    let text = value.text()?;
    read_field_name(&text).or_else(|| {
        value.refuse(format!("\"{}\" names no header field", value.written()), "use letters, digits and -, or \"*\"")
    })
}
