use http::uri::Authority;

use super::name;
use super::read::Value;
use super::route::check_parameter;

/// What stands in braces in a uri.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// `${stageVariables.NAME}`
    StageVariable(&'a str),
    /// `{name}`
    Parameter(&'a str),
    /// Any other use of braces.
    Odd(&'a str),
}

/// Reads the uri of a back end.
///
/// Parameters of the client may stand in its path and query, never in its host: a client must not choose
/// where the gateway connects to.
pub(super) fn read_uri(value: Value<'_>, path_parameters: Option<&[&str]>) -> Option<String> {
    let uri = value.text()?;
    let Some(rest) = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://")) else {
        return value.refuse_text("which does not start with http:// or https://", "write \"http://HOST:PORT/PATH\"");
    };
    if uri.contains('#') || uri.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return value.refuse_text("which holds a character that no uri does", "percent-encode it");
    }
    let (authority, path) = split_authority(rest);
    check_authority(value, authority)?;
    let pieces = pieces(path);
    let checked: Vec<Option<()>> = pieces.iter().map(|piece| check_piece(value, piece, path_parameters)).collect();
    checked.into_iter().collect::<Option<()>>()?;
    Some(uri.into_owned())
}

/// Reads where requests go whose path is appended: a uri without a query.
pub(super) fn read_origin(value: Value<'_>) -> Option<String> {
    let uri = read_uri(value, None)?;
    match uri.contains('?') {
        true => value.refuse_text("which holds a query", "paths of operations are appended to it"),
        false => Some(uri.trim_end_matches('/').to_owned()),
    }
}

/// Parts the host and port from the rest, whose first byte is `/` or `?`. Braces may hold neither.
fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
}

fn check_authority(value: Value<'_>, authority: &str) -> Option<()> {
    let pieces = pieces(authority);
    if pieces.iter().any(|piece| matches!(piece, Piece::Parameter(_))) {
        return value.refuse(
            "a parameter of the request stands in the uri's host",
            "only stage variables may: a client must not choose the back end",
        );
    }
    for piece in &pieces {
        check_piece(value, piece, None)?;
    }
    let has_variable = pieces.iter().any(|piece| matches!(piece, Piece::StageVariable(_)));
    let is_host = authority.parse::<Authority>().is_ok_and(|authority| !authority.host().is_empty());
    if authority.contains('@') || !(has_variable || is_host) {
        return value.refuse_text("which names no host", "write \"http://HOST:PORT/PATH\"");
    }
    Some(())
}

fn check_piece(value: Value<'_>, piece: &Piece<'_>, path_parameters: Option<&[&str]>) -> Option<()> {
    match piece {
        Piece::Text(_) => Some(()),
        Piece::StageVariable(name) if name::STAGE_VARIABLE.allows(name) => Some(()),
        Piece::Parameter(name) if name::PATH_PARAMETER.allows(name) => check_parameter(value, name, path_parameters),
        Piece::StageVariable(odd) | Piece::Parameter(odd) | Piece::Odd(odd) => value.refuse(
            format!("the uri's braces hold \"{}\"", value.shown(odd)),
            "write {name} for a path parameter, ${stageVariables.NAME} for a stage variable",
        ),
    }
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let is_reference = rest[..open].ends_with('$');
        let before = &rest[..open - usize::from(is_reference)];
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let inner = &rest[open + 1..];
        let close = if rest[open..].starts_with('{') { inner.find('}') } else { None };
        let Some(close) = close else {
            pieces.push(Piece::Odd(&rest[open..]));
            return pieces;
        };
        pieces.push(match (is_reference, inner[..close].strip_prefix("stageVariables.")) {
            (true, Some(name)) => Piece::StageVariable(name),
            (true, None) => Piece::Odd(&inner[..close]),
            (false, _) => Piece::Parameter(&inner[..close]),
        });
        rest = &inner[close + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_of_a_uri_are_told_apart() {
        let expected = [Piece::Text("/a/"), Piece::StageVariable("v"), Piece::Text("/"), Piece::Parameter("id")];
        assert_eq!(pieces("/a/${stageVariables.v}/{id}"), expected);
        assert_eq!(pieces("/${x}"), [Piece::Text("/"), Piece::Odd("x")]);
        assert_eq!(pieces("/a}"), [Piece::Text("/a"), Piece::Odd("}")]);
        assert_eq!(split_authority("${stageVariables.host}:80/x?y"), ("${stageVariables.host}:80", "/x?y"));
    }
}
