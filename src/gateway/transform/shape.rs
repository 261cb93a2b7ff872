use indexmap::IndexMap;

use super::context::{Context, Statement};
use super::outgoing::Outgoing;
use super::parameters::Parameters;
use super::uri::UriTemplate;
use crate::base::Head;
use crate::config::{Fault, HttpIntegration};

/// How an integration's requests look: compiled per route and variant.
#[derive(Debug)]
pub struct Shape {
    pub(super) uri: UriTemplate,
    pub(super) parameters: Parameters,
    /// What the gateway states beside what is mapped; a mapping to the same field goes before it.
    pub(super) statements: Box<[Statement]>,
    /// The client's unless written.
    pub(super) method: Option<Box<str>>,
    pub(super) is_proxy: bool,
    pub(super) preserves_host: bool,
}

impl Shape {
    /// Compiles what `integration` sends for a route whose path parameters are `names`, in the order of their values.
    /// `variables` are the variant's: the stage's, overridden by its canary's.
    pub fn compile(
        integration: &HttpIntegration,
        variables: &IndexMap<String, String>,
        names: &[Box<str>],
    ) -> Result<Shape, Vec<Fault>> {
        let span = integration.uri.span;
        let uri = UriTemplate::compile(&integration.uri, variables, names);
        let parameters = Parameters::compile(&integration.request_parameters, span, variables, names);
        let method = match &integration.method {
            Some(name) if http::Method::from_bytes(name.as_bytes()).is_err() => {
                Err(Fault::at(span, format!("the integration's method \"{name}\" is not a method")))
            }
            method => Ok(method.as_deref().map(Box::from)),
        };
        match (uri, parameters, method) {
            (Ok(uri), Ok(parameters), Ok(method)) => {
                let unmapped = |statement: &Statement| !parameters.sets_header(statement.name());
                let statements = Statement::ALL.into_iter().filter(unmapped).collect();
                let HttpIntegration { is_proxy, preserve_host, .. } = *integration;
                Ok(Shape { uri, parameters, statements, method, is_proxy, preserves_host: preserve_host })
            }
            (uri, parameters, method) => {
                let single = [uri.err(), method.err()].into_iter().flatten();
                Err(single.chain(parameters.err().into_iter().flatten()).collect())
            }
        }
    }

    pub fn uri(&self) -> &UriTemplate {
        &self.uri
    }

    /// What is sent for one request; `values` are the path parameters' raw texts in the order of `names`.
    pub fn outgoing<'a>(&'a self, head: &'a Head<'a>, values: &'a [&'a str], context: &'a Context<'a>) -> Outgoing<'a> {
        Outgoing::new(self, head, values, context)
    }
}
