use std::collections::HashMap;

use jsonc_parser::ast::{Object, Value};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

use super::{DEPTH_MAX, Key, Node, SyntaxFault, Tree};

/// JSON as RFC 8259 has it: nothing of what the parser would also take.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Parses JSON.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxFault> {
    let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens: false };
    let parsed = parse_to_ast(text, &collect, &STRICT)
        .map_err(|error| SyntaxFault::new(error.range().start, error.kind().to_string()))?;
    match parsed.value {
        Some(value) => node(value, 0),
        None => Err(SyntaxFault::new(0, "the document is empty")),
    }
}

fn node(value: Value<'_>, depth: usize) -> Result<Node, SyntaxFault> {
    let Range { start, end } = value.range();
    if depth > DEPTH_MAX {
        return Err(SyntaxFault::too_deep(start));
    }
    let tree = match value {
        Value::NullKeyword(_) => Tree::Null,
        Value::BooleanLit(literal) => Tree::Bool(literal.value),
        Value::NumberLit(literal) => Tree::Number(literal.value.into()),
        Value::StringLit(literal) => Tree::String(literal.value.into()),
        Value::Array(array) => {
            let elements = array.elements.into_iter().map(|element| node(element, depth + 1));
            Tree::Array(elements.collect::<Result<_, _>>()?)
        }
        Value::Object(object) => Tree::Object(members(object, depth + 1)?),
    };
    Ok(Node::new(tree, start..end))
}

fn members(object: Object<'_>, depth: usize) -> Result<Vec<(Key, Node)>, SyntaxFault> {
    let mut seen = HashMap::new();
    let mut entries = Vec::with_capacity(object.properties.len());
    for property in object.properties {
        let Range { start, end } = property.name.range();
        let name = property.name.into_string();
        if let Some(first) = seen.insert(name.clone(), start) {
            return Err(SyntaxFault::duplicate(&name, start, first));
        }
        entries.push((Key::new(name, start..end), node(property.value, depth)?));
    }
    Ok(entries)
}
