use std::path::PathBuf;
use std::process::ExitCode;

use super::Failure;
use crate::server::{self, RunError};

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// The main configuration file; without it, how to write a first one is shown
    file: Option<PathBuf>,
}

const HOW_TO_START: &str = "\
`tollgate run` needs a configuration file. The smallest one:

    [apis.hello]
    [[apis.hello.routes]]
    method = \"GET\"
    path = \"/\"
    integration = { type = \"MOCK\", body = \"hello\\n\" }
    [apis.hello.stages.prod]

Save it as tollgate.toml, then:

    tollgate run tollgate.toml
    curl http://127.0.0.1:8080/hello/prod/

conf/quickstart.toml shows keys, plans, cache and canary; docs/reference.md lists every word.";

impl Run {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Some(file) = self.file else { return Err(Failure::new(HOW_TO_START)) };
        match server::run(&file) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(RunError::Faults(faults)) => Err(faults.into()),
            Err(error @ (RunError::Start(_) | RunError::Unwritten)) => Err(Failure::new(error.to_string())),
        }
    }
}
