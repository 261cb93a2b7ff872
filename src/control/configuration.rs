use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, By, Control, Problem, Shared};
use crate::delivery::{self, Promotion, ReloadReport};
use crate::gateway::snapshot::Question;
use crate::openapi::{self, Format};
use crate::telemetry::{Author, Change};

/// `GET /v1/routes`
pub(super) async fn routes(State(control): Shared) -> Json<Value> {
    Json(json!({ "routes": control.live.snapshot().routes() }))
}

/// `GET /v1/config`: the running configuration without its secrets.
pub(super) async fn config(State(control): Shared) -> Json<Value> {
    Json(control.live.snapshot().description())
}

/// `GET /v1/explain?method=&url=&header=`
pub(super) async fn explain(State(control): Shared, RawQuery(query): RawQuery) -> Result<Json<Value>, Problem> {
    let (mut method, mut url, mut headers) = ("GET".to_string(), None, Vec::new());
    for (name, value) in parameters(query.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "method" => method = value,
            "url" => url = Some(value),
            "header" => headers.push(value),
            _ => return Err(Problem::bad_request(format!("unknown parameter {name:?}; use method, url and header"))),
        }
    }
    let url = url.ok_or_else(|| Problem::bad_request("the parameter url is missing"))?;
    let question = Question::new(&method, &url, &headers).map_err(Problem::bad_request)?;
    Ok(Json(json!(control.live.snapshot().explain(&question))))
}

/// `GET /v1/export?stage=&format=&extensions=`
pub(super) async fn export(State(control): Shared, RawQuery(query): RawQuery) -> Result<Json<Value>, Problem> {
    let (mut stage, mut format, mut has_extensions) = (None, Format::OpenApi30, false);
    for (name, value) in parameters(query.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "stage" => stage = Some(value),
            "format" => {
                let known = Format::from_name(&value);
                format = known
                    .ok_or_else(|| Problem::bad_request(format!("unknown format {value:?}; use oas30 or swagger")))?;
            }
            "extensions" => has_extensions = value == "true",
            _ => {
                return Err(Problem::bad_request(format!(
                    "unknown parameter {name:?}; use stage, format and extensions"
                )));
            }
        }
    }
    let stage = stage.ok_or_else(|| Problem::bad_request("the parameter stage is missing"))?;
    let snapshot = control.live.snapshot();
    let exported = openapi::export(snapshot.config(), &stage, format, has_extensions);
    let exported = exported.map_err(|why| Problem::new(StatusCode::NOT_FOUND, why))?;
    Ok(Json(json!({ "document": exported.document, "left_out": exported.left_out })))
}

/// `POST /v1/reload`
pub(super) async fn reload(State(control): Shared, Extension(author): By) -> Result<Json<Value>, Problem> {
    reload_now(control, author).await.map(|report| Json(describe(&report)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Promote {
    /// `api/stage`
    stage: String,
}

/// `POST /v1/promote`
pub(super) async fn promote(
    State(control): Shared,
    Extension(author): By,
    Body(asked): Body<Promote>,
) -> Result<Json<Value>, Problem> {
    let (api, stage) = asked.stage.split_once('/').ok_or_else(|| {
        Problem::bad_request(format!("{:?} names no stage; write API/STAGE, as orders/prod", asked.stage))
    })?;
    let promotion = promote_now(&control, api, stage).await;
    note_promotion(&control, &author, &asked.stage, &promotion);
    let promotion = promotion?;
    let mut report = describe(&reload_now(control, author).await?);
    report["file"] = json!(promotion.path);
    Ok(Json(report))
}

fn note_promotion(control: &Control, author: &Author, stage: &str, done: &Result<Promotion, Problem>) {
    let change = Change {
        what: "promote",
        about: json!({ "stage": stage, "file": done.as_ref().ok().map(|promotion| &promotion.path) }),
        before: Value::Null,
        after: json!(done.as_ref().ok().map(|promotion| &promotion.variables)),
        failure: done.as_ref().err().map(Problem::detail),
    };
    control.live.telemetry().audit_log.note(author, &change, control.live.clock().now());
}

/// Writes on a thread of its own: a disk that hangs must not hold probes.
async fn promote_now(control: &Control, api: &str, stage: &str) -> Result<Promotion, Problem> {
    let (file, api, stage) = (control.reloader.main_file().clone(), api.to_owned(), stage.to_owned());
    let done = tokio::task::spawn_blocking(move || {
        let config = file.load().map_err(|faults| faults.render(false))?;
        delivery::promote(&config, &api, &stage).map_err(|error| error.to_string())
    });
    match done.await {
        Ok(promotion) => promotion.map_err(|why| Problem::new(StatusCode::CONFLICT, why)),
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the promotion failed; the log says how")),
    }
}

/// Compiles on a thread of its own: scrapes and probes are answered meanwhile.
async fn reload_now(control: Arc<Control>, author: Arc<Author>) -> Result<ReloadReport, Problem> {
    let done = tokio::task::spawn_blocking(move || control.reloader.reload(&author)).await;
    match done {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(faults)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, faults.render(false))),
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the reload failed; the log says how")),
    }
}

fn describe(report: &ReloadReport) -> Value {
    json!({ "summary": report.summary.to_string(), "needs_restart": report.needs_restart })
}

/// The parameters of a query, percent-decoded; `+` is a space.
pub(super) fn parameters(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}
