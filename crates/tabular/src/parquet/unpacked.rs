//! A place for an unpacked copy.

use std::fs::{File, OpenOptions, remove_file};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use uuid::Uuid;

/// Creates a file without a name, which is deleted when it is closed: beside the file at `path`, where there is room for it, or
/// among the temporary files if that folder is not writable.
pub(super) fn unnamed_file(path: &Path) -> io::Result<File> {
    let beside = path.parent().map(create_in);
    beside.and_then(Result::ok).map_or_else(|| create_in(&std::env::temp_dir()), Ok)
}

/// Creates the file under a name that cannot be guessed and that no other user may open, and removes the name.
fn create_in(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!(".unpacked-{}", Uuid::new_v4()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::unnamed_file;

    #[test]
    fn copies_are_private_and_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = unnamed_file(&folder.path().join("x.parquet.gz")).unwrap();
        let (found, beside) = (file.metadata().unwrap(), folder.path().metadata().unwrap());
        assert_eq!((found.mode() & 0o777, found.nlink(), found.dev()), (0o600, 0, beside.dev()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(unnamed_file(&folder.path().join("missing/x.parquet.gz")).is_ok());
    }
}
