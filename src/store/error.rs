use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::desk::Desk;

/// Why the store cannot be opened or written. Its text is one sentence that names the path and says what to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    pub path: PathBuf,
    pub problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    NotAFolder,
    /// The folder, the file or the file system may not be written.
    ReadOnly,
    /// Another process has it open.
    InUse,
    /// It is no store, or a damaged one; with what was found.
    Corrupt(String),
    Full,
    /// A write or a flush takes too long.
    Stalled,
    /// The store was closed by this process.
    Closed,
    /// The process that took it over is gone; with what the system says.
    Lost(String),
    /// What the system says.
    Io(String),
}

impl StoreError {
    pub(super) fn new(path: &Path, problem: Problem) -> StoreError {
        StoreError { path: path.to_owned(), problem }
    }

    /// The process that has the file now does not answer.
    pub(super) fn lost(desk: &Desk, error: &io::Error) -> StoreError {
        StoreError::new(desk.path(), Problem::Lost(error.to_string()))
    }

    pub(super) fn from_io(path: &Path, error: &io::Error) -> StoreError {
        let problem = match error.kind() {
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists | ErrorKind::IsADirectory => Problem::NotAFolder,
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Problem::ReadOnly,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Problem::Full,
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Problem::Corrupt(error.to_string()),
            _ => Problem::Io(error.to_string()),
        };
        StoreError::new(path, problem)
    }

    pub(super) fn from_redb(path: &Path, error: impl Into<redb::Error>) -> StoreError {
        let problem = match error.into() {
            redb::Error::Io(error) => return StoreError::from_io(path, &error),
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Problem::InUse,
            redb::Error::Corrupted(what) => Problem::Corrupt(what),
            error @ (redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableIsMultimap(_)) => Problem::Corrupt(error.to_string()),
            other => Problem::Io(other.to_string()),
        };
        StoreError::new(path, problem)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            Problem::NotAFolder => {
                write!(f, "the quota store needs a folder and {path} is not one; name another in [state] dir")
            }
            Problem::ReadOnly => {
                write!(
                    f,
                    "the quota store {path} may not be written; give this user write access or name another [state] dir"
                )
            }
            Problem::InUse => {
                write!(
                    f,
                    "the quota store {path} is open in another process; stop that gateway or name another [state] dir"
                )
            }
            Problem::Corrupt(what) => {
                write!(
                    f,
                    "the quota store {path} is damaged or not a quota store ({what}); move it away to begin with unused quotas"
                )
            }
            Problem::Full => write!(f, "the quota store {path} cannot grow; free space on its file system"),
            Problem::Stalled => write!(f, "the quota store {path} does not answer; look at the disk that holds it"),
            Problem::Closed => write!(f, "the quota store {path} is closed; the gateway is shutting down"),
            Problem::Lost(what) => {
                write!(f, "the quota store {path} was handed to a gateway that does not answer: {what}")
            }
            Problem::Io(what) => {
                write!(f, "the quota store {path} cannot be used: {what}; look at the disk that holds it")
            }
        }
    }
}

impl std::error::Error for StoreError {}
