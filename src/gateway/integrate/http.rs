use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::deadline::Deadline;
use super::failure::Failure;
use super::pick::Pick;
use super::pool::{Pool, PoolKey, Pools};
use crate::base::{Answer, Clock, Now, Refusal, Scheme};
use crate::config::{Fault, HttpIntegration, ProtocolVersion, Target};
use crate::gateway::transform::{self, Shape, UriTemplate};

/// An `HTTP` or `HTTP_PROXY` integration, compiled.
#[derive(Debug)]
pub struct Http {
    shape: Shape,
    pool: Arc<Pool>,
    timeout: Duration,
    connect_timeout: Duration,
}

impl Http {
    /// See [`super::Target::compile`].
    pub fn compile(
        integration: &HttpIntegration,
        variables: &IndexMap<String, String>,
        names: &[Box<str>],
        pools: &Pools,
    ) -> Result<Http, Vec<Fault>> {
        let shape = Shape::compile(integration, variables, names)?;
        let key = pool_key(integration, shape.uri(), variables)?;
        let pool = pools.get(key).map_err(|why| vec![Fault::at(integration.uri.span, why)])?;
        let HttpIntegration { timeout, connect_timeout, .. } = *integration;
        Ok(Http { shape, pool, timeout, connect_timeout: connect_timeout.min(timeout) })
    }

    /// How its requests look.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether its back ends are spoken to over HTTP/1.1 without TLS.
    pub fn is_plain(&self) -> bool {
        !self.pool.transport.is_tls() && !self.is_http2()
    }

    pub fn is_http2(&self) -> bool {
        self.pool.key.protocol_version == ProtocolVersion::Http2
    }

    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// When an exchange that begins `now` must be over.
    pub fn deadline(&self, now: Now) -> Deadline {
        Deadline::after(now, self.timeout)
    }

    /// Chooses an endpoint, and avoids the one `tried` before if there is another. It waits only for a name that was
    /// never resolved.
    ///
    /// # Errors
    /// None is healthy, none of two could be resolved, or `deadline` is over.
    pub async fn pick(
        &self,
        clock: &Clock,
        now: Now,
        deadline: Deadline,
        tried: Option<usize>,
    ) -> Result<Pick, Answer> {
        let index = self.pool.choose(now, tried)?;
        match self.pool.endpoints[index].address() {
            Some(address) => Ok(self.picked(index, address)),
            None => Box::pin(self.pick_unresolved(index, clock, deadline)).await,
        }
    }

    /// Resolves the name of the endpoint at `index` for the first time, or that of another.
    async fn pick_unresolved(&self, index: usize, clock: &Clock, deadline: Deadline) -> Result<Pick, Answer> {
        match self.address(index, clock, deadline).await {
            Ok(address) => Ok(self.picked(index, address)),
            Err(unresolved) => {
                let other = self.pool.choose(clock.now(), Some(index))?;
                if other == index {
                    return Err(unresolved);
                }
                let address = self.address(other, clock, deadline).await?;
                Ok(self.picked(other, address))
            }
        }
    }

    fn picked(&self, index: usize, address: SocketAddr) -> Pick {
        Pick::new(self.pool.clone(), index, address, self.connect_timeout)
    }

    async fn address(&self, index: usize, clock: &Clock, deadline: Deadline) -> Result<SocketAddr, Answer> {
        let endpoint = &self.pool.endpoints[index];
        if let Some(address) = endpoint.address() {
            return Ok(address);
        }
        let remaining = deadline.remaining(clock.now()).ok_or_else(|| too_late(endpoint.name()))?;
        let found = tokio::time::timeout(remaining.min(self.connect_timeout), endpoint.resolve(clock)).await;
        found.ok().flatten().ok_or_else(|| {
            let pool = &self.pool;
            endpoint.count(Err(Failure::Connect), pool.key.ejection, pool.is_alone(), clock.now());
            Answer::new(Refusal::BackEndFailed, "the back end could not be reached")
                .with_log(format!("{}: its name cannot be resolved", endpoint.name()))
        })
    }
}

/// The answer when a deadline is over.
pub(super) fn too_late(target: &str) -> Answer {
    Answer::new(Refusal::BackEndTimeout, "the back end did not answer in time")
        .with_log(format!("{target}: the integration's timeout is over"))
}

fn pool_key(
    integration: &HttpIntegration,
    uri: &UriTemplate,
    variables: &IndexMap<String, String>,
) -> Result<PoolKey, Vec<Fault>> {
    let (mut endpoints, mut faults) = (Vec::new(), Vec::new());
    for target in &integration.targets {
        match endpoint(target, uri.scheme(), variables) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    if endpoints.is_empty() {
        endpoints.push((uri.host().into(), uri.port(), 1));
    }
    let is_asked_over_http = integration.health.as_ref().is_some_and(|health| health.path.is_some());
    let server_name = integration.tls.server_name.as_deref().unwrap_or(uri.host());
    Ok(PoolKey {
        endpoints,
        balance: integration.balance,
        health: integration.health.clone(),
        ejection: integration.ejection,
        tls: (uri.scheme() == Scheme::Https).then(|| (server_name.into(), integration.tls.clone())),
        protocol_version: integration.protocol_version,
        health_host: if is_asked_over_http { uri.authority().into() } else { "".into() },
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
