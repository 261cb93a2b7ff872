use std::io::Write as _;
use std::time::Duration;

use super::Line;
use super::civil::Civil;
use crate::base::{Now, Refusal, push_escaped, push_number};

/// Appends `line` as one JSON object. The order of the fields is fixed; what is not known is left out.
pub(super) fn push_line(out: &mut Vec<u8>, civil: &mut Civil, line: &Line<'_>, now: Now) {
    let facts = line.facts;
    let mut object = Object::open(out);
    civil.push_rfc3339(object.quoted("time"), facts.started.unix_ms);
    object.close_quote();
    object.text("request_id", facts.request_id.as_str());
    object.display("client", line.client);
    object.text("client_subject", facts.client_subject.as_deref().unwrap_or_default());
    object.text("method", line.method);
    object.text("host", line.host);
    object.text("path", line.path);
    object.number("status", facts.final_status().into());
    object.number("bytes_in", facts.bytes_in);
    object.number("bytes_out", facts.bytes_out);
    object.millis("duration_ms", now.since(facts.started));
    push_route_and_key(&mut object, line);
    object.text("cache", facts.cache.as_str().unwrap_or_default());
    object.text("code", facts.refusal.map_or("", Refusal::code));
    push_integration(&mut object, line);
    object.bytes("user_agent", line.user_agent.unwrap_or_default());
    object.text("trace_id", facts.trace.trace_id().as_str());
    object.text("contract", facts.contract.for_log());
    object.text("detail", facts.detail.for_log().unwrap_or_default());
    object.close();
}

fn push_route_and_key(object: &mut Object<'_>, line: &Line<'_>) {
    if let Some(route) = line.route {
        object.text("api", route.api());
        object.text("stage", route.stage());
        object.text("variant", route.variant());
        object.text("route", route.route());
    }
    if let Some(key) = line.key {
        object.text("key", key.name);
        object.text("plan", key.plan.plan());
    }
}

fn push_integration(object: &mut Object<'_>, line: &Line<'_>) {
    let integration = &line.facts.integration;
    if integration.attempts == 0 {
        return;
    }
    object.name("integration");
    let mut inner = Object::open(object.out);
    if let Some(target) = integration.target {
        inner.display("target", target);
    }
    if integration.status != 0 {
        inner.number("status", integration.status.into());
    }
    inner.millis("duration_ms", integration.latency);
    inner.number("attempts", integration.attempts.into());
    inner.close();
}

/// A JSON object (RFC 8259) that is being written. Empty texts are left out.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    fn open(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, is_empty: true }
    }

    /// `name` is one of ours: it needs no escapes.
    fn name(&mut self, name: &str) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.bytes(name, value.as_bytes());
    }

    fn bytes(&mut self, name: &str, value: &[u8]) {
        if !value.is_empty() {
            push_escaped(self.quoted(name), value);
            self.close_quote();
        }
    }

    /// Opens a text whose writer needs no escapes.
    fn quoted(&mut self, name: &str) -> &mut Vec<u8> {
        self.name(name);
        self.out.push(b'"');
        self.out
    }

    fn close_quote(&mut self) {
        self.out.push(b'"');
    }

    /// `value` prints nothing that needs an escape.
    fn display(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a Vec does not fail.
        let _ = write!(self.quoted(name), "{value}");
        self.close_quote();
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        push_number(self.out, value);
    }

    /// Milliseconds with three decimals.
    fn millis(&mut self, name: &str, value: Duration) {
        self.name(name);
        let us = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        push_number(self.out, us / 1000);
        self.out.push(b'.');
        for digit in [us / 100 % 10, us / 10 % 10, us % 10] {
            push_number(self.out, digit);
        }
    }

    fn close(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::base::{LogDetail, Refusal, StageName, Variant};
    use crate::telemetry::line::tests::{Alice, STARTED, facts, line};
    use crate::telemetry::{CacheOutcome, IntegrationFacts, RouteSeries};

    fn written(line: &Line<'_>, took: Duration) -> String {
        let mut out = Vec::new();
        let now = Now { mono_ns: STARTED.mono_ns + took.as_nanos() as u64, ..STARTED };
        push_line(&mut out, &mut Civil::default(), line, now);
        String::from_utf8(out).expect("a line is text")
    }

    #[test]
    fn a_line_says_everything_that_is_known_in_a_fixed_order() {
        let mut facts = facts();
        facts.status = 502;
        facts.bytes_out = 812;
        facts.cache = CacheOutcome::Miss;
        facts.refusal = Some(Refusal::BackEndFailed);
        facts.detail = LogDetail::new("connection \"refused\"");
        facts.integration = IntegrationFacts {
            attempts: 2,
            target: Some(([127, 0, 0, 1], 9001).into()),
            status: 0,
            latency: Duration::from_micros(1500),
        };
        let stage = StageName { api: "orders".into(), stage: "prod".into() };
        let route = RouteSeries::new(stage, Variant::Canary, "/orders/{id}".into());
        let alice = Alice::default();
        let line = Line { route: Some(&route), key: Some(alice.facts()), user_agent: Some(b"curl/8"), ..line(&facts) };
        let expected = concat!(
            r#"{"time":"2024-01-31T10:11:12.034Z","request_id":"request-1","client":"127.0.0.1","method":"GET","#,
            r#""host":"api.example.com","path":"/prod/orders/7","status":502,"bytes_in":0,"bytes_out":812,"#,
            r#""duration_ms":12.007,"api":"orders","stage":"prod","variant":"canary","route":"/orders/{id}","#,
            r#""key":"alice","plan":"basic","cache":"miss","code":"back_end_failed","#,
            r#""integration":{"target":"127.0.0.1:9001","duration_ms":1.500,"attempts":2},"user_agent":"curl/8","#,
            r#""trace_id":"5759e988bd862e3fe1be46a994272793","detail":"connection \"refused\""}"#,
        );
        assert_eq!(written(&line, Duration::from_micros(12_007)), expected);
    }

    #[test]
    fn a_client_that_went_away_is_logged_with_499() {
        let mut facts = facts();
        facts.status = 0;
        assert!(written(&line(&facts), Duration::ZERO).contains(r#""status":499,"#));
    }

    proptest! {
        #[test]
        fn a_line_is_one_json_object_whatever_the_client_sends(
            method in ".{0,8}", host in ".*", path in "(?s).*", agent in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let facts = facts();
            let line = Line { method: &method, host: &host, path: &path, user_agent: Some(&agent), ..line(&facts) };
            let text = written(&line, Duration::ZERO);
            prop_assert!(!text.contains(['\n', '\r']));
            let value: serde_json::Value = serde_json::from_str(&text).expect("a line is JSON");
            let field = |name: &str| value.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
            prop_assert_eq!(field("path"), path);
            prop_assert_eq!(field("host"), host);
            prop_assert_eq!(field("user_agent"), String::from_utf8_lossy(&agent));
        }
    }
}
