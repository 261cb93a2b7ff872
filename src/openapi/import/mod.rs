//! A document → a [`Definition`].

mod answer;
mod body;
mod cors;
mod extension;
mod gateway_response;
mod integration;
mod mapping;
mod operation;
mod parameter;
mod path;
mod root;
mod schema;
mod security;
mod server;
mod transformation;
mod version;

use std::cell::RefCell;

use indexmap::IndexMap;

pub(super) use parameter::INLINE_WORDS;
pub(super) use root::import;
pub(super) use schema::{LIST_WORDS, SCHEMA_WORDS, TABLE_WORDS};
pub(super) use version::Version;

use self::schema::Schemas;
use self::security::Security;
use self::server::Servers;
use super::At;
use crate::config::{BasePath, Validator};

/// What the configuration says of a document.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes<'w> {
    pub base_path: BasePath,
    /// Without a slash at its end.
    pub forward_to: Option<&'w str>,
}

/// What operations need to know of their document.
struct Importer<'d> {
    root: At<'d>,
    version: Version,
    /// Whether it carries API Gateway's extensions, so that what they leave out is as API Gateway has it.
    is_aws: bool,
    servers: Servers,
    schemas: RefCell<Schemas<'d>>,
    security: Security<'d>,
    validators: IndexMap<String, Validator>,
    validator: Validator,
    /// Swagger's `consumes` and `produces`.
    consumes: Vec<String>,
    produces: Vec<String>,
}

impl<'d> Importer<'d> {
    fn schema(&self, at: At<'d>) -> Option<crate::config::Located<serde_json::Value>> {
        self.schemas.borrow_mut().read(at)
    }
}
