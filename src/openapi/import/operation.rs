use super::extension::Place;
use super::{Importer, Wishes};
use crate::config::{Located, Method, Operation, Route, Validator};
use crate::openapi::At;
use crate::openapi::document::Node;

/// What OpenAPI lets an operation say.
const WORDS: &[&str] = &[
    "tags",
    "summary",
    "description",
    "externalDocs",
    "operationId",
    "consumes",
    "produces",
    "parameters",
    "requestBody",
    "responses",
    "callbacks",
    "schemes",
    "deprecated",
    "security",
    "servers",
];

/// A path of the document that is read.
#[derive(Clone, Copy)]
pub(super) struct Site<'d, 'r> {
    pub item: At<'d>,
    /// As the document writes it.
    pub written: &'d str,
    /// Where clients find it.
    pub path: &'r str,
    pub wishes: Wishes<'r>,
}

impl<'d> Importer<'d> {
    pub(super) fn read_route(&self, site: Site<'d, '_>, method: Method, at: At<'d>) -> Option<Route> {
        let at = at.object()?.spend()?;
        let what = format!("{} {}", method.as_str(), site.path);
        self.check_words(at, WORDS, &what);
        self.check_extensions(at, Place::Operation, &what);
        let integration = self.read_integration(site, at, &what);
        let (parameters, bodies) = self.read_parameters(site.item, at);
        let (bodies, is_body_required) = self.read_bodies(at, &bodies);
        let text = |name: &str| at.get(name).and_then(At::string);
        if at.get("callbacks").is_some() {
            at.unserved(format!("the callbacks of {what}"));
        }
        self.check_auth(at, &what);
        let operation = Operation {
            name: text("operationId"),
            summary: text("summary"),
            description: text("description"),
            tags: at.get("tags").and_then(At::strings).unwrap_or_default(),
            parameters,
            bodies,
            is_body_required,
            responses: self.read_responses(at),
            validator: self.read_validator(at),
        };
        let api_key_required = self.read_security(at);
        let (integration, cache) = integration?;
        Some(Route {
            span: at.span(),
            method: at.located(method),
            path: Located::new(site.path.to_owned(), at.span()),
            api_key_required,
            integration,
            cache,
            throttle: None,
            body_bytes_max: None,
            operation: Some(Box::new(operation)),
        })
    }

    fn read_validator(&self, operation: At<'d>) -> Validator {
        let Some(at) = operation.get("x-amazon-apigateway-request-validator") else { return self.validator };
        self.find_validator(at)
    }

    /// The validator that a name stands for.
    pub(super) fn find_validator(&self, at: At<'d>) -> Validator {
        let Some(name) = at.str() else { return Validator::default() };
        if let Some(validator) = self.validators.get(name) {
            return *validator;
        }
        let help = crate::base::nearest(name, self.validators.keys().map(String::as_str));
        at.refuse::<()>(format!("there is no request validator {name:?}"), help);
        Validator::default()
    }

    fn check_auth(&self, operation: At<'d>, what: &str) {
        let Some(auth) = operation.get("x-amazon-apigateway-auth") else { return };
        let kind = auth.get("type").and_then(|kind| kind.node.as_str()).unwrap_or_default();
        if !kind.eq_ignore_ascii_case("NONE") {
            auth.unserved(format!("the authorization {kind} of {what}"));
        }
    }

    /// Tells of names that are neither OpenAPI's nor extensions: a slip of the pen there drops a part of the API.
    pub(super) fn check_words(&self, at: At<'d>, words: &[&str], what: &str) {
        for (key, value) in at.members() {
            let is_known = words.contains(&&*key.name) || key.name.starts_with("x-");
            if !is_known {
                value.unserved(format!("`{}` of {what}, which OpenAPI does not have", key.name));
            }
        }
    }
}

/// Whether a name of a path item is an operation.
pub(super) fn method_of(name: &str) -> Option<Method> {
    match name {
        "get" | "put" | "post" | "delete" | "options" | "head" | "patch" | "trace" => {
            Some(Method::Exact(name.to_ascii_uppercase()))
        }
        "x-amazon-apigateway-any-method" => Some(Method::Any),
        _ => None,
    }
}

/// Whether a value is there and is true.
pub(super) fn is_true(at: At<'_>, name: &str) -> bool {
    at.get(name).map(|at| at.node).and_then(Node::as_bool) == Some(true)
}
