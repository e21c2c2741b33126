//! Decompressed copies of uploads. Reading Parquet needs random access, which compressed files do not allow: such an upload is
//! decompressed once, and every reader uses the copy.

use std::path::{Path, PathBuf};

use super::error::DataError;
use super::preparation::{LARGEST_RATIO, largest_honest};
use crate::platform::blobs::{Blobs, Incoming};
use crate::platform::tabular::{self, Compression, Kind, Stop, TabularError};

/// The file name that gives the format of a copy.
pub const NAME: &str = "unpacked.parquet";

/// Returns the key of the copy of a stored upload.
pub fn key_of(upload: &str) -> String {
    format!("unpacked/{}", upload.rsplit('/').next().unwrap_or(upload))
}

/// Decompresses a file if necessary; refuses one that expands to more than real tables do, or to more than `largest`.
pub fn copy_of(blobs: &Blobs, path: &Path, name: &str, largest: u64, stop: &Stop) -> Result<Option<Incoming>, DataError> {
    let format = tabular::format_of(name)?;
    let is_text = !matches!(format.kind, Kind::Parquet | Kind::InsideZip);
    if is_text || format.compression == Compression::Plain {
        return Ok(None);
    }
    let size = std::fs::metadata(path).map_err(TabularError::Io)?.len();
    let limit = largest.min(largest_honest(size));
    let mut copy = blobs.incoming()?;
    match tabular::unpack_parquet(path, name, limit, &mut copy.file, stop) {
        Ok(is_parquet) => Ok(is_parquet.then_some(copy)),
        Err(TabularError::TooLarge { .. }) if limit < largest => Err(DataError::Inflated { ratio: LARGEST_RATIO }),
        Err(error) => Err(error.into()),
    }
}

/// Returns the path and the name for reading a stored upload: those of its decompressed copy if it needs one, which is created if
/// missing.
pub fn readable(blobs: &Blobs, key: &str, name: &str, largest: u64, stop: &Stop) -> Result<(PathBuf, String), DataError> {
    let (path, copy_key) = (blobs.path(key)?, key_of(key));
    let copy_path = blobs.path(&copy_key)?;
    if !copy_path.exists() {
        match copy_of(blobs, &path, name, largest, stop)? {
            Some(copy) => blobs.keep(copy, &copy_key)?,
            None => return Ok((path, name.to_owned())),
        }
    }
    Ok((copy_path, NAME.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(content).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn packed_parquet_is_unpacked_once() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        let (key, copy) = ("uploads/7-a", folder.path().join("unpacked/7-a"));
        blobs.write(key, &gzip(b"PAR1 and so on")).unwrap();
        let expected = (copy.clone(), NAME.to_owned());
        assert_eq!(readable(&blobs, key, "a.parquet.gz", 100, &Stop::default()).unwrap(), expected);
        assert_eq!(std::fs::read(&copy).unwrap(), b"PAR1 and so on");
        let made = copy.metadata().unwrap().modified().unwrap();
        assert_eq!(readable(&blobs, key, "a.parquet.gz", 100, &Stop::default()).unwrap(), expected);
        assert_eq!(copy.metadata().unwrap().modified().unwrap(), made, "the copy is the same");
        blobs.write("uploads/8-b", &gzip(b"user,item\n")).unwrap();
        let text = readable(&blobs, "uploads/8-b", "b.csv.gz", 100, &Stop::default()).unwrap();
        assert_eq!(text, (folder.path().join("uploads/8-b"), "b.csv.gz".to_owned()));
    }

    #[test]
    fn what_expands_to_too_much_leaves_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        blobs.write("uploads/7-a", &gzip(&vec![0; 1000])).unwrap();
        let too_large = readable(&blobs, "uploads/7-a", "a.parquet.gz", 999, &Stop::default()).unwrap_err();
        assert!(matches!(too_large, DataError::Unreadable(TabularError::TooLarge { limit: 999 })), "{too_large}");
        blobs.write("uploads/8-b", &gzip(&vec![0; 65 << 20])).unwrap();
        let inflated = readable(&blobs, "uploads/8-b", "b.parquet.gz", 1 << 30, &Stop::default()).unwrap_err();
        assert!(matches!(inflated, DataError::Inflated { .. }), "{inflated}");
        assert!(!folder.path().join("unpacked").exists());
    }
}
