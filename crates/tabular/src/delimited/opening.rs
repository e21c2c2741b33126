//! Opening a delimited text: how it separates its fields is detected from its beginning.

use std::io::Read;

use super::super::error::TabularError;
use super::super::notes::{ColumnNote, Guess, NoteKind};
use super::super::text::{self, Dump, HEAD, Text, UNIT_SEPARATOR, colons};
use super::dialect::Dialect;
use super::header;
use super::line_ends::first_line;
use super::records::{Found, Records};

/// A delimited text ready to be read.
pub(in super::super) struct Opened<'s> {
    pub reader: Box<dyn Read + Send + 's>,
    /// Beginning of the text: whole lines, unless it is one line.
    pub head: Vec<u8>,
    pub dialect: Dialect,
    pub notes: Vec<ColumnNote>,
}

/// A possible separator of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Separator {
    written: &'static str,
    /// The byte that represents it once the text has been converted.
    byte: u8,
    guess: Guess,
}

const SEPARATORS: [Separator; 6] = [
    Separator { written: ",", byte: b',', guess: Guess::Comma },
    Separator { written: ";", byte: b';', guess: Guess::Semicolon },
    Separator { written: "\t", byte: b'\t', guess: Guess::Tab },
    Separator { written: "|", byte: b'|', guess: Guess::Pipe },
    Separator { written: "::", byte: UNIT_SEPARATOR, guess: Guess::DoubleColon },
    Separator { written: "\x01", byte: 1, guess: Guess::ControlA },
];

/// Largest header.
const MAX_HEADER: usize = HEAD;

/// Opens a text by its beginning. `named` is the delimiter that belongs to the file's extension; `wanted` are the columns that it
/// should have.
pub(in super::super) fn open<'s>(
    source: &'s mut (dyn Read + Send),
    named: u8,
    wanted: &[&str],
) -> Result<Opened<'s>, TabularError> {
    let mut text = Text::open(source)?.with_line_feeds()?;
    let said = take_separator_line(&mut text.head);
    let separator = said.unwrap_or_else(|| find(&text.head, named, wanted));
    if separator.byte != named {
        text.notes.push(ColumnNote::of_file(NoteKind::DelimiterFound, Some(separator.guess)));
    }
    if separator.guess == Guess::DoubleColon {
        text = text.convert(colons)?;
    }
    let plain = Dialect::of(separator.byte);
    if separator.guess == Guess::Tab && is_dump(&text.head, plain) {
        let mut dump = Dump::new(separator.byte);
        text = text.convert(move |bytes, ended, out| dump.convert(bytes, ended, out))?;
        text.notes.push(ColumnNote::of_file(NoteKind::BackslashEscapes, None));
    }
    let backslash = has_escaped_quotes(whole_lines(&text.head), plain);
    let head = whole_lines(&text.head).to_vec();
    let notes = std::mem::take(&mut text.notes);
    Ok(Opened { reader: Box::new(text.into_reader()), head, dialect: Dialect { backslash, ..plain }, notes })
}

/// Blanks the line `sep=;` that spreadsheets read, and returns the separator it names.
fn take_separator_line(head: &mut Vec<u8>) -> Option<Separator> {
    let line = &head[..first_line(head)];
    let end = line.len() - usize::from(line.ends_with(b"\n"));
    let line = std::str::from_utf8(&line[..end]).ok()?.trim_end_matches('\r').trim_matches('"');
    let (name, value) = line.split_at_checked(4)?;
    let separator = SEPARATORS.into_iter().find(|separator| separator.written == value)?;
    if !name.eq_ignore_ascii_case("sep=") {
        return None;
    }
    head.drain(..end);
    Some(separator)
}

