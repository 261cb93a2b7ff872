use std::process::ExitCode;

use clap::CommandFactory;

use super::{Arguments, Failure};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell that they are for; its manual says where they go
    shell: clap_complete::Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        clap_complete::generate(self.shell, &mut Arguments::command(), "tollgate", &mut std::io::stdout());
        Ok(ExitCode::SUCCESS)
    }
}
