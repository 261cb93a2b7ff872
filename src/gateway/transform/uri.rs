use indexmap::IndexMap;
use smallvec::SmallVec;

use super::query::Target;
use super::stage_variables::substitute;
use crate::base::Scheme;
use crate::config::{Fault, Located, Span};

/// Where an integration's `uri` leads: all of it before its path.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
    authority: Box<str>,
}

/// Path and query of an integration's `uri`, with its stage variables in place and its path parameters as slots.
#[derive(Debug)]
pub struct UriTemplate {
    /// The path's text, then the query's, without their slots.
    text: Box<str>,
    /// The path's, then the query's, in their order.
    slots: SmallVec<[Slot; 2]>,
    /// Bytes of the text, and slots, that are the path's.
    path_len: u32,
    path_slots: u32,
}

/// Where a path parameter of the route is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    /// So many bytes of the path's text, or of the query's, are before it.
    at: u32,
    parameter: u32,
}

impl UriTemplate {
    /// Compiles `uri` for a route whose path parameters are `names`, in the order of their values.
    pub fn compile(
        uri: &Located<String>,
        variables: &IndexMap<String, String>,
        names: &[Box<str>],
    ) -> Result<(Origin, UriTemplate), Fault> {
        let text = substitute(uri, variables).map_err(|bad| unknown_reference(uri.span, bad))?;
        let fault = |message: String| Fault::at(uri.span, message);
        let (scheme, rest) = split_scheme(&text).ok_or_else(|| {
            fault(format!("the uri \"{text}\" is not http or https")).with_help("start it with http:// or https://")
        })?;
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (host, port) = split_authority(authority, scheme).map_err(|why| {
            fault(format!("the uri \"{text}\" {why}")).with_help("write host, host:port or [address]:port after //")
        })?;
        if let Some(bad) = target.chars().find(|c| c.is_control() || " #\\\"<>".contains(*c)) {
            return Err(
                fault(format!("the uri \"{text}\" holds {bad:?}")).with_help("percent-encode it, or leave it out")
            );
        }
        let template = UriTemplate::of_target(target, names);
        let template = template.map_err(|why| fault(why).with_help(parameters_help(names)))?;
        Ok((Origin { scheme, host: host.into(), port, authority: authority.into() }, template))
    }

    fn of_target(target: &str, names: &[Box<str>]) -> Result<UriTemplate, String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (mut text, mut slots) = (String::new(), SmallVec::new());
        parse_slots(if path.is_empty() { "/" } else { path }, names, &mut text, &mut slots)?;
        let (path_len, path_slots) = (text.len() as u32, slots.len() as u32);
        parse_slots(query, names, &mut text, &mut slots)?;
        Ok(UriTemplate { text: text.into(), slots, path_len, path_slots })
    }

    /// Writes path and query, with `values` in the order of the route's parameters.
    pub(super) fn write_target(&self, values: &[&str], target: &mut Target<'_>) {
        let (path, query) = self.text.split_at(self.path_len as usize);
        let (in_path, in_query) = self.slots.split_at(self.path_slots as usize);
        write_part(path, in_path, values, target, push_path_value);
        if !query.is_empty() || !in_query.is_empty() {
            target.push_separator();
            write_part(query, in_query, values, target, push_query_value);
        }
    }
}

impl Origin {
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Without its port, and without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as they were written: what `Host` says.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

fn write_part(
    text: &str,
    slots: &[Slot],
    values: &[&str],
    target: &mut Target<'_>,
    push_value: impl Fn(&mut Target<'_>, &str),
) {
    let mut written = 0;
    for slot in slots {
        let at = slot.at as usize;
        target.push(&text[written..at]);
        push_value(target, values.get(slot.parameter as usize).copied().unwrap_or_default());
        written = at;
    }
    target.push(&text[written..]);
}

/// A value of a canonical path stands as it is; what would end the path does not.
fn push_path_value(target: &mut Target<'_>, value: &str) {
    let mut rest = value;
    while let Some(at) = memchr::memchr2(b'?', b'#', rest.as_bytes()) {
        target.push(&rest[..at]);
        target.push_encoded(&rest.as_bytes()[at..=at]);
        rest = &rest[at + 1..];
    }
    target.push(rest);
}

/// Escapes stay; what separates parameters is escaped.
fn push_query_value(target: &mut Target<'_>, value: &str) {
    for (index, piece) in value.split('%').enumerate() {
        if index > 0 {
            target.push("%");
        }
        target.push_encoded(piece.as_bytes());
    }
}

pub(super) fn unknown_reference(span: Span, reference: &str) -> Fault {
    Fault::at(span, format!("unknown reference {reference}")).with_help("write ${stageVariables.NAME}")
}

fn split_scheme(uri: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Some((Scheme::Http, rest)),
        "https" => Some((Scheme::Https, rest)),
        _ => None,
    }
}

/// Host (without brackets) and port (the scheme's own unless written) of an authority, or what is wrong with it.
pub fn split_authority(authority: &str, scheme: Scheme) -> Result<(&str, u16), &'static str> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').or(port.is_empty().then_some(""))),
        None => authority.split_once(':').map_or((authority, Some("")), |(host, port)| (host, Some(port))),
    };
    let port = match (port.ok_or("has no good port")?, scheme) {
        ("", Scheme::Http) => 80,
        ("", Scheme::Https) => 443,
        (digits, _) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().unwrap_or(0),
        _ => 0,
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_host =
        if authority.starts_with('[') { host.parse::<std::net::Ipv6Addr>().is_ok() } else { host.bytes().all(is_name) };
    match (host, port) {
        ("", _) => Err("has no host"),
        _ if host.contains('{') => Err("lets a path parameter choose its host"),
        _ if !is_host => Err("has no good host"),
        (_, 0) => Err("has no good port"),
        found => Ok(found),
    }
}

