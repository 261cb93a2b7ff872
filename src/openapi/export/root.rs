use serde_json::{Map, Value, json};

use super::integration::templates;
use super::operation::{KEY_SCHEME, VALIDATORS, word_of};
use super::{Exporter, Format};
use crate::config::{Cors, Dialect, ErrorStyle, GatewayResponse, HttpIntegration, IntegrationKind, Route};
use crate::openapi::words::{self, write_response_source};

impl Exporter<'_> {
    pub(super) fn document(&self, errors: ErrorStyle) -> Value {
        let mut root = Map::new();
        let base = format!("/{}/{}", self.api, self.stage);
        match self.format {
            Format::Swagger20 => {
                root.insert("swagger".to_owned(), json!("2.0"));
                root.insert("info".to_owned(), self.info());
                root.insert("basePath".to_owned(), json!(base));
            }
            Format::OpenApi30 => {
                root.insert("openapi".to_owned(), json!(self.version()));
                root.insert("info".to_owned(), self.info());
                root.insert("servers".to_owned(), json!([{ "url": base }]));
            }
        }
        root.insert("paths".to_owned(), self.paths());
        self.components(&mut root);
        if self.has_extensions {
            self.extensions(errors, &mut root);
        }
        root.into()
    }

    fn version(&self) -> &'static str {
        if self.definition.models.dialect == Dialect::Draft202012 { "3.1.0" } else { "3.0.1" }
    }

    fn info(&self) -> Value {
        let about = &self.definition.about;
        let mut info = Map::new();
        info.insert("title".to_owned(), json!(about.title.as_deref().unwrap_or(self.api)));
        if let Some(description) = &about.description {
            info.insert("description".to_owned(), json!(description));
        }
        info.insert("version".to_owned(), json!(about.version.as_deref().unwrap_or("1")));
        info.into()
    }

    fn components(&self, root: &mut Map<String, Value>) {
        let schemas = self.definition.models.schemas.iter();
        let schemas: Map<String, Value> = schemas.map(|(name, schema)| (name.clone(), self.schema(schema))).collect();
        let is_key_asked_for = self.definition.routes.iter().any(|route| route.api_key_required);
        let schemes = json!({ KEY_SCHEME: { "type": "apiKey", "name": "x-api-key", "in": "header" } });
        let (models, security) = (("schemas", "definitions"), ("securitySchemes", "securityDefinitions"));
        let parts = [(models, Value::from(schemas)), (security, if is_key_asked_for { schemes } else { json!({}) })];
        let mut components = Map::new();
        for ((word, swagger), part) in
            parts.into_iter().filter(|(_, part)| part.as_object().is_some_and(|it| !it.is_empty()))
        {
            match self.format {
                Format::Swagger20 => root.insert(swagger.to_owned(), part),
                Format::OpenApi30 => components.insert(word.to_owned(), part),
            };
        }
        if !components.is_empty() {
            root.insert("components".to_owned(), components.into());
        }
    }

    fn extensions(&self, errors: ErrorStyle, root: &mut Map<String, Value>) {
        let definition = self.definition;
        let mut set = |word: &str, value: Value| drop(root.insert(word.to_owned(), value));
        set("x-tollgate-errors", json!(errors.as_str()));
        let dialect = definition.models.dialect;
        let natural = match (self.format, dialect) {
            (Format::Swagger20, _) => Dialect::Draft4,
            (Format::OpenApi30, Dialect::Draft202012) => Dialect::Draft202012,
            (Format::OpenApi30, _) => Dialect::OpenApi30,
        };
        if dialect != natural {
            set("x-tollgate-dialect", json!(words::word_of(Dialect::NAMES, &dialect)));
        }
        let used = |route: &Route| route.operation.as_ref().map(|operation| operation.validator);
        let validators =
            VALIDATORS.iter().filter(|(_, it)| definition.routes.iter().any(|route| used(route) == Some(*it)));
        let validators: Map<String, Value> = validators
            .map(|(name, it)| {
                let flags =
                    json!({ "validateRequestBody": it.checks_body, "validateRequestParameters": it.checks_parameters });
                ((*name).to_owned(), flags)
            })
            .collect();
        if !validators.is_empty() {
            set("x-amazon-apigateway-request-validators", validators.into());
        }
        if !definition.gateway_responses.is_empty() {
            let responses = definition.gateway_responses.iter();
            let responses = responses.map(|(kind, response)| (kind.as_str().to_owned(), gateway_response(response)));
            set("x-amazon-apigateway-gateway-responses", responses.collect::<Map<_, _>>().into());
        }
        if !definition.binary_media_types.is_empty() {
            set("x-amazon-apigateway-binary-media-types", json!(definition.binary_media_types));
        }
        if let Some(bytes) = definition.compression_bytes_min {
            set("x-amazon-apigateway-minimum-compression-size", json!(bytes));
        }
        if let Some(written) = &definition.cors {
            set("x-amazon-apigateway-cors", cors(written));
        }
    }

    /// What a document has no words for.
    pub(super) fn left_out(&self) -> Vec<String> {
        let mut all: Vec<String> = self.definition.routes.iter().flat_map(left_out_of).collect();
        let is_written = |what: &str| self.has_extensions && what.contains("integration of ");
        all.extend(self.definition.unserved.iter().map(|it| it.what.clone()).filter(|what| !is_written(what)));
        all
    }
}

