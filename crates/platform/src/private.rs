//! Folders and files that no other user of the machine may read, for any umask.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

pub use crate::tabular::open_regular as open_file;

/// Mode bits of all users except the owner.
const OF_OTHERS: u32 = 0o077;

/// Creates a folder for its owner only, and missing ones above it. An existing folder is left as it is.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates a file for its owner only; fails when it exists already.
pub fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Opens the folder that holds all data of the program, and removes the permissions of other users. With `walked` they may still
/// pass through it to folders of their own, but not list it.
pub fn open_data_dir(path: &Path, walked: bool) -> io::Result<()> {
    let is_new = !path.exists();
    create_folder(path)?;
    let kept = if walked { 0o711 } else { 0o700 };
    let mode = fs::metadata(path)?.permissions().mode();
    let wanted = if is_new { kept } else { mode & kept };
    set_mode(path, mode, wanted)
}

/// Removes the permissions of other users from everything in a folder. The folder itself comes last, so that a closed folder
/// shows that all below it is closed.
pub fn close(folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.permissions().mode();
    if mode & OF_OTHERS == 0 {
        return Ok(());
    }
    close_below(folder)?;
    set_mode(folder, mode, mode & !OF_OTHERS)
}

fn close_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Files removed since the folder was read need no closing, and the target of a link is not ours.
        let Ok(facts) = entry.metadata() else { continue };
        if facts.is_symlink() {
            continue;
        }
        if facts.is_dir() {
            close_below(&entry.path())?;
        }
        let mode = facts.permissions().mode();
        set_mode(&entry.path(), mode, mode & !OF_OTHERS)?;
    }
    Ok(())
}

/// Sets the mode if it differs. Files of another user stay as they are, with a warning.
fn set_mode(path: &Path, mode: u32, wanted: u32) -> io::Result<()> {
    if mode & 0o7777 == wanted & 0o7777 {
        return Ok(());
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(wanted & 0o7777)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            tracing::warn!(path = %path.display(), %error, "other users can read this, and its mode cannot be set; run chmod");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_was_open_to_others_is_closed_and_links_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (root, outside) = (folder.path().join("files"), folder.path().join("outside"));
        fs::create_dir_all(root.join("models")).unwrap();
        fs::write(&outside, b"x").unwrap();
        fs::write(root.join("models/1"), b"x").unwrap();
        std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
        for (path, open) in
            [(root.clone(), 0o755), (root.join("models"), 0o777), (root.join("models/1"), 0o644), (outside, 0o644)]
        {
            fs::set_permissions(path, fs::Permissions::from_mode(open)).unwrap();
        }
        close(&root).unwrap();
        assert_eq!([mode(&root), mode(&root.join("models")), mode(&root.join("models/1"))], [0o700, 0o700, 0o600]);
        assert_eq!(mode(&folder.path().join("outside")), 0o644);
    }

    #[test]
    fn a_data_directory_can_be_walked_through_only_where_that_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        for (name, walked, before, after) in [
            ("new", false, None, 0o700),
            ("new, walked", true, None, 0o711),
            ("open", false, Some(0o755), 0o700),
            ("open, walked", true, Some(0o755), 0o711),
            ("closed", true, Some(0o700), 0o700),
        ] {
            let path = folder.path().join(name);
            if let Some(before) = before {
                fs::create_dir(&path).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
            }
            open_data_dir(&path, walked).unwrap();
            assert_eq!(mode(&path), after, "{name}");
        }
    }
}
