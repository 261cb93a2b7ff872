use std::process::ExitCode;

use serde_json::json;

use super::{Admin, Failure};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(super) struct Purge {
    /// The stage, as API/STAGE
    stage: String,
    /// Every variant of this URL, or of this path
    #[arg(long, group = "what", value_name = "URL")]
    url: Option<String>,
    /// Everything whose path begins so
    #[arg(long, group = "what", value_name = "PATH")]
    prefix: Option<String>,
    /// Everything that the back end tagged so, in Cache-Tag or Surrogate-Key
    #[arg(long, group = "what", value_name = "TAG")]
    tag: Option<String>,
    /// Everything of the stage
    #[arg(long, group = "what")]
    all: bool,
    /// Keep it as stale: it is validated, or served while a newer answer is fetched
    #[arg(long)]
    soft: bool,
    #[command(flatten)]
    admin: Admin,
}

impl Purge {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let asked = json!({
            "stage": self.stage,
            "url": self.url,
            "prefix": self.prefix,
            "tag": self.tag,
            "all": self.all,
            "soft": self.soft,
        });
        let report = self.admin.post("/v1/cache/purge", &asked)?;
        println!("purged: {}", report["purged"].as_str().unwrap_or_default());
        Ok(ExitCode::SUCCESS)
    }
}
