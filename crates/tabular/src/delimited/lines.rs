//! The lines of a record over several lines, each looked at as a row of its own.
//!
//! Two marks that are text, rows apart, look like one field with all rows between them inside: `"Heroes EP` in one row, and
//! `Heroes 12"` at the end of a field of a later one. Lines of prose hardly ever have exactly as many delimiters as the table, one
//! after the other; rows always do. Few such lines may be chance (`"5 Main St` and `Springfield, IL"` in a table of two columns), so
//! the delimiters have to be many, too, beyond those that a record has anyway.

use memchr::memchr_iter;

use super::line_ends::{first_line, without_return};

/// Fewest lines that are rows, and fewest delimiters in all but one of them, that are not chance.
const ROWS_FOR_SURE: usize = 3;
const DELIMITERS_FOR_SURE: usize = 8;

/// How many of the lines of a record have the shape of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lines {
    n_columns: usize,
    lines: usize,
    rows: usize,
}

impl Lines {
    /// Counts the lines of a record; blank ones do not count.
    pub fn of(record: &[u8], delimiter: u8, n_columns: usize) -> Self {
        let mut counted = Lines { n_columns, lines: 0, rows: 0 };
        let mut rest = record;
        while !rest.is_empty() {
            let (line, others) = rest.split_at(first_line(rest));
            rest = others;
            let line = without_return(line.strip_suffix(b"\n").unwrap_or(line));
            counted.lines += usize::from(!line.is_empty());
            counted.rows += usize::from(is_row(line, delimiter, n_columns));
        }
        counted
    }

    /// Returns whether the lines are certainly rows, so that the record is none.
    pub fn are_rows(self) -> bool {
        let delimiters = self.rows.saturating_sub(1) * self.n_columns.saturating_sub(1);
        self.rows >= ROWS_FOR_SURE && delimiters >= DELIMITERS_FOR_SURE && self.rows * 4 >= self.lines * 3
    }

    /// Returns whether the lines may be rows.
    pub fn may_be_rows(self) -> bool {
        self.n_columns > 1 && self.rows > 1 && self.rows * 2 >= self.lines
    }
}

/// Returns whether a line has as many fields as there are columns; more are allowed if they are empty.
fn is_row(line: &[u8], delimiter: u8, n_columns: usize) -> bool {
    let needed = n_columns.saturating_sub(1);
    let found = memchr_iter(delimiter, line).count();
    let surplus = found.saturating_sub(needed);
    found >= needed && !line.is_empty() && line[line.len() - surplus..].iter().all(|byte| *byte == delimiter)
}
