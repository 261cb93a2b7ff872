use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

use super::{Admin, Failure, print_json};
use crate::gateway::snapshot::Snapshot;
use crate::openapi;

#[derive(Debug, clap::Args)]
pub(super) struct Routes {
    /// List the routes of this configuration file instead of asking the running gateway
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

impl Routes {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let routes = match &self.config {
            Some(file) => serde_json::to_value(Snapshot::compile_alone(openapi::load(file)?)?.routes())
                .map_err(|error| Failure::new(error.to_string()))?,
            None => self.admin.get("/v1/routes")?["routes"].take(),
        };
        if self.json {
            print_json(&routes);
        } else {
            print_table(&routes, &["api", "stage", "method", "path", "api_key", "cache", "integration"]);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints an array of objects in columns.
pub(super) fn print_table(rows: &Value, columns: &[&str]) {
    let cell = |row: &Value, column: &str| match &row[column] {
        Value::Null => "-".to_string(),
        Value::String(text) => text.clone(),
        Value::Bool(is) => (if *is { "yes" } else { "no" }).to_string(),
        other => other.to_string(),
    };
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|name| name.to_uppercase().replace('_', " ")).collect()];
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    lines.extend(rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()));
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}
