use super::{Located, Span};

/// SHA-256 of an API key's value: the value itself is forgotten as soon as it is read.
pub type KeyDigest = [u8; 32];

/// `[api_keys.NAME]`
#[derive(Debug)]
pub struct ApiKey {
    pub span: Span,
    /// Where `value` or `sha256` stands.
    pub digest: Located<KeyDigest>,
    /// Names of usage plans.
    pub usage_plans: Vec<Located<String>>,
    /// True unless written otherwise.
    pub enabled: bool,
}
