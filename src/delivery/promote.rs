use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::edit::{self, EditProblem};
use super::patch::unified;
use super::replace::{is_read_only, replace};
use crate::config::{Config, Span, conceal_secrets};

/// A canary that became its stage, in the file that says so. The gateway follows when it reloads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Promotion {
    pub api: String,
    pub stage: String,
    /// The file that was edited.
    pub path: PathBuf,
    /// What the stage's variables are now, as written: references stay references.
    pub variables: Vec<(String, String)>,
}

/// Why nothing was promoted. The file is as it was.
#[derive(Debug)]
pub enum PromoteError {
    /// No api or no stage has this name.
    NoStage {
        api: String,
        stage: String,
    },
    NoCanary {
        api: String,
        stage: String,
    },
    /// What the canary serves is a document of its own, which is the whole API's to name.
    OwnDefinition {
        api: String,
        stage: String,
        document: PathBuf,
    },
    /// The file was changed since it was loaded, into something that is not TOML.
    NotToml {
        path: PathBuf,
        problem: String,
    },
    /// The file may not be written: the change to make by hand, as a unified diff.
    ReadOnly {
        path: PathBuf,
        diff: String,
    },
    Io {
        path: PathBuf,
        error: io::Error,
    },
    /// The edit would have changed more than the canary.
    Unsound {
        path: PathBuf,
    },
}

/// Makes the canary of `api/stage` the stage itself: its variables are merged into the stage's and the canary
/// is removed, in the file that defines it, as that file is on disk now.
pub fn promote(config: &Config, api: &str, stage: &str) -> Result<Promotion, PromoteError> {
    let path = config.sources.path(find_canary(config, api, stage)?.file);
    let io = |error| PromoteError::Io { path: path.to_owned(), error };
    let text = std::fs::read_to_string(path).map_err(io)?;
    let edited = edit::promote(&text, api, stage).map_err(|problem| refuse(problem, api, stage, path))?;
    match replace(path, &edited.text) {
        Ok(()) => Ok(Promotion {
            api: api.to_owned(),
            stage: stage.to_owned(),
            path: path.to_owned(),
            variables: edited.variables,
        }),
        Err(error) if is_read_only(&error) => {
            let diff = unified(path, &conceal_secrets(&text), &conceal_secrets(&edited.text));
            Err(PromoteError::ReadOnly { path: path.to_owned(), diff })
        }
        Err(error) => Err(io(error)),
    }
}

fn find_canary(config: &Config, api: &str, stage: &str) -> Result<Span, PromoteError> {
    let found = config.apis.get(api).and_then(|api| api.stages.get(stage));
    let found = found.ok_or_else(|| PromoteError::NoStage { api: api.to_owned(), stage: stage.to_owned() })?;
    let (api, stage) = (api.to_owned(), stage.to_owned());
    match &found.canary {
        None => Err(PromoteError::NoCanary { api, stage }),
        Some(canary) => match &canary.document {
            Some(document) => Err(PromoteError::OwnDefinition { api, stage, document: document.value.clone() }),
            None => Ok(canary.span),
        },
    }
}

fn refuse(problem: EditProblem, api: &str, stage: &str, path: &Path) -> PromoteError {
    let path = path.to_owned();
    match problem {
        EditProblem::NotToml(problem) => PromoteError::NotToml { path, problem },
        EditProblem::NoCanary => PromoteError::NoCanary { api: api.to_owned(), stage: stage.to_owned() },
        EditProblem::Unsound => PromoteError::Unsound { path },
    }
}

impl fmt::Display for Promotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: the canary is the stage now, in {}", self.api, self.stage, self.path.display())?;
        self.variables.iter().try_for_each(|(name, value)| write!(f, "\n  {name} = {value}"))
    }
}

