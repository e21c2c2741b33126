//! From expanded bytes to UTF-8 with line feeds, for texts of any program.

mod converted;
mod encoding;
mod escapes;

use std::io::{Cursor, Read};

use super::error::TabularError;
use super::notes::{ColumnNote, Guess, NoteKind};
use super::source::stream_error;
use converted::Converted;

pub(super) use encoding::seems;
pub(super) use escapes::{Dump, MISSING, UNIT_SEPARATOR, colons};

/// Length of the beginning that is examined before a text is read.
pub(super) const HEAD: usize = 64 << 10;

/// A text whose beginning is known.
pub(super) struct Text<'s> {
    /// The first bytes, at most [`HEAD`] of them.
    pub head: Vec<u8>,
    /// The text after them.
    rest: Box<dyn Read + Send + 's>,
    /// Findings about the text.
    pub notes: Vec<ColumnNote>,
}

impl<'s> Text<'s> {
    /// Examines the beginning of a text and converts it to UTF-8 if it is UTF-16.
    pub fn open(source: &'s mut (dyn Read + Send)) -> Result<Self, TabularError> {
        let head = beginning(source)?;
        if encoding::is_utf32(&head) {
            return Err(TabularError::UnreadEncoding { name: "UTF-32" });
        }
        let mut text = Text { head, rest: Box::new(source), notes: Vec::new() };
        let Some(encoding) = encoding::of(&text.head) else {
            let seems = if text.head.len() < HEAD { seems } else { encoding::beginning_seems };
            let other = seems(&text.head).map(|guess| ColumnNote::of_file(NoteKind::EncodingFound, Some(guess)));
            text.notes.extend(other);
            return Ok(text);
        };
        text.head.drain(..encoding.mark);
        match encoding.utf16 {
            None => {}
            Some(guess) => {
                let high_first = guess == Guess::Utf16Be;
                text = text.convert(move |bytes, ended, out| encoding::from_utf16(bytes, ended, high_first, out))?;
                text.notes.push(ColumnNote::of_file(NoteKind::EncodingFound, Some(guess)));
            }
        }
        Ok(text)
    }

    /// Returns the text with line feeds if its lines end with a carriage return alone.
    pub fn with_line_feeds(self) -> Result<Self, TabularError> {
        let lone = memchr::memchr(b'\n', &self.head).is_none() && memchr::memchr(b'\r', &self.head).is_some();
        if !lone {
            return Ok(self);
        }
        let mut text = self.convert(|bytes, _, out| {
            out.extend(bytes.iter().map(|&byte| if byte == b'\r' { b'\n' } else { byte }));
            bytes.len()
        })?;
        text.notes.push(ColumnNote::of_file(NoteKind::CarriageReturns, None));
        Ok(text)
    }

    /// Returns the text changed by `convert`, which returns how many bytes it has used; it gets the rest again, with more after
    /// it.
    pub fn convert(self, convert: impl FnMut(&[u8], bool, &mut Vec<u8>) -> usize + Send + 's) -> Result<Self, TabularError> {
        let notes = self.notes;
        let whole = Cursor::new(self.head).chain(self.rest);
        let mut converted = Converted::new(whole, convert);
        let head = beginning(&mut converted)?;
        Ok(Text { head, rest: Box::new(converted), notes })
    }

    /// Returns all of the text.
    pub fn into_reader(self) -> impl Read + Send + 's {
        Cursor::new(self.head).chain(self.rest)
    }
}

fn beginning(source: &mut dyn Read) -> Result<Vec<u8>, TabularError> {
    let mut head = Vec::new();
    source.take(HEAD as u64).read_to_end(&mut head).map_err(stream_error)?;
    Ok(head)
}
