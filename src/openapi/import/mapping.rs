use super::Importer;
use crate::config::{ParameterMapping, ParameterSource, ParameterTarget, is_context_variable, is_unmappable};
use crate::openapi::At;
use crate::openapi::words::{parse_source, parse_target, write_source};

/// A `{parameter}` of a uri and what stands for it.
pub(super) type Renamed = (String, String);

impl<'d> Importer<'d> {
    /// `requestParameters`. A path parameter that is only passed on is left to the uri, under the route's own name.
    pub(super) fn read_request_parameters(
        &self,
        integration: At<'d>,
        parameters: &[&str],
        what: &str,
    ) -> (Vec<ParameterMapping>, Vec<Renamed>) {
        let (mut mappings, mut renamed) = (Vec::new(), Vec::new());
        let uri = integration.get("uri").and_then(|uri| uri.node.as_str()).unwrap_or_default();
        let written = integration.get("requestParameters").and_then(At::object);
        for (key, value) in written.into_iter().flat_map(At::members) {
            let Some(target) = self.read_target(&key.name, value, what) else { continue };
            let Some(source) = self.read_source(value, parameters, what) else { continue };
            match (&target, &source) {
                (ParameterTarget::Path(name), _) if !uri.contains(&format!("{{{name}}}")) => {
                    value.unserved(format!("{}, which the uri of {what} does not have", key.name));
                }
                (ParameterTarget::Path(name), ParameterSource::Path(own)) => {
                    renamed.push((format!("{{{name}}}"), format!("{{{own}}}")));
                }
                _ => mappings.push(ParameterMapping { target, source }),
            }
        }
        (mappings, renamed)
    }

    fn read_target(&self, name: &str, at: At<'d>, what: &str) -> Option<ParameterTarget> {
        match parse_target(name) {
            Some(ParameterTarget::Header(field)) if is_unmappable(&field) => {
                at.unserved(format!("the mapping to {field} of {what}: it belongs to the connection"));
                None
            }
            Some(target) => Some(target),
            // `append:header.x` and the like of HTTP APIs, and parameters of services.
            None => {
                at.unserved(format!("the mapping to {name} of {what}"));
                None
            }
        }
    }

    fn read_source(&self, at: At<'d>, parameters: &[&str], what: &str) -> Option<ParameterSource> {
        let text = at.text()?;
        match parse_source(&text) {
            Some(ParameterSource::Path(name)) if !parameters.contains(&&*name) => {
                let help = match parameters {
                    [] => "the path has no parameters".to_owned(),
                    _ => format!("its parameters are {}", parameters.join(", ")),
                };
                at.refuse(format!("the path of {what} has no parameter {name:?}"), help)
            }
            Some(source) => {
                if let ParameterSource::Context(name) = &source
                    && !is_context_variable(name)
                {
                    at.unserved(format!("{} in a mapping of {what}", write_source(&source)));
                }
                Some(source)
            }
            None => at.refuse(
                format!("{text:?} is not a source of a parameter"),
                "write method.request.{path|querystring|header}.NAME, stageVariables.NAME, context.NAME or 'text'",
            ),
        }
    }
}
