use std::path::PathBuf;
use std::process::ExitCode;

use super::Failure;
use super::check::print_unserved;
use super::quick::{Quick, announce};
use crate::openapi::{self, MainFile, QuickStart};
use crate::server::{self, RunError};

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// The main configuration file; without it, how to write a first one is shown
    file: Option<PathBuf>,
    #[command(flatten)]
    quick: Quick,
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

An OpenAPI document needs none:

    tollgate run --openapi api.yaml --to http://localhost:3000

conf/quickstart.toml shows keys, plans, cache and canary; docs/reference.md lists every word.";

impl Run {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Run { file, mut quick } = self;
        let main_file = match (file, quick.openapi.take()) {
            (_, Some(document)) => return serve_document(quick.start(document)?),
            (Some(file), None) => MainFile::Configuration(file),
            (None, None) => return Err(Failure::new(HOW_TO_START)),
        };
        serve(&main_file)
    }
}

fn serve_document(quick: QuickStart) -> Result<ExitCode, Failure> {
    let state_dir = quick.state_dir.clone();
    let main_file = MainFile::Document(quick.clone());
    let config = main_file.load()?;
    print_unserved(&openapi::unserved(&config));
    announce(&quick, &config)?;
    drop(config);
    let done = serve(&main_file);
    // Of this run alone; what is left of it is in nobody's way.
    let _ = std::fs::remove_dir_all(state_dir);
    done
}

fn serve(main_file: &MainFile) -> Result<ExitCode, Failure> {
    match server::run(main_file) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(RunError::Faults(faults)) => Err(faults.into()),
        Err(error @ (RunError::Start(_) | RunError::Unwritten)) => Err(Failure::new(error.to_string())),
    }
}
