use std::fs;
use std::path::{Path, PathBuf};

use super::api_key::{KeyDigest, digest};
use super::include;

/// What a configuration was read from, to tell whether the files say something else by now without parsing them.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    files: Vec<Track>,
    /// Of all files together.
    bytes: usize,
    includes: Vec<Included>,
}

/// A file, and a hash of its bytes as they were read: secrets are blanked out of the texts that are kept, and a changed
/// secret is a change. `None` for a file that could not be opened.
#[derive(Clone, Debug)]
struct Track {
    path: PathBuf,
    fingerprint: Option<KeyDigest>,
}

/// An include as it was written, and the files that it stood for.
#[derive(Clone, Debug)]
struct Included {
    folder: PathBuf,
    pattern: String,
    found: Vec<PathBuf>,
}

impl Footprint {
    /// Every file, also those that could not be read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|track| track.path.as_path())
    }

    /// The size of all files that were read.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Names the texts of all files in 16 digits: the same for the same files in the same order.
    pub fn name(&self) -> String {
        let all: Vec<u8> = self.files.iter().filter_map(|track| track.fingerprint).flatten().collect();
        digest(&all)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether every file is as it was, and no include stands for other files. While the texts are the same, so are the
    /// includes in them.
    pub fn is_current(&self) -> bool {
        self.files.iter().all(|track| fingerprint_of(&track.path) == track.fingerprint)
            && self.includes.iter().all(Included::is_current)
    }

    pub(crate) fn read(&mut self, path: &Path, text: &str) {
        self.bytes += text.len();
        self.files.push(Track { path: path.to_owned(), fingerprint: Some(digest(text.as_bytes())) });
    }

    /// A file that is no configuration, or none yet.
    pub(crate) fn unreadable(&mut self, path: &Path) {
        self.files.push(Track { path: path.to_owned(), fingerprint: fingerprint_of(path) });
    }

    pub(super) fn included(&mut self, folder: &Path, pattern: &str, found: &[PathBuf]) {
        let (folder, pattern) = (folder.to_owned(), pattern.to_owned());
        self.includes.push(Included { folder, pattern, found: found.to_vec() });
    }
}

impl Included {
    fn is_current(&self) -> bool {
        include::expand(&self.folder, &self.pattern).is_ok_and(|found| found == self.found)
    }
}

fn fingerprint_of(path: &Path) -> Option<KeyDigest> {
    fs::read(path).ok().map(|bytes| digest(&bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::load;

    const MAIN: &str = "include = [\"parts/*.toml\"]\n[server]\nlisten = [\"127.0.0.1:0\"]\n";

    fn read(folder: &Path) -> Arc<Footprint> {
        match load(&folder.join("main.toml")) {
            Ok(config) => Arc::clone(config.sources.footprint()),
            Err(faults) => Arc::clone(faults.sources().footprint()),
        }
    }

    /// Reads a configuration of a main file and one part, changes something, and says whether that is seen.
    fn check(change: impl FnOnce(&Path), is_seen: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("parts")).expect("a folder of parts");
        fs::write(folder.path().join("main.toml"), MAIN).expect("a main file");
        fs::write(folder.path().join("parts/a.toml"), "[api_keys.a]\nvalue = \"aaaaaaaaaaaaaaaaaaaa\"\n")
            .expect("a part");
        let footprint = read(folder.path());
        assert!(footprint.is_current());
        change(folder.path());
        assert_eq!(footprint.is_current(), !is_seen);
        assert!(read(folder.path()).is_current());
    }

    #[test]
    fn a_changed_text_and_another_set_of_files_are_seen_and_nothing_else() {
        let write = |name: &'static str, text: &'static str| {
            move |folder: &Path| fs::write(folder.join(name), text).expect("a written file")
        };
        check(write("main.toml", MAIN), false);
        check(write("notes.txt", "no configuration"), false);
        check(write("main.toml", "[server]\n"), true);
        check(write("main.toml", "include = [\"missing.toml\"]\n"), true);
        check(write("parts/a.toml", "[api_keys.a]\nvalue = \"bbbbbbbbbbbbbbbbbbbb\"\n"), true);
        check(write("parts/b.toml", ""), true);
        check(|folder| fs::remove_file(folder.join("parts/a.toml")).expect("a file removed"), true);
    }

    #[test]
    fn a_missing_file_that_appears_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("main.toml"), "include = [\"late.toml\"]\n").expect("a main file");
        let footprint = read(folder.path());
        assert!(footprint.is_current());
        fs::write(folder.path().join("late.toml"), "").expect("the file");
        assert!(!footprint.is_current());
    }
}
