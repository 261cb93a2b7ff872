use std::fmt::Write;

use serde_json::{Value, json};

use super::words::{write_source, write_target};
use crate::base::units::write_duration;
use crate::config::{Definition, HttpIntegration, IntegrationKind, MockAnswer, ParameterTarget, Route};

/// An API as TOML has it. What TOML has no words for is told in comments.
pub fn to_toml(api: &str, definition: &Definition) -> String {
    let mut out = String::new();
    let title = definition.about.title.as_deref().unwrap_or(api);
    comment(&format!("{title}, from its OpenAPI document."), &mut out);
    for what in left_out(definition) {
        comment(&format!("Without {what}: keep the document as `definition` to have that."), &mut out);
    }
    for unserved in &definition.unserved {
        comment(&format!("Declared, not served yet: {}", unserved.what), &mut out);
    }
    line(&format!("[apis.{api}]"), &mut out);
    if let Some(errors) = definition.errors {
        line(&format!("errors = \"{}\"", errors.as_str()), &mut out);
    }
    definition.routes.iter().for_each(|route| write_route(api, route, &mut out));
    line(&format!("\n[apis.{api}.stages.prod]"), &mut out);
    out
}

/// What a document says of a whole API and TOML does not.
fn left_out(definition: &Definition) -> Vec<&'static str> {
    let operations = || definition.routes.iter().filter_map(|route| route.operation.as_deref());
    let has_validator =
        operations().any(|operation| operation.validator.checks_parameters || operation.validator.checks_body);
    let parts = [
        (!definition.models.schemas.is_empty(), "its models, parameters and responses"),
        (has_validator, "its request validators"),
        (!definition.gateway_responses.is_empty(), "its gateway responses"),
        (!definition.binary_media_types.is_empty(), "its binary media types"),
        (definition.compression_bytes_min.is_some(), "its compression"),
        (definition.cors.is_some(), "its CORS"),
    ];
    parts.into_iter().filter(|(is_there, _)| *is_there).map(|(_, what)| what).collect()
}

fn write_route(api: &str, route: &Route, out: &mut String) {
    let mut text = format!("[[apis.{api}.routes]]\n");
    line(&format!("method = {}", quoted(route.method.as_str())), &mut text);
    line(&format!("path = {}", quoted(&route.path)), &mut text);
    if route.api_key_required {
        line("api_key_required = true", &mut text);
    }
    let integration = match &route.integration.kind {
        IntegrationKind::Http(http) if has_words(http) => Ok(http_table(http)),
        IntegrationKind::Http(_) => {
            Err("it has templates, responses or mappings that TOML has no words for".to_owned())
        }
        IntegrationKind::Mock(mock) => match mock.fixed() {
            Some(fixed) => Ok(mock_table(&fixed)),
            None => Err("its answer is made by templates".to_owned()),
        },
        IntegrationKind::Unserved(unserved) => Err(format!("its integration is {}", unserved.kind)),
    };
    line(
        &format!("integration = {}", integration.as_deref().unwrap_or("{ type = \"MOCK\", status = 500 }")),
        &mut text,
    );
    if let Some(key) = route.cache.as_ref().and_then(|cache| cache.key.as_ref()) {
        let parts: Vec<String> = key.iter().map(|part| quoted(&part.to_string())).collect();
        line(&format!("cache = {{ key = [{}] }}", parts.join(", ")), &mut text);
    }
    out.push('\n');
    if let Some(summary) = route.operation.as_ref().and_then(|operation| operation.summary.as_ref()) {
        comment(summary, out);
    }
    match integration {
        Err(why) => {
            comment(&format!("Not in TOML: {why}."), out);
            text.lines().for_each(|line| comment(line, out));
        }
        Ok(_) => out.push_str(&text),
    }
}

/// Whether TOML has words for all its mappings.
fn has_words(http: &HttpIntegration) -> bool {
    http.transformation.is_none()
        && !http.reads_body()
        && !http.request_parameters.iter().any(|it| matches!(it.target, ParameterTarget::Path(_)))
}

fn http_table(http: &HttpIntegration) -> String {
    let plain = HttpIntegration::to(http.uri.clone(), http.is_proxy);
    let kind = if http.is_proxy { "HTTP_PROXY" } else { "HTTP" };
    let mut members = vec![("type", quoted(kind)), ("uri", quoted(&http.uri))];
    if let Some(method) = &http.method {
        members.push(("method", quoted(method)));
    }
    if http.timeout != plain.timeout {
        members.push(("timeout", quoted(&write_duration(http.timeout))));
    }
    if let Some(name) = &http.tls.server_name {
        members.push(("tls", format!("{{ server_name = {} }}", quoted(name))));
    }
    let mappings = http.request_parameters.iter().filter(|it| !matches!(it.target, ParameterTarget::Path(_)));
    let mappings: Vec<String> = mappings
        .map(|it| format!("{} = {}", quoted(&write_target(&it.target)), quoted(&write_source(&it.source))))
        .collect();
    if !mappings.is_empty() {
        members.push(("request_parameters", format!("{{ {} }}", mappings.join(", "))));
    }
    table(&members)
}

fn mock_table(mock: &MockAnswer) -> String {
    let headers: Vec<String> =
        mock.headers.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
    table(&[
        ("type", quoted("MOCK")),
        ("status", mock.status.to_string()),
        ("headers", format!("{{ {} }}", headers.join(", "))),
        ("body", quoted(&mock.body)),
    ])
}

fn table(members: &[(&str, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{{ {} }}", members.join(", "))
}

/// JSON's strings are TOML's.
fn quoted(text: &str) -> String {
    Value::to_string(&json!(text))
}

fn comment(text: &str, out: &mut String) {
    text.lines().for_each(|text| line(format!("# {text}").trim_end(), out));
}

fn line(text: &str, out: &mut String) {
    // Writing into a string does not fail.
    let _ = writeln!(out, "{text}");
}
