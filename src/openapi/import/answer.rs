use indexmap::IndexMap;

use super::Importer;
use super::body::Contents;
use crate::config::MethodResponse;
use crate::openapi::{At, Key};

impl<'d> Importer<'d> {
    /// `responses` of an operation.
    pub(super) fn read_responses(&self, operation: At<'d>) -> IndexMap<String, MethodResponse> {
        let produces = self.media_types(operation, "produces", &self.produces);
        let responses = operation.get("responses").and_then(At::object);
        let responses = responses.into_iter().flat_map(At::members).filter(|(key, _)| !key.name.starts_with("x-"));
        responses.filter_map(|(key, at)| Some((status(operation, key)?, self.read_response(at, &produces)?))).collect()
    }

    fn read_response(&self, at: At<'d>, produces: &[String]) -> Option<MethodResponse> {
        let at = at.resolve()?.object()?;
        let headers = at.get("headers").and_then(At::object).into_iter().flat_map(At::members);
        let headers = headers.filter_map(|(key, header)| {
            let header = header.resolve()?.object()?;
            Some((key.name.to_ascii_lowercase(), self.read_parameter_schema(header)))
        });
        Some(MethodResponse {
            description: at.get("description").and_then(At::string).unwrap_or_default(),
            headers: headers.collect(),
            contents: self.read_answer_contents(at, produces),
        })
    }

    fn read_answer_contents(&self, at: At<'d>, produces: &[String]) -> Contents {
        if !self.version.is_swagger() {
            return at.get("content").map(|content| self.read_contents(content)).unwrap_or_default();
        }
        if let Some(own) = at.get("x-tollgate-contents") {
            return self.read_own_contents(own);
        }
        let Some(schema) = at.get("schema").and_then(|schema| self.schema(schema)) else { return Contents::new() };
        let otherwise = [String::from("application/json")];
        let types = if produces.is_empty() { &otherwise[..] } else { produces };
        types.iter().map(|kind| (kind.clone(), Some(schema.clone()))).collect()
    }
}

/// `200`, `4XX` or `default`.
fn status(operation: At<'_>, key: &Key) -> Option<String> {
    let name = &*key.name;
    let is_class =
        name.len() == 3 && name.ends_with("XX") && name.starts_with(|first: char| ('1'..='5').contains(&first));
    let is_status = name.parse::<u16>().is_ok_and(|status| (100..600).contains(&status));
    if name == "default" || is_class || is_status {
        return Some(name.to_owned());
    }
    match name.to_ascii_uppercase() {
        upper if upper.len() == 3 && upper.ends_with("XX") => Some(upper),
        _ => operation.get("responses")?.refuse_name(
            key,
            format!("{name:?} is no status"),
            "write a status such as 200, a class such as 4XX, or default",
        ),
    }
}