/// Appends what of `part` is text, and where in it there are slots.
fn parse_slots(
    part: &str,
    names: &[Box<str>],
    text: &mut String,
    slots: &mut SmallVec<[Slot; 2]>,
) -> Result<(), String> {
    let (start, mut rest) = (text.len(), part);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) =
            after.split_once('}').ok_or_else(|| format!("\"{part}\" opens a {{ that it does not close"))?;
        let parameter = slot(name, names).ok_or_else(|| format!("the route's path has no parameter {{{name}}}"))?;
        text.push_str(before);
        slots.push(Slot { at: (text.len() - start) as u32, parameter: parameter as u32 });
        rest = tail;
    }
    text.push_str(rest);
    Ok(())
}

/// The index of a parameter; `{proxy+}` and `{proxy}` both name a greedy one, as in API Gateway.
pub(super) fn slot(name: &str, names: &[Box<str>]) -> Option<usize> {
    let bare = |name: &str| name.strip_suffix('+').unwrap_or(name).to_owned();
    names.iter().position(|other| bare(other) == bare(name))
}

/// What a fault about an unknown parameter advises.
pub(super) fn parameters_help(names: &[Box<str>]) -> String {
    if names.is_empty() {
        return "the route's path has no parameters; add one, such as /orders/{id}".to_owned();
    }
    format!("the route's parameters are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(uri: &str) -> Result<(Origin, UriTemplate), Fault> {
        let variables = IndexMap::from([("backend".to_owned(), "10.0.0.1:9001".to_owned())]);
        let names = ["id".into(), "proxy+".into()];
        UriTemplate::compile(&Located::new(uri.to_owned(), Span::default()), &variables, &names)
    }

    #[track_caller]
    fn check(uri: &str, expected_authority: &str, expected_target: &str) {
        let (origin, template) = compile(uri).expect(uri);
        let mut target = Vec::new();
        template.write_target(&["7", "a/b%2Fc?d#e&f"], &mut Target::new(&mut target));
        let target = String::from_utf8(target).unwrap();
        assert_eq!((origin.authority(), target.as_str()), (expected_authority, expected_target), "{uri}");
    }

    #[track_caller]
    fn refused(uri: &str, expected: &str) {
        let message = compile(uri).expect_err(uri).message;
        assert!(message.contains(expected), "{uri}: {message}");
    }

    #[test]
    fn a_target_is_the_uri_with_its_parameters_in_place() {
        check("http://a.example", "a.example", "/");
        check("http://a.example?x=1", "a.example", "/?x=1");
        check("HTTPS://a.example:8443/v1/", "a.example:8443", "/v1/");
        check("http://${stageVariables.backend}/orders/{id}", "10.0.0.1:9001", "/orders/7");
        check("http://a/{proxy}", "a", "/a/b%2Fc%3Fd%23e&f");
        check("http://a/{proxy+}/x?id={id}&p={proxy}", "a", "/a/b%2Fc%3Fd%23e&f/x?id=7&p=a%2Fb%2Fc%3Fd%23e%26f");
        check("http://a/{id}?{id}", "a", "/7?7");
        check("http://a/{id}{proxy}?", "a", "/7a/b%2Fc%3Fd%23e&f");
        check("http://[::1]:9000/", "[::1]:9000", "/");
    }

    #[test]
    fn scheme_host_and_port_are_read_from_the_uri() {
        let of = |uri| compile(uri).map(|(uri, _)| (uri.scheme(), uri.host().to_owned(), uri.port())).unwrap();
        assert_eq!(of("http://a.example/"), (Scheme::Http, "a.example".to_owned(), 80));
        assert_eq!(of("https://a.example/"), (Scheme::Https, "a.example".to_owned(), 443));
        assert_eq!(of("https://[::1]:1/"), (Scheme::Https, "::1".to_owned(), 1));
    }

    #[test]
    fn a_uri_that_cannot_be_called_is_a_fault() {
        refused("ftp://a/", "not http or https");
        refused("a.example/x", "not http or https");
        refused("http:///x", "no host");
        refused("http://${stageVariables.none}/x", "no host");
        refused("http://a:0/", "no good port");
        refused("http://a:65536/", "no good port");
        refused("http://a:+8/", "no good port");
        refused("http://user@a/", "no good host");
        refused("http://[::g]/", "no good host");
        refused("http://{id}.example/", "choose its host");
        refused("http://a/{order}", "no parameter {order}");
        refused("http://a/{id", "does not close");
        refused("http://a/x#y", "holds '#'");
        refused("http://a/${stage.x}", "unknown reference ${stage.x}");
    }
}
