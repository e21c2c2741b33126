//! Notes as English sentences, for the command line and for errors. The browser has its own texts in its languages.

use std::fmt;

use super::notes::{ColumnNote, Guess, NoteKind};

impl NoteKind {
    /// Returns whether the note warns the owner of the file, rather than stating how the file was read.
    pub fn is_warning(self) -> bool {
        match self {
            Self::TimesRead
            | Self::IdsReadAsWholeNumbers
            | Self::DelimiterFound
            | Self::CarriageReturns
            | Self::DoubledReturns
            | Self::BackslashEscapes => false,
            Self::TimesBefore1980
            | Self::TimesAfterUpload
            | Self::IdsLookMissing
            | Self::IdsMissing
            | Self::IdsWithSpaces
            | Self::IdsDifferInSpaces
            | Self::IdsWithFraction
            | Self::QuotesAsText
            | Self::RowsOverLines
            | Self::BytesAsHex
            | Self::ColumnsFull
            | Self::EncodingFound => true,
        }
    }
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "written dates",
            Self::Typed => "dates, as the type of the column says",
            Self::UnixSeconds => "seconds since 1970",
            Self::UnixMillis => "milliseconds since 1970",
            Self::UnixMicros => "microseconds since 1970",
            Self::UnixNanos => "nanoseconds since 1970",
            Self::Year => "years (2020)",
            Self::YearMonth => "years and months (202001)",
            Self::YearMonthDay => "dates in digits (20200102)",
            Self::YearToHour => "dates and hours in digits (2020010203)",
            Self::YearToMinute => "dates and times in digits (202001020304)",
            Self::YearToSecond => "dates and times in digits (20200102030405)",
            Self::ExcelDays => "days as Excel counts them",
            Self::UnixDays => "days since 1970",
            Self::WindowsTicks => "Windows ticks since 1601",
            Self::DotnetTicks => ".NET ticks",
            Self::SinceStart => "time since the recording began, not dates",
            Self::Comma => "commas",
            Self::Semicolon => "semicolons",
            Self::Tab => "tabs",
            Self::Pipe => "vertical bars",
            Self::DoubleColon => "double colons",
            Self::ControlA => "Ctrl-A characters",
            Self::Utf16Le => "UTF-16 (little-endian)",
            Self::Utf16Be => "UTF-16 (big-endian)",
            Self::Windows1252 => "Windows-1252",
            Self::ShiftJis => "Shift_JIS",
        })
    }
}

impl fmt::Display for ColumnNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = format!("{:?}", self.column.as_deref().unwrap_or("file"));
        let guess = self.guess.map(|guess| guess.to_string()).unwrap_or_default();
        let (n, s) = (self.count, if self.count == 1 { "" } else { "s" });
        let have = if n == 1 { "has" } else { "have" };
        match self.kind {
            NoteKind::TimesRead => write!(f, "{n} time{s} in {column} read as {guess}"),
            NoteKind::TimesBefore1980 => write!(f, "{n} time{s} in {column} before 1980{}", self.looks_like()),
            NoteKind::TimesAfterUpload => write!(f, "{n} time{s} in {column} in the future{}", self.looks_like()),
            NoteKind::IdsLookMissing => {
                write!(f, "{n} row{s} {have} an id in {column} that looks like a missing value; kept as ids")
            }
            NoteKind::IdsMissing => write!(f, "{n} row{s} left out, since {column} is missing"),
            NoteKind::IdsWithSpaces => write!(f, "{n} row{s} {have} spaces around the id in {column}; they are part of the id"),
            NoteKind::IdsDifferInSpaces => {
                write!(f, "{n} id{s} in {column} equal another id except for spaces; they count as different ids")
            }
            NoteKind::IdsReadAsWholeNumbers => write!(f, "ids in {column} read as whole numbers (1, not 1.0)"),
            NoteKind::IdsWithFraction => write!(f, "{n} row{s} {have} an id with a fraction in {column}"),
            NoteKind::QuotesAsText => write!(f, "{n} row{s} {have} a quotation mark that does not enclose a field; read as text"),
            NoteKind::RowsOverLines => write!(
                f,
                "{n} row{s} {have} quotation marks around several lines that could be rows; read as one field, so remove the marks \
                 if they are text"
            ),
            NoteKind::DelimiterFound => write!(f, "fields are separated by {guess}"),
            NoteKind::EncodingFound if n == 0 => write!(f, "the text is encoded in {guess}"),
            NoteKind::EncodingFound if self.guess.is_none() => {
                write!(f, "{n} row{s} left out that are not UTF-8; save the file as UTF-8")
            }
            NoteKind::EncodingFound => write!(f, "{n} row{s} left out: the text looks like {guess}; save the file as UTF-8"),
            NoteKind::CarriageReturns => f.write_str("lines end with a carriage return alone"),
            NoteKind::DoubledReturns => {
                write!(f, "{n} line{s} with two carriage returns at the end; both read as part of the line end")
            }
            NoteKind::BytesAsHex => {
                write!(f, "{n} row{s} {have} bytes in {column} that are no text; kept as their hexadecimal digits")
            }
            NoteKind::BackslashEscapes => f.write_str("backslashes read as escapes of a database dump"),
            NoteKind::ColumnsFull => write!(f, "{n} value{s} of changed items without a column, since no more fit"),
        }?;
        match self.examples.as_slice() {
            [] => Ok(()),
            examples => {
                write!(f, ", for example {}", examples.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl ColumnNote {
    fn looks_like(&self) -> String {
        self.guess.map(|guess| format!("; the values look like {guess}")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_a_sentence_with_its_count_and_examples() {
        let note = |kind, count, guess, examples: &[&str]| ColumnNote {
            column: Some("time".to_owned()),
            kind,
            count,
            examples: examples.iter().map(|&value| value.to_owned()).collect(),
            guess,
        };
        let wanted = [
            (
                note(NoteKind::TimesBefore1980, 168, Some(Guess::YearMonthDay), &["20200102"]),
                "168 times in \"time\" before 1980; the values look like dates in digits (20200102), for example \"20200102\"",
            ),
            (
                note(NoteKind::IdsLookMissing, 1, None, &["NULL"]),
                "1 row has an id in \"time\" that looks like a missing value; kept as ids, for example \"NULL\"",
            ),
            (
                note(NoteKind::DoubledReturns, 2, None, &[]),
                "2 lines with two carriage returns at the end; both read as part of the line end",
            ),
            (
                note(NoteKind::BytesAsHex, 1, None, &["ff"]),
                "1 row has bytes in \"time\" that are no text; kept as their hexadecimal digits, for example \"ff\"",
            ),
            (
                note(NoteKind::EncodingFound, 3, Some(Guess::ShiftJis), &[]),
                "3 rows left out: the text looks like Shift_JIS; save the file as UTF-8",
            ),
        ];
        for (note, sentence) in wanted {
            assert_eq!(note.to_string(), sentence);
        }
    }
}
