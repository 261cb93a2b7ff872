use http::{HeaderName, HeaderValue};
use pingora_http::RequestHeader;

use super::Made;
use crate::base::{Answer, Refusal};
use crate::gateway::transform::query;
use crate::template::{Override, Overrides};

/// Lays what templates have overridden over the back end's request. Its path's parameters were overridden when its
/// target was written.
pub fn apply_overrides(overrides: &Overrides, request: &mut RequestHeader) -> Result<(), Answer> {
    for (name, value) in &overrides.request_headers {
        let Some((name, values)) = field(name, value) else { continue };
        request.remove_header(&name);
        for value in values {
            request.append_header(name.clone(), value).map_err(unsendable)?;
        }
    }
    if overrides.request_querystring.is_empty() {
        return Ok(());
    }
    let mut target = request.raw_path().to_vec();
    for (name, value) in &overrides.request_querystring {
        query::replace(&mut target, name, texts(value));
    }
    request.set_raw_path(&target).map_err(unsendable)
}

/// Lays what templates have overridden over the client's answer.
pub(super) fn override_answer(overrides: &Overrides, made: &mut Made) {
    if let Some(status) = overrides.response_status.filter(|status| *status >= 200) {
        made.status = status;
    }
    for (name, value) in &overrides.response_headers {
        let Some((name, values)) = field(name, value) else { continue };
        made.fields.retain(|(own, _)| *own != name);
        made.fields.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
}

/// A field that can be sent; what belongs to the connection or to the framing is the gateway's own.
fn field(name: &str, value: &Override) -> Option<(HeaderName, Vec<HeaderValue>)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    if crate::config::is_unmappable(name.as_str()) {
        return None;
    }
    Some((name, texts(value).iter().filter_map(|text| HeaderValue::from_str(text).ok()).collect()))
}

fn texts(value: &Override) -> &[String] {
    match value {
        Override::One(text) => std::slice::from_ref(text),
        Override::Many(texts) => texts,
    }
}

fn unsendable(error: impl std::fmt::Display) -> Answer {
    let answer = Answer::new(Refusal::InternalError, "the gateway could not make the back end's request");
    answer.with_log(format!("an override cannot be sent: {error}"))
}
