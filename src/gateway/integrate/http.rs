use std::sync::Arc;

use indexmap::IndexMap;

use super::back_end::BackEnd;
use super::pool::{PoolKey, Pools};
use crate::base::{Head, Scheme};
use crate::config::{Fault, HttpIntegration, Target};
use crate::gateway::transform::{self, ApiTerms, Context, Origin, Outgoing, Shape, UriTemplate};

/// An `HTTP` or `HTTP_PROXY` integration, compiled.
#[derive(Debug)]
pub struct Http {
    uri: UriTemplate,
    back_end: Arc<BackEnd>,
}

impl Http {
    /// See [`super::Target::compile`].
    pub fn compile(
        integration: &HttpIntegration,
        variables: &IndexMap<String, String>,
        names: &[Box<str>],
        terms: ApiTerms<'_>,
        pools: &Pools,
    ) -> Result<Http, Vec<Fault>> {
        let (shape, uri) = Shape::compile(integration, variables, names, terms)?;
        let key = pool_key(integration, shape.origin(), variables)?;
        let pool = pools.get(key).map_err(|why| vec![Fault::at(integration.uri.span, why)])?;
        let HttpIntegration { timeout, connect_timeout, .. } = *integration;
        let back_end = BackEnd { shape, pool, timeout, connect_timeout: connect_timeout.min(timeout) };
        Ok(Http { uri, back_end: pools.share(back_end) })
    }

    pub fn back_end(&self) -> &Arc<BackEnd> {
        &self.back_end
    }

    /// What is sent for one request; `values` are the path parameters' raw texts in the order of `names`.
    pub fn outgoing<'a>(&'a self, head: &'a Head<'a>, values: &'a [&'a str], context: &'a Context<'a>) -> Outgoing<'a> {
        self.back_end.shape.outgoing(&self.uri, head, values, context)
    }
}

fn pool_key(
    integration: &HttpIntegration,
    origin: &Origin,
    variables: &IndexMap<String, String>,
) -> Result<PoolKey, Vec<Fault>> {
    let (mut endpoints, mut faults) = (Vec::new(), Vec::new());
    for target in &integration.targets {
        match endpoint(target, origin.scheme(), variables) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    if endpoints.is_empty() {
        endpoints.push((origin.host().into(), origin.port(), 1));
    }
    let is_asked_over_http = integration.health.as_ref().is_some_and(|health| health.path.is_some());
    let server_name = integration.tls.server_name.as_deref().unwrap_or(origin.host());
    Ok(PoolKey {
        endpoints,
        balance: integration.balance,
        health: integration.health.clone(),
        ejection: integration.ejection,
        tls: (origin.scheme() == Scheme::Https).then(|| (server_name.into(), integration.tls.clone())),
        protocol_version: integration.protocol_version,
        health_host: if is_asked_over_http { origin.authority().into() } else { "".into() },
    })
}

fn endpoint(
    target: &Target,
    scheme: Scheme,
    variables: &IndexMap<String, String>,
) -> Result<(Box<str>, u16, u32), Fault> {
    let span = target.address.span;
    let address = transform::substitute(&target.address, variables).map_err(|reference| {
        Fault::at(span, format!("unknown reference {reference}")).with_help("write ${stageVariables.NAME}")
    })?;
    let (host, port) = transform::split_authority(&address, scheme).map_err(|why| {
        Fault::at(span, format!("the target \"{address}\" {why}")).with_help("write host:port or [address]:port")
    })?;
    Ok((host.into(), port, target.weight))
}
