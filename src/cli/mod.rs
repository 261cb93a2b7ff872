//! The command line: one file a command.
//!
//! In: arguments. Out: text for people (or JSON with `--json`) and an exit code: 0 done, 1 failed, 2 wrong usage.
//! Promises: a command that changes the running gateway says what it changed; an error names the thing, its value
//! and what to try. Commands talk to the gateway through its admin listener, or read a file with `--config`.

mod admin;
mod check;
mod completions;
pub mod demo;
mod explain;
mod export;
mod health;
mod import;
mod plan;
mod promote;
mod purge;
mod quick;
mod reload;
mod routes;
mod run;
mod template;
mod upgrade;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use admin::Admin;

/// An API gateway on Pingora: usage plans, response cache, stages with canaries, hot reload.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a configuration until SIGTERM; SIGHUP reloads it, SIGUSR2 upgrades the program
    Run(run::Run),
    /// Check a configuration and print every fault of it
    Check(check::Check),
    /// Show what loading a configuration would change in the running gateway
    Plan(plan::Plan),
    /// Make the running gateway read its configuration again
    Reload(reload::Reload),
    /// Start the program anew and hand the sockets over, so that a new version serves and no request is lost
    Upgrade(upgrade::Upgrade),
    /// Make a stage's canary the stage, in the configuration file itself
    Promote(promote::Promote),
    /// Show where a request would go and why, and what lost
    Explain(explain::Explain),
    /// List every route of every stage
    Routes(routes::Routes),
    /// Print what would serve the API of a document of another kind
    Import(import::Import),
    /// Print the API of a stage as an OpenAPI document
    Export(export::Export),
    /// Put cached answers out of use, by URL, prefix or tag
    Purge(purge::Purge),
    /// Show what API keys have used of their quotas, and grant more
    Usage(usage::Usage),
    /// Ask the running gateway whether it is ready: exit code 0 or 1, for health checks of containers
    Health(health::Health),
    /// Try mapping templates without deploying them
    Template(template::Template),
    /// Serve a demo back end that answers with what it was asked
    DemoBackend(demo::DemoBackend),
    /// Print shell completions
    Completions(completions::Completions),
}

/// Reads the arguments, runs the command, and says how it went.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Plan(command) => command.run(),
        Command::Reload(command) => command.run(),
        Command::Upgrade(command) => command.run(),
        Command::Promote(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Routes(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Purge(command) => command.run(),
        Command::Usage(command) => command.run(),
        Command::Health(command) => command.run(),
        Command::Template(command) => command.run(),
        Command::DemoBackend(command) => command.run(),
        Command::Completions(command) => command.run(),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("tollgate: {failure}");
        ExitCode::FAILURE
    })
}

/// Why a command failed: what went wrong with what, and what to try.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    fn new(why: impl Into<String>) -> Failure {
        Failure(why.into())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<crate::config::Faults> for Failure {
    fn from(faults: crate::config::Faults) -> Failure {
        use std::io::IsTerminal;
        let count = faults.len();
        let things = if count == 1 { "fault" } else { "faults" };
        Failure::new(format!(
            "{count} {things} in the configuration\n\n{}",
            faults.render(std::io::stderr().is_terminal())
        ))
    }
}

/// Prints a JSON document for programs.
fn print_json(document: &serde_json::Value) {
    println!("{document:#}");
}
