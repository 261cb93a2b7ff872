use std::hash::{DefaultHasher, Hash, Hasher};

use indexmap::IndexMap;

use crate::config::{
    HttpIntegration, IntegrationKind, IntegrationResponse, Located, MockAnswer, Route, Transformation,
};
use crate::gateway::transform::ApiTerms;

/// What a route's answers depend on, as a number: a deployment is its content.
///
/// Entries that were cached under the same number are as good after a reload as before. Places in files do not count,
/// nor does what changes only who may call and how often.
pub(super) fn deployment_of(route: &Route, variables: &IndexMap<String, String>, terms: ApiTerms<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let ApiTerms { api: _, is_aws, ignores_cors } = terms;
    (is_aws, ignores_cors).hash(&mut hasher);
    route.method.value.hash(&mut hasher);
    route.path.value.hash(&mut hasher);
    let mut sorted: Vec<_> = variables.iter().collect();
    sorted.sort();
    sorted.hash(&mut hasher);
    match &route.integration.kind {
        IntegrationKind::Http(http) => hash_http(http, &mut hasher),
        IntegrationKind::Mock(mock) => {
            let MockAnswer { status, headers, body, transformation } = &**mock;
            (status, headers, body).hash(&mut hasher);
            hash_transformation(transformation.as_deref(), &mut hasher);
        }
        IntegrationKind::Unserved(unserved) => unserved.kind.hash(&mut hasher),
    }
    hasher.finish()
}

fn hash_http(http: &HttpIntegration, hasher: &mut DefaultHasher) {
    let HttpIntegration { is_proxy, uri, method, targets, tls, protocol_version, .. } = http;
    (is_proxy, &uri.value, method, tls, protocol_version).hash(hasher);
    (http.preserve_host, &http.request_parameters).hash(hasher);
    hash_transformation(http.transformation.as_deref(), hasher);
    for target in targets {
        target.address.value.hash(hasher);
    }
}

fn hash_transformation(written: Option<&Transformation>, hasher: &mut DefaultHasher) {
    let Some(Transformation { passthrough, request_templates, content_handling, responses }) = written else { return };
    (passthrough, content_handling, responses.len()).hash(hasher);
    hash_templates(request_templates, hasher);
    for IntegrationResponse { pattern, status, headers, templates, content_handling } in responses {
        (pattern, status, headers, content_handling).hash(hasher);
        hash_templates(templates, hasher);
    }
}

fn hash_templates(templates: &IndexMap<String, Located<String>>, hasher: &mut DefaultHasher) {
    templates.len().hash(hasher);
    templates.iter().for_each(|entry| entry.hash(hasher));
}
