use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Exporter;
use crate::config::{
    ContentHandling, HttpIntegration, IntegrationKind, IntegrationResponse, KeyPart, MockAnswer, ParameterTarget,
    Passthrough, Route, Transformation, find_path_parameters,
};
use crate::openapi::words::{write_source, write_target};

impl Exporter<'_> {
    /// `x-amazon-apigateway-integration`
    pub(super) fn integration(&self, route: &Route) -> Value {
        let mut members = match &route.integration.kind {
            IntegrationKind::Unserved(unserved) => return unserved.written.clone(),
            IntegrationKind::Http(http) => http_integration(http, route),
            IntegrationKind::Mock(mock) => mock_integration(mock),
        };
        let key = route.cache.as_ref().and_then(|cache| cache.key.as_ref());
        if let Some(key) = key {
            members.insert("cacheKeyParameters".to_owned(), key.iter().map(|part| write_key_part(part)).collect());
        }
        members.into()
    }
}

fn http_integration(http: &HttpIntegration, route: &Route) -> Map<String, Value> {
    let mut members = Map::new();
    let kind = if http.is_proxy { "http_proxy" } else { "http" };
    let method = http.method.as_deref().unwrap_or("ANY");
    members.insert("type".to_owned(), json!(kind));
    members.insert("httpMethod".to_owned(), json!(method));
    members.insert("uri".to_owned(), json!(http.uri.value));
    let parameters = request_parameters(http, route);
    if !parameters.is_empty() {
        members.insert("requestParameters".to_owned(), json!(parameters));
    }
    if let Some(written) = &http.transformation {
        transformation(written, &mut members);
    }
    members.insert("timeoutInMillis".to_owned(), json!(http.timeout.as_millis() as u64));
    if let Some(name) = &http.tls.server_name {
        members.insert("tlsConfig".to_owned(), json!({ "serverNameToVerify": name }));
    }
    members
}

/// What is mapped, and the route's own parameters that stand in the uri.
fn request_parameters(http: &HttpIntegration, route: &Route) -> BTreeMap<String, String> {
    let mapped = http.request_parameters.iter();
    let mut all: BTreeMap<String, String> =
        mapped.clone().map(|mapping| (write_target(&mapping.target), write_source(&mapping.source))).collect();
    for name in find_path_parameters(&route.path).filter(|name| http.uri.contains(&format!("{{{name}}}"))) {
        let target = write_target(&ParameterTarget::Path(name.to_owned()));
        all.entry(target).or_insert_with(|| format!("method.request.path.{name}"));
    }
    all
}

fn mock_integration(mock: &MockAnswer) -> Map<String, Value> {
    let mut members = Map::from_iter([("type".to_owned(), json!("mock"))]);
    if let Some(written) = &mock.transformation {
        transformation(written, &mut members);
        return members;
    }
    let headers = mock.headers.iter().map(|(name, value)| (response_header(name), json!(format!("'{value}'"))));
    let headers: Map<String, Value> = headers.collect();
    let status = mock.status.to_string();
    let template = json!({ "statusCode": mock.status }).to_string();
    members.insert("requestTemplates".to_owned(), json!({ "application/json": template }));
    let response = json!({
        "statusCode": status,
        "responseParameters": headers,
        "responseTemplates": { "application/json": mock.body },
    });
    members.insert("responses".to_owned(), json!({ "default": response }));
    members
}

fn transformation(written: &Transformation, members: &mut Map<String, Value>) {
    let Transformation { passthrough, request_templates, content_handling, responses } = written;
    let passthrough = match passthrough {
        Passthrough::WhenNoMatch => "when_no_match",
        Passthrough::WhenNoTemplates => "when_no_templates",
        Passthrough::Never => "never",
    };
    members.insert("passthroughBehavior".to_owned(), json!(passthrough));
    templates("requestTemplates", request_templates, members);
    handling(*content_handling, members);
    if !responses.is_empty() {
        let key = |response: &IntegrationResponse| {
            response.pattern.as_ref().map_or("default".to_owned(), |pattern| pattern.value.clone())
        };
        let responses = responses.iter().map(|response| (key(response), integration_response(response)));
        members.insert("responses".to_owned(), responses.collect::<Map<_, _>>().into());
    }
}

fn integration_response(response: &IntegrationResponse) -> Value {
    let mut members = Map::from_iter([("statusCode".to_owned(), json!(response.status.to_string()))]);
    if !response.headers.is_empty() {
        let headers = response.headers.iter();
        let headers = headers.map(|(name, source)| (response_header(name), json!(source.to_string())));
        members.insert("responseParameters".to_owned(), headers.collect::<Map<_, _>>().into());
    }
    templates("responseTemplates", &response.templates, &mut members);
    handling(response.content_handling, &mut members);
    members.into()
}

pub(super) fn templates(
    word: &str,
    templates: &indexmap::IndexMap<String, crate::config::Located<String>>,
    members: &mut Map<String, Value>,
) {
    if !templates.is_empty() {
        let templates = templates.iter().map(|(kind, template)| (kind.clone(), json!(template.value)));
        members.insert(word.to_owned(), templates.collect::<Map<_, _>>().into());
    }
}

fn handling(handling: Option<ContentHandling>, members: &mut Map<String, Value>) {
    let word = handling.map(|handling| match handling {
        ContentHandling::ConvertToBinary => "CONVERT_TO_BINARY",
        ContentHandling::ConvertToText => "CONVERT_TO_TEXT",
    });
    if let Some(word) = word {
        members.insert("contentHandling".to_owned(), json!(word));
    }
}

fn response_header(name: &str) -> String {
    format!("method.response.header.{name}")
}

fn write_key_part(part: &KeyPart) -> String {
    match part {
        KeyPart::Path(name) => format!("method.request.path.{name}"),
        KeyPart::Querystring(name) => format!("method.request.querystring.{name}"),
        KeyPart::Header(name) => format!("method.request.header.{name}"),
    }
}
