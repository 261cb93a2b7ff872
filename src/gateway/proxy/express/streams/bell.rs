use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Tells a task which of its parts wants to be polled.
///
/// What rings while the task is at work is seen before it sleeps again, and wakes nobody: a stream that queues an
/// answer wakes its own connection, which is what polls it.
#[derive(Debug, Default)]
pub(super) struct Bell {
    has_rung: AtomicBool,
    is_heard: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Bell {
    /// The task is at work.
    pub(super) fn listen(&self, task: &Waker) {
        self.is_heard.store(true, Ordering::SeqCst);
        let mut known = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| !known.will_wake(task)) {
            *known = Some(task.clone());
        }
    }

    /// The task is about to sleep. `true`: it has rung, and must not.
    pub(super) fn leave(&self) -> bool {
        self.is_heard.store(false, Ordering::SeqCst);
        self.has_rung()
    }

    /// Whether it has rung since it was asked last.
    pub(super) fn take(&self) -> bool {
        self.has_rung() && self.has_rung.swap(false, Ordering::SeqCst)
    }

    pub(super) fn has_rung(&self) -> bool {
        self.has_rung.load(Ordering::SeqCst)
    }

    pub(super) fn ring(&self) {
        self.has_rung.store(true, Ordering::SeqCst);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Bell>) {
        self.ring();
        if !self.is_heard.load(Ordering::SeqCst)
            && let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner)
        {
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_wakes_only_a_task_that_sleeps() {
        let (bell, task) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let (waker, of_task) = (Waker::from(Arc::clone(&bell)), Waker::from(Arc::clone(&task)));
        bell.listen(&of_task);
        waker.wake_by_ref();
        assert!(!task.take() && bell.leave() && bell.take() && !bell.take());
        waker.wake_by_ref();
        assert!(task.take() && bell.take());
    }
}
