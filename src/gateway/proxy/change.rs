use std::sync::Arc;

use super::ctx::Ctx;
use crate::base::{Fields, Head, Now};
use crate::gateway::cache::{Purge, Store, What, is_unsafe, located, target_of};

/// A request that changes what others get, once its back end has taken it: RFC 9111 section 4.4.
#[derive(Debug)]
pub(super) struct Change {
    store: Arc<Store>,
    host: String,
    path: String,
    query: Option<String>,
}

/// Notes a request that may put stored answers out of date, in a stage that honours an origin. `method` is the one that
/// it is taken for.
pub(super) fn note_change(head: &Head<'_>, method: &str, ctx: &mut Ctx) {
    if !is_unsafe(method) {
        return;
    }
    let Some(store) = ctx.stage().and_then(|stage| stage.honoring_cache()).cloned() else { return };
    let (host, path, query) = (head.host.to_owned(), head.path.to_owned(), head.query.map(str::to_owned));
    ctx.change = Some(Box::new(Change { store, host, path, query }));
}

/// The back end answers with this final head. An error has changed nothing.
pub(super) fn make_change(status: u16, fields: &Fields<'_>, ctx: &mut Ctx, now: Now) {
    if status < 200 {
        return;
    }
    if let Some(change) = ctx.change.take().filter(|_| status < 400) {
        change.make(fields, now);
    }
}

impl Change {
    fn make(&self, fields: &Fields<'_>, now: Now) {
        let own = target_of(&self.path, self.query.as_deref());
        for target in located(fields, &self.host, &self.path).into_iter().chain([own]) {
            self.store.purge(&Purge { what: What::Target(target), is_soft: false }, now);
        }
    }
}
