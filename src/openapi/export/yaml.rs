use serde_json::Value;

/// A JSON document as YAML, for people: blocks, and quotes only where YAML would read something else.
pub fn to_yaml(document: &Value) -> String {
    let mut out = String::new();
    write(document, 0, &mut out);
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                indent(depth, out);
                out.push_str(&scalar(name));
                out.push(':');
                write_below(member, depth, out);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for element in elements {
                indent(depth, out);
                out.push('-');
                write_below(element, depth, out);
            }
        }
        _ => {
            indent(depth, out);
            out.push_str(&leaf(value));
            out.push('\n');
        }
    }
}

/// What follows a name or a dash.
fn write_below(value: &Value, depth: usize, out: &mut String) {
    let is_block = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        _ => false,
    };
    if is_block {
        out.push('\n');
        write(value, depth + 1, out);
    } else {
        out.push(' ');
        out.push_str(&leaf(value));
        out.push('\n');
    }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn leaf(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text as it is where that is read as the same text, else in quotes, which are JSON's.
fn scalar(text: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_/.-{}+$".contains(&byte);
    let starts_plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/' || first == '_');
    let has_meaning = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain =
        starts_plain && text.bytes().all(is_word) && !has_meaning.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { Value::from(text).to_string() }
}
