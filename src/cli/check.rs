use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::{Failure, print_json};
use crate::config::Faults;
use crate::gateway::snapshot::{Snapshot, Summary};
use crate::openapi;
use crate::server::{self, Inspection};

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The main configuration file
    file: PathBuf,
    /// Print faults as JSON
    #[arg(long)]
    json: bool,
    /// Do not open listeners' certificates and keys, where they are not on this machine
    #[arg(long)]
    without_certificates: bool,
}

/// A configuration that can be served.
struct Sound {
    summary: Summary,
    /// Of certificates that clients will refuse.
    warnings: Faults,
    /// What documents declare in vain.
    unserved: Faults,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match check(&self.file, !self.without_certificates) {
            Ok(Sound { summary, warnings, unserved }) if self.json => {
                let (warnings, unserved) = (warnings.to_json(), unserved.to_json());
                print_json(&json!({
                    "ok": true, "summary": summary, "faults": [], "warnings": warnings, "unserved": unserved,
                }));
            }
            Ok(Sound { summary, warnings, unserved }) => {
                eprint!("{}", warnings.render_as_warnings(std::io::stderr().is_terminal()));
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

fn check(file: &Path, opens_certificates: bool) -> Result<Sound, Faults> {
    let config = openapi::load(file)?;
    let unserved = openapi::unserved(&config);
    let sources = config.sources.clone();
    let Inspection { faults, warnings } =
        if opens_certificates { server::inspect(&config) } else { Inspection::default() };
    let summary = Snapshot::compile_alone(config)?.summary();
    match faults.is_empty() {
        true => Ok(Sound { summary, warnings: Faults::new(sources, warnings), unserved }),
        false => Err(Faults::new(sources, faults)),
    }
}

/// A line for each thing that a document declares in vain.
pub(super) fn print_unserved(unserved: &Faults) {
    for row in unserved.to_json().as_array().into_iter().flatten() {
        let (file, what) = (row["file"].as_str().unwrap_or_default(), row["message"].as_str().unwrap_or_default());
        println!("declared, not served yet: {what} ({file}:{})", row["line"]);
    }
}
