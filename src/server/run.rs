use std::future::pending;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::doors::{self, Doors};
use super::listen::Bound;
use super::signals::{Asked, Event, Signals, Waited};
use super::start::{Admin, Started};
use super::supervisor::Supervisor;
use super::upgrade::{Attempt, Offer};
use super::worker::{self, Worker};
use super::{StartError, admin, background};
use crate::config::Faults;
use crate::control::{Control, Upgrade};
use crate::delivery::Reloader;
use crate::gateway::snapshot::Live;
use crate::openapi::MainFile;
use crate::telemetry::{Author, Change};

/// Why `run` ended early.
#[derive(Debug)]
pub enum RunError {
    Faults(Faults),
    Start(StartError),
    /// It served, and could not write at its end what must last.
    Unwritten,
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

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RunError::Faults(faults) => write!(f, "the configuration has faults\n\n{}", faults.render(false)),
            RunError::Start(why) => why.fmt(f),
            RunError::Unwritten => f.write_str("quota counters or log lines were not written; the log says which"),
        }
    }
}

/// Between a client's connection and its first bytes.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// Requests that are refused at the drain's end leave in this time.
const CUT_PATIENCE: Duration = Duration::from_secs(1);

/// What the admin listener was asked last is answered in this time.
const ADMIN_PATIENCE: Duration = Duration::from_secs(1);

/// Why a gateway that served ends.
enum End {
    Stopped,
    /// The same, and somebody waits at a terminal.
    Interrupted,
    /// Another process has the sockets.
    Replaced,
}

/// What runs.
struct Running {
    live: Arc<Live>,
    reloader: Arc<Reloader>,
    listeners: Vec<Bound>,
    admin: Admin,
    workers: Vec<Worker>,
    doors: Doors,
    /// Ends the admin listener, which outlives the data plane's otherwise.
    admin_doors: Doors,
    /// Its last answer has been given.
    admin_done: oneshot::Receiver<()>,
    supervisor: Supervisor,
    /// Runs while the process before this one drains.
    support: Option<JoinHandle<()>>,
    drain_delay: Duration,
    drain: Duration,
}

/// Serves `file` until SIGTERM or SIGINT, or until another process has taken over. Returns after the drain.
pub fn run(file: &MainFile) -> Result<(), RunError> {
    start_logging();
    pingora_rustls::install_default_crypto_provider();
    let started = Started::from(file)?;
    let (ask, mut asked) = mpsc::channel(1);
    let mut signals = Signals::watch()?;
    let mut running = Running::start(started, ask)?;
    let end = running.serve(&mut signals, &mut asked);
    if running.finish(end, &mut signals) { Ok(()) } else { Err(RunError::Unwritten) }
}

impl Running {
    fn start(started: Started, ask: mpsc::Sender<Upgrade>) -> Result<Running, StartError> {
        let Started { live, reloader, listeners, agent, admin, threads, drain_delay, drain, predecessor } = started;
        let ((doors, watch), (admin_doors, admin_watch)) = (Doors::new(), Doors::new());
        let support = predecessor.map(|predecessor| predecessor.support(Arc::clone(&live))).transpose()?;
        let start_worker = |number| Worker::start(number, Arc::clone(&live), &listeners, watch.clone());
        let workers = (0..threads).map(start_worker).collect::<Result<Vec<_>, _>>()?;
        let keepers = listeners.iter().filter_map(|bound| bound.listener.tls.clone()).collect();
        background::start(Arc::clone(&live), Arc::clone(&reloader), keepers, agent)?;
        let control = Arc::new(Control::new(Arc::clone(&live), Arc::clone(&reloader), ask));
        let admin_done = admin::start(&admin.socket, Arc::clone(&live), control, doors::told(admin_watch.closed))?;

        tracing::info!(summary = %live.snapshot().summary(), threads, "serving");
        let urls: Vec<String> = listeners.iter().map(|bound| bound.listener.url()).collect();
        let admin_address = admin.socket.local_addr().map_err(|error| StartError::new(error.to_string()))?;
        eprintln!("tollgate: ready, serving on {}, admin on http://{admin_address}", urls.join(","));
        let supervisor = Supervisor::of_this_process();
        supervisor.ready();
        let running = Running {
            live,
            reloader,
            listeners,
            admin,
            workers,
            doors,
            admin_doors,
            admin_done,
            supervisor,
            support,
            drain_delay,
            drain,
        };
        running.note(&Author::Start, "start", (Value::Null, json!(running.reloader.running())), None);
        Ok(running)
    }

