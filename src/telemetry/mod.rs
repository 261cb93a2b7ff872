//! Tells what happened: the facts of a request become metrics, an access log line and trace fields; a change of what runs
//! becomes a line of the audit log.
//!
//! In: [`Facts`], written by the conductor as they are learned, and a borrowed [`Line`] at the end of the request.
//! Out: series that `/metrics` renders, a line for the writer thread, a [`Trace`] that goes on to the back end.
//! **Promises**: nothing here changes an answer. A label is never a path, an address or a key's value; keys get
//! labels by name, up to a cap. Series with different labels never share a counter. A line is one line, and valid
//! JSON in the JSON format, whatever the client sent. A slow or broken log loses counted lines, never time.
//! **Cost** of one request: a traced head draws two random numbers; counting is some atomic additions on handles
//! that were found before, four cache lines of them; the line is built in a buffer of the thread and copied once under a short lock.
//! No allocation, except for a status outside the common twenty, whose count is looked up under a lock.

mod access_log;
mod audit;
mod civil;
mod count;
mod defence;
mod facts;
mod family;
mod format;
mod histogram;
mod json;
mod key_series;
mod line;
mod log;
mod metrics;
mod orders;
mod route_families;
mod route_series;
mod sink;
mod trace;
mod variable;

pub use access_log::AccessLog;
pub use audit::{AuditLog, Author, Change};
pub use civil::{Civil, clf_time};
pub use defence::{AdminRefusal, Cut, Shed};
pub use facts::{CacheOutcome, Contract, Facts, IntegrationFacts};
pub use format::Format;
pub use key_series::{KeyFacts, KeySeries, PlanSeries};
pub use line::Line;
pub use log::Log;
pub use metrics::{CacheFacts, Metrics};
pub use route_series::RouteSeries;
pub use trace::Trace;
pub use variable::{Escape, Variable};

use std::time::Duration;

use crate::base::Now;
use crate::config::{self, LogDestination};

/// The process's metrics and its logs.
pub struct Telemetry {
    pub metrics: Metrics,
    pub access_log: AccessLog,
    pub audit_log: AuditLog,
}

impl Telemetry {
    /// Opens the logs and starts their writers. The error names the file that cannot be opened.
    pub fn open(telemetry: &config::Telemetry, audit_log: &LogDestination, now: Now) -> Result<Telemetry, String> {
        let metrics = Metrics::new(telemetry.key_labels_max, now);
        let access_log = AccessLog::open(&telemetry.access_log.destination, metrics.dropped_lines().clone())?;
        let audit_log = AuditLog::open(audit_log, metrics.dropped_audit_lines().clone())?;
        Ok(Telemetry { metrics, access_log, audit_log })
    }

    /// Counts and logs a request that is over.
    pub fn record(&self, line: &Line<'_>, now: Now) {
        self.metrics.record(line, now);
        self.access_log.write(line, now);
    }

    /// Sends what the logs are given from here on somewhere else. On an error that log goes on where it was.
    pub fn retarget_logs(&self, access_log: &LogDestination, audit_log: &LogDestination) {
        let retargeted = [self.access_log.retarget(access_log), self.audit_log.log().retarget(audit_log)];
        for why in retargeted.into_iter().filter_map(Result::err) {
            tracing::error!(why, "the log goes on where it was");
        }
    }

    /// Opens the logs' files by their paths again, for logrotate.
    pub fn reopen_logs(&self) {
        self.access_log.reopen();
        self.audit_log.log().reopen();
    }

    /// Waits until every line so far is written, at most `patience` for each log. Says whether that is so.
    pub fn flush(&self, patience: Duration) -> bool {
        let is_access_logged = self.access_log.flush(patience);
        self.audit_log.log().flush(patience) && is_access_logged
    }
}
