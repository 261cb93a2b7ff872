use std::collections::HashMap;

use super::Importer;
use super::extension::Place;
use crate::openapi::At;

/// How callers show who they are, as a document says.
#[derive(Debug, Default)]
pub(super) struct Security<'d> {
    schemes: HashMap<&'d str, Scheme<'d>>,
    /// What counts for operations that say nothing.
    common: Option<At<'d>>,
}

#[derive(Clone, Copy, Debug)]
struct Scheme<'d> {
    at: At<'d>,
    is_api_key: bool,
}

impl<'d> Security<'d> {
    /// API Gateway ignores what a document says for all operations, so of its own documents that is only told.
    pub fn read(root: At<'d>, is_aws: bool) -> Security<'d> {
        let home = root.get("securityDefinitions");
        let home = home.or_else(|| root.get("components").and_then(|at| at.get("securitySchemes")));
        let schemes = home.and_then(At::object).into_iter().flat_map(At::members);
        let schemes = schemes.filter_map(|(key, at)| Some((&*key.name, Scheme::read(at.resolve()?.object()?))));
        let common = root.get("security");
        if let Some(security) = common.filter(|_| is_aws) {
            security.unserved("the document's `security`, which API Gateway reads of operations only");
        }
        Security { schemes: schemes.collect(), common: common.filter(|_| !is_aws) }
    }
}

impl<'d> Scheme<'d> {
    fn read(at: At<'d>) -> Scheme<'d> {
        let text = |name: &str| at.get(name).and_then(|value| value.node.as_str()).unwrap_or_default();
        let has_authorizer = ["x-amazon-apigateway-authorizer", "x-amazon-apigateway-authtype"]
            .iter()
            .any(|name| at.get(name).is_some());
        let is_key =
            text("type") == "apiKey" && text("in") == "header" && text("name").eq_ignore_ascii_case("x-api-key");
        Scheme { at, is_api_key: is_key && !has_authorizer }
    }

    fn describe(self, name: &str) -> String {
        match self.at.get("x-amazon-apigateway-authorizer") {
            Some(_) => format!("the authorizer `{name}`"),
            None => {
                let kind = self.at.get("type").and_then(|kind| kind.node.as_str()).unwrap_or("of no type");
                format!("the security scheme `{name}` ({kind}): callers are not asked for it")
            }
        }
    }
}

impl<'d> Importer<'d> {
    /// Whether an operation asks for an API key. What else it asks for is told as not served.
    pub(super) fn read_security(&self, operation: At<'d>) -> bool {
        let Some(security) = operation.get("security").or(self.security.common) else { return false };
        let mut is_key_required = false;
        let mut is_optional = false;
        for alternative in security.array().into_iter().flat_map(At::elements) {
            is_optional |= alternative.node.entries().is_empty();
            for (key, _) in alternative.members() {
                match self.security.schemes.get(&*key.name) {
                    Some(scheme) if scheme.is_api_key => is_key_required = true,
                    Some(scheme) => scheme.at.unserved(scheme.describe(&key.name)),
                    None => self.refuse_scheme(alternative, key),
                }
            }
        }
        is_key_required && !is_optional
    }

    fn refuse_scheme(&self, at: At<'d>, key: &crate::openapi::Key) {
        let message = format!("there is no security scheme {:?}", key.name);
        at.refuse_name::<()>(key, message, crate::base::nearest(&key.name, self.security.schemes.keys().copied()));
    }

    pub(super) fn check_schemes(&self) {
        for (name, scheme) in &self.security.schemes {
            self.check_extensions(scheme.at, Place::Scheme, &format!("the security scheme {name}"));
        }
    }
}
