//! The places of the delimiters and line ends of a text, found eight bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// The place of a delimiter or a line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u32);

impl Mark {
    fn new(at: usize, ends_line: bool) -> Self {
        Mark((at as u32) << 1 | u32::from(ends_line))
    }

    /// Returns its place in the text.
    pub fn at(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// Returns whether it is a line end.
    pub fn ends_line(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Largest text whose places fit a mark.
pub(super) const MAX_TEXT: usize = u32::MAX as usize >> 1;

/// Replaces `marks` by those of `text`, in rising order.
pub(super) fn find(text: &[u8], delimiter: u8, marks: &mut Vec<Mark>) {
    marks.clear();
    let (words, rest) = text.as_chunks::<8>();
    let delimiters = ONES * u64::from(delimiter);
    let line_ends = ONES * u64::from(b'\n');
    for (word, bytes) in words.iter().enumerate() {
        let bytes = u64::from_le_bytes(*bytes);
        let ends = zero_bytes(bytes ^ line_ends);
        let mut found = zero_bytes(bytes ^ delimiters) | ends;
        while found != 0 {
            let bit = found.trailing_zeros();
            marks.push(Mark::new(word * 8 + bit as usize / 8, ends >> bit & 1 == 1));
            found &= found - 1;
        }
    }
    let start = text.len() - rest.len();
    let places = rest.iter().enumerate().filter(|(_, byte)| **byte == delimiter || **byte == b'\n');
    marks.extend(places.map(|(at, &byte)| Mark::new(start + at, byte == b'\n')));
}

/// Returns the highest bit of each byte that is zero.
fn zero_bytes(word: u64) -> u64 {
    !(((word & LOW) + LOW) | word | LOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_mark_is_found(text in "[a,\n\r\u{80}é\u{2c80}\t+-]{0,60}") {
            let mut marks = vec![Mark::new(7, true)];
            find(text.as_bytes(), b',', &mut marks);
            let found: Vec<(usize, bool)> = marks.iter().map(|mark| (mark.at(), mark.ends_line())).collect();
            let all = text.bytes().enumerate().filter(|(_, byte)| b",\n".contains(byte));
            proptest::prop_assert_eq!(found, all.map(|(at, byte)| (at, byte == b'\n')).collect::<Vec<_>>());
        }
    }
}
