//! Where lines end.

use memchr::memchr;

/// The end of a line that was written twice in the text mode of Windows.
pub(in super::super) const DOUBLED_END: &[u8] = b"\r\r\n";

/// Returns how many bytes the first line of a text takes, including its end.
pub(super) fn first_line(text: &[u8]) -> usize {
    memchr(b'\n', text).map_or(text.len(), |at| at + 1)
}

/// Returns how many carriage returns, of the two that a line end may have, a text begins with.
pub(super) fn returns(text: &[u8]) -> usize {
    text.iter().take(2).take_while(|byte| **byte == b'\r').count()
}

/// Returns a line without the carriage returns at its end, of which there may be two.
pub(super) fn without_return(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
