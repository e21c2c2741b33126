//! Opening files that a program keeps, where another user may have put something else in their place.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a file to read it. Symbolic links and anything but a regular file are refused: a user who may write to a folder of uploads
/// could point one at any file that the program may read.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| {
        let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        if is_link { io::Error::new(io::ErrorKind::InvalidData, "it is a symbolic link") } else { error }
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TabularError, column_names, preview};

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file.csv"), folder.path().join("link.csv"));
        std::fs::write(&file, "user,item\na,b\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_regular(&file).is_ok());
        for other in [link.as_path(), folder.path()] {
            assert_eq!(open_regular(other).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        assert_eq!(open_regular(&folder.path().join("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(matches!(column_names(&link, "link.csv", &crate::Stop::default()), Err(TabularError::Io(_))));
        assert!(matches!(preview(&link, "link.parquet", 1), Err(TabularError::Io(_))));
        assert_eq!(preview(&file, "file.csv", 1).unwrap().columns, ["user", "item"]);
    }
}
