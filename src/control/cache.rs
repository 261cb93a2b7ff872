use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, By, Control, Problem, Shared};
use crate::gateway::cache::{Purge, What, target_of};
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
pub(super) async fn flush(
    State(control): Shared,
    Extension(author): By,
    Body(asked): Body<Asked>,
) -> Result<Json<Value>, Problem> {
    let path = asked.url.as_deref().map(without_query);
    let about = json!({ "stage": asked.stage, "route": asked.route, "url": path });
    let what = match (asked.route, asked.url) {
        (None, None) => Flush::Stage,
        (Some(route), None) => Flush::Route(route),
        (None, Some(url)) => {
            Flush::Key(Box::new(Question::new("GET", &url, &asked.headers).map_err(Problem::bad_request)?))
        }
        (Some(_), Some(_)) => return Err(Problem::bad_request("name a route or a url, not both")),
    };
    let flushed = forget(&control, &asked.stage, &what);
    control.note(&author, "cache.flush", about, &flushed);
    Ok(Json(json!({ "flushed": flushed? })))
}

fn forget(control: &Control, stage: &str, what: &Flush) -> Result<String, Problem> {
    let flushed = control.live.snapshot().flush(stage, what, control.live.clock().now());
    flushed.map_err(|why| Problem::new(StatusCode::NOT_FOUND, why))
}

/// Clients put secrets into queries.
fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(path, _)| path)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Purged {
    /// `api/stage`
    stage: String,
    /// Every variant of this URL, or path.
    url: Option<String>,
    /// All whose path begins so; a URL's scheme and host are left aside.
    prefix: Option<String>,
    /// All that carry this tag.
    tag: Option<String>,
    /// All of the stage.
    #[serde(default)]
    all: bool,
    /// Keep them as stale.
    #[serde(default)]
    soft: bool,
}

/// `POST /v1/cache/purge`: answers that are stored as their origin says.
pub(super) async fn purge(
    State(control): Shared,
    Extension(author): By,
    Body(asked): Body<Purged>,
) -> Result<Json<Value>, Problem> {
    let about = json!({
        "stage": asked.stage,
        "url": asked.url.as_deref().map(without_query),
        "prefix": asked.prefix.as_deref().map(without_query),
        "tag": asked.tag,
        "all": asked.all,
        "soft": asked.soft,
    });
    let what = match (asked.url, asked.prefix, asked.tag, asked.all) {
        (Some(url), None, None, false) => {
            let question = Question::new("GET", &url, &[]).map_err(Problem::bad_request)?;
            What::Target(question.with_head(|head| target_of(head.path, head.query)))
        }
        (None, Some(prefix), None, false) => What::Prefix(path_of(&prefix).to_owned()),
        (None, None, Some(tag), false) => What::Tag(tag),
        (None, None, None, true) => What::Prefix(String::new()),
        _ => return Err(Problem::bad_request("name one of url, prefix, tag and all")),
    };
    let what = Flush::Purge(Purge { what, is_soft: asked.soft });
    let purged = forget(&control, &asked.stage, &what);
    control.note(&author, "cache.purge", about, &purged);
    Ok(Json(json!({ "purged": purged? })))
}

fn path_of(prefix: &str) -> &str {
    match prefix.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/').unwrap_or(rest.len())..],
        None => prefix,
    }
}
