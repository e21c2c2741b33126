//! Decisions about a column, and findings in it that the owner of the file should know.

use serde::Serialize;
use utoipa::ToSchema;

/// Most examples of a note.
pub const EXAMPLES_OF_NOTE: usize = 3;

/// One decision or finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ColumnNote {
    /// The column, or null if the note is about the file as a whole.
    pub column: Option<String>,
    /// What was decided or found.
    pub kind: NoteKind,
    /// How many rows it is about; 0 where it is about all of them.
    pub count: u64,
    /// Some of the values as they are written, at most [`EXAMPLES_OF_NOTE`].
    pub examples: Vec<String>,
    /// What the values were read as, or what they seem to be.
    pub guess: Option<Guess>,
}

/// The meaning of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// Times were read in the notation of the guess. One note for each notation of the column.
    TimesRead,
    /// Times lie before 1980, which few records do; the guess is what the values could be instead.
    TimesBefore1980,
    /// Times lie after the moment of the upload; the guess is what the values could be instead.
    TimesAfterUpload,
    /// Ids that look like a missing value (`NULL`, `NaN`, `N/A` …) were kept as ids.
    IdsLookMissing,
    /// Rows were rejected because the id is the mark of a missing value (`\N`, null, NaN of a numeric column).
    IdsMissing,
    /// Ids with spaces around them were kept with these spaces.
    IdsWithSpaces,
    /// Ids that equal others except for surrounding spaces; the count is of ids.
    IdsDifferInSpaces,
    /// Ids from a column of floating-point or decimal numbers were read as whole numbers (`1`, not `1.0`).
    IdsReadAsWholeNumbers,
    /// Ids are numbers with a fraction (`1.5`), or were kept with a `.0` that other files may not have.
    IdsWithFraction,
    /// A quotation mark that opens a field and does not close it was read as a part of the text.
    QuotesAsText,
    /// Rows have a field over several lines that could be rows themselves: the quotation marks around them were read as enclosing
    /// the field, and may be text.
    RowsOverLines,
    /// Fields are separated by the guess rather than by the delimiter of the file's extension.
    DelimiterFound,
    /// The text is in the encoding of the guess rather than in UTF-8. The count is of the rows that were rejected because of it.
    EncodingFound,
    /// Lines end with a carriage return alone.
    CarriageReturns,
    /// Lines end with two carriage returns and a line feed, as text written twice in text mode on Windows does; both are part of
    /// the line end.
    DoubledReturns,
    /// Bytes of a binary column that are no text became their hexadecimal digits.
    BytesAsHex,
    /// Backslashes were read as escapes in the way databases dump them (`\N`, `\t`, `\\`).
    BackslashEscapes,
    /// Changed rows of items wait, since no more columns fit; the count is of their values without a column, and the examples are of
    /// these columns.
    ColumnsFull,
}

/// What values were read as, or seem to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Guess {
    /// Dates or times written with punctuation: `2020-01-02`, `2020-01-02 03:04:05`, RFC 3339.
    Text,
    /// A column whose type says that it holds times or dates.
    Typed,
    /// Seconds since 1970.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMillis,
    /// Microseconds since 1970.
    UnixMicros,
    /// Nanoseconds since 1970.
    UnixNanos,
    /// `2020`
    Year,
    /// `202001`
    YearMonth,
    /// `20200102`
    YearMonthDay,
    /// `2020010203`
    YearToHour,
    /// `202001020304`
    YearToMinute,
    /// `20200102030405`
    YearToSecond,
    /// Days as spreadsheets count them, since 1899-12-30.
    ExcelDays,
    /// Days since 1970.
    UnixDays,
    /// Ticks of 100 nanoseconds since 1601 (Windows).
    WindowsTicks,
    /// Ticks of 100 nanoseconds since the year 1 (.NET).
    DotnetTicks,
    /// Time since the start of the recording rather than since a date.
    SinceStart,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// Tab.
    Tab,
    /// `|`
    Pipe,
    /// `::`
    DoubleColon,
    /// The control character Ctrl-A, as Hive writes it.
    ControlA,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// Windows-1252 or a relative of it.
    Windows1252,
    /// Shift_JIS.
    ShiftJis,
}

impl ColumnNote {
    /// Creates a note on a file as a whole.
    pub(super) fn of_file(kind: NoteKind, guess: Option<Guess>) -> Self {
        ColumnNote { column: None, kind, count: 0, examples: Vec::new(), guess }
    }

    /// Creates a note on some lines of a file, if there are any.
    pub(super) fn of_lines(kind: NoteKind, count: u64) -> Option<Self> {
        (count > 0).then(|| ColumnNote { count, ..Self::of_file(kind, None) })
    }
}

/// Adds a note of how many rows were rejected because they are not UTF-8; the encoding guessed from the beginning of the text is
/// preferred, if there is one.
pub(super) fn note_encoding(notes: &mut Vec<ColumnNote>, count: u64, seems: Option<Guess>) {
    let utf16 = |note: &ColumnNote| matches!(note.guess, Some(Guess::Utf16Le | Guess::Utf16Be));
    let known = notes.iter().position(|note| note.kind == NoteKind::EncodingFound && !utf16(note));
    match known {
        Some(at) if count == 0 => drop(notes.remove(at)),
        Some(at) => notes[at].count = count,
        None if count == 0 => {}
        None => notes.push(ColumnNote { count, ..ColumnNote::of_file(NoteKind::EncodingFound, seems) }),
    }
}
