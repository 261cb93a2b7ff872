use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Failure, print_json};
use crate::config::{self, Faults};
use crate::gateway::snapshot::{Snapshot, Summary};

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The main configuration file
    file: PathBuf,
    /// Print faults as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match check(&self.file) {
            Ok(summary) if self.json => print_json(&json!({ "ok": true, "summary": summary, "faults": [] })),
            Ok(summary) => println!("{}: ok, {summary}", self.file.display()),
            Err(faults) if self.json => {
                print_json(&json!({ "ok": false, "faults": faults.to_json() }));
                return Ok(ExitCode::FAILURE);
            }
            Err(faults) => return Err(faults.into()),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn check(file: &std::path::Path) -> Result<Summary, Faults> {
    let config = config::load(file)?;
    Ok(Snapshot::compile_alone(config)?.summary())
}
