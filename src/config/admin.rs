use super::read::Value;
use super::server::read_address;
use super::{Located, Span};

/// `[admin]`: the listener for operators.
#[derive(Debug)]
pub struct Admin {
    /// Loopback by default.
    pub listen: Located<String>,
    /// Without one only reads from loopback are answered. A secret.
    pub token: Option<String>,
}

const KEYS: &[&str] = &["listen", "token"];

impl Default for Admin {
    fn default() -> Admin {
        Admin { listen: Located::new("127.0.0.1:9090".into(), Span::default()), token: None }
    }
}

impl Admin {
    pub(super) fn read(value: Value<'_>) -> Option<Admin> {
        let table = value.table("[admin]", KEYS)?;
        table.conceal_unknown(KEYS);
        let default = Admin::default();
        Some(Admin {
            listen: table.or("listen", default.listen, |value| value.located(read_address)),
            token: table.optional("token", read_token),
        })
    }
}

/// An empty token would let everyone in, and a field value cannot carry a space at its end.
fn read_token(value: Value<'_>) -> Option<String> {
    let token = value.secret()?;
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return value.refuse(
            "`token` is empty or holds a space or another character that a header field cannot carry",
            "make one with `openssl rand -hex 32`",
        );
    }
    Some(token.into_owned())
}
