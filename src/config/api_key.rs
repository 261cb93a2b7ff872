use super::read::{Table, Value};
use super::{Located, Span, name};

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

const KEYS: &[&str] = &["value", "sha256", "usage_plans", "enabled"];

impl ApiKey {
    pub(super) fn read(value: Value<'_>) -> Option<ApiKey> {
        name::API_KEY.check(value);
        let table = value.table("an api key", KEYS)?;
        table.conceal_unknown(KEYS);
        let digest = read_digest(table);
        let usage_plans = table.list("usage_plans", |value| value.located(Value::string));
        let enabled = table.or("enabled", true, Value::bool);
        Some(ApiKey { span: value.name_span(), digest: digest?, usage_plans, enabled })
    }
}

/// SHA-256.
pub fn digest(text: &[u8]) -> KeyDigest {
    let mut bytes = KeyDigest::default();
    bytes.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, text).as_ref());
    bytes
}

fn read_digest(table: Table<'_>) -> Option<Located<KeyDigest>> {
    match (table.get("value"), table.get("sha256")) {
        (Some(value), None) => value.located(read_value),
        (None, Some(value)) => value.located(read_sha256),
        (None, None) => table.refuse("an api key needs `value` or `sha256`", "add `value = \"${env:NAME}\"`"),
        (Some(value), Some(sha256)) => {
            let _ = value.secret();
            sha256.at_name("an api key has `value` or `sha256`, not both", "keep one of them");
            None
        }
    }
}

/// 20 to 128 characters as API Gateway asks, and only what a header field carries as it is.
fn read_value(value: Value<'_>) -> Option<KeyDigest> {
    let key = value.secret()?;
    let length = key.chars().count();
    if !(20..=128).contains(&length) {
        return value.refuse(
            format!("the api key has {length} characters"),
            "use 20 to 128, such as `openssl rand -hex 20` makes",
        );
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return value.refuse(
            "the api key holds a space or a character that is not visible ASCII",
            "use letters, digits and punctuation",
        );
    }
    Some(digest(key.as_bytes()))
}

fn read_sha256(value: Value<'_>) -> Option<KeyDigest> {
    let text = value.text()?;
    let mut bytes = KeyDigest::default();
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0);
    }
    if is_hex {
        return Some(bytes);
    }
    value.refuse("`sha256` is not 64 hexadecimal digits", "make it with `printf %s \"$KEY\" | sha256sum`")
}
