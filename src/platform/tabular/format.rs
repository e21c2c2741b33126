//! From a file name to a format.

use super::error::TabularError;

/// How rows are written.
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
    /// The name of the file inside of the zip archive tells.
    InsideZip,
}

/// How the file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
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

/// Rows and packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    /// How rows are written.
    pub kind: Kind,
    /// How the file is packed.
    pub compression: Compression,
}

/// Reads the format off a file name, ignoring case.
pub fn format_of(file_name: &str) -> Result<Format, TabularError> {
    let lower = file_name.to_lowercase();
    let (stem, compression) = match lower.rsplit_once('.') {
        Some((stem, "gz" | "gzip")) => (stem, Compression::Gzip),
        Some((stem, "bz2")) => (stem, Compression::Bzip2),
        Some((stem, "xz")) => (stem, Compression::Xz),
        Some((stem, "zst")) => (stem, Compression::Zstd),
        Some((stem, "zip")) => (stem, Compression::Zip),
        _ => (lower.as_str(), Compression::Plain),
    };
    let kind = match stem.rsplit_once('.').map(|(_, extension)| extension) {
        Some("csv") => Kind::Csv,
        Some("tsv") => Kind::Tsv,
        Some("json") => Kind::Json,
        Some("jsonl" | "ndjson") => Kind::JsonLines,
        Some("parquet") => Kind::Parquet,
        _ if compression == Compression::Zip => Kind::InsideZip,
        _ => return Err(TabularError::UnknownFormat { name: file_name.to_owned() }),
    };
    Ok(Format { kind, compression })
}

impl Kind {
    /// For messages.
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
    /// For messages.
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
