use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::{Describe, named};
use crate::base::units::write_duration;
use crate::config::{
    ContentHandling, Cors, Definition, Dialect, IntegrationResponse, Located, MethodResponse, Operation, Parameter,
    Passthrough, ResponseValidation, Route, Sources, Transformation,
};

impl Definition {
    /// All that is served, and how, with no word of where it is written.
    pub fn describe(&self) -> Value {
        Describe { sources: &Sources::default() }.definition(self).into()
    }
}

impl Describe<'_> {
    pub(super) fn definition(self, definition: &Definition) -> Map<String, Value> {
        let name = |route: &Route| format!("{} {}", route.method.as_str(), *route.path);
        let routes = definition.routes.iter().map(|route| (name(route), self.route(route)));
        let responses = definition.gateway_responses.iter();
        let about = &definition.about;
        let members = [
            ("routes", routes.collect::<Map<_, _>>().into()),
            ("models", named(&definition.models.schemas, |schema| schema.value.clone())),
            ("dialect", dialect(definition.models.dialect).into()),
            (
                "gateway_responses",
                responses
                    .map(|(kind, response)| (kind.as_str().to_owned(), self.gateway_response(response)))
                    .collect::<Map<_, _>>()
                    .into(),
            ),
            ("binary_media_types", json!(definition.binary_media_types)),
            ("minimum_compression_size", json!(definition.compression_bytes_min)),
            ("cors", definition.cors.as_ref().map(cors).into()),
            ("validate_responses", validation(definition.validate_responses).into()),
            ("about", json!({ "title": about.title, "version": about.version, "description": about.description })),
            ("unserved", definition.unserved.iter().map(|unserved| unserved.what.as_str()).collect()),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

pub(super) fn operation(operation: &Operation) -> Value {
    json!({
        "name": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "tags": operation.tags,
        "parameters": operation.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "bodies": contents(&operation.bodies),
        "is_body_required": operation.is_body_required,
        "responses": named(&operation.responses, method_response),
        "validator": {
            "parameters": operation.validator.checks_parameters,
            "body": operation.validator.checks_body,
        },
    })
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": format!("{:?}", parameter.place),
        "required": parameter.is_required,
        "schema": schema(&parameter.schema),
        "encoding": format!("{:?}", parameter.encoding),
        "description": parameter.description,
    })
}

fn method_response(response: &MethodResponse) -> Value {
    json!({
        "description": response.description,
        "headers": contents(&response.headers),
        "contents": contents(&response.contents),
    })
}

fn contents(contents: &IndexMap<String, Option<Located<Value>>>) -> Value {
    named(contents, schema)
}

fn schema(schema: &Option<Located<Value>>) -> Value {
    schema.as_ref().map(|schema| schema.value.clone()).into()
}

pub(super) fn transformation(written: &Transformation) -> Value {
    json!({
        "passthrough_behavior": match written.passthrough {
            Passthrough::WhenNoMatch => "WHEN_NO_MATCH",
            Passthrough::WhenNoTemplates => "WHEN_NO_TEMPLATES",
            Passthrough::Never => "NEVER",
        },
        "request_templates": templates(&written.request_templates),
        "content_handling": handling(written.content_handling),
        "responses": written.responses.iter().map(response).collect::<Vec<_>>(),
    })
}

fn response(response: &IntegrationResponse) -> Value {
    json!({
        "selection_pattern": response.pattern.as_ref().map(|pattern| pattern.value.as_str()),
        "status": response.status,
        "response_parameters":
            response.headers.iter().map(|(name, source)| (name.clone(), json!(source.to_string()))).collect::<Map<_, _>>(),
        "response_templates": templates(&response.templates),
        "content_handling": handling(response.content_handling),
    })
}

fn templates(templates: &IndexMap<String, Located<String>>) -> Value {
    named(templates, |template| template.value.as_str().into())
}

fn handling(handling: Option<ContentHandling>) -> Option<&'static str> {
    handling.map(|handling| match handling {
        ContentHandling::ConvertToBinary => "CONVERT_TO_BINARY",
        ContentHandling::ConvertToText => "CONVERT_TO_TEXT",
    })
}

fn cors(cors: &Cors) -> Value {
    json!({
        "allow_origins": cors.allow_origins,
        "allow_methods": cors.allow_methods,
        "allow_headers": cors.allow_headers,
        "expose_headers": cors.expose_headers,
        "max_age": cors.max_age.map(write_duration),
        "allow_credentials": cors.allow_credentials,
    })
}

fn dialect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Draft4 => "draft-04",
        Dialect::OpenApi30 => "openapi-3.0",
        Dialect::Draft202012 => "draft-2020-12",
    }
}

fn validation(validation: ResponseValidation) -> &'static str {
    match validation {
        ResponseValidation::Off => "off",
        ResponseValidation::Log => "log",
        ResponseValidation::Enforce => "enforce",
    }
}
