//! The operator's side: metrics, probes and the JSON admin API under `/v1/`.
//!
//! In: HTTP on the admin listener, loopback by default. Out: JSON, or a problem document that names the thing.
//! Promises: a request without the token may only read, and only from loopback; a wrong token may nothing; the
//! probes `/livez` and `/readyz` answer anyone and tell nothing but yes or no. No answer holds a secret.
//! `openapi.json` describes every path and is served at `/v1/openapi.json`.
//! Cost: a thread of its own, so that scrapes and reloads take no time from requests.

mod access;
mod cache;
mod configuration;
mod probes;
mod problem;
mod upgrade;
mod usage;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::sync::{mpsc, oneshot};

use crate::delivery::Reloader;
use crate::gateway::snapshot::Live;
use problem::{Body, Problem};

const OPENAPI: &str = include_str!("openapi.json");

/// What the admin API works on.
#[derive(Debug)]
pub struct Control {
    live: Arc<Live>,
    reloader: Arc<Reloader>,
    upgrades: mpsc::Sender<Upgrade>,
}

/// An operator asks that the program be started anew and take over; the reply is the new process's id, or why not.
#[derive(Debug)]
pub struct Upgrade {
    pub reply: oneshot::Sender<Result<u32, String>>,
}

type Shared = axum::extract::State<Arc<Control>>;

impl Control {
    pub fn new(live: Arc<Live>, reloader: Arc<Reloader>, upgrades: mpsc::Sender<Upgrade>) -> Control {
        Control { live, reloader, upgrades }
    }
}

/// Serves the admin listener until `closed`, and then answers what has been asked.
pub async fn serve(socket: TcpListener, control: Arc<Control>, closed: impl Future<Output = ()> + Send + 'static) {
    let served = async {
        let listener = tokio::net::TcpListener::from_std(socket)?;
        let service = router(control).into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).with_graceful_shutdown(closed).await
    };
    if let Err(error) = served.await {
        tracing::error!(%error, "the admin listener stopped");
    }
}

fn router(control: Arc<Control>) -> Router {
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
        .with_state(control)
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "the admin API has no such path; /v1/openapi.json lists them")
}
