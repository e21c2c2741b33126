//! Detects the format from a file name.

use super::error::TabularError;

/// Notation of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Comma-separated values with a header.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
    /// One JSON text: an array of records, or an object of columns.
    Json,
    /// One JSON record in each line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
    /// Determined by the name of the file inside the zip archive.
    InsideZip,
}

/// Packing of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not packed.
    Plain,
    /// `.gz`, `.gzip`
    Gzip,
    /// `.bz2`
    Bzip2,
    /// `.xz`
    Xz,
    /// `.zst`
    Zstd,
    /// `.zip` with one file in it
    Zip,
}

/// Notation of the rows, and packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    /// Notation of the rows.
    pub kind: Kind,
    /// Packing of the file.
    pub compression: Compression,
}

/// Extensions of the notations of rows. The web application shows the same list.
const KINDS: [(&str, Kind); 6] = [
    ("csv", Kind::Csv),
    ("tsv", Kind::Tsv),
    ("json", Kind::Json),
    ("jsonl", Kind::JsonLines),
    ("ndjson", Kind::JsonLines),
    ("parquet", Kind::Parquet),
];

/// Additional extensions of the packings.
const PACKINGS: [(&str, Compression); 6] = [
    ("gz", Compression::Gzip),
    ("gzip", Compression::Gzip),
    ("bz2", Compression::Bzip2),
    ("xz", Compression::Xz),
    ("zst", Compression::Zstd),
    ("zip", Compression::Zip),
];

/// Finds the value of an extension.
fn known<T: Copy>(list: &[(&str, T)], ending: &str) -> Option<T> {
    list.iter().find(|(known, _)| *known == ending).map(|(_, meaning)| *meaning)
}

/// Determines the format from a file name, ignoring case.
pub fn format_of(file_name: &str) -> Result<Format, TabularError> {
    let lower = file_name.to_lowercase();
    let packed = lower.rsplit_once('.').and_then(|(stem, ending)| Some((stem, known(&PACKINGS, ending)?)));
    let (stem, compression) = packed.unwrap_or((lower.as_str(), Compression::Plain));
    let kind = match stem.rsplit_once('.').and_then(|(_, ending)| known(&KINDS, ending)) {
        Some(kind) => kind,
        None if compression == Compression::Zip => Kind::InsideZip,
        None => return Err(TabularError::UnknownFormat { name: file_name.to_owned() }),
    };
    Ok(Format { kind, compression })
}

impl Kind {
    /// Returns the name for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Csv => "CSV",
            Kind::Tsv => "TSV",
            Kind::Json => "JSON",
            Kind::JsonLines => "JSON lines",
            Kind::Parquet => "Parquet",
            Kind::InsideZip => "a zip archive",
        }
    }
}

impl Compression {
    /// Returns the name for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Compression::Plain => "plain",
            Compression::Gzip => "gzip",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
            Compression::Zip => "zip",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_web_application_names_the_endings_that_are_read() {
        let shown: serde_json::Value = serde_json::from_str(include_str!("../../../web/src/lib/file-kinds.json")).unwrap();
        assert_eq!(shown["kinds"], serde_json::json!(KINDS.map(|(ending, _)| ending)));
        assert_eq!(shown["packings"], serde_json::json!(PACKINGS.map(|(ending, _)| ending)));
    }

    #[test]
    fn names_tell_formats() {
        let of = |name| format_of(name).map(|f| (f.kind, f.compression)).ok();
        assert_eq!(of("a.csv"), Some((Kind::Csv, Compression::Plain)));
        assert_eq!(of("A.TSV.GZ"), Some((Kind::Tsv, Compression::Gzip)));
        assert_eq!(of("a.b.ndjson.zst"), Some((Kind::JsonLines, Compression::Zstd)));
        assert_eq!(of("a.zip"), Some((Kind::InsideZip, Compression::Zip)));
        assert_eq!(of("a.parquet.zip"), Some((Kind::Parquet, Compression::Zip)));
        for wrong in ["a", "a.gz", "a.xlsx", "csv", "", "a.csv.7z", "a.pkl"] {
            assert!(matches!(format_of(wrong), Err(TabularError::UnknownFormat { .. })), "{wrong}");
        }
    }
}
