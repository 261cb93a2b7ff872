//! Disks that fail as real ones do: file systems of our own, which take root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file system that is mounted on a folder; gone when dropped.
pub struct Disk {
    at: PathBuf,
    image: Option<PathBuf>,
}

impl Disk {
    /// One in memory that is soon full. `None`, and why on standard error, where nothing may be mounted.
    pub fn small(at: &Path, bytes: usize) -> Option<Disk> {
        std::fs::create_dir_all(at).expect("a folder to mount on");
        let options = format!("size={bytes}");
        mounted(&["-t", "tmpfs", "-o", &options, "tollgate-test"], at).then(|| Disk { at: at.to_owned(), image: None })
    }

    /// One that takes no writes.
    pub fn read_only(at: &Path) -> Option<Disk> {
        mounted(&["-t", "tmpfs", "-o", "ro", "tollgate-test"], at).then(|| Disk { at: at.to_owned(), image: None })
    }

    /// One in a file, with a journal, that can be broken and frozen.
    pub fn journalled(at: &Path) -> Option<Disk> {
        std::fs::create_dir_all(at).expect("a folder to mount on");
        let image = at.with_extension("image");
        std::fs::File::create(&image).and_then(|file| file.set_len(24 << 20)).expect("an image");
        let disk = Disk { at: at.to_owned(), image: Some(image.clone()) };
        let is_there = run("mkfs.ext4", &["-q".as_ref(), image.as_ref()]) && disk.mount_image();
        is_there.then_some(disk)
    }

    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Takes all space that is left.
    pub fn fill(&self) {
        use std::io::Write;
        let mut ballast = std::fs::File::create(self.ballast()).expect("a file");
        while ballast.write_all(&[1; 4096]).is_ok() {}
        while ballast.write_all(&[1]).is_ok() {}
    }

    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("the file that takes all space");
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Writes what the system still holds back.
    pub fn sync(&self) {
        assert!(run("sync", &["-f".as_ref(), self.at.as_ref()]), "sync");
    }

    /// From now on every write hangs until `thaw`.
    pub fn freeze(&self) {
        assert!(run("fsfreeze", &["-f".as_ref(), self.at.as_ref()]), "fsfreeze -f");
    }

    pub fn thaw(&self) {
        assert!(run("fsfreeze", &["-u".as_ref(), self.at.as_ref()]), "fsfreeze -u");
    }

    /// The file system finds itself broken and is read-only at once, for files that are open too.
    pub fn abort(&self) {
        assert!(mounted(&["-o", "remount,abort"], &self.at), "remount,abort");
    }

    /// What an operator does then: unmount, check, mount.
    pub fn repair(&self) {
        assert!(run("umount", &[self.at.as_ref()]), "the gateway still has a file open on the broken disk");
        // Its exit status tells of what it has mended.
        let image = self.image.as_ref().expect("a disk in a file");
        run("fsck.ext4", &["-y".as_ref(), image.as_ref()]);
        assert!(self.mount_image(), "mounted again");
    }

    fn mount_image(&self) -> bool {
        self.image.as_ref().is_some_and(|image| mounted(&["-o", "loop", &image.display().to_string()], &self.at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.image.is_some() {
            run("fsfreeze", &["-u".as_ref(), self.at.as_ref()]);
        }
        run("umount", &["-l".as_ref(), self.at.as_ref()]);
    }
}

fn mounted(arguments: &[&str], at: &Path) -> bool {
    let mut all: Vec<&Path> = arguments.iter().map(Path::new).collect();
    all.push(at);
    let is_mounted = run("mount", &all);
    if !is_mounted {
        eprintln!(
            "skipped what needs a disk of its own: mount {arguments:?} takes root, and may not be had in a container"
        );
    }
    is_mounted
}

fn run(program: &str, arguments: &[&Path]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
