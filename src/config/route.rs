use std::collections::HashSet;

use super::limits::read_body_size;
use super::read::Value;
use super::{Integration, Located, Operation, RouteCache, Span, Throttle, name};
use crate::base::{PathFault, canonical_path};

/// One `[[apis.NAME.routes]]`.
#[derive(Debug)]
pub struct Route {
    pub span: Span,
    pub method: Located<Method>,
    /// Starts with `/`; `{name}` is one segment, `{name+}` the rest.
    pub path: Located<String>,
    /// False unless written.
    pub api_key_required: bool,
    pub integration: Integration,
    pub cache: Option<RouteCache>,
    pub throttle: Option<Throttle>,
    /// `body_limit`: in bytes, instead of the server's.
    pub body_bytes_max: Option<u64>,
    /// What a document says of it beside.
    pub operation: Option<Box<Operation>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `ANY`: DELETE, GET, HEAD, OPTIONS, PATCH, POST and PUT.
    Any,
    /// In upper case.
    Exact(String),
}

const KEYS: &[&str] = &["method", "path", "api_key_required", "integration", "cache", "throttle", "body_limit"];

impl Route {
    pub(super) fn read(value: Value<'_>) -> Option<Route> {
        let table = value.table("a route", KEYS)?;
        let method = table.required("method", |value| value.located(Method::read));
        let path = table.required("path", |value| value.located(read_path));
        let names = path.as_ref().map(|path| path_parameters(path).collect::<Vec<_>>());
        let cache = table.optional("cache", |value| RouteCache::read(value, names.as_deref()));
        let api_key_required = table.or("api_key_required", false, Value::bool);
        let throttle = table.optional("throttle", Throttle::read);
        let body_bytes_max = table.optional("body_limit", read_body_size);
        let integration = table.required("integration", |value| Integration::read(value, names.as_deref()));
        drop(names);
        Some(Route {
            span: table.span(),
            method: method?,
            path: path?,
            api_key_required,
            integration: integration?,
            cache,
            throttle,
            body_bytes_max,
            operation: None,
        })
    }
}

impl Method {
    fn read(value: Value<'_>) -> Option<Method> {
        match value.text()?.as_ref() {
            "ANY" => Some(Method::Any),
            method if is_method(method) => Some(Method::Exact(method.to_owned())),
            _ => value.refuse_text("which is not a method", method_help(value.written())),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Any => "ANY",
            Method::Exact(method) => method,
        }
    }
}

/// Methods are case-sensitive (RFC 9110 section 9.1), and all that are in use are in upper case.
pub(super) fn is_method(method: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=32).contains(&method.len())
        && method.starts_with(|first: char| first.is_ascii_uppercase())
        && method.bytes().all(is_allowed)
}

pub(super) fn method_help(written: &str) -> String {
    let upper = written.to_uppercase();
    if is_method(&upper) { format!("write \"{upper}\"") } else { "write a method such as \"GET\", or \"ANY\"".into() }
}

/// The names in a path's braces, without the `+` of the last.
pub fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).map(greedy_name)
}

fn greedy_name(name: &str) -> &str {
    name.strip_suffix('+').unwrap_or(name)
}

fn read_path(value: Value<'_>) -> Option<String> {
    let path = value.text()?;
    match find_path_problem(&path) {
        None => Some(path.into_owned()),
        Some((problem, _)) if value.has_reference() => value.refuse_text(problem, "write the path itself"),
        Some((problem, help)) => value.refuse_text(problem, help),
    }
}

/// What is wrong with a route's path, and what to write.
pub fn find_path_problem(path: &str) -> Option<(&'static str, String)> {
    match canonical_path(path) {
        Err(PathFault::NotAbsolute) => return Some(("which does not start with /", "write it from the root".into())),
        Err(fault) => return Some(("which is not a path", fault.detail().into())),
        Ok(canonical) if canonical != path => {
            return Some(("which no request's path can be", format!("requests are matched as \"{canonical}\"")));
        }
        Ok(_) if path.contains(['?', '#']) => {
            return Some(("which holds more than a path", "routes are matched by path alone".into()));
        }
        Ok(_) => {}
    }
    let segments: Vec<&str> = path[1..].split('/').collect();
    let wrong =
        segments.iter().enumerate().find_map(|(at, segment)| find_segment_problem(segment, at + 1 == segments.len()));
    wrong.or_else(|| find_repeated_name(path))
}

fn find_segment_problem(segment: &str, is_last: bool) -> Option<(&'static str, String)> {
    let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        let problem = "whose braces do not hold a whole segment";
        return segment.contains(['{', '}']).then(|| (problem, "write a parameter as /{name}/ or /{name+}".into()));
    };
    if name.ends_with('+') && !is_last {
        return Some(("whose {name+} is not at its end", "only the last segment takes the rest of a path".into()));
    }
    let rule = name::PATH_PARAMETER;
    (!rule.allows(greedy_name(name))).then(|| ("whose parameter has no proper name", rule.help()))
}

fn find_repeated_name(path: &str) -> Option<(&'static str, String)> {
    let mut seen = HashSet::new();
    let is_repeated = path_parameters(path).any(|name| !seen.insert(name));
    is_repeated.then(|| ("which names a parameter twice", "give each parameter a name of its own".into()))
}

/// Checks that a route's path has a parameter; without a readable path everything is left to a later check.
pub(super) fn check_parameter(value: Value<'_>, name: &str, path_parameters: Option<&[&str]>) -> Option<()> {
    match path_parameters {
        Some(known) if !known.contains(&name) => value.refuse(
            format!("the route's path has no parameter `{}`", value.shown(name)),
            match known {
                [] => "the path has no parameters".to_owned(),
                _ => format!("its parameters are {}", known.join(", ")),
            },
        ),
        _ => Some(()),
    }
}
