//! The header of a page: a struct in Thrift's compact encoding.
//!
//! The library takes the last of several fields with one number, and cuts numbers to their size. Both could show one size to the
//! checks here and another to the library, so such a header is damaged.

use std::io::{self, Read};

/// Numbers of fields.
const TYPE: i16 = 1;
const EXPANDED: i16 = 2;
const FIRST_VERSION: i16 = 5;
const OF_DICTIONARY: i16 = 7;
const SECOND_VERSION: i16 = 8;
/// Numbers of fields in a page of either version.
const VALUES: i16 = 1;
/// Numbers of fields in a page of the first version.
const ENCODING: i16 = 2;
const DEFINITION_LEVELS: i16 = 3;
const REPETITION_LEVELS: i16 = 4;
/// Numbers of fields in a page of the second version.
const ENCODING_SECOND: i16 = 4;
const DEFINITIONS: i16 = 5;
const REPETITIONS: i16 = 6;
const IS_PACKED: i16 = 7;

/// Types of fields.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const STRUCT: u8 = 12;

/// Types of pages: data, a dictionary, and data in the second version.
const DATA: i32 = 0;
const DICTIONARY: i32 = 2;
const DATA_SECOND: i32 = 3;
/// Structs inside a header that hold others.
const DEPTH: u8 = 4;

/// What the header of a page declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PageHeader {
    /// Bytes of the header itself.
    pub length: u64,
    pub is_dictionary: bool,
    /// Bytes of the page once expanded, including `levels`.
    pub expanded: u64,
    /// Bytes at the start of the page that are never packed.
    pub levels: u64,
    pub is_packed: bool,
    /// The number of the encoding of its values.
    pub encoding: i32,
    /// Its values, including missing ones.
    pub values: u64,
    /// The encodings of the levels of repetition and definition, where they are packed with the values.
    pub level_encodings: Option<[i32; 2]>,
}

impl PageHeader {
    /// Reads a header from its first byte on.
    pub fn read(source: impl Read) -> io::Result<Self> {
        let mut input = Compact { source, bytes: 0 };
        let mut header = PageHeader { is_packed: true, ..PageHeader::default() };
        let (mut last, mut has_size, mut page) = (0, false, None);
        while let Some((field, kind)) = input.field(last)? {
            match (field, kind) {
                (TYPE, I32) => page = Some(input.i32()?),
                (EXPANDED, I32) => (header.expanded, has_size) = (input.size()?, true),
                (FIRST_VERSION, STRUCT) if page == Some(DATA) => first_version(&mut input, &mut header)?,
                (SECOND_VERSION, STRUCT) if page == Some(DATA_SECOND) => second_version(&mut input, &mut header)?,
                (OF_DICTIONARY, STRUCT) if page == Some(DICTIONARY) => of_dictionary(&mut input, &mut header)?,
                (TYPE | EXPANDED | FIRST_VERSION | OF_DICTIONARY | SECOND_VERSION, _) => return Err(damaged()),
                _ => input.skip(kind, DEPTH)?,
            }
            last = field;
        }
        header.length = input.bytes;
        header.is_dictionary = page == Some(DICTIONARY);
        if has_size && header.levels <= header.expanded { Ok(header) } else { Err(damaged()) }
    }
}

/// Reads what a page of the first version has beside the others.
fn first_version<R: Read>(input: &mut Compact<R>, header: &mut PageHeader) -> io::Result<()> {
    let (mut last, mut levels) = (0, [0; 2]);
    while let Some((field, kind)) = input.field(last)? {
        match (field, kind) {
            (VALUES, I32) => header.values = input.size()?,
            (ENCODING, I32) => header.encoding = input.i32()?,
            (REPETITION_LEVELS, I32) => levels[0] = input.i32()?,
            (DEFINITION_LEVELS, I32) => levels[1] = input.i32()?,
            (VALUES | ENCODING | REPETITION_LEVELS | DEFINITION_LEVELS, _) => return Err(damaged()),
            _ => input.skip(kind, DEPTH)?,
        }
        last = field;
    }
    header.level_encodings = Some(levels);
    Ok(())
}

