use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use pingora_core::connectors::http::Connector;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::RequestHeader;
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;

use super::endpoint::Endpoint;
use super::http2;
use super::pool::{Pool, Pools};
use super::transport::Patience;
use crate::base::{Clock, Now};
use crate::config::HealthCheck;

/// How often the background looks whether something is due.
const TICK: Duration = Duration::from_millis(500);

/// How often the names of back ends are resolved anew.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// Health checks make connections of their own: a stale one of the pool would speak against a healthy back end.
const HEALTH_GROUP: u64 = 0x6865_616c_7468;

/// What the background does for a pool.
#[derive(Clone, Copy)]
enum Chore {
    CheckHealth,
    RefreshNames,
}

impl Pools {
    /// Looks after all pools for ever: asks for their endpoints' health and follows their names. Pools that a reload
    /// brings are found within a tick, those that it ends are left alone.
    pub async fn tend(&self, clock: &Clock, connector: &Connector) {
        let mut chores = FuturesUnordered::new();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    for (pool, chore) in self.due(clock.now()) {
                        chores.push(do_chore(pool, chore, clock, connector));
                    }
                }
                Some(()) = chores.next() => {}
            }
        }
    }

    /// The chores that are due, each marked as begun.
    fn due(&self, now: Now) -> Vec<(Arc<Pool>, Chore)> {
        let mut due = Vec::new();
        for pool in self.alive() {
            if pool.key.health.is_some() && begin(&pool.health_due_ns, now) {
                due.push((pool.clone(), Chore::CheckHealth));
            }
            if pool.endpoints.iter().any(Endpoint::is_followed_name) && begin(&pool.refresh_due_ns, now) {
                due.push((pool, Chore::RefreshNames));
            }
        }
        due
    }
}

/// Whether a chore is due; if so it is not due again before [`end`] says when.
fn begin(due_ns: &AtomicU64, now: Now) -> bool {
    let is_due = due_ns.load(Ordering::Relaxed) <= now.mono_ns;
    if is_due {
        due_ns.store(u64::MAX, Ordering::Relaxed);
    }
    is_due
}

fn end(due_ns: &AtomicU64, now: Now, interval: Duration) {
    due_ns.store(now.mono_ns.saturating_add(interval.as_nanos() as u64), Ordering::Relaxed);
}

async fn do_chore(pool: Arc<Pool>, chore: Chore, clock: &Clock, connector: &Connector) {
    match (chore, &pool.key.health) {
        (Chore::CheckHealth, Some(check)) => {
            pool.check_once(check, connector).await;
            end(&pool.health_due_ns, clock.now(), check.interval);
        }
        _ => {
            pool.refresh_names().await;
            end(&pool.refresh_due_ns, clock.now(), REFRESH_INTERVAL);
        }
    }
}

impl Pool {
    /// Asks each endpoint once, all at the same time.
    async fn check_once(&self, check: &HealthCheck, connector: &Connector) {
        let ask = async |endpoint: &Endpoint| {
            let passed = tokio::time::timeout(check.timeout, self.is_well(endpoint, check, connector)).await;
            endpoint.count_check(passed.unwrap_or(false), check);
        };
        let mut asked: FuturesUnordered<_> = self.endpoints.iter().map(ask).collect();
        while asked.next().await.is_some() {}
    }

    async fn refresh_names(&self) {
        let followed = self.endpoints.iter().filter(|endpoint| endpoint.is_followed_name());
        let mut asked: FuturesUnordered<_> = followed.map(Endpoint::look_up).collect();
        while asked.next().await.is_some() {}
    }

    async fn is_well(&self, endpoint: &Endpoint, check: &HealthCheck, connector: &Connector) -> bool {
        if endpoint.address().is_none() {
            endpoint.look_up().await;
        }
        let Some(address) = endpoint.address() else { return false };
        let Some(path) = &check.path else {
            return TcpStream::connect(address).await.is_ok();
        };
        let mut peer = self.transport.peer(address, Patience { connect: check.timeout, total: check.timeout });
        peer.group_key ^= HEALTH_GROUP;
        ask_for(path, &self.key.health_host, &peer, connector).await.unwrap_or(false)
    }
}

