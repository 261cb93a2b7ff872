use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Replaces a file's content whole or not at all, and keeps its permissions. A link stays a link.
///
/// The new text is written beside the file, flushed, and renamed over it, so that whoever reads the file, even
/// after a loss of power, finds the old text or the new one. Fails with `PermissionDenied` or
/// `ReadOnlyFilesystem` where the file or its folder may not be written.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    // A rename needs no right to write the file itself, so what its owner made read-only is asked for here.
    if permissions.readonly() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let folder = File::open(path.parent().unwrap_or(Path::new("/")))?;
    // Two who replace at once must not write into each other's draft. A file system without locks has one who writes.
    let _ = folder.lock();
    let draft = draft_path(&path);
    let written = write(&draft, text, permissions).and_then(|()| fs::rename(&draft, &path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written?;
    // A rename lasts when its folder is flushed.
    folder.sync_all()
}

/// In the same folder, so that a rename is atomic; with a leading dot, so that `include` does not match it; always the
/// same, so that what a killed process left behind is found and replaced.
fn draft_path(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.tmp", path.file_name().unwrap_or_default().to_string_lossy()))
}

fn write(draft: &Path, text: &str, permissions: Permissions) -> io::Result<()> {
    // What an interrupted run left behind goes; a link that someone put there is not followed.
    let _ = fs::remove_file(draft);
    let mut file = OpenOptions::new().write(true).create_new(true).open(draft)?;
    file.set_permissions(permissions)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Whether an error says that this place may not be written at all.
pub(super) fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}
