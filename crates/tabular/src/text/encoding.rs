//! Detecting the encoding of a text.

use super::super::notes::Guess;

/// The encoding according to the first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoding {
    /// Bytes of the byte order mark.
    pub mark: usize,
    /// The byte order, if it is UTF-16.
    pub utf16: Option<Guess>,
}

/// Returns the encoding according to the beginning of a text; `None` if that does not show it.
pub(super) fn of(head: &[u8]) -> Option<Encoding> {
    match head {
        [0xef, 0xbb, 0xbf, ..] => Some(Encoding { mark: 3, utf16: None }),
        [0xff, 0xfe, ..] => Some(Encoding { mark: 2, utf16: Some(Guess::Utf16Le) }),
        [0xfe, 0xff, ..] => Some(Encoding { mark: 2, utf16: Some(Guess::Utf16Be) }),
        _ => unmarked_utf16(head).map(|guess| Encoding { mark: 0, utf16: Some(guess) }),
    }
}

/// Returns whether a text is UTF-32: it begins with its byte order mark, or most characters have three zero bytes.
pub(super) fn is_utf32(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe\0\0") || head.starts_with(b"\0\0\xfe\xff") {
        return true;
    }
    let (characters, _) = head[..head.len().min(LOOKED_AT)].as_chunks::<4>();
    let low_first = characters.iter().filter(|bytes| bytes[0] != 0 && bytes[1..] == [0; 3]).count();
    let high_first = characters.iter().filter(|bytes| bytes[3] != 0 && bytes[..3] == [0; 3]).count();
    characters.len() >= 2 && low_first.max(high_first) * 4 >= characters.len() * 3
}

/// Bytes that are looked at for an encoding without a mark.
const LOOKED_AT: usize = 256;

/// Returns the byte order of UTF-16 without a mark: its letters, digits and line ends have a zero byte each; a text in UTF-8 has
/// none.
fn unmarked_utf16(head: &[u8]) -> Option<Guess> {
    let (pairs, _) = head[..head.len().min(LOOKED_AT)].as_chunks::<2>();
    let ascii = |high: u8, low: u8| high == 0 && (low.is_ascii_graphic() || low.is_ascii_whitespace());
    let low_first = pairs.iter().filter(|pair| ascii(pair[1], pair[0])).count();
    let high_first = pairs.iter().filter(|pair| ascii(pair[0], pair[1])).count();
    // The header consists mostly of such letters; other texts have a stray zero byte at most.
    let most = |count: usize| pairs.len() >= 2 && count * 4 >= pairs.len() * 3;
    match (most(low_first), most(high_first)) {
        (true, false) => Some(Guess::Utf16Le),
        (false, true) => Some(Guess::Utf16Be),
        _ => None,
    }
}

/// Appends UTF-16 as UTF-8, with U+FFFD for invalid characters, and returns how many bytes were used.
pub(super) fn from_utf16(bytes: &[u8], ended: bool, high_first: bool, out: &mut Vec<u8>) -> usize {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let unit = |pair: &[u8; 2]| if high_first { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
    // The first half of a pair waits for the second.
    let waits = !ended && pairs.last().is_some_and(|pair| (0xd800..0xdc00).contains(&unit(pair)));
    let n = pairs.len() - usize::from(waits);
    for letter in char::decode_utf16(pairs[..n].iter().map(unit)) {
        let letter = letter.unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
    if ended && !odd.is_empty() {
        out.extend_from_slice("\u{fffd}".as_bytes());
    }
    if ended { bytes.len() } else { n * 2 }
}

/// Returns the probable encoding of the beginning of a text that is not UTF-8 and that may be cut in the middle of a character.
pub(super) fn beginning_seems(head: &[u8]) -> Option<Guess> {
    match std::str::from_utf8(head) {
        Err(error) if error.error_len().is_none() => None,
        _ => seems(head),
    }
}

/// Returns the probable encoding of a whole text or field that is not UTF-8; `None` for UTF-8.
pub(in super::super) fn seems(bytes: &[u8]) -> Option<Guess> {
    match std::str::from_utf8(bytes) {
        Ok(_) => None,
        Err(_) if is_shift_jis(bytes) => Some(Guess::ShiftJis),
        Err(_) => Some(Guess::Windows1252),
    }
}

/// Returns whether a text is probably Shift_JIS. Valid pairs are not enough: in Windows-1252 an accented letter and the letter after
/// it are such a pair, too, of a rare kanji. So the text has to contain kana, or two pairs in a row with a common kanji.
fn is_shift_jis(bytes: &[u8]) -> bool {
    let (mut at, mut is_likely) = (0, false);
    // Pairs since the last single byte, and whether one of them is a common kanji.
    let (mut pairs, mut has_kanji) = (0, false);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (0..=0x7f | 0xa1..=0xdf, _) | (0x81..=0x9f | 0xe0..=0xfc, None) => {
                (pairs, has_kanji) = (0, false);
                at += 1;
            }
            (lead @ (0x81..=0x9f | 0xe0..=0xfc), Some(&trail @ (0x40..=0x7e | 0x80..=0xfc))) => {
                pairs += 1;
                has_kanji |= (0x88..=0x9f).contains(&lead);
                is_likely |= is_kana(lead, trail) || (pairs >= 2 && has_kanji);
                at += 2;
            }
            _ => return false,
        }
    }
    is_likely
}

