//! Opens a path as a stream of expanded bytes that never exceeds its limit.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::TabularError;
use super::format::{Compression, Format, Kind, format_of};
use super::members::{Members, TrailingBytes, bzip2, gzip, xz, zstd};
use super::stop::{Stop, Stopped};

/// Calls `work` with the expanded bytes of a file and the kind of rows in them. Reading fails beyond `limit` bytes, and after `stop`.
pub(super) fn with_source<R>(
    path: &Path,
    format: Format,
    (limit, stop): (u64, &Stop),
    work: impl FnOnce(Kind, &mut (dyn Read + Send)) -> Result<R, TabularError>,
) -> Result<R, TabularError> {
    let mut file = crate::open_regular(path).map_err(TabularError::Io)?;
    refuse_disguise(&mut file, format)?;
    let kind = format.kind;
    let packing = format.compression;
    match packing {
        Compression::Plain => limited(file, (limit, stop), |r| work(kind, r)),
        Compression::Gzip => limited(Members::new(packing, file, gzip()), (limit, stop), |r| work(kind, r)),
        Compression::Bzip2 => limited(Members::new(packing, file, bzip2()), (limit, stop), |r| work(kind, r)),
        Compression::Xz => limited(Members::new(packing, file, xz()), (limit, stop), |r| work(kind, r)),
        Compression::Zstd => limited(Members::new(packing, file, zstd()), (limit, stop), |r| work(kind, r)),
        Compression::Zip => {
            let mut archive = zip::ZipArchive::new(file).map_err(|e| corrupt(packing, &e))?;
            let entry = only_file(&archive)?;
            let entry = archive.by_index(entry).map_err(|e| corrupt(packing, &e))?;
            let name = entry.name().map_err(|e| corrupt(packing, &e))?.into_owned();
            let kind = kind_inside(kind, &name)?;
            limited(entry, (limit, stop), |r| work(kind, r))
        }
    }
    .map_err(|error| blame_packing(error, packing))
}

pub(super) fn limited<R>(
    inner: impl Read + Send,
    (limit, stop): (u64, &Stop),
    work: impl FnOnce(&mut (dyn Read + Send)) -> Result<R, TabularError>,
) -> Result<R, TabularError> {
    work(&mut Limited { inner, left: limit, limit, stop })
}

/// Returns the index of the one data file of an archive; files that desktop systems add are ignored.
fn only_file(archive: &zip::ZipArchive<File>) -> Result<usize, TabularError> {
    let is_data = |name: &str| {
        let last = name.rsplit('/').next().unwrap_or(name);
        !name.ends_with('/') && !name.starts_with("__MACOSX/") && !last.starts_with('.')
    };
    let files: Vec<usize> = (0..archive.len())
        .filter(|&i| archive.name_for_index(i).is_some_and(|name| name.is_ok_and(|name| is_data(&name))))
        .collect();
    match files[..] {
        [one] => Ok(one),
        _ => Err(TabularError::BadArchive { count: files.len() }),
    }
}

fn kind_inside(kind: Kind, entry_name: &str) -> Result<Kind, TabularError> {
    if kind != Kind::InsideZip {
        return Ok(kind);
    }
    match format_of(entry_name)? {
        Format { kind, compression: Compression::Plain } => Ok(kind),
        _ => Err(TabularError::UnknownFormat { name: entry_name.to_owned() }),
    }
}

/// First bytes of formats that are often given a wrong extension.
const MAGIC: [(&[u8], &str); 6] = [
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"PAR1", "Parquet"),
];

fn refuse_disguise(file: &mut File, format: Format) -> Result<(), TabularError> {
    let mut head = Vec::with_capacity(8);
    file.by_ref().take(8).read_to_end(&mut head).map_err(TabularError::Io)?;
    file.seek(SeekFrom::Start(0)).map_err(TabularError::Io)?;
    if head.is_empty() {
        return Err(TabularError::Empty);
    }
    let named = match format.compression {
        Compression::Plain => format.kind.as_str(),
        packed => packed.as_str(),
    };
    // A header may start with "BZh"; only the digit after it makes it bzip2.
    let is = |magic: &[u8]| head.starts_with(magic) && (magic != b"BZh" || head.get(3).is_some_and(u8::is_ascii_digit));
    match MAGIC.iter().find(|(magic, _)| is(magic)) {
        Some((_, found)) if *found != named => Err(TabularError::WrongExtension { named, found }),
        Some(_) => Ok(()),
        None if format.compression == Compression::Plain && format.kind != Kind::Parquet => Ok(()),
        None => Err(TabularError::WrongExtension { named, found: "something else" }),
    }
}

/// Marks an I/O error as ours.
#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes")]
struct LimitReached(u64);

struct Limited<'s, R> {
    inner: R,
    left: u64,
    limit: u64,
    stop: &'s Stop,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.stop.check_stream()?;
        if self.left == 0 {
            let more = !out.is_empty() && self.inner.read(&mut out[..1])? > 0;
            return if more { Err(io::Error::other(LimitReached(self.limit))) } else { Ok(0) };
        }
        let room = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.inner.read(&mut out[..room])?;
        self.left -= n as u64;
        Ok(n)
    }
}

/// Converts an error of a stream from [`with_source`] to one of ours.
pub(super) fn stream_error(error: io::Error) -> TabularError {
    if let Some(LimitReached(limit)) = error.get_ref().and_then(|e| e.downcast_ref::<LimitReached>()) {
        return TabularError::TooLarge { limit: *limit };
    }
    if let Some(TrailingBytes(packing)) = error.get_ref().and_then(|e| e.downcast_ref::<TrailingBytes>()) {
        return TabularError::Trailing { packing };
    }
    if error.get_ref().is_some_and(|e| e.is::<Stopped>()) {
        return TabularError::Stopped;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => TabularError::Truncated,
        _ => TabularError::Io(error),
    }
}

fn corrupt(packing: Compression, reason: &dyn std::fmt::Display) -> TabularError {
    TabularError::Corrupt { what: packing.as_str(), reason: reason.to_string() }
}

/// Converts an I/O error of a decoder, which has no number of the operating system, to that of a damaged file.
fn blame_packing(error: TabularError, packing: Compression) -> TabularError {
    match error {
        TabularError::Io(e) if packing != Compression::Plain && e.raw_os_error().is_none() => corrupt(packing, &e),
        other => other,
    }
}
