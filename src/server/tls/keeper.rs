use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use super::terms::{Files, Terms};
use crate::config::{Listen, ListenTls};
use crate::gateway::snapshot::Live;
use crate::server::StartError;

/// Between two looks at the files.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A listener's TLS, which follows its files and the configuration.
pub(in crate::server) struct Keeper {
    /// The listener's address, as written.
    address: String,
    files: ArcSwap<Files>,
    speaks_http_2: bool,
    current: ArcSwap<ServerConfig>,
    kept: Mutex<Kept>,
}

struct Kept {
    terms: Terms,
    /// Of the files when they were read last.
    read: Vec<Option<Stamp>>,
    /// Of the files when they were looked at last.
    seen: Vec<Option<Stamp>>,
    /// Whether the files as they are now are what is served.
    is_current: bool,
}

/// What tells one state of a file from the next; a link is followed, as those are exchanged in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Keeper {
    /// Reads the files of a listener with TLS for the first time; what is obtained is kept in `obtained`.
    pub(in crate::server) fn open(listen: &Listen, tls: &ListenTls, obtained: &Path) -> Result<Keeper, StartError> {
        let obtained = tls.acme.iter().map(|certificate| certificate.file(obtained)).collect();
        let files = Files { tls: tls.clone(), obtained };
        let read = stamps(&files);
        let terms = Terms::read(&files, listen.h2, None).map_err(|why| {
            let help = "PEM files that this user may read: a chain, the server's own certificate first, and its key";
            StartError::new(format!("cannot serve TLS on {}: {why}\n  help: {help}", &*listen.address))
        })?;
        let current = ArcSwap::new(Arc::clone(&terms.server));
        let kept = Mutex::new(Kept { terms, seen: read.clone(), read, is_current: true });
        let (address, files) = (listen.address.value.clone(), ArcSwap::from_pointee(files));
        Ok(Keeper { address, files, speaks_http_2: listen.h2, current, kept })
    }

    /// For the next handshake.
    pub(in crate::server) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Follows what a reload says of the listener. A socket of another kind, or one of several with its address, stays
    /// as it is until a restart.
    fn follow(&self, listeners: &[Listen]) {
        let mut same = listeners.iter().filter(|listen| listen.address.value == self.address);
        let (Some(listen), None) = (same.next(), same.next()) else { return };
        let Some(tls) = listen.tls.as_ref().filter(|_| listen.h2 == self.speaks_http_2) else { return };
        let files = self.files.load();
        // What is to be obtained is followed by a restart only.
        if files.tls != *tls && files.tls.acme == tls.acme {
            self.files.store(Arc::new(Files { tls: tls.clone(), obtained: files.obtained.clone() }));
            // Whatever was read is not what is wanted.
            self.kept().read.clear();
        }
    }

    /// Takes changed files over once they have been the same for two looks: a certificate and its key are seldom
    /// written in one moment. Says whether it tried.
    fn look(&self) -> bool {
        let mut kept = self.kept();
        let now = stamps(&self.files.load());
        let is_settled = now == kept.seen;
        kept.seen.clone_from(&now);
        if !is_settled || now == kept.read {
            return false;
        }
        kept.read = now;
        self.read_again(&mut kept);
        true
    }

    fn read_again(&self, kept: &mut Kept) {
        let read = Terms::read(&self.files.load(), self.speaks_http_2, Some(&kept.terms));
        kept.is_current = read.is_ok();
        match read {
            Ok(terms) => {
                self.current.store(Arc::clone(&terms.server));
                kept.terms = terms;
                tracing::info!(listener = self.address, "certificates taken over");
            }
            Err(why) => {
                tracing::error!(listener = self.address, why, "certificates not taken over, the last ones stay")
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the files of all listeners, and keeps the metrics of their certificates.
pub(in crate::server) async fn keep(keepers: Vec<Arc<Keeper>>, live: &Live) {
    tell(&keepers, live);
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        looks.tick().await;
        let snapshot = live.snapshot();
        keepers.iter().for_each(|keeper| keeper.follow(snapshot.listeners()));
        drop(snapshot);
        let has_tried: Vec<bool> = keepers.iter().map(|keeper| keeper.look()).collect();
        if has_tried.contains(&true) {
            tell(&keepers, live);
        }
    }
}

fn tell(keepers: &[Arc<Keeper>], live: &Live) {
    let mut expiries = Vec::new();
    for keeper in keepers {
        let kept = keeper.kept();
        let of_listener = kept.terms.certificates.iter();
        expiries.extend(of_listener.map(|it| (keeper.address.as_str(), it.file.clone(), it.expires_unix_s)));
    }
    let metrics = &live.telemetry().metrics;
    metrics.set_certificate_expiries(expiries.iter().map(|(address, file, at)| (*address, file.as_str(), *at)));
    metrics.set_certificates_current(keepers.iter().map(|it| (it.address.as_str(), it.kept().is_current)));
}

fn stamps(Files { tls, obtained }: &Files) -> Vec<Option<Stamp>> {
    let pairs = tls.certificates.iter().flat_map(|files| [&files.cert.value, &files.key.value]);
    let authorities = tls.client_auth.iter().map(|auth| &auth.ca.value);
    pairs.chain(obtained).chain(authorities).map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    let (device, inode, bytes) = (metadata.dev(), metadata.ino(), metadata.len());
    Some(Stamp { device, inode, bytes, modified: metadata.modified().ok() })
}