/// Returns whether a pair of Shift_JIS is hiragana or katakana.
fn is_kana(lead: u8, trail: u8) -> bool {
    matches!((lead, trail), (0x82, 0x9f..=0xf1) | (0x83, 0x40..=0x96))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, high_first: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if high_first { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn marks_and_zero_bytes_tell_utf16() {
        for (high_first, guess) in [(false, Guess::Utf16Le), (true, Guess::Utf16Be)] {
            let found = of(&utf16("user,item\na,b\n", high_first));
            assert_eq!(found, Some(Encoding { mark: 0, utf16: Some(guess) }));
        }
        assert_eq!(of(b"user,item\na,\0\n"), None);
        assert_eq!(of("ユーザー,item\n".as_bytes()), None);
        assert_eq!(of(b"\0"), None);
    }

    #[test]
    fn utf32_is_recognised_with_and_without_its_mark() {
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}user,item\na,b\n");
            assert!(is_utf32(&text.chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect::<Vec<_>>()));
            assert!(is_utf32(&text.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect::<Vec<_>>()));
            assert!(!is_utf32(text.as_bytes()) && !is_utf32(&utf16(&text, false)) && !is_utf32(&utf16(&text, true)));
        }
        assert!(!is_utf32(b"") && !is_utf32(&[0; 64]));
    }

    #[test]
    fn text_of_other_encodings_is_named() {
        assert_eq!(seems("日本".as_bytes()), None);
        assert_eq!(beginning_seems(&"日本".as_bytes()[..4]), None);
        assert_eq!(seems(b"caf\xe9"), Some(Guess::Windows1252));
        assert_eq!(seems(b"user,\x93\xfa\x96\x7b\n"), Some(Guess::ShiftJis));
        assert_eq!(seems(b"user,caf\xe9\n"), Some(Guess::Windows1252));
    }

    #[test]
    fn western_letters_that_are_valid_pairs_of_shift_jis_are_windows_1252() {
        let western: [&[u8]; 7] = [
            b"user,item\nM\xfcller,1\nJ\xe4ger,2\n",
            b"Sch\xf6n\xe4cker",
            b"Gr\xf6\xdfe \xc4rger \xdcbung",
            b"r\xe9p\xe9t\xe9s",
            b"don\x92t",
            b"l\x92\xe9t\xe9",
            b"\x93M\xfcller\x94, \x82J\xe4ger\x91",
        ];
        for text in western {
            assert_eq!(seems(text), Some(Guess::Windows1252), "{text:?}");
        }
        let japanese: [&[u8]; 4] =
            [b"\x83\x86\x81\x5b\x83\x55\x81\x5b,item\n", b"\x82\xcc", b"a,\x93\x8c\x8b\x9e\n", b"\xb6\xc5 \x83\x4a"];
        for text in japanese {
            assert_eq!(seems(text), Some(Guess::ShiftJis), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn utf16_is_read_in_any_pieces(text in "[a\u{e9}\u{4e16}\u{1f600}\n]{0,20}", at in 0usize..80, high_first: bool) {
            let bytes = utf16(&text, high_first);
            let at = at.min(bytes.len());
            let mut out = Vec::new();
            let used = from_utf16(&bytes[..at], false, high_first, &mut out);
            from_utf16(&bytes[used..], true, high_first, &mut out);
            proptest::prop_assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
