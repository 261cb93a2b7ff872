use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Failure, print_json};
use crate::config::Faults;
use crate::gateway::snapshot::{Snapshot, Summary};
use crate::openapi;

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
            Ok((summary, unserved)) if self.json => {
                let unserved = unserved.to_json();
                print_json(&json!({ "ok": true, "summary": summary, "faults": [], "unserved": unserved }));
            }
            Ok((summary, unserved)) => {
                print_unserved(&unserved);
                println!("{}: ok, {summary}", self.file.display());
            }
            Err(faults) if self.json => {
                print_json(&json!({ "ok": false, "faults": faults.to_json() }));
                return Ok(ExitCode::FAILURE);
            }
            Err(faults) => return Err(faults.into()),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn check(file: &std::path::Path) -> Result<(Summary, Faults), Faults> {
    let config = openapi::load(file)?;
    let unserved = openapi::unserved(&config);
    Ok((Snapshot::compile_alone(config)?.summary(), unserved))
}

/// A line for each thing that a document declares in vain.
pub(super) fn print_unserved(unserved: &Faults) {
    for row in unserved.to_json().as_array().into_iter().flatten() {
        let (file, what) = (row["file"].as_str().unwrap_or_default(), row["message"].as_str().unwrap_or_default());
        println!("declared, not served yet: {what} ({file}:{})", row["line"]);
    }
}