/// Reads what a dictionary has beside the others.
fn of_dictionary<R: Read>(input: &mut Compact<R>, header: &mut PageHeader) -> io::Result<()> {
    let mut last = 0;
    while let Some((field, kind)) = input.field(last)? {
        match (field, kind) {
            (VALUES, I32) => header.values = input.size()?,
            (VALUES, _) => return Err(damaged()),
            _ => input.skip(kind, DEPTH)?,
        }
        last = field;
    }
    Ok(())
}

/// Reads the fields that only a page of the second version has.
fn second_version<R: Read>(input: &mut Compact<R>, header: &mut PageHeader) -> io::Result<()> {
    let mut last = 0;
    while let Some((field, kind)) = input.field(last)? {
        match (field, kind) {
            (VALUES, I32) => header.values = input.size()?,
            (ENCODING_SECOND, I32) => header.encoding = input.i32()?,
            (DEFINITIONS | REPETITIONS, I32) => header.levels += input.size()?,
            (IS_PACKED, TRUE | FALSE) => header.is_packed = kind == TRUE,
            (VALUES | ENCODING_SECOND | DEFINITIONS | REPETITIONS | IS_PACKED, _) => return Err(damaged()),
            _ => input.skip(kind, DEPTH)?,
        }
        last = field;
    }
    Ok(())
}

fn damaged() -> io::Error {
    io::Error::other("the header of a page is damaged")
}

/// The compact encoding, and the bytes read so far.
struct Compact<R> {
    source: R,
    bytes: u64,
}

impl<R: Read> Compact<R> {
    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.source.read_exact(&mut byte)?;
        self.bytes += 1;
        Ok(byte[0])
    }

    fn varint(&mut self) -> io::Result<u64> {
        const LONGEST: u32 = 10;
        let mut value = 0;
        for at in 0..LONGEST {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged())
    }

    fn number(&mut self) -> io::Result<i64> {
        let value = self.varint()?;
        let magnitude = i64::try_from(value >> 1).map_err(|_| damaged())?;
        Ok(if value & 1 == 0 { magnitude } else { -magnitude - 1 })
    }

    fn i32(&mut self) -> io::Result<i32> {
        i32::try_from(self.number()?).map_err(|_| damaged())
    }

    fn size(&mut self) -> io::Result<u64> {
        u64::try_from(self.i32()?).map_err(|_| damaged())
    }

    /// Returns the number and the type of the next field; `None` at the end of the struct. Each number is larger than the one
    /// before it.
    fn field(&mut self, last: i16) -> io::Result<Option<(i16, u8)>> {
        let head = self.byte()?;
        let kind = head & 0x0f;
        if kind == STOP {
            return Ok(None);
        }
        let field = match head >> 4 {
            0 => i16::try_from(self.number()?).ok(),
            step => last.checked_add(i16::from(step)),
        };
        field.filter(|field| *field > last).map(|field| Some((field, kind))).ok_or_else(damaged)
    }

    fn skip(&mut self, kind: u8, depth: u8) -> io::Result<()> {
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.pass(1),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.pass(8),
            BINARY => self.varint().and_then(|length| self.pass(length)),
            STRUCT if depth > 0 => {
                let mut last = 0;
                while let Some((field, kind)) = self.field(last)? {
                    self.skip(kind, depth - 1)?;
                    last = field;
                }
                Ok(())
            }
            _ => Err(damaged()),
        }
    }

    fn pass(&mut self, length: u64) -> io::Result<()> {
        let passed = io::copy(&mut self.source.by_ref().take(length), &mut io::sink())?;
        self.bytes += passed;
        if passed == length { Ok(()) } else { Err(damaged()) }
    }
}

#[cfg(test)]
mod tests {
    use super::PageHeader;

