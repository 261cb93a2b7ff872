use std::path::{Path, PathBuf};

use serde_json::json;

use super::load::complete;
use crate::config::{self, Config, Faults};

/// What a gateway is started with: a configuration, or a document alone.
#[derive(Clone, Debug)]
pub enum MainFile {
    Configuration(PathBuf),
    Document(QuickStart),
}

/// A document to serve without a configuration: at the root of any host.
#[derive(Clone, Debug)]
pub struct QuickStart {
    pub document: PathBuf,
    /// Where its operations go, as `to` of an API.
    pub to: Option<String>,
    /// As `basepath` of an API; `ignore` unless written.
    pub base_path: Option<String>,
    /// Address and port.
    pub listen: String,
    pub admin_listen: String,
    pub state_dir: PathBuf,
    /// An API key that opens every route.
    pub key: String,
}

/// The stage of a document that is served alone.
const STAGE: &str = "main";

impl MainFile {
    /// Reads the configuration and every document that it names.
    pub fn load(&self) -> Result<Config, Faults> {
        match self {
            MainFile::Configuration(path) => super::load(path),
            MainFile::Document(quick) => complete(config::parse(&quick.configuration())?),
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            MainFile::Configuration(path) => path,
            MainFile::Document(quick) => &quick.document,
        }
    }
}

impl QuickStart {
    /// What the document's API is called: as its file, as far as names allow.
    pub fn api(&self) -> String {
        let stem = self.document.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(64).collect();
        if name.is_empty() { "api".to_owned() } else { name }
    }

    pub fn stage(&self) -> String {
        format!("{}/{STAGE}", self.api())
    }

    /// The configuration that stands for it. JSON's strings are TOML's.
    fn configuration(&self) -> String {
        let (api, stage) = (self.api(), self.stage());
        let text = |text: &str| json!(text).to_string();
        let path = |path: &Path| text(&path.display().to_string());
        let optional = |key: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{key} = {}\n", text(value))).unwrap_or_default()
        };
        format!(
            "[server]\nlisten = [{listen}]\n[admin]\nlisten = {admin}\n[state]\ndir = {state}\n\
             [apis.{api}]\ndefinition = {document}\n{to}{base}[apis.{api}.stages.{STAGE}]\n\
             [domains.\"*\"]\nmappings = {{ \"/\" = \"{stage}\" }}\n\
             [usage_plans.openapi]\nstages = [\"{stage}\"]\n\
             [api_keys.openapi]\nvalue = {key}\nusage_plans = [\"openapi\"]\n",
            listen = text(&self.listen),
            admin = text(&self.admin_listen),
            state = path(&self.state_dir),
            document = path(&self.document),
            to = optional("to", &self.to),
            base = optional("basepath", &self.base_path),
            key = text(&self.key),
        )
    }
}
