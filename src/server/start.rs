use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use super::acme::Agent;
use super::listen::{Bound, Inherited};
use super::run::RunError;
use super::upgrade::Predecessor;
use super::{StartError, descriptors};
use crate::base::Clock;
use crate::config::Config;
use crate::delivery::{Origin, Reloader};
use crate::gateway::integrate::Pools;
use crate::gateway::snapshot::{Live, Snapshot};
use crate::openapi::MainFile;
use crate::store::Store;
use crate::telemetry::Telemetry;

/// All that can fail at a start has not: from here on requests are served.
pub(super) struct Started {
    pub live: Arc<Live>,
    pub reloader: Arc<Reloader>,
    pub listeners: Vec<Bound>,
    /// Who obtains certificates, where any are to be obtained.
    pub agent: Option<Agent>,
    pub admin: Admin,
    pub threads: usize,
    pub drain_delay: Duration,
    pub drain: Duration,
    /// The process whose place this one takes, which needs support while it drains.
    pub predecessor: Option<Predecessor>,
}

/// The admin listener's socket and its address as it is configured.
pub(super) struct Admin {
    pub socket: TcpListener,
    pub written: String,
}

impl Started {
    /// Reads `file` and gets hold of everything that it names, from a process that is to be replaced if there is one.
    pub fn from(file: &MainFile) -> Result<Started, RunError> {
        let Some((mut predecessor, inherited)) = Predecessor::of_this_process()? else {
            return prepare(file, Inherited::default(), |live| Ok(open_state(live)?));
        };
        let relieved = prepare(file, inherited, |live| Ok(predecessor.relieve(|| live.store().take_over())?));
        match relieved {
            Ok(started) => Ok(Started { predecessor: Some(predecessor), ..started }),
            Err(error) => {
                predecessor.disappoint(&error.to_string());
                Err(error)
            }
        }
    }
}

/// The state comes last, since another process may have it until then.
fn prepare(
    file: &MainFile,
    mut inherited: Inherited,
    open_state: impl FnOnce(&Live) -> Result<(), RunError>,
) -> Result<Started, RunError> {
    let config = file.load()?;
    let threads = worker_count(config.server.threads);
    descriptors::reserve(threads, config.server.listen.len())?;
    let obtained = config.acme.folder(&config.state.dir);
    let bound = config.server.listen.iter().map(|listen| Bound::new(listen, &obtained, &mut inherited));
    let listeners = bound.collect::<Result<Vec<_>, _>>()?;
    let written = config.admin.listen.value.clone();
    let admin = Admin { socket: inherited.take_or_bind(&written)?, written };
    let (drain_delay, drain) = (config.server.drain_delay, config.server.drain);
    let origin = Origin::of(file, &config);
    let agent = Agent::of(&config);
    let live = Arc::new(compile(config)?);
    open_state(&live)?;
    let reloader = Arc::new(Reloader::new(Arc::clone(&live), origin));
    Ok(Started { live, reloader, listeners, agent, admin, threads, drain_delay, drain, predecessor: None })
}

fn compile(config: Config) -> Result<Live, RunError> {
    let clock = Clock::system();
    let telemetry =
        Telemetry::open(&config.telemetry, &config.admin.audit_log, clock.now()).map_err(StartError::new)?;
    let store = Store::closed(&config.state.dir, config.state.unsaved_max);
    let store = store.map_err(|error| StartError::new(error.to_string()))?;
    let pools = Arc::new(Pools::default());
    let compiled = Snapshot::compile(config, &store, &pools, None)?;
    Ok(Live::new(clock, telemetry, store, pools, compiled))
}

fn open_state(live: &Live) -> Result<(), StartError> {
    live.store().take_over().map_err(|error| StartError::new(error.to_string()))
}

fn worker_count(written: usize) -> usize {
    match written {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}
