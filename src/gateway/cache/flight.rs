use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{AnswerHead, BODY_BYTES_MAX, Entry};

/// What a reader of a fetch gets next: `Head`, then `Chunk`s, then `End`, unless another word comes between.
#[derive(Debug)]
pub enum Step {
    Head(Arc<AnswerHead>),
    Chunk(Bytes),
    /// The body is complete.
    End,
    /// Instead of all that: what was stored before, confirmed by the back end or standing in for it.
    Stored(Arc<Entry>),
    /// Nothing more comes from here. A follower fetches for itself; for the leader's own reader the rest of the
    /// body is in the leader's hands.
    Alone,
    /// The fetch failed before this reader got anything: see [`super::Follower::retry`].
    Retry,
    /// The fetch failed in mid-body: the client's connection must be cut.
    Cut,
}

/// One fetch, as far as it has come: the leader appends, any number of readers read at their own pace.
#[derive(Debug, Default)]
pub(super) struct Flight {
    progress: Mutex<Progress>,
    /// The number of the last purge when it began.
    since: AtomicU64,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Progress {
    phase: Phase,
    head: Option<Arc<AnswerHead>>,
    /// For nobody but the leader's own reader.
    is_personal: bool,
    entry: Option<Arc<Entry>>,
    chunks: Vec<Bytes>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    AwaitingHead,
    /// The length is known to be within the limit: everyone reads along.
    Open,
    /// The length is not known: only the leader's own reader reads along, the others wait for the end.
    Held,
    Complete,
    /// Cannot be shared.
    Unshared,
    Failed,
}

/// How far a reader has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    has_head: bool,
    chunks: usize,
}

/// A body in more pieces than this is treated as too large: each piece costs 32 bytes beside its content.
const CHUNKS_MAX: usize = 8192;

impl Flight {
    pub(super) fn set_since(&self, since: u64) {
        self.since.store(since, Ordering::Relaxed);
    }

    pub(super) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self, head: Arc<AnswerHead>, is_personal: bool) {
        let phase = if head.content_length.is_some() { Phase::Open } else { Phase::Held };
        {
            let mut progress = self.lock();
            progress.head = Some(head);
            progress.is_personal = is_personal;
            progress.phase = phase;
        }
        self.changed.notify_waiters();
    }

    /// Appends to the body. False, and nothing appended, if that would take it over the limit.
    pub(super) fn push(&self, chunk: Bytes) -> bool {
        {
            let mut progress = self.lock();
            let is_within_limits = progress.bytes + chunk.len() <= BODY_BYTES_MAX && progress.chunks.len() < CHUNKS_MAX;
            if !is_within_limits {
                return false;
            }
            progress.bytes += chunk.len();
            progress.chunks.push(chunk);
        }
        self.changed.notify_waiters();
        true
    }

    /// The last change: `Complete`, `Unshared` or `Failed`.
    pub(super) fn end(&self, phase: Phase) {
        self.lock().phase = phase;
        self.changed.notify_waiters();
    }

    /// Ends with what was stored before; `is_personal`: for the leader's own reader alone.
    pub(super) fn end_with(&self, entry: Arc<Entry>, is_personal: bool) {
        {
            let mut progress = self.lock();
            progress.entry = Some(entry);
            progress.is_personal = is_personal;
            progress.phase = Phase::Complete;
        }
        self.changed.notify_waiters();
    }

    /// The answer as far as it has come, if its body has the length that its head announced.
    pub(super) fn whole(&self) -> Option<(Arc<AnswerHead>, Vec<Bytes>)> {
        let progress = self.lock();
        let head = progress.head.clone()?;
        let is_whole = head.content_length.is_none_or(|length| length == progress.bytes as u64);
        is_whole.then(|| (head, progress.chunks.clone()))
    }

    /// Waits for what comes after `position`. `is_own`: for the leader's own reader. Loses nothing if dropped.
    pub(super) async fn next(&self, position: &mut Position, is_own: bool) -> Step {
        loop {
            // Made before the look, so a change between the look and the wait wakes it: `notify_waiters` reaches
            // every `Notified` that exists, polled or not.
            let changed = self.changed.notified();
            if let Some(step) = self.lock().step(position, is_own) {
                return step;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn step(&self, position: &mut Position, is_own: bool) -> Option<Step> {
        if self.is_personal && !is_own {
            return Some(Step::Alone);
        }
        if let Some(entry) = &self.entry {
            return Some(Step::Stored(Arc::clone(entry)));
        }
        let may_read = is_own || position.has_head || matches!(self.phase, Phase::Open | Phase::Complete);
        may_read.then(|| self.read(position)).flatten().or_else(|| self.verdict(*position, is_own))
    }

    fn read(&self, position: &mut Position) -> Option<Step> {
        if !position.has_head {
            let head = self.head.clone()?;
            position.has_head = true;
            return Some(Step::Head(head));
        }
        let chunk = self.chunks.get(position.chunks)?.clone();
        position.chunks += 1;
        Some(Step::Chunk(chunk))
    }

    /// What a reader that has read all that there is for it is told; `None`: to wait.
    fn verdict(&self, position: Position, is_own: bool) -> Option<Step> {
        match self.phase {
            Phase::AwaitingHead | Phase::Open | Phase::Held => None,
            Phase::Complete => Some(Step::End),
            Phase::Unshared if is_own || !position.has_head => Some(Step::Alone),
            Phase::Failed if !position.has_head => Some(Step::Retry),
            Phase::Unshared | Phase::Failed => Some(Step::Cut),
        }
    }
}
