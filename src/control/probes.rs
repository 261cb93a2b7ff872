use std::net::SocketAddr;

use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::IntoResponse;

use super::site::Site;
use super::{Shared, access};

/// `GET /metrics`
pub(super) async fn metrics(State(control): Shared) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], control.live.render_metrics())
}

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: send traffic here. `?verbose` lists, for those who may read, what is well and what is not; a reload
/// or a state directory that failed is listed and does not make the gateway unready, since it goes on serving.
pub(super) async fn readyz(
    State(control): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
    uri: Uri,
    fields: HeaderMap,
) -> (StatusCode, String) {
    let is_ready = !control.live.is_draining();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verdict = if is_ready { "ok\n" } else { "draining\n" };
    let is_verbose =
        query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part == "verbose=true"));
    if !is_verbose || !access::may_read(&control, peer, &Site::of(&uri, &fields), &fields) {
        return (status, verdict.to_string());
    }
    let checks = [
        ("serving", (!is_ready).then(|| "draining".to_string())),
        ("config", control.reloader.failure()),
        ("state", control.live.store_fault()),
        ("certificates", control.live.issuance().fault()),
        ("load", control.live.overload().fault(control.live.clock().now())),
    ];
    let mut lines: String = checks.iter().map(|(name, fault)| line(name, fault.as_deref())).collect();
    for setting in control.reloader.needs_restart() {
        lines += &format!("[!] {setting}: changed in the files, needs a restart to take effect\n");
    }
    (status, lines + verdict)
}

fn line(name: &str, fault: Option<&str>) -> String {
    match fault {
        None => format!("[+] {name}: ok\n"),
        Some(fault) => format!("[-] {name}: {}\n", fault.trim_end().replace('\n', "\n    ")),
    }
}
