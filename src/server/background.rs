use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use tokio::sync::mpsc;

use super::StartError;
use super::acme::Agent;
use super::tls::{self, Keeper};
use crate::delivery::{Reloader, aside};
use crate::gateway::snapshot::Live;

const HEALTH_POOL_SIZE: usize = 64;
const TICK: Duration = Duration::from_secs(1);
/// An editor's or Kubernetes' save is several events; they are over by then.
const SETTLE: Duration = Duration::from_millis(200);

/// Starts the background thread: clock, caches, names and health of back ends, certificates and who obtains them, and
/// the file watcher.
pub(super) fn start(
    live: Arc<Live>,
    reloader: Arc<Reloader>,
    keepers: Vec<Arc<Keeper>>,
    agent: Option<Agent>,
) -> Result<(), StartError> {
    let cannot = |error: std::io::Error| StartError::new(format!("cannot start the background thread: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    std::thread::Builder::new()
        .name("background".to_string())
        .spawn(move || {
            // Health checks have connections of their own, and few.
            let connector = Connector::new(Some(ConnectorOptions::new(HEALTH_POOL_SIZE)));
            runtime.block_on(async {
                let back_ends = live.pools().tend(live.clock(), &connector);
                let obtaining = async {
                    if let Some(agent) = agent {
                        agent.run(&live).await;
                    }
                };
                tokio::join!(tick(&live), back_ends, tls::keep(keepers, &live), obtaining, watch_files(reloader));
            });
        })
        .map_err(cannot)?;
    Ok(())
}

async fn tick(live: &Live) {
    let mut every = tokio::time::interval(TICK);
    loop {
        every.tick().await;
        live.clock().resync();
        live.maintain_caches();
        live.watch_memory(resident_bytes());
        let retired = live.take_retired();
        if !retired.is_empty() {
            // Where no thread is to be had they go here and now.
            let _ = aside("retire", move || drop(retired));
        }
    }
}

/// What the process holds of the machine's memory, where the system says it (proc(5)).
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

/// Reloads after a file of the configuration changed. Folders are watched, since editors and Kubernetes rename.
async fn watch_files(reloader: Arc<Reloader>) {
    let (changed, mut changes) = mpsc::unbounded_channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| may_matter(&event)) {
            let _ = changed.send(());
        }
    });
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "files are not watched; use SIGHUP or `tollgate reload`");
            return;
        }
    };
    let mut watched: Vec<PathBuf> = Vec::new();
    loop {
        for folder in folders_of(&reloader.files()) {
            if !watched.contains(&folder) {
                match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                    Ok(()) => watched.push(folder),
                    Err(error) => tracing::warn!(folder = %folder.display(), %error, "a folder is not watched"),
                }
            }
        }
        // At the start too: a file may have been saved between being read and being watched.
        let to_reload = Arc::clone(&reloader);
        // A panic while compiling has been printed; the running configuration stays.
        let _ = tokio::task::spawn_blocking(move || to_reload.reload_if_changed()).await;
        if changes.recv().await.is_none() {
            return;
        }
        tokio::time::sleep(SETTLE).await;
        while changes.try_recv().is_ok() {}
    }
}

/// Reading a file is an event, and so is every line of a log or counter that is kept beside it: neither matters.
fn may_matter(event: &notify::Event) -> bool {
    let is_ours_to_write = |path: &PathBuf| path.extension().is_some_and(|end| end == "redb" || end == "log");
    !event.kind.is_access() && !event.paths.iter().all(is_ours_to_write)
}

fn folders_of(files: &[PathBuf]) -> Vec<PathBuf> {
    let folder_of = |file: &PathBuf| match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut folders: Vec<_> = files.iter().map(folder_of).collect();
    folders.sort();
    folders.dedup();
    folders
}
