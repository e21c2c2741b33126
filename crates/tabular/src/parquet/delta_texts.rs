//! Texts that a page writes as differences: `DELTA_BYTE_ARRAY` says how many bytes each text shares with the one before it, and
//! `DELTA_LENGTH_BYTE_ARRAY` writes the lengths alone so. A few bytes can declare any number of texts of any size, and the library
//! takes memory for all lengths of a page, and for all texts of a batch. So both are counted before it sees the page.

use std::io;

use parquet::basic::Encoding;

use super::BATCH_ROWS;
use super::page_header::PageHeader;

/// Texts of a page. The library holds eight bytes for each.
const MOST_TEXTS: u64 = 4 << 20;
/// Bytes that the texts of a batch may share with those before them.
const MOST_SHARED: u64 = 64 << 20;

/// Numbers of the encodings in the header of a page.
const LENGTHS: i32 = 6;
const SHARED: i32 = 7;
const RLE: i32 = 3;

/// Whether an encoding in the footer writes texts as differences.
pub(super) fn is_of_texts(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY)
}

/// Whether a page holds texts as differences.
pub(super) fn are_in(header: &PageHeader) -> bool {
    matches!(header.encoding, LENGTHS | SHARED)
}

/// The levels that a column has before the values of its pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    pub repetitions: bool,
    pub definitions: bool,
}

/// What the latest texts of a column share with those before them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Repeated {
    texts: usize,
    bytes: u64,
}

impl Repeated {
    /// Counts the texts of an expanded page that holds them as differences, or refuses the page.
    pub fn add_page(&mut self, page: &[u8], header: &PageHeader, levels: Levels) -> io::Result<()> {
        let values = without_levels(page, header, levels)?;
        if values.is_empty() {
            return Ok(());
        }
        let first = Numbers::read(values, header.values)?;
        if header.encoding == LENGTHS {
            return Ok(());
        }
        let end = first.clone().end()?;
        let suffixes = Numbers::read(values.get(end..).ok_or_else(damaged)?, header.values)?;
        let mut last: u64 = 0;
        for (prefix, suffix) in first.zip(suffixes) {
            let (prefix, suffix) = (u64::try_from(prefix?), u64::try_from(suffix?));
            let shared = prefix.map_err(|_| damaged())?.min(last);
            last = shared + suffix.map_err(|_| damaged())?;
            // A list may fill a batch with any number of texts.
            self.add(shared, !levels.repetitions)?;
        }
        Ok(())
    }

    fn add(&mut self, shared: u64, one_for_each_row: bool) -> io::Result<()> {
        self.bytes += shared;
        if self.bytes > MOST_SHARED {
            return Err(io::Error::other(format!(
                "its texts repeat more than {} MiB of those before them; write it without DELTA_BYTE_ARRAY",
                MOST_SHARED >> 20
            )));
        }
        self.texts += 1;
        if one_for_each_row && self.texts == BATCH_ROWS {
            *self = Self::default();
        }
        Ok(())
    }
}

/// Returns the values of a page, which follow its levels.
fn without_levels<'p>(page: &'p [u8], header: &PageHeader, levels: Levels) -> io::Result<&'p [u8]> {
    let Some([repetitions, definitions]) = header.level_encodings else {
        return usize::try_from(header.levels).ok().and_then(|levels| page.get(levels..)).ok_or_else(damaged);
    };
    let mut rest = page;
    for (_, encoding) in [(levels.repetitions, repetitions), (levels.definitions, definitions)].iter().filter(|(there, _)| *there)
    {
        let Some((length, behind)) = rest.split_first_chunk().filter(|_| *encoding == RLE) else { return Err(damaged()) };
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        rest = behind.get(length..).ok_or_else(damaged)?;
    }
    Ok(rest)
}

fn damaged() -> io::Error {
    io::Error::other("the lengths of its texts are damaged")
}

/// Numbers in `DELTA_BINARY_PACKED`: a first one, and then blocks of differences, which are packed in groups with so many bits for
/// each. The library reads them in the same way.
#[derive(Clone)]
struct Numbers<'p> {
    bytes: &'p [u8],
    /// Where the present group begins, or the next block.
    at: usize,
    groups_of_block: usize,
    of_group: usize,
    /// Bits of a difference in the present group, and in those behind it.
    widths: &'p [u8],
    /// Differences taken from the present group.
    taken: usize,
    least: i32,
    last: i32,
    /// Numbers to come.
    left: u64,
    is_first: bool,
}

