use std::path::PathBuf;
use std::process::ExitCode;

use super::usage::escape;
use super::{Admin, Failure, print_json};
use crate::gateway::snapshot::{Question, Snapshot};
use crate::openapi;

#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The method, such as GET
    method: String,
    /// A URL or a path, such as http://api.example.com/orders/7
    url: String,
    /// A header field of the request, such as 'x-api-key: …'; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Explain by this configuration file instead of asking the running gateway
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let explanation = match &self.config {
            Some(file) => {
                let question = Question::new(&self.method, &self.url, &self.headers).map_err(Failure::new)?;
                let snapshot = Snapshot::compile_alone(openapi::load(file)?)?;
                serde_json::to_value(snapshot.explain(&question)).map_err(|error| Failure::new(error.to_string()))?
            }
            None => self.admin.get(&self.query())?,
        };
        if self.json {
            print_json(&explanation);
        } else {
            for step in explanation["steps"].as_array().into_iter().flatten() {
                let (name, found) = (step["phase"].as_str().unwrap_or_default(), step["found"].as_str());
                println!("{name:>14}  {}", found.unwrap_or_default());
                for loser in step["lost"].as_array().into_iter().flatten() {
                    println!("{:>14}  not {}", "", loser.as_str().unwrap_or_default());
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn query(&self) -> String {
        let mut query = format!("/v1/explain?method={}&url={}", escape(&self.method), escape(&self.url));
        for header in &self.headers {
            query.push_str(&format!("&header={}", escape(header)));
        }
        query
    }
}
