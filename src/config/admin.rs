use super::api_key::{KeyDigest, digest};
use super::name;
use super::read::{Table, Value};
use super::server::read_address;
use super::telemetry::read_audit_log;
use super::{Located, LogDestination, Span};

/// `[admin]`: the listener for operators.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Loopback by default.
    pub listen: Located<String>,
    /// `token`, which is called `admin`, and `tokens = [{ name, token }]`. Without one only reads from loopback are
    /// answered.
    pub tokens: Vec<AdminToken>,
    /// Names under which a request without a token may come, beside addresses and `localhost`; in lower case.
    pub hosts: Vec<String>,
    /// Where changes are written down; standard error unless written.
    pub audit_log: LogDestination,
}

/// Who may change things. The token itself is forgotten as soon as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminToken {
    /// For the audit log.
    pub name: String,
    pub digest: KeyDigest,
}

/// What `token = "…"` is called.
const ONLY_NAME: &str = "admin";

const NAMED_KEYS: &[&str] = &["name", "token"];
const KEYS: &[&str] = &["listen", "token", "tokens", "hosts", "audit_log"];

impl Default for Admin {
    fn default() -> Admin {
        Admin {
            listen: Located::new("127.0.0.1:9090".into(), Span::default()),
            tokens: Vec::new(),
            hosts: Vec::new(),
            audit_log: LogDestination::Stderr,
        }
    }
}

impl Admin {
    pub(super) fn read(value: Value<'_>) -> Option<Admin> {
        let table = value.table("[admin]", KEYS)?;
        table.conceal_unknown(KEYS);
        let default = Admin::default();
        Some(Admin {
            listen: table.or("listen", default.listen, |value| value.located(read_address)),
            tokens: read_tokens(table),
            hosts: table.list("hosts", read_host),
            audit_log: table.or("audit_log", default.audit_log, read_audit_log),
        })
    }
}

fn read_tokens(table: Table<'_>) -> Vec<AdminToken> {
    let mut tokens: Vec<AdminToken> = Vec::new();
    tokens.extend(table.optional("token", |value| read_token(value, ONLY_NAME.to_owned())));
    table.list("tokens", |value| {
        let table = value.table("an admin token", NAMED_KEYS)?;
        table.conceal_unknown(NAMED_KEYS);
        let name = table.required("name", |value| read_name(value, &tokens));
        let token = table.required("token", |value| read_token(value, name.clone().unwrap_or_default()));
        tokens.push(token?);
        name
    });
    tokens
}

fn read_name(value: Value<'_>, others: &[AdminToken]) -> Option<String> {
    let name = value.string()?;
    if !name::ADMIN_TOKEN.allows(&name) {
        return value.refuse_text("which cannot name an admin token", name::ADMIN_TOKEN.help());
    }
    if others.iter().any(|other| other.name == name) {
        return value.refuse_text(
            "as another token is called",
            "each is known by its name in the audit log; `token` is `admin`",
        );
    }
    Some(name)
}

/// An empty token would let everyone in, and a field value cannot carry a space at its end.
fn read_token(value: Value<'_>, name: String) -> Option<AdminToken> {
    let token = value.secret()?;
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return value.refuse(
            "`token` is empty or holds a space or another character that a header field cannot carry",
            "make one with `openssl rand -hex 32`",
        );
    }
    Some(AdminToken { name, digest: digest(token.as_bytes()) })
}

fn read_host(value: Value<'_>) -> Option<String> {
    let host = value.text()?;
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return value.refuse_text("which is no host's name", "write it without a port, such as \"gateway.internal\"");
    }
    Some(host.to_ascii_lowercase())
}
