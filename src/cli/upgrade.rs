use std::process::ExitCode;

use serde_json::json;

use super::{Admin, Failure};

#[derive(Debug, clap::Args)]
pub(super) struct Upgrade {
    #[command(flatten)]
    admin: Admin,
}

impl Upgrade {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let done = self.admin.post("/v1/upgrade", &json!({}))?;
        println!("upgraded: process {} serves, the one before it drains", done["pid"]);
        Ok(ExitCode::SUCCESS)
    }
}
