use serde::Serialize;

use super::compile::Snapshot;
use super::member::grant_of;
use super::question::Question;
use super::stage::{Plan, Stage};
use crate::base::{Answer, Head, Variant};
use crate::gateway::integrate::Target;
use crate::gateway::respond::is_preflight;
use crate::gateway::route::{Missed, Place};
use crate::gateway::{authorize, throttle};

/// Where a request would go, phase by phase, up to the first that refuses it.
#[derive(Debug, Default, Serialize)]
pub struct Explanation {
    pub steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
pub struct Step {
    pub phase: &'static str,
    pub found: String,
    /// What else was possible, and why it was not chosen.
    pub lost: Vec<String>,
}

impl Snapshot {
    /// Asks the phases about a request that nobody sent. Spends nothing.
    pub fn explain(&self, question: &Question) -> Explanation {
        question.with_head(|head| {
            let mut told = Explanation::default();
            told.trip(self, head);
            told
        })
    }
}

impl Explanation {
    fn tell(&mut self, phase: &'static str, found: impl Into<String>) {
        self.steps.push(Step { phase, found: found.into(), lost: Vec::new() });
    }

    fn refused(&mut self, phase: &'static str, answer: &Answer) {
        self.tell(phase, format!("{} {}: {}", answer.refusal.status(), answer.refusal.code(), answer.detail));
    }

    fn trip(&mut self, snapshot: &Snapshot, head: &Head<'_>) {
        self.tell("request", format!("{} {}{}", head.method, head.host, head.path));
        let Some(Place { stage: id, path }) = snapshot.domains().locate(head.host, head.path) else {
            let known: Vec<_> = snapshot.stages().iter().map(|stage| stage.name().to_string()).collect();
            self.tell("stage", "404 unknown_stage: neither a domain nor the path names a stage");
            self.lost(known.into_iter().map(|name| format!("{name}: reached at /{name}/…")));
            return;
        };
        let stage = snapshot.stage(id);
        self.tell("stage", format!("{}, path {path}", stage.name()));
        let variant = self.variant(stage, head);
        let head = &Head { method: stage.method_of(head), ..*head };
        if stage.manners(variant).cors.is_some() && is_preflight(head) {
            self.tell("cors", "a preflight: answered with 204, unless a route is written for OPTIONS");
        }
        let Some((plan, params)) = self.route(stage, variant, head, path) else { return };
        let found = match authorize::check(plan.access, snapshot.keys(), id, head) {
            Ok(caller) => caller,
            Err(answer) => return self.refused("caller", &answer),
        };
        match found.member() {
            Some(member) => {
                self.tell("caller", format!("API key {}", member.seat.name()));
                self.tell("usage plan", grant_of(member).explain());
            }
            None => self.tell("caller", "anyone: the route asks for no API key"),
        }
        self.limits(&plan.limits);
        if let Err(answer) = plan.checks.check_head(head, |at| params.get(at).copied()) {
            return self.refused("validation", &answer);
        }
        self.cache(plan, head, &params);
        self.integration(plan);
    }

    fn variant(&mut self, stage: &Stage, head: &Head<'_>) -> Variant {
        let Some(canary) = stage.canary() else { return Variant::Stable };
        // The two ends of the scale agree for a caller that sticks to one variant.
        let (low, high) = (canary.choose(head, 0.0), canary.choose(head, 1.0));
        let share = canary.share() * 100.0;
        match low == high {
            true => self.tell("variant", format!("{} ({share} % canary)", low.as_str())),
            false => self.tell("variant", format!("stable, or canary for {share} % of requests, at random")),
        }
        high
    }

    fn route<'s, 'h>(
        &mut self,
        stage: &'s Stage,
        variant: Variant,
        head: &Head<'_>,
        path: &'h str,
    ) -> Option<(&'s Plan, crate::gateway::route::Params<'h>)> {
        let text = |plan: &Plan| format!("{} {}", plan.method, plan.path());
        let candidates = stage.tree(variant).candidates(head.method, path);
        let found = match stage.tree(variant).find(head.method, path) {
            Ok(matched) => matched,
            Err(Missed::Path) => {
                self.tell("route", format!("404 unknown_route: no route of {} has this path", stage.name()));
                return None;
            }
            Err(Missed::Method { allow }) => {
                self.tell("route", format!("405 method_not_allowed: this path allows {allow}"));
                return None;
            }
        };
        let plan = stage.plan(variant, found.route);
        self.tell("route", text(plan));
        let losers = candidates.iter().filter(|candidate| candidate.route != found.route);
        self.lost(losers.map(|candidate| {
            let why = if candidate.takes_method { "is less specific" } else { "has another method" };
            format!("{}: {why}", text(stage.plan(variant, candidate.route)))
        }));
        Some((plan, found.params))
    }

    fn limits(&mut self, limits: &throttle::Limits) {
        let each = [("route throttle", &limits.route), ("stage throttle", &limits.stage)];
        for (phase, limiter) in each {
            if let Some(limiter) = limiter {
                self.tell(phase, limiter.rate().to_string());
            }
        }
    }

    fn cache(&mut self, plan: &Plan, head: &Head<'_>, params: &[&str]) {
        match &plan.cache {
            None => self.tell("cache", "off"),
            Some(cache) => self.tell("cache", cache.explain(head, |at| params.get(at).copied())),
        }
    }

    fn integration(&mut self, plan: &Plan) {
        match &plan.target {
            Target::Unserved(kind) => self.tell("integration", format!("{kind}, which this release does not serve")),
            Target::Mock(mock) => self.tell("integration", format!("MOCK {}", mock.status())),
            Target::Mapped(mapped) => match &mapped.http {
                None => self.tell("integration", "MOCK, made by templates".to_owned()),
                Some(http) => {
                    let names: Vec<&str> = http.back_end().pool().names().collect();
                    self.tell("integration", format!("HTTP with templates, to {}", names.join(", ")));
                }
            },
            Target::Http(http) => {
                let names: Vec<String> = http.back_end().pool().names().map(str::to_owned).collect();
                self.tell(
                    "integration",
                    format!(
                        "{}://{} at {}",
                        http.back_end().shape().origin().scheme().as_str(),
                        http.back_end().shape().origin().authority(),
                        names.join(", ")
                    ),
                );
            }
        }
    }

    fn lost(&mut self, losers: impl Iterator<Item = String>) {
        if let Some(step) = self.steps.last_mut() {
            step.lost = losers.collect();
        }
    }
}
