use serde_json::Value;
use std::time::Duration;

use super::Failure;

/// How commands reach the running gateway.
#[derive(Clone, Debug, clap::Args)]
pub struct Admin {
    /// The running gateway's admin listener
    #[arg(long, value_name = "URL", env = "TOLLGATE_ADMIN", default_value = "http://127.0.0.1:9090", global = true)]
    admin: String,
    /// The admin token; reading from the gateway's own machine needs none
    #[arg(long, value_name = "TOKEN", env = "TOLLGATE_ADMIN_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
}

/// A reload of a large configuration takes seconds, not minutes.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Admin {
    /// Reads a document; `path` begins with `/` and is percent-encoded.
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        let request = self.agent().get(self.url(path));
        self.answer(self.authorized(request).call())
    }

    /// Asks for a change.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.agent().post(self.url(path)).content_type("application/json");
        self.answer(self.authorized(request).send(body.to_string().as_bytes()))
    }

    /// The status and text of an answer, whatever it is.
    pub(super) fn text(&self, path: &str) -> Result<(u16, String), Failure> {
        let mut answer = self.agent().get(self.url(path)).call().map_err(|error| self.unreachable(&error))?;
        let text = answer.body_mut().read_to_string().map_err(|error| self.unreachable(&error))?;
        Ok((answer.status().as_u16(), text))
    }

    fn agent(&self) -> ureq::Agent {
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        config.build().into()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.admin.trim_end_matches('/'))
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn answer(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, Failure> {
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let text = answer.body_mut().read_to_string().map_err(|error| self.unreachable(&error))?;
        let document: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(document);
        }
        let detail = document["detail"].as_str().map(str::to_string).unwrap_or(text);
        let help = if status == 401 { "\n  help: pass --token or set TOLLGATE_ADMIN_TOKEN" } else { "" };
        Err(Failure::new(format!("the gateway answered {status}: {detail}{help}")))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::new(format!(
            "cannot reach the gateway's admin listener at {}: {error}\n  help: is it running? pass --admin URL or set \
             TOLLGATE_ADMIN",
            self.admin
        ))
    }
}
