//! Runs the gateway: sockets, threads, background tasks, signals, drain.
//!
//! In: a configuration file. Out: an exit code, after every request in flight has ended or had its time.
//! Promises: every socket is bound before anything is served, and what cannot be honoured is one clear line, not a
//! panic; a reload or an upgrade that fails changes nothing; after SIGTERM balancers hear of it first, then nothing new
//! is accepted, what is in flight may finish for `server.drain`, what is not answered by then is refused, counters and
//! logs are written. Tasks are spawned here and nowhere above.
//! Cost: one thread per core for the data plane, one for the admin listener, which stands back behind them, one for the
//! background.

mod acme;
mod admin;
mod background;
mod descriptors;
mod doors;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod listen;
mod proxied;
mod run;
mod signals;
mod start;
mod supervisor;
mod tls;
mod upgrade;
mod worker;

pub use run::{RunError, run};
pub use tls::{Inspection, inspect};

/// Why the gateway did not start: one sentence, and what to try.
#[derive(Debug)]
pub struct StartError(String);

impl StartError {
    pub fn new(why: impl Into<String>) -> StartError {
        StartError(why.into())
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}
