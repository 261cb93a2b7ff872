use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts the clients' connections, so that a drain knows when the last has gone.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: AtomicUsize,
    closed: Notify,
}

/// One open connection; closed when dropped.
#[derive(Debug)]
pub struct Open(Connections);

impl Connections {
    pub fn open(&self) -> Open {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    pub fn count(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Waits until no connection is open.
    pub async fn closed_all(&self) {
        loop {
            // Registered before the count is read, so that a close in between is not missed.
            let closed = self.0.closed.notified();
            tokio::pin!(closed);
            closed.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            closed.await;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let inner = &self.0.0;
        if inner.open.fetch_sub(1, Ordering::Release) == 1 {
            inner.closed.notify_waiters();
        }
    }
}
