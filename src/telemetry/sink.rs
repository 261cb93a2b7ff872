use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use crate::config::LogDestination;

/// Where lines go. A destination that fails is opened anew for the next lines.
pub(super) struct Sink {
    /// Such as "the access log".
    what: &'static str,
    destination: LogDestination,
    file: Option<File>,
    /// A line was cut off by a failure: the next one begins on a line of its own.
    is_torn: bool,
    /// The last lines were lost: told once, not for every batch.
    is_failing: bool,
}

impl Sink {
    /// The error names the destination.
    pub fn open(what: &'static str, destination: &LogDestination) -> Result<Sink, String> {
        match open(destination) {
            Ok(file) => Ok(Sink { what, destination: destination.clone(), file, is_torn: false, is_failing: false }),
            Err(error) => Err(format!(
                "cannot open {what} {}: {error}\n  help: its folder must exist and this user must be able to \
                 write there; or log to \"stderr\"",
                name(destination)
            )),
        }
    }

    /// Opens a file by its path again: logrotate has moved the old one away.
    pub fn reopen(&mut self) {
        self.file = None;
        self.is_torn = false;
    }

    /// Writes whole lines and returns how many of them were lost.
    pub fn write(&mut self, lines: &[u8]) -> u64 {
        if self.destination == LogDestination::Off || lines.is_empty() {
            return 0;
        }
        let (written, result) = self.try_write(lines);
        match result {
            Ok(()) => self.is_failing = false,
            Err(error) => self.fail(&lines[..written], &error),
        }
        lines[written..].iter().filter(|byte| **byte == b'\n').count() as u64
    }

    fn fail(&mut self, written: &[u8], error: &io::Error) {
        if !self.is_failing {
            tracing::warn!(log = name(&self.destination), %error, "cannot write {}, its lines are dropped", self.what);
        }
        self.is_failing = true;
        self.is_torn |= written.last().is_some_and(|byte| *byte != b'\n');
        self.file = None;
    }

    /// Writes as much as goes and says how much that was.
    fn try_write(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        let result = self.opened().and_then(|file| write_counting(file, lines, &mut written));
        (written, result)
    }

    fn opened(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            self.file = open(&self.destination)?;
        }
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotConnected.into()) };
        if self.is_torn {
            file.write_all(b"\n")?;
            self.is_torn = false;
        }
        Ok(file)
    }
}

fn write_counting(file: &mut File, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < bytes.len() {
        match file.write(&bytes[*written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Standard output without the buffer and the lock that the library puts before it: batches are our own.
fn open(destination: &LogDestination) -> io::Result<Option<File>> {
    Ok(Some(match destination {
        LogDestination::Stdout => File::from(io::stdout().as_fd().try_clone_to_owned()?),
        LogDestination::Stderr => File::from(io::stderr().as_fd().try_clone_to_owned()?),
        LogDestination::File(path) => File::options().create(true).append(true).open(path)?,
        LogDestination::Off => return Ok(None),
    }))
}

fn name(destination: &LogDestination) -> String {
    match destination {
        LogDestination::Stdout => String::from("stdout"),
        LogDestination::Stderr => String::from("stderr"),
        LogDestination::File(path) => path.display().to_string(),
        LogDestination::Off => String::from("off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHAT: &str = "the access log";

    #[test]
    fn a_failing_destination_loses_counted_lines_and_is_tried_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("logs/access.log");
        assert!(Sink::open(WHAT, &LogDestination::File(path.clone())).is_err_and(|error| error.contains("access.log")));
        let mut sink = Sink {
            what: WHAT,
            destination: LogDestination::File(path.clone()),
            file: None,
            is_torn: false,
            is_failing: false,
        };
        assert_eq!(sink.write(b"one\ntwo\n"), 2);
        std::fs::create_dir(dir.path().join("logs")).expect("a folder");
        assert_eq!(sink.write(b"three\n"), 0);
        assert_eq!(std::fs::read_to_string(&path).expect("the log"), "three\n");
    }

    #[test]
    fn a_rotated_file_is_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, rotated) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
        let mut sink = Sink::open(WHAT, &LogDestination::File(path.clone())).expect("it opens");
        sink.write(b"one\n");
        std::fs::rename(&path, &rotated).expect("moved");
        sink.reopen();
        sink.write(b"two\n");
        assert_eq!(std::fs::read_to_string(&rotated).expect("the old log"), "one\n");
        assert_eq!(std::fs::read_to_string(&path).expect("the new log"), "two\n");
    }

    #[test]
    fn a_line_after_a_torn_one_begins_on_its_own() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("access.log");
        std::fs::write(&path, "half a li").expect("written");
        let mut sink = Sink {
            what: WHAT,
            destination: LogDestination::File(path.clone()),
            file: None,
            is_torn: true,
            is_failing: false,
        };
        sink.write(b"two\n");
        assert_eq!(std::fs::read_to_string(&path).expect("the log"), "half a li\ntwo\n");
    }
}
