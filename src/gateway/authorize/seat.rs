use std::sync::Arc;

use crate::config::KeyDigest;

/// What one API key has of its own at one stage, in one allocation: all that a request of the key touches lies side by
/// side. It outlives snapshots as long as the key, its name, its plan and the stage are the same.
#[derive(Debug)]
#[repr(C)]
pub struct Seat<S> {
    digest: KeyDigest,
    eldest: Option<Arc<Seat<S>>>,
    state: S,
    name: Arc<str>,
}

impl<S> Seat<S> {
    pub fn new(digest: KeyDigest, name: Arc<str>, state: S) -> Seat<S> {
        Seat { digest, eldest: None, state, name }
    }

    /// A seat in the place of `old`, which goes on beside it until the requests are over that began with it.
    pub fn after(old: &Arc<Seat<S>>, name: Arc<str>, state: S) -> Seat<S> {
        let eldest = old.eldest.as_ref().unwrap_or(old);
        Seat { digest: old.digest, eldest: Some(Arc::clone(eldest)), state, name }
    }

    pub fn digest(&self) -> &KeyDigest {
        &self.digest
    }

    /// The key's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn state(&self) -> &S {
        &self.state
    }

    /// Of the first seat that this one goes on from, for what all of them must share. Most often its own.
    pub fn eldest(&self) -> &S {
        self.eldest.as_ref().map_or(&self.state, |eldest| &eldest.state)
    }
}