impl<'p> Numbers<'p> {
    /// Reads the head, which says how many numbers there are; refuses more than there are values in the page.
    fn read(bytes: &'p [u8], values: u64) -> io::Result<Self> {
        let mut at = 0;
        let mut size = || u32::try_from(varint(bytes, &mut at)?).map_err(|_| damaged());
        let (of_block, groups, left) = (size()? as usize, size()? as usize, u64::from(size()?));
        let last = i32::try_from(zigzag(varint(bytes, &mut at)?)).map_err(|_| damaged())?;
        if left > values {
            return Err(io::Error::other(format!("a page of {values} values declares {left} texts")));
        }
        if left > MOST_TEXTS {
            let most = MOST_TEXTS;
            return Err(io::Error::other(format!("a page holds {left} texts, and at most {most} are read; write smaller pages")));
        }
        let of_group = of_block.checked_div(groups).unwrap_or_default();
        // Groups are whole bytes at any width.
        if of_group == 0 || !of_group.is_multiple_of(32) || of_group * groups != of_block {
            return Err(damaged());
        }
        Ok(Self { bytes, at, groups_of_block: groups, of_group, widths: &[], taken: 0, least: 0, last, left, is_first: true })
    }

    /// Passes all numbers, and returns where they end: behind the last group of which one is needed.
    fn end(mut self) -> io::Result<usize> {
        for number in &mut self {
            number?;
        }
        Ok(self.at + self.bytes_of_group())
    }

    fn bytes_of_group(&self) -> usize {
        self.widths.first().map_or(0, |width| usize::from(*width) * (self.of_group / 8))
    }

    fn advance(&mut self) -> io::Result<i32> {
        if std::mem::take(&mut self.is_first) {
            return Ok(self.last);
        }
        if self.widths.is_empty() || self.taken == self.of_group {
            self.next_group()?;
        }
        let width = self.widths.first().copied().unwrap_or_default();
        let difference = bits(self.bytes.get(self.at..).unwrap_or_default(), self.taken, width).ok_or_else(damaged)?;
        self.taken += 1;
        self.last = self.last.wrapping_add(self.least).wrapping_add(difference);
        Ok(self.last)
    }

    fn next_group(&mut self) -> io::Result<()> {
        self.at += self.bytes_of_group();
        self.taken = 0;
        self.widths = self.widths.get(1..).unwrap_or_default();
        if self.widths.is_empty() {
            self.least = i32::try_from(zigzag(varint(self.bytes, &mut self.at)?)).map_err(|_| damaged())?;
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.widths = rest.get(..self.groups_of_block).ok_or_else(damaged)?;
            self.at += self.groups_of_block;
        }
        Ok(())
    }
}

impl Iterator for Numbers<'_> {
    type Item = io::Result<i32>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.advance())
    }
}

/// Returns a number of so many bits, the lowest first, from among others of that width.
fn bits(packed: &[u8], place: usize, width: u8) -> Option<i32> {
    let width = usize::from(width);
    if width == 0 {
        return Some(0);
    }
    if width > 32 {
        return None;
    }
    let first = place * width;
    let there = packed.get(first / 8..)?;
    let mut word = [0; 8];
    let length = there.len().min(word.len());
    word[..length].copy_from_slice(&there[..length]);
    let value = u64::from_le_bytes(word) >> (first % 8) & (u64::MAX >> (64 - width));
    // 32 bits hold a difference that wraps around.
    (first % 8 + width <= length * 8).then_some(value as u32 as i32)
}

