use std::process::ExitCode;

use super::{Admin, Failure};

#[derive(Debug, clap::Args)]
pub(super) struct Health {
    /// Print each check, and what is wrong with it
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    admin: Admin,
}

impl Health {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (status, text) = self.admin.text(if self.verbose { "/readyz?verbose" } else { "/readyz" })?;
        println!("{}", text.trim_end());
        Ok(if status == 200 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
