use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{By, Problem, Shared, Upgrade};

/// `POST /v1/upgrade`: starts the program anew, which takes over. Answers when it serves, or says why it does not.
pub(super) async fn upgrade(State(control): Shared, Extension(author): By) -> Result<Json<Value>, Problem> {
    let (reply, done) = oneshot::channel();
    let stopping = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping");
    control.upgrades.send(Upgrade { author, reply }).await.map_err(|_| stopping())?;
    match done.await.map_err(|_| stopping())? {
        Ok(pid) => Ok(Json(json!({ "pid": pid }))),
        Err(why) => Err(Problem::new(StatusCode::CONFLICT, why)),
    }
}
