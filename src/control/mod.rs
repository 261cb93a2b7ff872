//! The operator's side: metrics, probes and the JSON admin API under `/v1/`.
//!
//! In: requests to the admin listener, loopback by default. Out: JSON, or a problem document that names the thing.
//! Promises: a request without a token may only read, and only from loopback; a wrong token may nothing, and few may be
//! tried; nothing is done that a browser asks on behalf of another site; each change is written down with who made it.
//! The probes `/livez` and `/readyz` answer anyone and tell nothing but yes or no. No answer holds a secret.
//! `openapi.json` describes every path and is served at `/v1/openapi.json`.
//! Cost: nothing on a request's way; the server runs it on a thread of its own, behind the data plane's.

mod access;
mod cache;
mod configuration;
mod failures;
mod probes;
mod problem;
mod site;
mod upgrade;
mod usage;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::delivery::Reloader;
use crate::gateway::snapshot::Live;
use crate::telemetry::{Author, Change};
use failures::Failures;
use problem::{Body, Problem};

const OPENAPI: &str = include_str!("openapi.json");

/// What the admin API works on.
#[derive(Debug)]
pub struct Control {
    live: Arc<Live>,
    reloader: Arc<Reloader>,
    upgrades: mpsc::Sender<Upgrade>,
    failures: Failures,
}

/// An operator asks that the program be started anew and take over; the reply is the new process's id, or why not.
#[derive(Debug)]
pub struct Upgrade {
    pub author: Arc<Author>,
    pub reply: oneshot::Sender<Result<u32, String>>,
}

type Shared = axum::extract::State<Arc<Control>>;
/// Who asks.
type By = Extension<Arc<Author>>;

impl Control {
    pub fn new(live: Arc<Live>, reloader: Arc<Reloader>, upgrades: mpsc::Sender<Upgrade>) -> Control {
        Control { live, reloader, upgrades, failures: Failures::default() }
    }

    /// Writes down a change that is neither more nor less than done.
    fn note(&self, author: &Author, what: &'static str, about: Value, done: &Result<String, Problem>) {
        let failure = done.as_ref().err().map(Problem::detail);
        let after = done.as_ref().map_or(Value::Null, |done| done.as_str().into());
        let change = Change { what, about, before: Value::Null, after, failure };
        self.live.telemetry().audit_log.note(author, &change, self.live.clock().now());
    }
}

/// No body that is asked for is longer.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Answers requests, which carry a `ConnectInfo<SocketAddr>` with their peer's address.
pub fn router(control: Arc<Control>) -> Router {
    let api = Router::new()
        .route("/metrics", get(probes::metrics))
        .route("/v1/routes", get(configuration::routes))
        .route("/v1/config", get(configuration::config))
        .route("/v1/explain", get(configuration::explain))
        .route("/v1/export", get(configuration::export))
        .route("/v1/reload", post(configuration::reload))
        .route("/v1/upgrade", post(upgrade::upgrade))
        .route("/v1/promote", post(configuration::promote))
        .route("/v1/usage", get(usage::usage))
        .route("/v1/usage/extend", post(usage::extend))
        .route("/v1/cache/flush", post(cache::flush))
        .route("/v1/cache/purge", post(cache::purge))
        .route("/v1/openapi.json", get(openapi))
        .layer(middleware::from_fn_with_state(Arc::clone(&control), access::check));
    Router::new()
        .merge(api)
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(control)
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "the admin API has no such path; /v1/openapi.json lists them")
}
