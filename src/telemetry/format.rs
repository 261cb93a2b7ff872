use super::civil::Civil;
use super::variable::Variable;
use super::{Line, json};
use crate::base::{Now, push_escaped};
use crate::config::LogFormat;

/// How an access log line is written, compiled once for a stage.
#[derive(Debug)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// API Gateway's format string, in pieces.
    Context(Vec<Part>),
}

/// A piece of a format string.
#[derive(Debug)]
pub struct Part(Piece);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Variable(Variable),
    /// A variable that the service has and this gateway never sets.
    Unset,
}

const CONTEXT: &str = "$context.";

impl Format {
    /// The error says what is wrong with a format string and what to try.
    pub fn compile(format: &LogFormat) -> Result<Format, String> {
        match format {
            LogFormat::Json => Ok(Format::Json),
            LogFormat::Context(text) => Ok(Format::Context(compile_context(text)?)),
        }
    }

    /// Appends `line` without its line break.
    pub(super) fn push(&self, out: &mut Vec<u8>, civil: &mut Civil, line: &Line<'_>, now: Now) {
        match self {
            Format::Json => json::push_line(out, civil, line, now),
            Format::Context(parts) => parts.iter().for_each(|part| part.push(out, civil, line, now)),
        }
    }
}

impl Part {
    fn names_the_request(&self) -> bool {
        matches!(self.0, Piece::Variable(Variable::RequestId | Variable::ExtendedRequestId))
    }

    fn push(&self, out: &mut Vec<u8>, civil: &mut Civil, line: &Line<'_>, now: Now) {
        match &self.0 {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Unset => out.push(b'-'),
            Piece::Variable(variable) => {
                let before = out.len();
                variable.push(out, push_escaped, civil, line, now);
                if out.len() == before && !variable.may_be_empty() {
                    out.push(b'-');
                }
            }
        }
    }
}

/// A format is one line and names the request, by the service's own rule.
fn compile_context(format: &str) -> Result<Vec<Part>, String> {
    if format.contains(char::is_control) {
        return Err(String::from("an access log format is one line without control characters"));
    }
    let mut parts = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find(CONTEXT) {
        push_text(&mut parts, &rest[..at]);
        let (name, after) = split_name(&rest[at + CONTEXT.len()..]);
        parts.push(Part(read_variable(name)?));
        rest = after;
    }
    push_text(&mut parts, rest);
    if !parts.iter().any(Part::names_the_request) {
        return Err(String::from("an access log format must contain $context.requestId or $context.extendedRequestId"));
    }
    Ok(parts)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part(Piece::Text(text.into())));
    }
}

/// A name is letters, digits, `_` and inner dots: a full stop after it is the sentence's.
fn split_name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(text.len());
    text.split_at(text[..end].trim_end_matches('.').len())
}

fn read_variable(name: &str) -> Result<Piece, String> {
    match Variable::find(name) {
        Ok(variable) => Ok(variable.map_or(Piece::Unset, Piece::Variable)),
        Err(nearest) => Err(format!("unknown access log variable {CONTEXT}{name}, did you mean {CONTEXT}{nearest}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::{LogDetail, Refusal, StageName, Variant};
    use crate::telemetry::line::tests::{Alice, STARTED, facts, line};
    use crate::telemetry::{Facts, IntegrationFacts, RouteSeries};

    fn compiled(format: &str) -> Result<Format, String> {
        Format::compile(&LogFormat::Context(format.to_owned()))
    }

    /// The line of a request to the route `/orders/{id}` with alice's key.
    #[track_caller]
    fn check(facts: &Facts, format: &str, expected: &str) {
        let format = compiled(&format!("$context.requestId|{format}")).expect("the format is valid");
        let stage = StageName { api: "orders".into(), stage: "prod".into() };
        let route = RouteSeries::new(stage, Variant::Stable, "/orders/{id}".into());
        let alice = Alice::default();
        let line = Line { route: Some(&route), key: Some(alice.facts()), ..line(facts) };
        let now = Now { mono_ns: STARTED.mono_ns + 12_900_000, ..STARTED };
        let mut out = Vec::new();
        format.push(&mut out, &mut Civil::default(), &line, now);
        assert_eq!(String::from_utf8_lossy(&out), format!("request-1|{expected}"));
    }

    #[test]
    fn variables_print_what_is_known() {
        let mut facts = facts();
        facts.bytes_out = 812;
        facts.integration =
            IntegrationFacts { attempts: 1, target: None, status: 200, latency: Duration::from_micros(7_900) };
        check(
            &facts,
            r#"$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.routeKey $context.protocol" $context.status $context.responseLength"#,
            r#"127.0.0.1 - - [31/Jan/2024:10:11:12 +0000] "GET GET /orders/{id} HTTP/1.1" 200 812"#,
        );
        check(&facts, "$context.requestTimeEpoch $context.responseLatency", "1706695872034 12");
        check(&facts, "$context.integrationLatency,$context.integration.status.", "7,200.");
        check(&facts, "$context.domainName $context.domainPrefix", "api.example.com api");
        check(&facts, "$context.apiId/$context.stage$context.resourcePath", "orders/prod/orders/{id}");
        check(&facts, "$context.path", "/prod/orders/7");
        check(&facts, "$context.xrayTraceId", "1-5759e988-bd862e3fe1be46a994272793");
        check(&facts, "$context.identity.apiKeyId", "alice");
    }

    #[test]
    fn what_is_not_set_prints_a_dash_and_the_key_value_is_never_set() {
        let facts = facts();
        check(&facts, "$context.error.message $context.error.messageString $context.error.responseType", "- - -");
        check(&facts, "$context.integrationStatus $context.integrationLatency $context.identity.userAgent", "- - -");
        check(&facts, "$context.identity.apiKey $context.accountId $context.authorizer.claims.sub", "- - -");
    }

    #[test]
    fn a_refusal_is_told_in_the_service_s_words() {
        let mut facts = facts();
        facts.refusal = Some(Refusal::BackEndFailed);
        facts.detail = LogDetail::new("refused\nby peer");
        check(&facts, "$context.error.responseType", "INTEGRATION_FAILURE");
        check(&facts, "$context.error.message $context.error.messageString", "Back end failed \"Back end failed\"");
        check(&facts, "$context.integrationErrorMessage", "refused\\nby peer");
    }

    #[test]
    fn a_canary_is_named_only_where_the_stage_has_one() {
        let mut facts = facts();
        for (is_canary, expected) in [(None, "[]"), (Some(false), "[false]"), (Some(true), "[true]")] {
            facts.is_canary = is_canary;
            check(&facts, "[$context.isCanaryRequest]", expected);
        }
    }

    #[test]
    fn an_unknown_variable_is_refused_with_the_nearest() {
        for (written, nearest) in [("requestID", "requestId"), ("identity.sourceIP", "identity.sourceIp"), ("", "path")]
        {
            let error = compiled(&format!("$context.requestId $context.{written}")).expect_err("it is unknown");
            assert_eq!(
                error,
                format!("unknown access log variable $context.{written}, did you mean $context.{nearest}")
            );
        }
    }

    #[test]
    fn a_format_names_the_request_and_is_one_line() {
        assert!(compiled("$context.status").is_err_and(|error| error.contains("$context.requestId")));
        assert!(compiled("$context.requestId\n$context.status").is_err());
        assert!(compiled("$context.extendedRequestId").is_ok());
    }
}
