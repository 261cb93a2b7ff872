use std::sync::Arc;
use std::time::{Duration, Instant};

use super::aside::aside_for;
use super::reload::StartedWith;
use crate::config::{Config, Faults, Footprint, LogDestination};
use crate::gateway::snapshot::{Compiled, Live, Snapshot};
use crate::openapi::MainFile;

/// How long the idle priority may take at the least.
const PATIENCE_MIN: Duration = Duration::from_secs(1);
/// And for each megabyte of files: some ten times what it takes on a free core.
const PATIENCE_PER_MB: Duration = Duration::from_millis(500);

/// What the files say now, compiled, or what is wrong with them. Nothing has changed yet.
pub(super) struct Prepared {
    pub outcome: Result<Ready, Faults>,
    pub footprint: Arc<Footprint>,
    /// To read and check the files; compiling comes after.
    pub read: Duration,
}

pub(super) struct Ready {
    pub compiled: Compiled,
    pub wants: StartedWith,
    pub access_log: LogDestination,
    pub audit_log: LogDestination,
}

impl Prepared {
    /// Reads and compiles while a core has nothing else to do. When that takes too long, because all cores are busy, it is
    /// done with the priority that all have: under overload a new configuration may be the remedy. `before` is of what
    /// serves now, and says how long that is.
    pub fn aside(live: &Arc<Live>, main_file: &MainFile, before: &Footprint) -> Prepared {
        let (live, main_file) = (Arc::clone(live), main_file.to_owned());
        aside_for("reload", patience(before), move || Prepared::read(&live, &main_file))
    }

    /// The same if a file says something else than `before`. To find that out all of them are read and hashed, which
    /// requests should not feel either.
    pub fn aside_if_changed(live: &Arc<Live>, main_file: &MainFile, before: &Arc<Footprint>) -> Option<Prepared> {
        let (live, main_file, before) = (Arc::clone(live), main_file.to_owned(), Arc::clone(before));
        aside_for("reload", patience(&before), move || {
            (!before.is_current()).then(|| Prepared::read(&live, &main_file))
        })
    }

    fn read(live: &Live, main_file: &MainFile) -> Prepared {
        let began = Instant::now();
        let config = main_file.load();
        let read = began.elapsed();
        let sources = match &config {
            Ok(config) => &config.sources,
            Err(faults) => faults.sources(),
        };
        let footprint = Arc::clone(sources.footprint());
        Prepared { outcome: config.and_then(|config| Ready::compile(live, config)), footprint, read }
    }
}

fn patience(before: &Footprint) -> Duration {
    PATIENCE_MIN + PATIENCE_PER_MB.mul_f64(before.bytes() as f64 / 1e6)
}

impl Ready {
    fn compile(live: &Live, config: Config) -> Result<Ready, Faults> {
        let wants = StartedWith::of(&config);
        let access_log = config.telemetry.access_log.destination.clone();
        let audit_log = config.admin.audit_log.clone();
        let previous = live.snapshot();
        let compiled = Snapshot::compile(config, live.store(), live.pools(), Some(&previous))?;
        Ok(Ready { compiled, wants, access_log, audit_log })
    }
}
