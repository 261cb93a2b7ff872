use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Writes a file whole or not at all, even if power is lost, for its owner alone. Its folder is made.
///
/// Blocks as long as the disk does, on a thread for that.
pub(super) async fn put(file: &Path, text: String) -> Result<(), String> {
    let (to, name) = (file.to_owned(), file.display());
    let written = tokio::task::spawn_blocking(move || write(&to, &text)).await;
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("cannot write {name}: {error}")),
        Err(_) => Err(format!("cannot write {name}")),
    }
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = file.with_extension("draft");
    // What an interrupted run left behind goes; a link that someone put there is not followed.
    let _ = fs::remove_file(&draft);
    let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()?;
    fs::rename(&draft, file)?;
    // A rename lasts when its folder is flushed.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("acme/ca/a.example.pem");
        write(&file, "old").unwrap();
        fs::write(file.with_extension("draft"), "of a run that was killed").unwrap();
        write(&file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(!file.with_extension("draft").exists());
    }
}
