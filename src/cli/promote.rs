use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Admin, Failure};
use crate::{delivery, openapi};

#[derive(Debug, clap::Args)]
pub(super) struct Promote {
    /// The stage, such as orders/prod
    stage: String,
    /// Edit this configuration file here, and reload nothing, instead of asking the running gateway to do both
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    admin: Admin,
}

impl Promote {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Some((api, stage)) = self.stage.split_once('/') else {
            return Err(Failure::new(format!("{:?} names no stage; write API/STAGE, as orders/prod", self.stage)));
        };
        match &self.config {
            Some(file) => {
                let config = openapi::load(file)?;
                let promotion =
                    delivery::promote(&config, api, stage).map_err(|error| Failure::new(error.to_string()))?;
                println!("promoted the canary of {} in {}", self.stage, promotion.path.display());
                println!("run `tollgate reload` where the gateway does not watch this file");
            }
            None => {
                let report = self.admin.post("/v1/promote", &json!({ "stage": self.stage }))?;
                println!("promoted the canary of {} in {}", self.stage, report["file"].as_str().unwrap_or_default());
                println!("reloaded: {}", report["summary"].as_str().unwrap_or_default());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
