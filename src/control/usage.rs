use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, By, Problem, Shared};
use crate::config::Period;
use crate::store::Usage;
use crate::telemetry::Change;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    key: Option<String>,
    plan: Option<String>,
}

/// `GET /v1/usage?key=&plan=`
pub(super) async fn usage(State(control): Shared, Query(filter): Query<Filter>) -> Json<Value> {
    let usage = control.live.usage(filter.key.as_deref(), filter.plan.as_deref());
    Json(json!({ "usage": usage.iter().map(row).collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extend {
    key: String,
    plan: String,
    /// How many more in the current period.
    requests: u64,
}

/// `POST /v1/usage/extend`
pub(super) async fn extend(
    State(control): Shared,
    Extension(author): By,
    Body(asked): Body<Extend>,
) -> Result<Json<Value>, Problem> {
    let Extend { key, plan, requests } = asked;
    let usage = control.live.extend_quota(&key, &plan, requests).await;
    let extension = usage.as_ref().ok().map(|usage| usage.extension);
    let change = Change {
        what: "quota.extend",
        about: json!({ "key": key, "plan": plan, "requests": requests }),
        before: json!(extension.map(|after| after.saturating_sub(requests))),
        after: json!(extension),
        failure: usage.as_ref().err().map(String::as_str),
    };
    control.live.telemetry().audit_log.note(&author, &change, control.live.clock().now());
    usage.map(|usage| Json(row(&usage))).map_err(|why| Problem::new(StatusCode::NOT_FOUND, why))
}

fn row(usage: &Usage) -> Value {
    let resets_at =
        i64::try_from(usage.resets_at_unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    json!({
        "key": usage.key,
        "plan": usage.plan,
        "limit": usage.limit,
        "extension": usage.extension,
        "used": usage.used,
        "remaining": usage.remaining,
        "period": match usage.period {
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        },
        "resets_at": resets_at.map(|at| at.to_string()),
    })
}
