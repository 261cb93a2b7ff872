use jsonc_parser::ast::Value;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

use super::misconfigured;
use crate::base::Answer;

/// `statusCode` of what MOCK's request template made. The service reads JSON loosely here: names without quotes and
/// commas at the end are in many templates.
pub(super) fn status(text: &[u8]) -> Result<u16, Answer> {
    let text = String::from_utf8_lossy(text);
    let options = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: true,
        allow_trailing_commas: true,
        allow_single_quoted_strings: true,
        ..ParseOptions::default()
    };
    let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens: false };
    let root = parse_to_ast(&text, &collect, &options).ok().and_then(|parsed| parsed.value);
    let status = match &root {
        Some(Value::Object(object)) => object.get_number("statusCode").and_then(|number| number.value.parse().ok()),
        _ => None,
    };
    status.filter(|status| (200..=599).contains(status)).ok_or_else(|| {
        let start: String = text.chars().take(80).collect();
        misconfigured(format!(
            "the request template of a MOCK integration must make {{\"statusCode\": 200}}, not {start:?}"
        ))
    })
}