fn gateway_response(response: &GatewayResponse) -> Value {
    let mut members = Map::new();
    if let Some(status) = response.status {
        members.insert("statusCode".to_owned(), json!(status));
    }
    if !response.headers.is_empty() {
        let headers = response.headers.iter();
        let headers = headers
            .map(|(name, source)| (format!("gatewayresponse.header.{name}"), json!(write_response_source(source))));
        members.insert("responseParameters".to_owned(), headers.collect::<Map<_, _>>().into());
    }
    templates("responseTemplates", &response.templates, &mut members);
    members.into()
}

fn cors(cors: &Cors) -> Value {
    let mut members = Map::new();
    let lists = [
        ("allowOrigins", &cors.allow_origins),
        ("allowMethods", &cors.allow_methods),
        ("allowHeaders", &cors.allow_headers),
        ("exposeHeaders", &cors.expose_headers),
    ];
    for (word, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        members.insert(word.to_owned(), json!(list));
    }
    if let Some(age) = cors.max_age {
        members.insert("maxAge".to_owned(), json!(age.as_secs()));
    }
    if cors.allow_credentials {
        members.insert("allowCredentials".to_owned(), json!(true));
    }
    members.into()
}

fn left_out_of(route: &Route) -> Vec<String> {
    let name = format!("{} {}", route.method.as_str(), route.path.value);
    if word_of(&route.method).is_none() {
        return vec![format!("{name}: OpenAPI does not have this method")];
    }
    let cache =
        route.cache.as_ref().is_some_and(|it| it.enabled.is_some() || it.ttl.is_some() || it.honor_origin.is_some());
    let mut words =
        vec![("cache", cache), ("throttle", route.throttle.is_some()), ("body_limit", route.body_bytes_max.is_some())];
    if let IntegrationKind::Http(http) = &route.integration.kind {
        let plain = HttpIntegration::to(http.uri.clone(), http.is_proxy);
        words.extend([
            ("targets", !http.targets.is_empty()),
            ("health", http.health.is_some()),
            ("tls", http.tls.ca_pem.is_some() || http.tls.client.is_some()),
            ("protocol_version", http.protocol_version != plain.protocol_version),
            ("preserve_host", http.preserve_host),
        ]);
    }
    words.into_iter().filter(|(_, is_written)| *is_written).map(|(word, _)| format!("`{word}` of {name}")).collect()
}
