use std::path::PathBuf;
use std::process::ExitCode;

use super::{Admin, Failure, print_json};
use crate::delivery::difference;
use crate::gateway::snapshot::Snapshot;
use crate::openapi;

#[derive(Debug, clap::Args)]
pub(super) struct Plan {
    /// The main file of the configuration that would be loaded
    file: PathBuf,
    /// Print the changes as JSON
    #[arg(long)]
    json: bool,
    /// Exit with 2 when something would change
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    admin: Admin,
}

impl Plan {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let config = openapi::load(&self.file)?;
        let planned = config.describe();
        Snapshot::compile_alone(config)?;
        let changes = difference(&self.admin.get("/v1/config")?, &planned);
        if self.json {
            print_json(&serde_json::json!({ "changes": changes }));
        } else if changes.is_empty() {
            println!("no changes: the running gateway serves this configuration");
        } else {
            changes.iter().for_each(|change| println!("{change}"));
            println!("\n{} to make; run `tollgate reload` to make them", count(changes.len(), "change"));
        }
        let differs = self.exit_code && !changes.is_empty();
        Ok(if differs { ExitCode::from(2) } else { ExitCode::SUCCESS })
    }
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
