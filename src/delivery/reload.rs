use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::prepare::{Prepared, Ready};
use crate::config::{self, Faults, Footprint, Server};
use crate::gateway::snapshot::{Live, Summary};
use crate::openapi::MainFile;
use crate::telemetry::{Author, Change};

/// Reads the configuration again and makes it the running one, as a whole or not at all.
#[derive(Debug)]
pub struct Reloader {
    live: Arc<Live>,
    main_file: MainFile,
    started_with: StartedWith,
    /// Held for a whole reload: the later one must win.
    turn: Mutex<()>,
    last: Mutex<Last>,
}

/// The configuration that the gateway was started with, as far as reloads need it.
#[derive(Debug)]
pub struct Origin {
    main_file: MainFile,
    started_with: StartedWith,
    last: Last,
}

/// What was bound at the start: a reload cannot change it.
#[derive(Debug)]
pub(super) struct StartedWith {
    listen: Vec<config::Listen>,
    acme: config::Acme,
    threads: usize,
    drain_delay: Duration,
    drain: Duration,
    admin_listen: String,
    state_dir: PathBuf,
    unsaved_max: u64,
}

/// How the last reload went, and which files to watch.
#[derive(Debug)]
struct Last {
    failure: Option<String>,
    /// Of the files as they were last read, good or bad.
    footprint: Arc<Footprint>,
    /// Names the files that what serves was read from.
    running: String,
    /// What differs from what the gateway was started with.
    needs_restart: Vec<&'static str>,
}

/// What a reload did.
#[derive(Debug)]
pub struct ReloadReport {
    pub summary: Summary,
    /// Settings that differ from the running ones and are read only at the start.
    pub needs_restart: Vec<&'static str>,
}

impl Reloader {
    pub fn new(live: Arc<Live>, origin: Origin) -> Reloader {
        let Origin { main_file, started_with, last } = origin;
        Reloader { live, main_file, started_with, turn: Mutex::default(), last: Mutex::new(last) }
    }

    pub fn main_file(&self) -> &MainFile {
        &self.main_file
    }

    /// Every file that the configuration was last read from.
    pub fn files(&self) -> Vec<PathBuf> {
        self.last().footprint.files().map(Path::to_path_buf).collect()
    }

    /// Why the last reload failed, if it did: the running configuration is older than the files.
    pub fn failure(&self) -> Option<String> {
        self.last().failure.clone()
    }

    /// Settings that the files have changed and only a restart takes over.
    pub fn needs_restart(&self) -> Vec<&'static str> {
        self.last().needs_restart.clone()
    }

    /// Names the texts of the files that what serves was read from.
    pub fn running(&self) -> String {
        self.last().running.clone()
    }

    /// Reads, compiles and swaps. Blocks for as long as that takes; the data plane goes on meanwhile, and first.
    pub fn reload(&self, author: &Author) -> Result<ReloadReport, Faults> {
        let _turn = self.turn();
        let began = Instant::now();
        let prepared = Prepared::aside(&self.live, &self.main_file, &self.footprint());
        self.take(prepared, author, began)
    }

    /// Reloads if a file's text differs from what was last read: for file watchers, which report more than changes.
    pub fn reload_if_changed(&self) {
        let _turn = self.turn();
        let began = Instant::now();
        if let Some(prepared) = Prepared::aside_if_changed(&self.live, &self.main_file, &self.footprint()) {
            // What went wrong has been logged and is kept for `/readyz`.
            let _ = self.take(prepared, &Author::Files, began);
        }
    }

    /// Makes what was prepared the running configuration, if it can be that, and keeps and tells how it went.
    fn take(&self, prepared: Prepared, author: &Author, began: Instant) -> Result<ReloadReport, Faults> {
        let Prepared { outcome, footprint, read } = prepared;
        let before = self.running();
        let after = footprint.name();
        self.last().footprint = footprint;
        let done = outcome.map(|ready| self.swap(ready));
        self.note(&done, read, began.elapsed());
        let failure = done.as_ref().err().map(|faults| faults.render(false));
        if failure.is_none() {
            self.last().running.clone_from(&after);
        }
        let after = if failure.is_none() { json!(after) } else { Value::Null };
        let about = json!({ "file": self.main_file.path() });
        let change = Change { what: "reload", about, before: json!(before), after, failure: failure.as_deref() };
        self.live.telemetry().audit_log.note(author, &change, self.live.clock().now());
        done
    }

    fn swap(&self, Ready { compiled, wants, access_log, audit_log }: Ready) -> ReloadReport {
        let summary = self.live.publish(compiled);
        self.live.telemetry().retarget_logs(&access_log, &audit_log);
        ReloadReport { summary, needs_restart: self.started_with.differences(&wants) }
    }

    /// Keeps how a reload went, and tells.
    fn note(&self, done: &Result<ReloadReport, Faults>, read: Duration, whole: Duration) {
        self.live.telemetry().metrics.config_reloaded(done.is_ok(), self.live.clock().now());
        let mut last = self.last();
        last.failure = done.as_ref().err().map(|faults| faults.render(false));
        match done {
            Ok(ReloadReport { summary, needs_restart }) => {
                last.needs_restart.clone_from(needs_restart);
                let (read_ms, whole_ms) = (read.as_millis() as u64, whole.as_millis() as u64);
                tracing::info!(%summary, ?needs_restart, read_ms, whole_ms, "configuration reloaded");
            }
            Err(faults) => {
                tracing::error!("configuration not reloaded, the last good one keeps serving\n{}", faults.render(false))
            }
        }
    }

    fn footprint(&self) -> Arc<Footprint> {
        Arc::clone(&self.last().footprint)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origin {
    /// `config` was read from `main_file` and what that includes.
    pub fn of(main_file: &MainFile, config: &config::Config) -> Origin {
        Origin {
            main_file: main_file.clone(),
            started_with: StartedWith::of(config),
            last: Last::of(Arc::clone(config.sources.footprint())),
        }
    }
}

impl Last {
    fn of(footprint: Arc<Footprint>) -> Last {
        Last { failure: None, running: footprint.name(), footprint, needs_restart: Vec::new() }
    }
}

impl StartedWith {
    pub fn of(config: &config::Config) -> StartedWith {
        let Server { listen, threads, drain_delay, drain, .. } = &config.server;
        StartedWith {
            listen: listen.clone(),
            acme: config.acme.clone(),
            threads: *threads,
            drain_delay: *drain_delay,
            drain: *drain,
            admin_listen: config.admin.listen.value.clone(),
            state_dir: config.state.dir.value.clone(),
            unsaved_max: config.state.unsaved_max,
        }
    }

    fn differences(&self, other: &StartedWith) -> Vec<&'static str> {
        let fields = [
            ("acme", self.acme == other.acme),
            ("server.listen", share_sockets(&self.listen, &other.listen)),
            ("server.threads", self.threads == other.threads),
            ("server.drain_delay", self.drain_delay == other.drain_delay),
            ("server.drain", self.drain == other.drain),
            ("admin.listen", self.admin_listen == other.admin_listen),
            ("state.dir", self.state_dir == other.state_dir),
            ("state.unsaved_max", self.unsaved_max == other.unsaved_max),
        ];
        fields.into_iter().filter(|(_, is_same)| !is_same).map(|(name, _)| name).collect()
    }
}

/// What listeners show and ask for in TLS is followed without a restart.
fn share_sockets(ours: &[config::Listen], theirs: &[config::Listen]) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| ours.shares_socket_with(theirs))
}