    fn serve(&mut self, signals: &mut Signals, asked: &mut mpsc::Receiver<Upgrade>) -> End {
        let mut attempt: Option<Attempt> = None;
        let mut waiting: Option<Asked> = None;
        loop {
            let ended = match signals.next(asked, attempt.as_mut()) {
                Event::Reload => {
                    self.reload();
                    continue;
                }
                Event::ReopenLogs => {
                    self.live.telemetry().reopen_logs();
                    continue;
                }
                Event::Upgrade(from) if attempt.is_some() => {
                    self.tell(from, &Err("an upgrade is under way".to_owned()));
                    continue;
                }
                Event::Upgrade(from) => {
                    waiting = Some(from);
                    match self.start_upgrade() {
                        Ok(started) => {
                            attempt = Some(started);
                            continue;
                        }
                        Err(why) => Err(why),
                    }
                }
                Event::Upgraded(ended) => ended,
                end @ (Event::Stop | Event::Interrupt) => {
                    // One that has succeeded in this moment goes on serving.
                    attempt.take().map(Attempt::give_up);
                    let (end, signal) = match end {
                        Event::Stop => (End::Stopped, "SIGTERM"),
                        _ => (End::Interrupted, "SIGINT"),
                    };
                    self.note(&Author::Signal(signal), "stop", (json!(self.reloader.running()), Value::Null), None);
                    return end;
                }
            };
            attempt = None;
            if let Some(asked) = waiting.take() {
                self.tell(asked, &ended);
            }
            match ended {
                Ok(pid) => {
                    tracing::info!(pid, "another process serves from here on");
                    self.supervisor.replaced_by(pid);
                    return End::Replaced;
                }
                Err(why) => tracing::error!(why, "not upgraded, this process goes on serving"),
            }
        }
    }

    fn reload(&self) {
        self.supervisor.reloading();
        // What went wrong has been logged and is kept for `/readyz`.
        drop(self.reloader.reload(&Author::Signal("SIGHUP")));
        self.supervisor.ready();
    }

    /// Answers who has asked for an upgrade, and writes it down.
    fn tell(&self, asked: Asked, ended: &Result<u32, String>) {
        let author = match &asked {
            Asked::Signal => &Author::Signal("SIGUSR2"),
            Asked::Admin(upgrade) => &*upgrade.author,
        };
        let pids = (json!(std::process::id()), json!(ended.as_ref().ok()));
        self.note(author, "upgrade", pids, ended.as_ref().err().map(String::as_str));
        if let Asked::Admin(Upgrade { reply, .. }) = asked {
            // Who asked may have gone away.
            let _ = reply.send(ended.clone());
        }
    }

    fn note(&self, author: &Author, what: &'static str, (before, after): (Value, Value), failure: Option<&str>) {
        let about = json!({ "version": env!("CARGO_PKG_VERSION") });
        let change = Change { what, about, before, after, failure };
        self.live.telemetry().audit_log.note(author, &change, self.live.clock().now());
    }

    fn start_upgrade(&self) -> Result<Attempt, String> {
        if self.support.as_ref().is_some_and(|support| !support.is_finished()) {
            return Err("the gateway before this one is still draining; try again in a moment".to_owned());
        }
        let copy = |socket: &std::net::TcpListener| {
            socket.try_clone().map_err(|error| format!("cannot copy a listening socket: {error}"))
        };
        let of_data = self.listeners.iter().map(|bound| Ok((bound.written.clone(), copy(&bound.socket)?)));
        let of_admin = std::iter::once_with(|| Ok((self.admin.written.clone(), copy(&self.admin.socket)?)));
        let sockets = of_data.chain(of_admin).collect::<Result<Vec<_>, String>>()?;
        Attempt::start(Offer { live: Arc::clone(&self.live), sockets })
    }

    /// Stops accepting, gives what is in flight its time, writes what must last. Says whether it is written.
    fn finish(mut self, end: End, signals: &mut Signals) -> bool {
        self.live.start_draining();
        let workers = std::mem::take(&mut self.workers);
        let mut hurry = Waited::Over;
        match end {
            End::Replaced => {
                self.doors.close();
                self.listeners.clear();
                self.admin_doors.close();
                // Clients that keep their connection learn with their next answer that it is over.
                hurry = signals.wait(self.live.connections().closed_all(), self.drain_delay);
            }
            End::Stopped => {
                self.supervisor.stopping();
                tracing::info!(delay_s = self.drain_delay.as_secs_f64(), "not ready any more");
                hurry = signals.wait(pending::<()>(), self.drain_delay);
                self.let_go(signals);
            }
            End::Interrupted => self.let_go(signals),
        }
        tracing::info!(in_flight = self.live.connections().count(), "draining");
        self.doors.stop();
        let mut all_done = worker::join_all(workers);
        let limit = if hurry == Waited::Hurried { Duration::ZERO } else { self.drain };
        if signals.wait(&mut all_done, limit) != Waited::Done {
            tracing::warn!(in_flight = self.live.connections().count(), "what is not answered yet is refused");
            self.live.cut();
            self.doors.cut();
            signals.wait(&mut all_done, CUT_PATIENCE);
        }
        let is_written = self.live.flush();
        self.admin_doors.close();
        signals.wait(&mut self.admin_done, ADMIN_PATIENCE);
        tracing::info!("stopped");
        is_written
    }

    /// Nobody is accepted any more. Who was at the last moment has time to say what it wants.
    fn let_go(&mut self, signals: &mut Signals) {
        self.doors.close();
        self.listeners.clear();
        signals.wait(self.live.connections().closed_all(), LAST_WORDS);
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
