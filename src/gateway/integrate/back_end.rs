use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::deadline::Deadline;
use super::failure::Failure;
use super::pick::Pick;
use super::pool::Pool;
use crate::base::{Answer, Clock, Now, Refusal};
use crate::config::ProtocolVersion;
use crate::gateway::transform::Shape;

/// What routes to the same back end have in common, which is all but the target: one for all of them, so that it stays
/// in the processor's caches however many routes take turns.
#[derive(Debug)]
pub struct BackEnd {
    pub(super) shape: Shape,
    pub(super) pool: Arc<Pool>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
}

/// Pools of the same content are one.
impl PartialEq for BackEnd {
    fn eq(&self, other: &BackEnd) -> bool {
        let terms = |back_end: &BackEnd| (back_end.timeout, back_end.connect_timeout);
        Arc::ptr_eq(&self.pool, &other.pool) && terms(self) == terms(other) && self.shape == other.shape
    }
}

impl Eq for BackEnd {}

impl Hash for BackEnd {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let BackEnd { shape, pool, timeout, connect_timeout } = self;
        (shape, Arc::as_ptr(pool), timeout, connect_timeout).hash(state);
    }
}

impl BackEnd {
    /// How its requests look.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether it is spoken to over HTTP/1.1 without TLS.
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