/// Whether the answer to GET `path` is 2xx or 3xx.
async fn ask_for(path: &str, host: &str, peer: &HttpPeer, connector: &Connector) -> pingora_error::Result<bool> {
    let mut request = RequestHeader::build_no_case("GET", path.as_bytes(), Some(4))?;
    request.insert_header("host", host)?;
    request.insert_header("user-agent", "tollgate-health")?;
    request.insert_header("connection", "close")?;
    let (mut session, _) = connector.get_http_session(peer).await?;
    http2::fit(&mut request, &session, peer.is_tls())?;
    session.write_request_header(Box::new(request)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let status = session.response_header().map(|head| head.status);
    Ok(status.is_some_and(|status| status.is_success() || status.is_redirection()))
}

#[cfg(test)]
mod tests {
    use super::super::origin::{Origin, Reply};
    use super::*;
    use crate::config::{Balance, Ejection, ProtocolVersion};
    use crate::gateway::integrate::pool::PoolKey;

    const OK: Reply = Reply::Send("HTTP/1.1 204 No Content\r\n\r\n");
    const BROKEN: Reply = Reply::Send("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");

    fn check(path: Option<&str>) -> HealthCheck {
        let timeout = Duration::from_millis(200);
        let path = path.map(str::to_owned);
        HealthCheck { path, interval: Duration::from_millis(1), timeout, healthy: 1, unhealthy: 1 }
    }

    fn pool(pools: &Pools, ports: &[u16], health: HealthCheck) -> Arc<Pool> {
        let key = PoolKey {
            endpoints: ports.iter().map(|port| ("127.0.0.1".into(), *port, 1)).collect(),
            balance: Balance::RoundRobin,
            health: Some(health),
            ejection: Ejection { failures: 0, rest: Duration::ZERO },
            tls: None,
            protocol_version: ProtocolVersion::Http1,
            health_host: "back.example".into(),
        };
        pools.get(key).unwrap()
    }

    #[tokio::test]
    async fn only_a_good_answer_in_time_is_health() {
        let replies = [OK, BROKEN, Reply::Silence, Reply::Close];
        let origins: Vec<Origin> = replies.map(|reply| Origin::plain(vec![vec![reply]])).into();
        let ports: Vec<u16> = origins.iter().map(|origin| origin.address.port()).collect();
        let pools = Pools::default();
        let health = check(Some("/healthz"));
        let pool = pool(&pools, &ports, health.clone());
        pool.check_once(&health, &Connector::new(None)).await;
        let now = Clock::manual(0).now();
        assert_eq!(pool.states(now).map(|state| state.is_healthy).collect::<Vec<_>>(), [true, false, false, false]);
        let asked = origins[0].next_head();
        assert!(asked.starts_with("GET /healthz HTTP/1.1\r\n") && asked.contains("Host: back.example\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn without_a_path_a_connection_is_health() {
        let origin = Origin::plain(vec![vec![Reply::Close]]);
        let pools = Pools::default();
        let pool = pool(&pools, &[origin.address.port(), 1], check(None));
        pool.check_once(&check(None), &Connector::new(None)).await;
        let now = Clock::manual(0).now();
        assert_eq!(pool.states(now).map(|state| state.is_healthy).collect::<Vec<_>>(), [true, false]);
    }

    #[tokio::test]
    async fn the_background_finds_what_is_due() {
        let (clock, connector) = (Clock::system(), Connector::new(None));
        let pools = Pools::default();
        let pool = pool(&pools, &[1], check(None));
        let went_down = async {
            while pool.states(clock.now()).any(|state| state.is_healthy) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = pools.tend(&clock, &connector) => unreachable!("it looks after pools for ever"),
            () = went_down => {}
        }
    }
}
