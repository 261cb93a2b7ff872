use std::process::ExitCode;

use serde_json::json;

use super::routes::print_table;
use super::{Admin, Failure, print_json};

#[derive(Debug, clap::Args)]
pub(super) struct Usage {
    /// Only this API key
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Only this usage plan
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// Grant this many more requests in the current period; with --key and --plan
    #[arg(long, value_name = "REQUESTS", requires = "key", requires = "plan")]
    extend: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

impl Usage {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(requests) = self.extend {
            let grant = json!({ "key": self.key, "plan": self.plan, "requests": requests });
            self.admin.post("/v1/usage/extend", &grant)?;
        }
        let filters = [("key", &self.key), ("plan", &self.plan)];
        let query: Vec<String> =
            filters.iter().filter_map(|(name, value)| Some(format!("{name}={}", escape(value.as_ref()?)))).collect();
        let usage = self.admin.get(&format!("/v1/usage?{}", query.join("&")))?["usage"].take();
        if self.json {
            print_json(&usage);
        } else {
            print_table(&usage, &["key", "plan", "period", "limit", "used", "remaining", "resets_at"]);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Percent-encodes a value for a query.
pub(super) fn escape(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}