impl fmt::Display for PromoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PromoteError::NoStage { api, stage } => write!(f, "there is no stage {api}/{stage}"),
            PromoteError::NoCanary { api, stage } => write!(f, "{api}/{stage} has no canary"),
            PromoteError::OwnDefinition { api, stage, document } => write!(
                f,
                "the canary of {api}/{stage} has a definition of its own; name {} as the `definition` of {api}, and remove \
                 the canary",
                document.display()
            ),
            PromoteError::NotToml { path, problem } => {
                write!(f, "{} was changed and is not TOML any more: {problem}", path.display())
            }
            PromoteError::ReadOnly { path, diff } => {
                write!(f, "{} is read-only; make this change where it comes from:\n{diff}", path.display())
            }
            PromoteError::Io { path, error } => write!(f, "cannot edit {}: {error}", path.display()),
            PromoteError::Unsound { path } => {
                write!(f, "{} is written in a way that cannot be edited; remove the canary by hand", path.display())
            }
        }
    }
}

impl std::error::Error for PromoteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PromoteError::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::load;

    const MAIN: &str = "include = [\"orders.toml\"]\n";
    const ORDERS: &str = r#"
[apis.orders.stages.prod]
variables = { backend = "a:1" }

[apis.orders.stages.prod.canary]
variables = { backend = "b:1" }
percent = 10

[api_keys.alice]
value = "abcdefghijklmnopqrst"
"#;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Folder {
            let folder = Folder(tempfile::tempdir().unwrap());
            fs::write(folder.path("tollgate.toml"), MAIN).unwrap();
            fs::write(folder.path("orders.toml"), ORDERS).unwrap();
            folder
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn load(&self) -> Config {
            load(&self.path("tollgate.toml")).unwrap()
        }

        fn set_mode(&self, mode: u32) {
            fs::set_permissions(self.path("orders.toml"), fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    #[test]
    fn the_file_that_defines_the_canary_is_replaced_and_keeps_its_permissions() {
        let folder = Folder::new();
        folder.set_mode(0o640);
        let promotion = promote(&folder.load(), "orders", "prod").unwrap();
        assert_eq!(promotion.variables, [("backend".to_owned(), "b:1".to_owned())]);
        let stage = &folder.load().apis["orders"].stages["prod"];
        assert!(stage.canary.is_none() && stage.variables["backend"] == "b:1");
        assert_eq!(fs::metadata(folder.path("orders.toml")).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 2, "no temporary file is left");
    }

    #[test]
    fn a_read_only_file_is_left_alone_and_the_change_is_told_without_secrets() {
        let folder = Folder::new();
        folder.set_mode(0o444);
        let error = promote(&folder.load(), "orders", "prod").unwrap_err();
        let PromoteError::ReadOnly { diff, .. } = &error else { panic!("{error}") };
        let body: String = diff.lines().skip(2).map(|line| format!("{line}\n")).collect();
        assert_eq!(
            body,
            r#"@@ -1,10 +1,6 @@
 
 [apis.orders.stages.prod]
-variables = { backend = "a:1" }
-
-[apis.orders.stages.prod.canary]
 variables = { backend = "b:1" }
-percent = 10
 
 [api_keys.alice]
 value = "********************"
"#
        );
        assert_eq!(fs::read_to_string(folder.path("orders.toml")).unwrap(), ORDERS);
    }

    #[test]
    fn what_the_file_says_now_counts_not_what_was_loaded() {
        let folder = Folder::new();
        let config = folder.load();
        fs::write(folder.path("orders.toml"), "[apis.orders").unwrap();
        let error = promote(&config, "orders", "prod").unwrap_err();
        assert!(matches!(error, PromoteError::NotToml { .. }), "{error}");
        fs::write(folder.path("orders.toml"), "[apis.orders.stages.prod]\n").unwrap();
        assert_eq!(promote(&config, "orders", "prod").unwrap_err().to_string(), "orders/prod has no canary");
        assert_eq!(promote(&config, "orders", "dev").unwrap_err().to_string(), "there is no stage orders/dev");
    }

    #[test]
    fn a_link_stays_a_link_to_the_edited_file() {
        let folder = Folder::new();
        fs::rename(folder.path("orders.toml"), folder.path("real.toml")).unwrap();
        std::os::unix::fs::symlink("real.toml", folder.path("orders.toml")).unwrap();
        promote(&folder.load(), "orders", "prod").unwrap();
        assert!(fs::symlink_metadata(folder.path("orders.toml")).unwrap().is_symlink());
        assert!(!fs::read_to_string(folder.path("real.toml")).unwrap().contains("canary"));
    }
}
