use http::{HeaderMap, HeaderName};

use crate::base::Fields;

/// More tags than this on one answer are not kept; those beyond say nothing.
const TAGS_MAX: usize = 256;

/// The tags by which an answer can be purged: of `Cache-Tag`, parted by commas, and of `Surrogate-Key`, parted by
/// spaces. Upper and lower case differ.
pub fn tags(fields: &HeaderMap) -> Vec<&[u8]> {
    let mut tags = Vec::new();
    let fields = Fields::Map(fields);
    fields.for_each("cache-tag", |line| tags.extend(line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)));
    fields.for_each("surrogate-key", |line| tags.extend(line.split(|byte| matches!(byte, b' ' | b'\t'))));
    tags.retain(|tag| !tag.is_empty());
    tags.truncate(TAGS_MAX);
    tags
}

/// Whether a field has tags: they are for caches such as this one, and clients do not see them.
pub fn is_tags(name: &HeaderName) -> bool {
    matches!(name.as_str(), "cache-tag" | "surrogate-key")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn tags_are_parted_by_commas_in_one_field_and_by_spaces_in_the_other() {
        let fields = [("cache-tag", "a, b c,,A"), ("surrogate-key", "x  y,z"), ("cache-tag", " d ")];
        let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let fields: HeaderMap = fields.iter().map(pair).collect();
        let told: Vec<_> = tags(&fields).into_iter().map(|tag| String::from_utf8_lossy(tag)).collect();
        assert_eq!(told, ["a", "b c", "A", "d", "x", "y,z"]);
    }
}
