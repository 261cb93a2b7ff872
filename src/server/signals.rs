use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::mpsc;

use super::StartError;
use super::upgrade::Attempt;
use crate::control::Upgrade;

/// What happens to a gateway that serves.
pub(super) enum Event {
    /// SIGHUP
    Reload,
    /// SIGUSR1, after log files were moved away
    ReopenLogs,
    Upgrade(Asked),
    /// The upgrade under way has ended: the new process's id, or why this one goes on.
    Upgraded(Result<u32, String>),
    /// SIGTERM
    Stop,
    /// SIGINT: somebody waits at a terminal
    Interrupt,
}

/// Who has asked for an upgrade.
pub(super) enum Asked {
    /// SIGUSR2
    Signal,
    /// A request to the admin listener, which wants to hear how it went
    Admin(Upgrade),
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    Done,
    Over,
    /// Somebody asked once more to stop.
    Hurried,
}

/// The signals of this process, waited for on a runtime of the main thread.
pub(super) struct Signals {
    runtime: Runtime,
    hangup: unix::Signal,
    user1: unix::Signal,
    user2: unix::Signal,
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

impl Signals {
    pub(super) fn watch() -> Result<Signals, StartError> {
        let cannot = |error: std::io::Error| StartError::new(format!("cannot watch for signals: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let guard = runtime.enter();
        let on = |kind| unix::signal(kind).map_err(cannot);
        let hangup = on(SignalKind::hangup())?;
        let (user1, user2) = (on(SignalKind::user_defined1())?, on(SignalKind::user_defined2())?);
        let (terminate, interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        drop(guard);
        Ok(Signals { runtime, hangup, user1, user2, terminate, interrupt })
    }

    /// Blocks until something happens.
    pub(super) fn next(&mut self, asked: &mut mpsc::Receiver<Upgrade>, attempt: Option<&mut Attempt>) -> Event {
        let Signals { runtime, hangup, user1, user2, terminate, interrupt } = self;
        let upgraded = async {
            match attempt {
                Some(attempt) => (&mut attempt.ended).await.unwrap_or_else(|_| Err("its thread has ended".to_owned())),
                None => std::future::pending().await,
            }
        };
        runtime.block_on(async {
            tokio::select! {
                _ = hangup.recv() => Event::Reload,
                _ = user1.recv() => Event::ReopenLogs,
                _ = user2.recv() => Event::Upgrade(Asked::Signal),
                Some(upgrade) = asked.recv() => Event::Upgrade(Asked::Admin(upgrade)),
                ended = upgraded => Event::Upgraded(ended),
                _ = terminate.recv() => Event::Stop,
                _ = interrupt.recv() => Event::Interrupt,
            }
        })
    }

    /// Blocks until `done`, at most for `limit`; a second signal to stop means now.
    pub(super) fn wait(&mut self, done: impl Future, limit: Duration) -> Waited {
        let Signals { runtime, terminate, interrupt, .. } = self;
        let until = Instant::now() + limit;
        runtime.block_on(async {
            tokio::select! {
                _ = done => Waited::Done,
                _ = terminate.recv() => Waited::Hurried,
                _ = interrupt.recv() => Waited::Hurried,
                () = tokio::time::sleep_until(until.into()) => Waited::Over,
            }
        })
    }
}
