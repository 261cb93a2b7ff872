use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::listen::{self, Listener};
use super::signals::{Signal, Signals};
use super::worker::Worker;
use super::{StartError, background};
use crate::base::Clock;
use crate::config::{self, Config, Faults};
use crate::control::{self, Control};
use crate::delivery::{Origin, Reloader};
use crate::gateway::integrate::Pools;
use crate::gateway::snapshot::{Live, Snapshot};
use crate::store::Store;
use crate::telemetry::Telemetry;

/// Why `run` ended early.
#[derive(Debug)]
pub enum RunError {
    Faults(Faults),
    Start(StartError),
}

impl From<Faults> for RunError {
    fn from(faults: Faults) -> RunError {
        RunError::Faults(faults)
    }
}

impl From<StartError> for RunError {
    fn from(why: StartError) -> RunError {
        RunError::Start(why)
    }
}

/// Serves `file` until SIGTERM or SIGINT. Returns after the drain.
pub fn run(file: &Path) -> Result<(), RunError> {
    start_logging();
    pingora_rustls::install_default_crypto_provider();
    let config = config::load(file)?;
    let listeners = config.server.listen.iter().map(Listener::bind).collect::<Result<Vec<_>, _>>()?;
    let listeners: Vec<Arc<Listener>> = listeners.into_iter().map(Arc::new).collect();
    let admin_socket = listen::bind(&config.admin.listen)?;
    let admin_address = admin_socket.local_addr().map_err(|error| StartError::new(error.to_string()))?;
    let threads = worker_count(config.server.threads);
    let drain = config.server.drain;

    let origin = Origin::of(file, &config);
    let live = Arc::new(start_live(config)?);
    let reloader = Arc::new(Reloader::new(Arc::clone(&live), origin));
    let (stop, stopping) = watch::channel(false);
    let workers = (0..threads)
        .map(|number| Worker::start(number, Arc::clone(&live), &listeners, stopping.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let keepers = listeners.iter().filter_map(|listener| listener.tls.clone()).collect();
    background::start(Arc::clone(&live), Arc::clone(&reloader), keepers)?;
    let control = Arc::new(Control::new(Arc::clone(&live), Arc::clone(&reloader)));
    let mut signals = Signals::watch()?;
    start_admin(admin_socket, control)?;

    tracing::info!(summary = %live.snapshot().summary(), threads, "serving");
    let urls: Vec<String> = listeners.iter().map(|listener| listener.url()).collect();
    eprintln!("tollgate: ready, serving on {}, admin on http://{admin_address}", urls.join(","));
    wait_for_the_end(&mut signals, &live, &reloader);
    finish(stop, workers, drain, &mut signals, &live);
    Ok(())
}

fn start_live(config: Config) -> Result<Live, RunError> {
    let clock = Clock::system();
    let store = Store::open(&config.state.dir, config.state.unsaved_max);
    let store = store.map_err(|error| StartError::new(error.to_string()))?;
    let telemetry = Telemetry::open(&config.telemetry, clock.now()).map_err(StartError::new)?;
    let pools = Arc::new(Pools::default());
    let compiled = Snapshot::compile(config, &store, &pools, None)?;
    Ok(Live::new(clock, telemetry, store, pools, compiled))
}

fn wait_for_the_end(signals: &mut Signals, live: &Live, reloader: &Reloader) {
    loop {
        match signals.next() {
            // What went wrong has been logged and is kept for `/readyz`.
            Signal::Reload => drop(reloader.reload()),
            Signal::ReopenLogs => live.telemetry().access_log.reopen(),
            Signal::Stop => return,
        }
    }
}

/// Stops accepting, gives what is in flight its time, writes what must last.
fn finish(stop: watch::Sender<bool>, workers: Vec<Worker>, drain: Duration, signals: &mut Signals, live: &Live) {
    live.start_draining();
    tracing::info!(in_flight = live.connections().count(), "draining");
    // Nobody listens any more when every worker has died.
    let _ = stop.send(true);
    let all_done = super::worker::join_all(workers);
    if !signals.wait_until_done(all_done, drain) {
        tracing::warn!(in_flight = live.connections().count(), "the drain's time is over, connections are cut");
    }
    live.flush();
    tracing::info!("stopped");
}

fn start_admin(socket: std::net::TcpListener, control: Arc<Control>) -> Result<(), StartError> {
    let cannot = |error: std::io::Error| StartError::new(format!("cannot start the admin thread: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    std::thread::Builder::new()
        .name("admin".to_string())
        .spawn(move || runtime.block_on(control::serve(socket, control)))
        .map_err(cannot)?;
    Ok(())
}

fn worker_count(written: usize) -> usize {
    match written {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// Our own words go to standard error; `RUST_LOG` chooses how many of them.
fn start_logging() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,pingora=off"));
    // A second start in one process, as tests may make, keeps the first.
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).try_init();
}
