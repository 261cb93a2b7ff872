use std::process::ExitCode;

use serde_json::json;

use super::{Admin, Failure};

#[derive(Debug, clap::Args)]
pub(super) struct Reload {
    #[command(flatten)]
    admin: Admin,
}

impl Reload {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let report = self.admin.post("/v1/reload", &json!({}))?;
        println!("reloaded: {}", report["summary"].as_str().unwrap_or_default());
        for thing in report["needs_restart"].as_array().into_iter().flatten() {
            println!("needs a restart to take effect: {}", thing.as_str().unwrap_or_default());
        }
        Ok(ExitCode::SUCCESS)
    }
}
