use http::HeaderName;
use http::header::{ACCEPT, USER_AGENT, VIA};
use indexmap::IndexMap;

use super::addition::Addition;
use super::context::{Context, Statement};
use super::outgoing::Outgoing;
use super::parameters::{Parameters, Paths, Querystrings, Source};
use super::remap::Remapping;
use super::response::Cleaning;
use super::uri::{Origin, UriTemplate};
use crate::base::Head;
use crate::config::{Fault, HttpIntegration};

/// How an integration's requests look, but for their target: the same for many routes, which share it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    origin: Origin,
    /// RFC 9110 section 7.2 wants it at the top of the field section.
    pub(super) host: Addition,
    /// What is sent behind the client's fields.
    pub(super) additions: Box<[Addition]>,
    /// The fields that a mapping sets, whatever the client or the gateway says of them.
    pub(super) mapped: Box<[HeaderName]>,
    pub(super) querystrings: Querystrings,
    pub(super) paths: Paths,
    /// The client's unless written.
    pub(super) method: Option<Box<str>>,
    pub(super) is_proxy: bool,
    cleaning: Cleaning,
}

/// What an API says of all its integrations.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiTerms<'a> {
    pub api: &'a str,
    /// Whether fields are dropped, renamed and added as API Gateway does it.
    pub is_aws: bool,
    /// Whether what back ends say of CORS is the gateway's to say.
    pub ignores_cors: bool,
}

impl Shape {
    /// Compiles what `integration` sends for a route whose path parameters are `names`, in the order of their values.
    /// `variables` are the variant's: the stage's, overridden by its canary's. The target is the route's own.
    pub fn compile(
        integration: &HttpIntegration,
        variables: &IndexMap<String, String>,
        names: &[Box<str>],
        terms: ApiTerms<'_>,
    ) -> Result<(Shape, UriTemplate), Vec<Fault>> {
        let span = integration.uri.span;
        let remapping = Remapping::new(terms.is_aws, integration.is_proxy);
        let parameters = Parameters::compile(&integration.request_parameters, span, variables, names, remapping);
        let mapped = parameters.as_ref().map(|parameters| &*parameters.paths.names).unwrap_or_default();
        let uri = UriTemplate::compile(&integration.uri, variables, &[names, mapped].concat());
        let method = match &integration.method {
            Some(name) if http::Method::from_bytes(name.as_bytes()).is_err() => {
                Err(Fault::at(span, format!("the integration's method \"{name}\" is not a method")))
            }
            method => Ok(method.as_deref().map(Box::from)),
        };
        match (uri, parameters, method) {
            (Ok((origin, uri)), Ok(Parameters { headers, querystrings, paths }), Ok(method)) => {
                let HttpIntegration { is_proxy, preserve_host, .. } = *integration;
                let host = Addition::host(&origin, preserve_host);
                let mapped = headers.iter().map(|(name, _)| name.clone()).collect();
                let additions = additions(remapping, is_proxy, terms.api, headers);
                let cleaning = Cleaning { remapping, ignores_cors: terms.ignores_cors };
                Ok((Shape { origin, host, additions, mapped, querystrings, paths, method, is_proxy, cleaning }, uri))
            }
            (uri, parameters, method) => {
                let single = [uri.err(), method.err()].into_iter().flatten();
                Err(single.chain(parameters.err().into_iter().flatten()).collect())
            }
        }
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What becomes of the fields of its answers.
    pub fn cleaning(&self) -> Cleaning {
        self.cleaning
    }

    /// Whether the client's fields and query go on.
    pub fn is_proxy(&self) -> bool {
        self.is_proxy
    }

    pub(super) fn remapping(&self) -> Remapping {
        self.cleaning.remapping
    }

    /// What is sent to `uri` for one request; `values` are the path parameters' raw texts in the order of `names`.
    pub fn outgoing<'a>(
        &'a self,
        uri: &'a UriTemplate,
        head: &'a Head<'a>,
        values: &'a [&'a str],
        context: &'a Context<'a>,
    ) -> Outgoing<'a> {
        Outgoing::new((self, uri), head, values, context)
    }

    /// Whether a mapping says what the field `name` is.
    pub(super) fn sets_header(&self, name: &[u8]) -> bool {
        self.mapped.iter().any(|mapped| mapped.as_str().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// What the gateway says beside `Host`, then what is mapped. A mapping to a field goes before the gateway's own word.
fn additions(remapping: Remapping, is_proxy: bool, api: &str, mapped: Vec<(HeaderName, Source)>) -> Box<[Addition]> {
    let own = match remapping {
        Remapping::Off => own_words(is_proxy),
        Remapping::Http | Remapping::HttpProxy => service_words(is_proxy, api),
    };
    let is_mapped = |addition: &Addition| mapped.iter().any(|(name, _)| *name == addition.name);
    let mut all: Vec<Addition> = own.into_iter().filter(|addition| !is_mapped(addition)).collect();
    all.extend(mapped.into_iter().filter_map(|(name, source)| Addition::mapped(name, source)));
    all.into()
}

fn own_words(is_proxy: bool) -> Vec<Addition> {
    let user_agent = (!is_proxy).then(|| Addition::constant(USER_AGENT, "tollgate"));
    let stated = Statement::ALL.into_iter().map(Addition::stated);
    // RFC 9110 section 7.6.3: a gateway says so in each inbound request.
    user_agent.into_iter().chain(stated).chain([Addition::constant(VIA, "1.1 tollgate")]).collect()
}

/// What API Gateway says, and `traceparent`, which would else end here.
fn service_words(is_proxy: bool, api: &str) -> Vec<Addition> {
    const API_ID: HeaderName = HeaderName::from_static("x-amzn-apigateway-api-id");
    let stated: &[Statement] = match is_proxy {
        true => &[Statement::ForwardedFor, Statement::ForwardedProto, Statement::Traceparent, Statement::AmznTrace],
        false => &[Statement::AmznTrace],
    };
    let mut words: Vec<Addition> = stated.iter().copied().map(Addition::stated).collect();
    words.push(Addition::constant(API_ID, api));
    if !is_proxy {
        words.push(Addition::constant(ACCEPT, "application/json"));
        words.push(Addition::constant(USER_AGENT, &format!("AmazonAPIGateway_{api}")));
    }
    words
}
