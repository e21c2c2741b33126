//! How a delimited text separates its fields.

/// A way to separate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Dialect {
    pub delimiter: u8,
    /// Whether a backslash before a quotation mark makes the mark part of the field, as a doubled mark does.
    pub backslash: bool,
}

impl Dialect {
    /// Creates the dialect of fields between `delimiter` bytes, with quotation marks doubled.
    pub fn of(delimiter: u8) -> Self {
        Dialect { delimiter, backslash: false }
    }
}
