use std::ops::Range;

use super::reference::is_reference;

/// Overwrites ranges of a text with `*`, byte for byte, so that spans stay where they are.
pub(super) fn conceal(text: String, ranges: &[Range<usize>]) -> String {
    if ranges.is_empty() {
        return text;
    }
    let mut bytes = text.into_bytes();
    for range in ranges {
        if let Some(secret) = bytes.get_mut(range.clone()) {
            secret.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
        }
    }
    // The ranges are whole strings of the text, so what remains is text.
    String::from_utf8(bytes).unwrap_or_default()
}

/// A configuration's text for people, without what looks like the value of an API key or a token.
pub fn conceal_secrets(text: &str) -> String {
    conceal(text.to_owned(), &find_likely_secrets(text))
}

/// What looks like a secret in a text that is not read as TOML.
pub(super) fn find_likely_secrets(text: &str) -> Vec<Range<usize>> {
    let keys = ["value", "token"].into_iter().flat_map(|key| text.match_indices(key));
    keys.filter_map(|(at, key)| find_assigned_string(text, at + key.len())).collect()
}

/// The inside of the string in ` = "…"` at `at`; it ends with its line if its quote is missing.
fn find_assigned_string(text: &str, at: usize) -> Option<Range<usize>> {
    let line = text[at..].lines().next()?;
    let quoted = line.trim_start_matches(['"', '\'']).trim_start().strip_prefix('=')?.trim_start();
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = quoted.trim_start_matches(quote);
    let start = at + line.len() - inner.len();
    let length = inner.find(quote).unwrap_or(inner.len());
    (!is_reference(&inner[..length])).then(|| start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_secrets_are_blanked_out_and_references_stay() {
        for (text, expected) in [
            ("value = \"abc\" # x", "value = \"***\" # x"),
            ("a = { value='abc', x = 1 }", "a = { value='***', x = 1 }"),
            ("token = \"é", "token = \"**"),
            ("token = \"${env:T}\"", "token = \"${env:T}\""),
            ("value = 1", "value = 1"),
        ] {
            assert_eq!(conceal_secrets(text), expected);
        }
    }
}
