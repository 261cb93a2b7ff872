use std::cell::RefCell;

use indexmap::IndexMap;

use super::extension::{Place, is_aws};
use super::schema::Schemas;
use super::security::Security;
use super::server::Servers;
use super::{Importer, Version, Wishes};
use crate::config::{About, Definition, Dialect, ErrorStyle, Models, Validator};
use crate::openapi::words::media_type;
use crate::openapi::{At, Desk};

/// What OpenAPI lets a document say.
const WORDS: &[&str] = &[
    "openapi",
    "swagger",
    "info",
    "jsonSchemaDialect",
    "servers",
    "host",
    "basePath",
    "schemes",
    "consumes",
    "produces",
    "paths",
    "webhooks",
    "components",
    "definitions",
    "parameters",
    "responses",
    "securityDefinitions",
    "security",
    "tags",
    "externalDocs",
];

/// Reads the main document of a library. `None`: its faults are on the desk.
pub(in crate::openapi) fn import(desk: &Desk<'_>, wishes: Wishes<'_>) -> Option<Definition> {
    let document = desk.library.main()?;
    let root = At { node: &document.root, document, desk }.object()?;
    let importer = Importer::new(root, wishes)?;
    let definition = importer.read(wishes);
    desk.faults.borrow().is_empty().then_some(definition)
}

impl<'d> Importer<'d> {
    fn new(root: At<'d>, wishes: Wishes<'_>) -> Option<Importer<'d>> {
        let version = Version::read(root)?;
        let is_aws = is_aws(root);
        let components = root.get("components").and_then(At::object);
        let home =
            if version.is_swagger() { root.get("definitions") } else { components.and_then(|at| at.get("schemas")) };
        let dialect = root.get("x-tollgate-dialect").and_then(|at| at.word(Dialect::NAMES));
        let media_types = |word: &str| {
            let written = root.get(word).and_then(At::strings).unwrap_or_default();
            written.iter().map(|kind| media_type(kind)).collect()
        };
        let mut importer = Importer {
            root,
            version,
            is_aws,
            servers: Servers::read(root, version, wishes),
            schemas: RefCell::new(Schemas::new(dialect.unwrap_or(version.dialect()), home)),
            security: Security::read(root, is_aws),
            validators: read_validators(root),
            validator: Validator::default(),
            consumes: media_types("consumes"),
            produces: media_types("produces"),
        };
        if let Some(at) = root.get("x-amazon-apigateway-request-validator") {
            importer.validator = importer.find_validator(at);
        }
        Some(importer)
    }

    fn read(self, wishes: Wishes<'_>) -> Definition {
        let root = self.root;
        self.check_words(root, WORDS, "the document");
        self.check_extensions(root, Place::Root, "the document");
        if let Some(components) = root.get("components") {
            self.check_extensions(components, Place::Components, "the components");
        }
        for (at, place, what) in [("servers", Place::Server, "a server"), ("tags", Place::Tag, "a tag")]
            .into_iter()
            .flat_map(|(name, place, what)| {
                root.get(name).into_iter().flat_map(At::elements).map(move |at| (at, place, what))
            })
        {
            self.check_extensions(at, place, what);
        }
        self.check_schemes();
        if let Some(webhooks) = root.get("webhooks") {
            webhooks.unserved("the webhooks of the document");
        }
        self.check_api_key_source();
        let routes = self.read_routes(wishes);
        Definition {
            routes,
            errors: self.is_aws.then_some(ErrorStyle::Aws),
            gateway_responses: self.read_gateway_responses(),
            binary_media_types: self.read_binary_media_types(),
            compression_bytes_min: self.read_compression(),
            cors: self.read_cors(),
            about: self.read_about(),
            models: self.take_models(),
            unserved: std::mem::take(&mut root.desk.unserved.borrow_mut()),
            ..Definition::default()
        }
    }

    fn take_models(self) -> Models {
        self.schemas.into_inner().finish()
    }

    fn read_about(&self) -> About {
        let info = self.root.get("info");
        let text = |name: &str| info.and_then(|at| at.get(name)).and_then(At::text);
        About { title: text("title"), version: text("version"), description: text("description") }
    }

    fn check_api_key_source(&self) {
        let sources = [("HEADER", false), ("AUTHORIZER", true)];
        let at = self.root.get("x-amazon-apigateway-api-key-source");
        if let Some(at) = at.filter(|at| at.word(&sources) == Some(true)) {
            at.unserved("API keys that an authorizer names");
        }
    }

    fn read_binary_media_types(&self) -> Vec<String> {
        let at = self.root.get("x-amazon-apigateway-binary-media-types");
        let written = at.and_then(At::strings).unwrap_or_default();
        // In the control protocol a slash is written ~1, and people copy that.
        written.iter().map(|kind| kind.replace("~1", "/").to_ascii_lowercase()).collect()
    }

    /// API Gateway's bound is 10 MiB.
    fn read_compression(&self) -> Option<u64> {
        self.root.get("x-amazon-apigateway-minimum-compression-size")?.integer(0..=10_485_760)
    }
}

fn read_validators(root: At<'_>) -> IndexMap<String, Validator> {
    let at = root.get("x-amazon-apigateway-request-validators").and_then(At::object);
    let validator = |at: At<'_>| Validator {
        checks_parameters: is_set(at, "validateRequestParameters"),
        checks_body: is_set(at, "validateRequestBody"),
    };
    at.into_iter().flat_map(At::members).map(|(key, at)| (key.name.to_string(), validator(at))).collect()
}

fn is_set(at: At<'_>, name: &str) -> bool {
    at.get(name).and_then(At::bool) == Some(true)
}
