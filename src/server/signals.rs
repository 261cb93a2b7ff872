use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::oneshot;

use super::StartError;

/// What the operator asks by signal.
pub(super) enum Signal {
    /// SIGHUP
    Reload,
    /// SIGUSR1, after log files were moved away
    ReopenLogs,
    /// SIGTERM or SIGINT
    Stop,
}

/// The signals of this process, waited for on a runtime of the main thread.
pub(super) struct Signals {
    runtime: Runtime,
    hangup: unix::Signal,
    user1: unix::Signal,
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

impl Signals {
    pub(super) fn watch() -> Result<Signals, StartError> {
        let cannot = |error: std::io::Error| StartError::new(format!("cannot watch for signals: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let guard = runtime.enter();
        let on = |kind| unix::signal(kind).map_err(cannot);
        let (hangup, user1) = (on(SignalKind::hangup())?, on(SignalKind::user_defined1())?);
        let (terminate, interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        drop(guard);
        Ok(Signals { runtime, hangup, user1, terminate, interrupt })
    }

    /// Blocks until a signal arrives.
    pub(super) fn next(&mut self) -> Signal {
        let Signals { runtime, hangup, user1, terminate, interrupt } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = hangup.recv() => Signal::Reload,
                _ = user1.recv() => Signal::ReopenLogs,
                _ = terminate.recv() => Signal::Stop,
                _ = interrupt.recv() => Signal::Stop,
            }
        })
    }

    /// Blocks until `done`, at most for `limit`; a second signal to stop means now. Says whether it was done.
    pub(super) fn wait_until_done(&mut self, done: oneshot::Receiver<()>, limit: Duration) -> bool {
        let Signals { runtime, terminate, interrupt, .. } = self;
        let until = Instant::now() + limit;
        runtime.block_on(async {
            tokio::select! {
                _ = done => true,
                _ = terminate.recv() => false,
                _ = interrupt.recv() => false,
                () = tokio::time::sleep_until(until.into()) => false,
            }
        })
    }
}
