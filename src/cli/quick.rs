use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use super::Failure;
use crate::config::{Config, Method, Route};
use crate::openapi::QuickStart;

/// How a document is served without a configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Quick {
    /// Serve this OpenAPI document, without a configuration
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub openapi: Option<PathBuf>,
    /// Where the document's operations go, such as http://localhost:3000; its own first server unless given
    #[arg(long, value_name = "URL", requires = "openapi")]
    to: Option<String>,
    /// What becomes of the path of the document's server: ignore, prepend or split
    #[arg(long, value_name = "WORD", requires = "openapi")]
    basepath: Option<String>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", requires = "openapi", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Where the admin API and /metrics are
    #[arg(long, value_name = "ADDRESS", requires = "openapi", default_value = "127.0.0.1:9090")]
    admin_listen: String,
}

impl Quick {
    pub(super) fn start(self, document: PathBuf) -> Result<QuickStart, Failure> {
        let Quick { to, basepath, listen, admin_listen, .. } = self;
        let state_dir = std::env::temp_dir().join(format!("tollgate-openapi-{}", std::process::id()));
        let key = random_key()?;
        Ok(QuickStart { document, to, base_path: basepath, listen, admin_listen, state_dir, key })
    }
}

/// What of a document can be read without serving it.
pub(super) fn reader(document: &Path, to: Option<String>, base_path: Option<String>) -> QuickStart {
    QuickStart {
        document: document.to_owned(),
        to,
        base_path,
        listen: "127.0.0.1:0".into(),
        admin_listen: "127.0.0.1:0".into(),
        state_dir: PathBuf::from("data"),
        key: "0".repeat(20),
    }
}

/// Tells what is served, and what to try.
pub(super) fn announce(quick: &QuickStart, config: &Config) -> Result<(), Failure> {
    let api = config.apis.values().next().ok_or_else(|| Failure::new("the document makes no api"))?;
    let routes = &api.definition.routes;
    eprintln!("tollgate: {} has {} routes", quick.document.display(), routes.len());
    for route in routes {
        eprintln!("  {:<7} {}", route.method.as_str(), *route.path);
    }
    let is_simple = |route: &&Route| *route.method == Method::Exact("GET".into()) && !route.path.contains('{');
    let Some(route) = routes.iter().find(is_simple).or(routes.first()) else { return Ok(()) };
    let is_key_asked_for = routes.iter().any(|route| route.api_key_required);
    let key = if is_key_asked_for { format!(" -H 'x-api-key: {}'", quick.key) } else { String::new() };
    let method = match &*route.method {
        Method::Exact(method) if method != "GET" => format!(" -X {method}"),
        _ => String::new(),
    };
    eprintln!("try: curl{method}{key} 'http://{}{}'", quick.listen, *route.path);
    Ok(())
}

/// For this run alone.
fn random_key() -> Result<String, Failure> {
    let mut bytes = [0; 20];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Failure::new("the system has no random numbers for an API key"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
