use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Problem, Shared};
use crate::gateway::snapshot::{Flush, Question};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// `api/stage`
    stage: String,
    /// `METHOD /path` as configured: only this route's answers.
    route: Option<String>,
    /// Only the answer to this URL, in both variants.
    url: Option<String>,
    /// Header fields of the request whose answer is meant, as `Name: value`; for routes with a header in their key.
    #[serde(default)]
    headers: Vec<String>,
}

/// `POST /v1/cache/flush`: a stage, a route or one key.
pub(super) async fn flush(State(control): Shared, Body(asked): Body<Asked>) -> Result<Json<Value>, Problem> {
    let what = match (asked.route, asked.url) {
        (None, None) => Flush::Stage,
        (Some(route), None) => Flush::Route(route),
        (None, Some(url)) => {
            Flush::Key(Box::new(Question::new("GET", &url, &asked.headers).map_err(Problem::bad_request)?))
        }
        (Some(_), Some(_)) => return Err(Problem::bad_request("name a route or a url, not both")),
    };
    let snapshot = control.live.snapshot();
    let flushed = snapshot.flush(&asked.stage, &what);
    let flushed = flushed.map_err(|why| Problem::new(StatusCode::NOT_FOUND, why))?;
    tracing::info!(stage = asked.stage, ?what, "cache flushed");
    Ok(Json(json!({ "flushed": flushed })))
}
