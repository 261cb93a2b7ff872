use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, quick};
use crate::openapi::{MainFile, to_toml};

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// Print the API of an OpenAPI document as TOML
    Openapi(Openapi),
}

#[derive(Debug, clap::Args)]
struct Openapi {
    /// The document: Swagger 2.0, OpenAPI 3.0 or 3.1, JSON or YAML
    file: PathBuf,
    /// Where operations without an integration go, such as http://localhost:3000
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// What becomes of the path of the document's server: ignore, prepend or split
    #[arg(long, value_name = "WORD")]
    basepath: Option<String>,
}

impl Import {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let From::Openapi(Openapi { file, to, basepath }) = self.from;
        let quick = quick::reader(&file, to, basepath);
        let config = MainFile::Document(quick).load()?;
        for (name, api) in &config.apis {
            print!("{}", to_toml(name, &api.definition));
        }
        Ok(ExitCode::SUCCESS)
    }
}
