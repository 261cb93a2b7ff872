use super::name::read_stage_name;
use super::read::Value;
use super::{Located, Span};
use crate::base::canonical_path;

/// `[domains."HOST"]`: base paths of one host; `*` is any host without an own entry.
#[derive(Debug)]
pub struct Domain {
    pub span: Span,
    pub mappings: Vec<Mapping>,
}

/// `"/base" = "api/stage"`
#[derive(Debug)]
pub struct Mapping {
    /// Starts with `/` and has no slash at its end, but for `/` itself.
    pub base_path: Located<String>,
    /// `api/stage`
    pub target: Located<String>,
}

impl Domain {
    pub(super) fn read(value: Value<'_>) -> Option<Domain> {
        check_host(value);
        let table = value.table("a domain", &["mappings"])?;
        let mappings = table.required("mappings", Value::entries)?;
        Some(Domain { span: value.name_span(), mappings: mappings.into_iter().filter_map(Mapping::read).collect() })
    }
}

impl Mapping {
    fn read(value: Value<'_>) -> Option<Mapping> {
        let target = value.located(read_stage_name);
        if !is_base_path(value.name()) {
            value.at_name(
                format!("\"{}\" is not a base path", value.name()),
                "write \"/\" or a path such as \"/v2\", without a slash at its end",
            );
        }
        Some(Mapping { base_path: Located::new(value.name().to_owned(), value.name_span()), target: target? })
    }
}

fn is_base_path(path: &str) -> bool {
    let is_canonical = canonical_path(path).is_ok_and(|canonical| canonical == path);
    is_canonical && !path.contains(['?', '#', '{', '}']) && (path == "/" || !path.ends_with('/'))
}

fn check_host(value: Value<'_>) {
    let host = value.name();
    let is_name = !host.is_empty()
        && host.split('.').all(|label| !label.is_empty() && label.bytes().all(is_host_byte))
        && !host.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_address = host.starts_with('[') && host.ends_with(']');
    if host != "*" && !is_name && !is_address {
        value.at_name(
            format!("\"{host}\" is not a host"),
            "write a name such as \"api.example.com\" in lower case and without its port, or \"*\" for any host",
        );
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}
