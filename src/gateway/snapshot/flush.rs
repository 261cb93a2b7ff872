use super::compile::Snapshot;
use super::question::Question;
use super::stage::Stage;
use crate::base::{Head, Now, Variant};
use crate::gateway::cache::{Purge, What, target_of};

/// Which cached answers to forget.
#[derive(Debug)]
pub enum Flush {
    /// All of the stage.
    Stage,
    /// Those of one route, called `METHOD /path` as configured.
    Route(String),
    /// The answer to one request, in both variants.
    Key(Box<Question>),
    /// Of those that are stored as their origin says, what the purge names.
    Purge(Purge),
}

impl Snapshot {
    /// Forgets cached answers of the stage called `api/stage`. Says what was forgotten, or what is unknown.
    pub fn flush(&self, stage: &str, what: &Flush, now: Now) -> Result<String, String> {
        let found = self.stage_named(stage).ok_or_else(|| format!("no stage is called {stage:?}"))?;
        let store = found.cache().ok_or_else(|| format!("the stage {stage:?} has no cache"))?;
        match what {
            Flush::Stage => {
                store.flush_all();
                Ok(format!("all answers of {stage}"))
            }
            Flush::Route(route) if store.flush_route(route) => Ok(format!("all answers of {route} in {stage}")),
            Flush::Route(route) => Err(format!("the stage {stage:?} caches no route called {route:?}")),
            Flush::Purge(purge) if found.honoring_cache().is_some() => {
                store.purge(purge, now);
                let done = if purge.is_soft { "stale" } else { "gone" };
                Ok(format!("what {} of {stage} is {done}", purge.what))
            }
            Flush::Purge(_) => Err(format!("the stage {stage:?} has no cache with honor_origin")),
            Flush::Key(question) => {
                let target = question.with_head(|head| target_of(head.path, head.query));
                store.purge(&Purge { what: What::Target(target), is_soft: false }, now);
                let keys = question.with_head(|head| self.keys_of(found, head))?;
                let mut count = 0;
                for key in &keys {
                    count += usize::from(store.flush_key(key));
                }
                Ok(format!("{count} answer{} of {stage}", if count == 1 { "" } else { "s" }))
            }
        }
    }

    /// The keys of a request in both variants of the stage that it must lead to.
    fn keys_of(&self, stage: &Stage, head: &Head<'_>) -> Result<Vec<crate::gateway::cache::Key>, String> {
        let place =
            self.domains().locate(head.host, head.path).filter(|place| std::ptr::eq(self.stage(place.stage), stage));
        let place = place.ok_or_else(|| format!("{}{} does not lead to {}", head.host, head.path, stage.name()))?;
        let variants = [Variant::Stable, Variant::Canary];
        let variants = &variants[..if stage.canary().is_some() { 2 } else { 1 }];
        let found = variants.iter().filter_map(|variant| {
            let matched = stage.tree_of(*variant).find(head.method, place.path).ok()?;
            Some((stage.plan(*variant, matched.route), matched.params))
        });
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            return Err(format!("{} has no route for {} {}", stage.name(), head.method, place.path));
        }
        let keys = found.iter().filter_map(|(plan, params)| Some((plan.cache.as_ref()?, params)));
        Ok(keys.map(|(cache, params)| cache.key(head, |at| params.get(at).copied())).collect())
    }
}
