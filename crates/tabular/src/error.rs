//! Errors of a file as a whole, in words that tell the reader what to do.

use std::io;

use super::notes::Guess;

/// A file that cannot be imported. Single bad rows are not errors: they are counted and reported.
#[derive(Debug, thiserror::Error)]
pub enum TabularError {
    /// A requested column is not in the file.
    #[error("the file has no column {column:?}; {}", found(available))]
    MissingColumn {
        /// The requested column.
        column: String,
        /// Columns of the file.
        available: Vec<String>,
    },
    /// A requested column is in the file more than once.
    #[error("the file has several columns named {column:?}; rename or remove all but the one that is meant")]
    RepeatedColumn {
        /// The requested column.
        column: String,
    },
    /// A column whose values cannot be ids, times or descriptions.
    #[error(
        "the column {column:?} holds {kind}, which cannot be read here; write a text or a number in each row, or leave the column out"
    )]
    ColumnKind {
        /// The column.
        column: String,
        /// Type of its values.
        kind: String,
    },
    /// Bytes after the packed data that do not belong to it.
    #[error("after the end of the {packing} data, the file continues with other bytes; remove them, or pack the file again")]
    Trailing {
        /// Packing of the file.
        packing: &'static str,
    },
    /// The file has no content, not even a header.
    #[error("the file is empty; it needs at least a header with the column names")]
    Empty,
    /// Text that is not UTF-8 where it cannot be skipped.
    #[error("{}", encoding(*line, *seems))]
    BadEncoding {
        /// Line of the text, when known.
        line: Option<u64>,
        /// The probable encoding.
        seems: Option<Guess>,
    },
    /// Text in an encoding that is not read.
    #[error("the text is encoded in {name}, which cannot be read here; save the file as UTF-8 and send it again")]
    UnreadEncoding {
        /// The encoding.
        name: &'static str,
    },
    /// The file ends too early.
    #[error("the file ends in the middle of its data; it was probably cut off while being copied: send it again")]
    Truncated,
    /// The file is damaged, or is not in the format of its extension.
    #[error("the file cannot be read as {what}: {reason}; check that the file is whole and its extension is right")]
    Corrupt {
        /// The format of the extension.
        what: &'static str,
        /// Description of the fault.
        reason: String,
    },
    /// The content contradicts the file name.
    #[error("the file is named as {named} but holds {found}; rename it so that the extension tells its content")]
    WrongExtension {
        /// The format of the extension.
        named: &'static str,
        /// The format of the first bytes.
        found: &'static str,
    },
    /// More data than allowed after expansion.
    #[error("the file holds more than {} of data once expanded, which is the limit; split it, or raise the limit", size(*limit))]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The first rows take more memory than a preview may.
    #[error(
        "the first rows cannot be shown: values of the column {column:?} expand to {} or more, and all of them together may expand \
         to {}; leave that column out, or write the file with smaller pages",
        size(*bytes),
        size(*limit)
    )]
    PreviewTooLarge {
        /// The column.
        column: String,
        /// The expanded size of its page or its values, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The values of some rows take more memory than may be used at once, although they may take little room in the file.
    #[error(
        "the values of the column {column:?} take {} of memory at once, counting missing ones, and the limit is {}; leave that \
         column out, or write shorter lists",
        size(*bytes),
        size(*limit)
    )]
    ValuesTooLarge {
        /// The column.
        column: String,
        /// The memory, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// More rows or columns than a table may have.
    #[error("the table has more than {limit} {what}, which is the limit; leave out what is not needed, or split it")]
    TooMany {
        /// `rows` or `columns`.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The name of a column that is too long to be one.
    #[error(
        "the name of the column that begins with {:?} has more than {limit} characters, which is the limit; shorten it, or add a line \
         with the column names if the file has none",
        start(name)
    )]
    LongColumnName {
        /// The name.
        name: String,
        /// The limit, in characters.
        limit: usize,
    },
    /// A header whose end could not be found within the limit.
    #[error("the header at line {line} is larger than {}; is a quotation mark left open there?", size(*limit))]
    FieldTooLarge {
        /// Line where the header starts.
        line: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The extension is not known.
    #[error(
        "cannot tell the format of {name:?}; use .csv, .tsv, .json, .jsonl, .ndjson or .parquet, \
         plain or followed by .gz, .bz2, .xz, .zst or .zip"
    )]
    UnknownFormat {
        /// The file name.
        name: String,
    },
    /// No value of the time column could be read.
    #[error(
        "no value of the time column {column:?} could be understood, for example {example:?}; \
         use Unix time, YYYY-MM-DD, YYYY-MM-DD HH:MM:SS, RFC 3339, YYYYMMDD or DD.MM.YYYY"
    )]
    TimeUnparsable {
        /// The time column.
        column: String,
        /// One of its values.
        example: String,
    },
    /// A JSON text with a syntax error or another structure.
    #[error("line {line} of the JSON text: {reason}")]
    BadJson {
        /// Line of the error.
        line: u64,
        /// Description of the fault.
        reason: String,
    },
    /// An archive without a file, or with several.
    #[error("the archive holds {count} files; put exactly one data file into it")]
    BadArchive {
        /// Number of files in it.
        count: usize,
    },
    /// The result was no longer wanted, or took too long.
    #[error("the reading of the file was stopped before its end")]
    Stopped,
    /// The operating system could not read the file.
    #[error("the file could not be read: {0}")]
    Io(io::Error),
}

fn found(columns: &[String]) -> String {
    let data = |name: &String| !name.is_empty() && !name.contains(char::is_alphabetic);
    if !columns.is_empty() && columns.iter().all(data) {
        return format!("its first line is {}, which looks like data: add a line with the column names", list(columns));
    }
    format!("its columns are {}", list(columns))
}

fn list(columns: &[String]) -> String {
    const SHOWN: usize = 30;
    if columns.is_empty() {
        return "none".to_owned();
    }
    let shown = columns.iter().take(SHOWN).map(|c| format!("{:?}", start(c))).collect::<Vec<_>>().join(", ");
    if columns.len() > SHOWN { format!("{shown} and {} more", columns.len() - SHOWN) } else { shown }
}

/// Returns as much of a name as an error shows.
fn start(name: &str) -> &str {
    const SHOWN: usize = 256;
    &name[..name.floor_char_boundary(SHOWN)]
}

fn encoding(line: Option<u64>, seems: Option<Guess>) -> String {
    let place = line.map(|l| format!(" at line {l}")).unwrap_or_default();
    let seems = match seems {
        Some(Guess::ShiftJis) => " (it looks like Shift_JIS)",
        Some(Guess::Windows1252) => " (it looks like Windows-1252)",
        _ => "",
    };
    format!("the text is not UTF-8{place}{seems}; save the file as UTF-8 and send it again")
}

fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 30 => format!("{:.1} GiB", b as f64 / (1u64 << 30) as f64),
        b if b >= 1 << 20 => format!("{:.1} MiB", b as f64 / (1u64 << 20) as f64),
        b => format!("{b} bytes"),
    }
}
