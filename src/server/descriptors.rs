use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::StartError;

/// For the store, the logs, the configuration's files and their watcher, runtimes, names of back ends.
const FOR_THE_PROCESS: u64 = 64;
/// A runtime has its own event queue, timer and wake-up, and a copy of each listening socket.
const PER_THREAD: u64 = 8;
/// Fewer than so many connections with their back ends are no service.
const FOR_CONNECTIONS: u64 = 2 * 32;

/// Raises the soft limit of open files to the hard one, and refuses when that does not carry the configuration.
pub(super) fn reserve(threads: usize, listeners: usize) -> Result<(), StartError> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // What is lower than it could be may still be enough.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    let needed = FOR_THE_PROCESS + FOR_CONNECTIONS + threads as u64 * (PER_THREAD + listeners as u64);
    match getrlimit(Resource::Nofile).current {
        Some(current) if current < needed => Err(StartError::new(format!(
            "{current} open files are too few: {threads} threads and {listeners} listeners need {needed}, and each \
             request to a back end two more\n  help: raise the hard limit (`ulimit -Hn`, LimitNOFILE= in a systemd unit, \
             --ulimit nofile= for a container)"
        ))),
        _ => Ok(()),
    }
}
