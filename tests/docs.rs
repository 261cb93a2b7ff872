//! Documents that are written from the code, and documents that are held against it.

#![expect(clippy::unwrap_used, reason = "a test of nothing else")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tollgate::base::{Answer, Blame, RateFacts, Refusal, RequestId, ResponseType};
use tollgate::config::ErrorStyle;
use tollgate::gateway::respond::Refused;

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn the_page_of_errors_is_the_table_of_refusals() {
    let (path, written) = (docs("errors.md"), errors());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &written).unwrap();
    }
    assert!(read(&path) == written, "docs/errors.md is not what the code says: BLESS=1 cargo test --test docs");
}

const INTRODUCTION: &str = "\
# Errors

Written from `src/base/refusal.rs` by `BLESS=1 cargo test --test docs`; change it there.

Every answer that the gateway gives by itself is one of these. Its code is the `code` of the problem document, the
label of `tollgate_refusals_total` and the `refusal` of the access log. `errors = \"standard\"` or `\"aws\"` on an API
chooses the style; a request that reaches no API is answered in the style that all of them share, else in standard.

";

const GATEWAY_RESPONSES: &str = r#"
## Gateway responses

An API may say something else in place of these answers, by their type (the column above), in both styles:

```toml
[apis.shop.gateway_responses.THROTTLED]
status = 429
headers = { "Retry-After" = "'1'", "X-Q" = "method.request.querystring.q" }
templates = { "application/json" = '{"message":$context.error.messageString,"id":"$context.requestId"}' }
```

An answer takes the gateway response of its own type, else `DEFAULT_4XX` or `DEFAULT_5XX` by the class of its status,
else what is built in. What is not written stays: the status, the headers, and the body where there is no template; so
a response with `headers` alone adds them to whatever the answer says. `REQUEST_TOO_LARGE` cannot be customised, nor can
what is refused before the API is known. In aws style `x-amzn-ErrorType` stays.

A template is chosen by the client's `Accept`; where that names none of them it is the one for `application/json`, else
the first. It is text with variables, no mapping template: `$context.NAME` (those of the access log, but for what a back
end did), `$stageVariables.NAME`, `$method.request.header.NAME`, `$method.request.path.NAME` and
`$method.request.querystring.NAME`. A variable without a value is empty; anything else that begins with `$` stands as it
is. `$context.error.messageString` is a string of JSON with its quotes. Every other value is escaped for the media type
it stands in (JSON, HTML and XML), which API Gateway leaves to you.

The value of a header is `'text'`, `method.request.header.NAME`, `.path.NAME`, `.querystring.NAME`, `context.NAME` or
`stageVariables.NAME`; one without a value is not sent.

| type | status |
|---|---|
"#;

fn errors() -> String {
    let mut page = String::from(INTRODUCTION);
    page += "| code | status | aws status | `x-amzn-ErrorType` | gateway response | whose doing |\n";
    page += "|---|---|---|---|---|---|\n";
    for refusal in Refusal::all() {
        let (code, status, blame) = (refusal.code(), refusal.status(), blame(refusal));
        let (aws_status, aws_type) = (refusal.aws_status(), refusal.aws_error_type());
        let kind = refusal.response_type().as_str();
        page += &format!("| [`{code}`](#{code}) | {status} | {aws_status} | `{aws_type}` | `{kind}` | {blame} |\n");
    }
    page += "\n## What an answer looks like\n\n";
    page += &format!(
        "In standard style, a problem document (RFC 9457):\n\n```http\n{}```\n\n",
        example(ErrorStyle::Standard)
    );
    page += &format!("In aws style, what API Gateway sends:\n\n```http\n{}```\n", example(ErrorStyle::Aws));
    page += GATEWAY_RESPONSES;
    for kind in ResponseType::all() {
        let status = kind.status().map_or("that of the answer".to_owned(), |status| status.to_string());
        page += &format!("| `{}` | {status} |\n", kind.as_str());
    }
    for refusal in Refusal::all() {
        page += &format!("\n## {}\n\n", refusal.code());
        page += &format!("**{} {}.** {}\n\n", refusal.status(), refusal.title(), refusal.doc());
        page += &format!("In aws style: {}, `{}`\n", refusal.aws_status(), refusal.aws_body());
    }
    page
}

fn blame(refusal: Refusal) -> &'static str {
    match refusal.blame() {
        Blame::Client => "client",
        Blame::Gateway => "gateway",
        Blame::BackEnd => "back end",
    }
}

/// An answer as it goes over the wire, but for what every answer carries.
fn example(style: ErrorStyle) -> String {
    let rate = RateFacts { policy: "basic".into(), limit: 20, window_s: 2, remaining: 0, reset_s: 1 };
    let answer = Answer::new(Refusal::RateExceeded, "The rate of this API key's usage plan is exceeded.");
    let id = RequestId::generate(1_790_000_000_000, 1);
    let answer = answer.with_retry_after(1).with_rate(rate);
    let reply = Refused { answer: &answer, style, request_id: &id, custom: None }.reply();
    let mut text = format!("HTTP/1.1 {} Too Many Requests\n", reply.status);
    for (name, value) in &reply.fields {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    text + "\n" + std::str::from_utf8(&reply.body).unwrap() + "\n"
}

#[test]
fn every_metric_is_documented_and_every_documented_metric_exists() {
    let page = read(&docs("metrics.md"));
    let documented: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `tollgate_")?.split('`').next()).collect();
    let sources = fs::read_dir(docs("../src/telemetry")).unwrap().map(|entry| read(&entry.unwrap().path()));
    let code: String = sources.map(|source| source.split("#[cfg(test)]").next().unwrap().to_owned()).collect();
    let registered: BTreeSet<&str> =
        code.split("\"tollgate_").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(documented, registered);
}

#[test]
fn every_key_of_the_reference_is_read_by_the_configuration() {
    let sources = fs::read_dir(docs("../src/config")).unwrap();
    let code: String = sources.map(|entry| read(&entry.unwrap().path())).collect();
    let page = read(&docs("reference.md"));
    let tables = page.split("\n\n").filter(|part| part.starts_with("| key |"));
    let keys: BTreeSet<&str> = tables
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("| `")?.split_once(" |"))
        .flat_map(|(keys, _)| keys.split(['`', ',', ' ']).filter(|key| !key.is_empty()))
        .collect();
    assert!(keys.len() > 40, "the tables of keys were not found");
    let unknown: Vec<_> = keys.into_iter().filter(|key| !code.contains(&format!("\"{key}\""))).collect();
    assert!(unknown.is_empty(), "docs/reference.md explains what nobody reads: {}", unknown.join(", "));
}
