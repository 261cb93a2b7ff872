use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::usage::escape;
use super::{Admin, Failure, print_json};
use crate::openapi::{self, Format, to_yaml};

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// The stage, such as orders/prod
    stage: String,
    /// oas30 or swagger
    #[arg(long, value_name = "FORMAT", default_value = "oas30", value_parser = ["oas30", "swagger"])]
    format: String,
    /// With integrations, validators and gateway responses, as API Gateway's extensions
    #[arg(long)]
    extensions: bool,
    /// Print YAML
    #[arg(long)]
    yaml: bool,
    /// Export from this configuration file instead of asking the running gateway
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    admin: Admin,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let exported = match &self.config {
            Some(file) => {
                let format = Format::from_name(&self.format).ok_or_else(|| Failure::new("unknown format"))?;
                let config = openapi::load(file)?;
                let exported = openapi::export(&config, &self.stage, format, self.extensions).map_err(Failure::new)?;
                json!({ "document": exported.document, "left_out": exported.left_out })
            }
            None => self.admin.get(&format!(
                "/v1/export?stage={}&format={}&extensions={}",
                escape(&self.stage),
                self.format,
                self.extensions
            ))?,
        };
        for what in exported["left_out"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            eprintln!("left out: {what}");
        }
        match self.yaml {
            true => print!("{}", to_yaml(&exported["document"])),
            false => print_json(&exported["document"]),
        }
        Ok(ExitCode::SUCCESS)
    }
}
