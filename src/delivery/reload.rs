use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{self, Faults, Server};
use crate::gateway::snapshot::{Live, Snapshot, Summary};

/// Reads the configuration again and makes it the running one, as a whole or not at all.
#[derive(Debug)]
pub struct Reloader {
    live: Arc<Live>,
    main_file: PathBuf,
    started_with: StartedWith,
    last: Mutex<Last>,
}

/// The configuration that the gateway was started with, as far as reloads need it.
#[derive(Debug)]
pub struct Origin {
    main_file: PathBuf,
    started_with: StartedWith,
    last: Last,
}

/// What was bound at the start: a reload cannot change it.

#[derive(Debug, PartialEq, Eq)]
struct StartedWith {
    listen: Vec<config::Listen>,
    threads: usize,
    drain: std::time::Duration,
    admin_listen: String,
    state_dir: PathBuf,
}

/// How the last reload went, and which files to watch.
#[derive(Debug)]
struct Last {
    failure: Option<String>,
    files: Vec<PathBuf>,
    /// Of the files' bytes as they were last read, good or bad.
    fingerprint: u64,
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
        Reloader { live, main_file, started_with, last: Mutex::new(last) }
    }

    pub fn main_file(&self) -> &Path {
        &self.main_file
    }

    /// Every file that the configuration was last read from.
    pub fn files(&self) -> Vec<PathBuf> {
        self.last().files.clone()
    }

    /// Why the last reload failed, if it did: the running configuration is older than the files.
    pub fn failure(&self) -> Option<String> {
        self.last().failure.clone()
    }

    /// Settings that the files have changed and only a restart takes over.
    pub fn needs_restart(&self) -> Vec<&'static str> {
        self.last().needs_restart.clone()
    }

    /// Reads, compiles and swaps. Blocks for as long as that takes; the data plane goes on meanwhile.
    pub fn reload(&self) -> Result<ReloadReport, Faults> {
        // One reload at a time: the later one must win.
        let mut last = self.last();
        let now = self.live.clock().now();
        // Before they are read: a change in between is then one more reload, not one too few.
        last.fingerprint = fingerprint(&last.files);
        let done = config::load(&self.main_file).and_then(|config| {
            last.files = files_of(&config.sources);
            let needs_restart = self.started_with.differences(&StartedWith::of(&config));
            let log_to = config.telemetry.access_log.destination.clone();
            let previous = self.live.snapshot();
            let compiled = Snapshot::compile(config, self.live.store(), self.live.pools(), Some(&previous))?;
            let summary = self.live.publish(compiled);
            if let Err(why) = self.live.telemetry().access_log.retarget(&log_to) {
                tracing::error!(why, "the access log goes on where it was");
            }
            Ok(ReloadReport { summary, needs_restart })
        });
        self.live.telemetry().metrics.config_reloaded(done.is_ok(), now);
        last.failure = done.as_ref().err().map(|faults| faults.render(false));
        match &done {
            Ok(report) => {
                last.needs_restart.clone_from(&report.needs_restart);
                tracing::info!(summary = %report.summary, needs_restart = ?report.needs_restart, "configuration reloaded");
            }
            Err(faults) => {
                last.files = files_of(faults.sources());
                tracing::error!(
                    "configuration not reloaded, the last good one keeps serving\n{}",
                    faults.render(false)
                );
            }
        }
        done
    }

    /// Reloads if a file's text differs from what was last read: for file watchers, which report more than changes.
    pub fn reload_if_changed(&self) {
        // Which files there are may have changed too: a pattern may match one more.
        let files = match config::load(&self.main_file) {
            Ok(config) => files_of(&config.sources),
            Err(faults) => files_of(faults.sources()),
        };
        let is_changed = {
            let last = self.last();
            files != last.files || fingerprint(&files) != last.fingerprint
        };
        if is_changed {
            // What went wrong has been logged and is kept for `/readyz`.
            let _ = self.reload();
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origin {
    /// `config` was read from `main_file` and what that includes.
    pub fn of(main_file: &Path, config: &config::Config) -> Origin {
        Origin {
            main_file: main_file.to_path_buf(),
            started_with: StartedWith::of(config),
            last: Last {
                failure: None,
                fingerprint: fingerprint(&files_of(&config.sources)),
                files: files_of(&config.sources),
                needs_restart: Vec::new(),
            },
        }
    }
}

impl StartedWith {
    fn of(config: &config::Config) -> StartedWith {
        let Server { listen, threads, drain, .. } = &config.server;
        StartedWith {
            listen: listen.clone(),
            threads: *threads,
            drain: *drain,
            admin_listen: config.admin.listen.value.clone(),
            state_dir: config.state.dir.value.clone(),
        }
    }

    fn differences(&self, other: &StartedWith) -> Vec<&'static str> {
        let fields = [
            ("server.listen", self.listen == other.listen),
            ("server.threads", self.threads == other.threads),
            ("server.drain", self.drain == other.drain),
            ("admin.listen", self.admin_listen == other.admin_listen),
            ("state.dir", self.state_dir == other.state_dir),
        ];
        fields.into_iter().filter(|(_, is_same)| !is_same).map(|(name, _)| name).collect()
    }
}

fn files_of(sources: &config::Sources) -> Vec<PathBuf> {
    sources.paths().map(Path::to_path_buf).collect()
}

/// Of the bytes on disk: the texts in memory have their secrets blanked, and a changed key is a change.
fn fingerprint(files: &[PathBuf]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for path in files {
        path.hash(&mut hasher);
        std::fs::read(path).ok().hash(&mut hasher);
    }
    hasher.finish()
}
