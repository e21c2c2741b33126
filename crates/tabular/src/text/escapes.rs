//! Texts whose fields are not separated by one byte and quotation marks, rewritten so that they are.

/// Replaces `::`, which is two bytes: the control character made for this.
pub(in super::super) const UNIT_SEPARATOR: u8 = 0x1f;

/// Appends a text with a single byte for each `::`, and returns how many bytes were used.
pub(in super::super) fn colons(bytes: &[u8], ended: bool, out: &mut Vec<u8>) -> usize {
    let mut at = 0;
    while let Some(n) = memchr::memchr(b':', &bytes[at..]) {
        out.extend_from_slice(&bytes[at..at + n]);
        at += n;
        match bytes.get(at + 1) {
            None if !ended => return at,
            Some(b':') => {
                out.push(UNIT_SEPARATOR);
                at += 2;
            }
            _ => {
                out.push(b':');
                at += 1;
            }
        }
    }
    out.extend_from_slice(&bytes[at..]);
    bytes.len()
}

/// Rewrites the output of MySQL's `SELECT … INTO OUTFILE` and PostgreSQL's `COPY` as delimited text with quotation marks.
///
/// In it a backslash takes its special meaning from the byte after it: `\t`, `\n`, `\\`, an escaped tab or line end is that byte,
/// and a field that is `\N` alone is a missing value. Quotation marks mean nothing.
pub(in super::super) struct Dump {
    delimiter: u8,
    field: Vec<u8>,
    /// Whether the field is only `\N` so far.
    missing: bool,
    /// Whether the field has content that needs quotes.
    quoted: bool,
}

/// The mark of a missing value, both in the file and for the reader to interpret.
pub(in super::super) const MISSING: &[u8] = b"\\N";

impl Dump {
    pub fn new(delimiter: u8) -> Self {
        Dump { delimiter, field: Vec::new(), missing: false, quoted: false }
    }

    /// Appends `bytes` rewritten, and returns how many were used.
    pub fn convert(&mut self, bytes: &[u8], ended: bool, out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let plain =
                bytes[at..].iter().position(|&byte| byte == b'\\' || byte == b'\n' || byte == b'"' || byte == self.delimiter);
            let end = plain.map_or(bytes.len(), |n| at + n);
            self.push(&bytes[at..end]);
            at = end;
            match bytes.get(at) {
                None => {}
                Some(b'\\') => match bytes.get(at + 1) {
                    None if !ended => return at,
                    None => self.push_special(b"\\", &mut at, 1),
                    Some(b'N') if self.field.is_empty() && !self.missing => {
                        self.missing = true;
                        at += 2;
                    }
                    Some(&escaped) => self.push_special(&[meaning(escaped)], &mut at, 2),
                },
                Some(b'"') => self.push_special(b"\"", &mut at, 1),
                Some(&end) => {
                    self.end_field(end == b'\n', out);
                    out.push(end);
                    at += 1;
                }
            }
        }
        if ended {
            self.end_field(true, out);
        }
        bytes.len()
    }

    fn push(&mut self, bytes: &[u8]) {
        // `\N` followed by more is an escaped letter.
        if self.missing && !matches!(bytes, [] | [b'\r']) {
            self.missing = false;
            self.field.push(b'N');
        }
        self.field.extend_from_slice(bytes);
    }

    fn push_special(&mut self, bytes: &[u8], at: &mut usize, used: usize) {
        self.push(bytes);
        self.quoted = true;
        *at += used;
    }

    fn end_field(&mut self, last: bool, out: &mut Vec<u8>) {
        let returned = last && self.field.pop_if(|byte| *byte == b'\r').is_some();
        if self.missing {
            out.extend_from_slice(MISSING);
        } else if self.quoted {
            out.push(b'"');
            for &byte in &self.field {
                out.extend_from_slice(if byte == b'"' { b"\"\"" } else { std::slice::from_ref(&byte) });
            }
            out.push(b'"');
        } else {
            out.extend_from_slice(&self.field);
        }
        if returned {
            out.push(b'\r');
        }
        self.field.clear();
        (self.missing, self.quoted) = (false, false);
    }
}

fn meaning(escaped: u8) -> u8 {
    match escaped {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'0' => 0,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(text: &str) -> String {
        let mut out = Vec::new();
        let mut dump = Dump::new(b'\t');
        let mut rest = Vec::new();
        for byte in text.bytes() {
            rest.push(byte);
            let used = dump.convert(&rest, false, &mut out);
            rest.drain(..used);
        }
        dump.convert(&rest, true, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dumps_are_rewritten_with_quotation_marks() {
        assert_eq!(dump("a\tb\n"), "a\tb\n");
        assert_eq!(dump("a\\\tb\tc\\\nd\n"), "\"a\tb\"\t\"c\nd\"\n");
        assert_eq!(dump("a\\\\\t\\N\r\n"), "\"a\\\"\t\\N\r\n");
        assert_eq!(dump("\\N\t\\Nx\t\"q\"\n"), "\\N\tNx\t\"\"\"q\"\"\"\n");
        assert_eq!(dump("\\\\\t\\t\\"), "\"\\\"\t\"\t\\\"");
    }

    #[test]
    fn two_colons_become_one_byte() {
        let mut out = Vec::new();
        assert_eq!(colons(b"a::b:c:", false, &mut out), 6);
        assert_eq!(out, b"a\x1fb:c");
        assert_eq!(colons(b":", true, &mut out), 1);
        assert_eq!(out, b"a\x1fb:c:");
    }
}