    const HEADER: PageHeader = PageHeader {
        length: 0,
        is_dictionary: false,
        expanded: 10,
        levels: 0,
        is_packed: true,
        encoding: 0,
        values: 0,
        level_encodings: None,
    };

    #[test]
    fn all_that_counts_is_read() {
        // A data page: type, sizes, and a struct with a text of 3 bytes in its statistics.
        let first = [0x15, 0x00, 0x15, 0x14, 0x15, 0x02, 0x2c, 0x15, 0x06, 0x4c, 0x18, 0x03, b'a', b'b', b'c', 0x00, 0x00, 0x00];
        let expected = PageHeader { length: first.len() as u64, values: 3, level_encodings: Some([0, 0]), ..HEADER };
        assert_eq!(PageHeader::read(&first[..]).unwrap(), expected);
        // The same with its encodings: of the values, of definitions and of repetitions.
        let encoded = [0x15, 0x00, 0x15, 0x14, 0x15, 0x02, 0x2c, 0x15, 0x06, 0x15, 0x0e, 0x15, 0x06, 0x15, 0x08, 0x00, 0x00];
        let levels = Some([4, 3]);
        let expected = PageHeader { length: encoded.len() as u64, encoding: 7, values: 3, level_encodings: levels, ..HEADER };
        assert_eq!(PageHeader::read(&encoded[..]).unwrap(), expected);
        let dictionary = [0x15, 0x04, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x00];
        let expected = PageHeader { length: 9, is_dictionary: true, expanded: i32::MAX as u64, ..HEADER };
        assert_eq!(PageHeader::read(&dictionary[..]).unwrap(), expected);
        let dictionary = [0x15, 0x04, 0x15, 0x14, 0x15, 0x02, 0x4c, 0x15, 0x06, 0x15, 0x00, 0x00, 0x00];
        let expected = PageHeader { length: 13, is_dictionary: true, values: 3, ..HEADER };
        assert_eq!(PageHeader::read(&dictionary[..]).unwrap(), expected);
        let second = [0x15, 0x06, 0x15, 0x14, 0x6c, 0x55, 0x04, 0x15, 0x06, 0x12, 0x00, 0x00];
        let expected = PageHeader { length: 12, levels: 5, is_packed: false, ..HEADER };
        assert_eq!(PageHeader::read(&second[..]).unwrap(), expected);
    }

    #[test]
    fn what_two_readers_could_take_for_two_sizes_is_damaged() {
        for damaged in [
            &[][..],
            &[0x15, 0x00, 0x00],
            &[0x15, 0x00, 0x15, 0x13, 0x00],
            &[0x15, 0x00, 0x25, 0x14, 0x00],
            // The size twice, the second time under a number in full.
            &[0x15, 0x00, 0x15, 0x14, 0x05, 0x04, 0x15, 0x7e, 0x00],
            // A number of a field, and a size, of more bits than they have.
            &[0x15, 0x00, 0x15, 0x14, 0x05, 0x84, 0x80, 0x08, 0x7e, 0x00],
            &[0x15, 0x00, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x1f, 0x00],
            // A page of the second version that says it is one of the first.
            &[0x15, 0x00, 0x15, 0x14, 0x6c, 0x55, 0x04, 0x00, 0x00],
            // A page that says it is a dictionary and has the header of a page of data, or the reverse.
            &[0x15, 0x04, 0x15, 0x14, 0x3c, 0x15, 0x06, 0x00, 0x00],
            &[0x15, 0x00, 0x15, 0x14, 0x5c, 0x15, 0x06, 0x00, 0x00],
            // More levels than there are bytes.
            &[0x15, 0x06, 0x15, 0x14, 0x6c, 0x55, 0x16, 0x00, 0x00],
            // A list, which no header has.
            &[0x15, 0x00, 0x15, 0x14, 0x19, 0x00, 0x00],
        ] {
            assert!(PageHeader::read(damaged).is_err(), "{damaged:?}");
        }
    }
}