fn varint(bytes: &[u8], at: &mut usize) -> io::Result<u64> {
    const LONGEST: u32 = 10;
    let mut value = 0;
    for place in 0..LONGEST {
        let byte = *bytes.get(*at).ok_or_else(damaged)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(damaged())
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the format's description: 7, 5, 3, 1, 2, 3, 4, 5.
    const EXAMPLE: [u8; 18] = [0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0xc0, 0x3f, 0, 0, 0, 0, 0, 0];

    fn numbers(bytes: &[u8]) -> io::Result<Vec<i32>> {
        Numbers::read(bytes, u64::MAX)?.collect()
    }

    /// A page of so many texts that all repeat the first, which is as long.
    fn page(texts: usize, length: usize) -> (Vec<u8>, PageHeader) {
        let varint = |mut value: usize| {
            let mut bytes = Vec::new();
            while value > 0x7f {
                bytes.push(value as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
            bytes
        };
        // The difference from the first number to the second, and none after it: one number alone in its block, and blocks of zeros.
        let head = |first: usize| [vec![0x80, 1, 1], varint(texts), varint(2 * first)].concat();
        let blocks = |least: usize| {
            let mut bytes = Vec::new();
            for block in 0..(texts - 1).div_ceil(128) {
                match block {
                    // The first of 128 differences of 32 bits.
                    0 => {
                        bytes.extend([0, 32]);
                        bytes.extend((least as i32).to_le_bytes());
                        bytes.resize(bytes.len() + 127 * 4, 0);
                    }
                    _ => bytes.extend([0, 0]),
                }
            }
            bytes
        };
        let prefixes = [head(0), blocks(length)].concat();
        let suffixes = [head(length), blocks(0_usize.wrapping_sub(length))].concat();
        let page = [prefixes, suffixes, vec![b'x'; length]].concat();
        let header = PageHeader { encoding: SHARED, values: texts as u64, ..PageHeader::default() };
        (page, header)
    }

    const NONE: Levels = Levels { repetitions: false, definitions: false };
    const LIST: Levels = Levels { repetitions: true, definitions: false };

    #[test]
    fn numbers_are_read_as_they_are_described() {
        assert_eq!(numbers(&EXAMPLE).unwrap(), [7, 5, 3, 1, 2, 3, 4, 5]);
        assert_eq!(Numbers::read(&EXAMPLE, 8).unwrap().end().unwrap(), EXAMPLE.len());
        assert_eq!(numbers(&[0x80, 1, 4, 1, 13]).unwrap(), [-7]);
        assert_eq!(numbers(&[0x80, 1, 4, 0, 0]).unwrap(), [0; 0]);
        for damaged in [&EXAMPLE[..11], &EXAMPLE[..7], &[0x80, 1, 0, 8, 14], &[0, 4, 8, 14], &[0x80, 1, 3, 8, 14], &[]] {
            assert!(numbers(damaged).is_err(), "{damaged:?}");
        }
    }

    #[test]
    fn texts_may_repeat_so_much_in_a_batch_and_as_much_in_the_next() {
        let (small, header) = page(BATCH_ROWS, 4_000);
        let mut repeated = Repeated::default();
        for _ in 0..10 {
            repeated.add_page(&small, &header, NONE).unwrap();
        }
        let (large, header) = page(BATCH_ROWS, 10_000);
        let refused = Repeated::default().add_page(&large, &header, NONE).unwrap_err().to_string();
        assert_eq!(refused, "its texts repeat more than 64 MiB of those before them; write it without DELTA_BYTE_ARRAY");
        // A batch may go on in the next page, and in lists it has no end.
        let (half, header) = page(BATCH_ROWS / 2, 10_000);
        let mut repeated = Repeated::default();
        repeated.add_page(&half, &header, NONE).unwrap();
        assert!(repeated.add_page(&half, &header, NONE).is_err());
        let (small, header) = page(BATCH_ROWS, 4_000);
        let mut repeated = Repeated::default();
        assert!((0..10).any(|_| repeated.add_page(&small, &header, LIST).is_err()));
    }

    #[test]
    fn a_page_declares_no_more_texts_than_it_has_values_and_are_read() {
        let (page, header) = page(300, 10);
        let few = PageHeader { values: 299, ..header };
        let refused = Repeated::default().add_page(&page, &few, NONE).unwrap_err().to_string();
        assert_eq!(refused, "a page of 299 values declares 300 texts");
        let refused = Numbers::read(&[0x80, 1, 4, 0x80, 0x80, 0x80, 0x80, 1, 0], u64::MAX).map(drop).unwrap_err().to_string();
        assert_eq!(refused, "a page holds 268435456 texts, and at most 4194304 are read; write smaller pages");
    }

    #[test]
    fn levels_stand_before_the_values() {
        let (page, header) = page(2, 10);
        let first = PageHeader { level_encodings: Some([4, RLE]), ..header };
        let optional = Levels { repetitions: false, definitions: true };
        let levels = [&[2, 0, 0, 0, 4, 1][..], &page].concat();
        assert_eq!(without_levels(&levels, &first, optional).unwrap(), page);
        assert!(without_levels(&levels, &first, LIST).is_err(), "these are not in RLE");
        let second = PageHeader { levels: 6, ..header };
        assert_eq!(without_levels(&levels, &second, optional).unwrap(), page);
    }
}
