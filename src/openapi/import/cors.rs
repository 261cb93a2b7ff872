use std::time::Duration;

use super::Importer;
use crate::config::Cors;
use crate::openapi::At;

/// A day: what browsers keep at most.
const MAX_AGE_S: std::ops::RangeInclusive<u64> = 0..=86_400;

impl<'d> Importer<'d> {
    /// `x-amazon-apigateway-cors`, which HTTP APIs have.
    pub(super) fn read_cors(&self) -> Option<Cors> {
        let at = self.root.get("x-amazon-apigateway-cors")?.object()?;
        let list = |name: &str| at.get(name).and_then(At::strings).unwrap_or_default();
        let lower = |name: &str| list(name).iter().map(|field| field.to_ascii_lowercase()).collect();
        let max_age = at.get("maxAge").and_then(|age| age.integer(MAX_AGE_S));
        Some(Cors {
            allow_origins: list("allowOrigins"),
            allow_methods: list("allowMethods").iter().map(|method| method.to_ascii_uppercase()).collect(),
            allow_headers: lower("allowHeaders"),
            expose_headers: lower("exposeHeaders"),
            max_age: max_age.map(Duration::from_secs),
            allow_credentials: at.get("allowCredentials").and_then(At::bool).unwrap_or(false),
        })
    }
}