/// Returns the separator of the header's names: the one that belongs to the file's extension, if that gives the wanted columns or
/// several of them; otherwise the one that does.
fn find(head: &[u8], named: u8, wanted: &[&str]) -> Separator {
    let columns = |separator: &Separator| columns_with(head, separator);
    let promised = SEPARATORS.into_iter().find(|separator| separator.byte == named).unwrap_or(SEPARATORS[0]);
    let found = columns(&promised);
    let complete = |columns: &[String]| wanted.iter().all(|name| columns.iter().any(|column| column == name));
    if complete(&found) && (!wanted.is_empty() || found.len() > 1) {
        return promised;
    }
    if !wanted.is_empty()
        && let Some(fitting) = SEPARATORS.into_iter().find(|separator| complete(&columns(separator)))
    {
        return fitting;
    }
    if found.len() > 1 {
        return promised;
    }
    let most = SEPARATORS.into_iter().map(|separator| (columns(&separator).len(), separator));
    most.fold((1, promised), |best, next| if next.0 > best.0 { next } else { best }).1
}

fn columns_with(head: &[u8], separator: &Separator) -> Vec<String> {
    let blank = head.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    let head = &head[blank..];
    let mut line = head[..first_line(head).min(MAX_HEADER)].to_vec();
    if separator.guess == Guess::DoubleColon {
        let mut converted = Vec::new();
        colons(&line, true, &mut converted);
        line = converted;
    }
    let mut source = line.as_slice();
    let mut records = Records::new(&mut source, Dialect::of(separator.byte), MAX_HEADER);
    header(&mut records).unwrap_or_default()
}

/// Returns the whole lines of a beginning that was cut off, or all of it if it was not.
fn whole_lines(head: &[u8]) -> &[u8] {
    let end = memchr::memrchr(b'\n', head).map_or(head.len(), |at| at + 1);
    if head.len() < HEAD { head } else { &head[..end] }
}

/// Returns whether a tab-separated text was written by a database that escapes with backslashes: it has `\N` for a field, or all
/// its backslashes are valid escapes and reading them so leaves fewer problems.
fn is_dump(head: &[u8], plain: Dialect) -> bool {
    let head = whole_lines(head);
    if memchr::memchr(b'\\', head).is_none() {
        return false;
    }
    let ends = |byte: Option<&u8>| matches!(byte, None | Some(b'\t' | b'\n' | b'\r'));
    let is_missing = |at: usize| ends(at.checked_sub(1).map(|before| &head[before])) && ends(head.get(at + text::MISSING.len()));
    if memchr::memmem::find_iter(head, text::MISSING).any(is_missing) {
        return true;
    }
    let mut doubled = false;
    let mut at = 0;
    while let Some(n) = memchr::memchr(b'\\', &head[at..]) {
        match head.get(at + n + 1) {
            Some(b'\\') => doubled = true,
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'0' | b'N' | b'\t' | b'\n') => {}
            _ => return false,
        }
        at += n + 2;
    }
    let mut rewritten = Vec::new();
    Dump::new(plain.delimiter).convert(head, true, &mut rewritten);
    let (before, after) = (problems(head, plain), problems(&rewritten, plain));
    after < before || doubled && after == before
}

/// Returns whether quotation marks inside fields are escaped by a backslash, as Spark writes them: reading them so leaves fewer
/// problems.
fn has_escaped_quotes(head: &[u8], plain: Dialect) -> bool {
    let escaped = memchr::memmem::find(head, b"\\\"").is_some();
    escaped && problems(head, Dialect { backslash: true, ..plain }) < problems(head, plain)
}

/// Counts records that do not match the header, or have quotation marks in unusual places.
fn problems(head: &[u8], dialect: Dialect) -> usize {
    let mut source = head;
    let mut records = Records::new(&mut source, dialect, MAX_HEADER);
    let Ok(columns) = header(&mut records) else { return usize::MAX };
    records.expect(columns.len());
    let mut problems = 0;
    while let Ok(found @ (Found::Record | Found::TooLarge)) = records.advance() {
        let scanner = records.scanner();
        let odd = scanner.has_stray_quote() || scanner.shape_problem(columns.len()).is_some();
        problems += usize::from(found == Found::TooLarge || odd);
    }
    problems
}
