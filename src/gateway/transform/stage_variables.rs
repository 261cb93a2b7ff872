use std::borrow::Cow;

use indexmap::IndexMap;

const OPEN: &str = "${stageVariables.";

/// `text` with each `${stageVariables.NAME}` replaced. A variable that the stage lacks is empty, as in API Gateway.
///
/// # Errors
/// The `${…}` that is not one, for a fault's message.
pub fn substitute<'a>(text: &'a str, variables: &IndexMap<String, String>) -> Result<Cow<'a, str>, &'a str> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        let end = reference.find('}').ok_or(reference)?;
        let name = reference[..end].strip_prefix(OPEN).ok_or(&reference[..=end])?;
        out.push_str(before);
        out.push_str(variables.get(name).map_or("", String::as_str));
        rest = &reference[end + 1..];
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let variables = IndexMap::from([("backend".to_owned(), "127.0.0.1:9001".to_owned())]);
        assert_eq!(substitute(text, &variables).as_deref().map_err(|bad| *bad), expected);
    }

    #[test]
    fn stage_variables_stand_anywhere_and_an_absent_one_is_empty() {
        check("http://a/", Ok("http://a/"));
        check("http://${stageVariables.backend}/x", Ok("http://127.0.0.1:9001/x"));
        check("${stageVariables.none}/${stageVariables.backend}", Ok("/127.0.0.1:9001"));
    }

    #[test]
    fn a_reference_to_anything_else_is_named() {
        check("http://${stage.backend}/", Err("${stage.backend}"));
        check("http://${stageVariables.backend", Err("${stageVariables.backend"));
    }
}
