//! Values of a time column, as formats hold them.

use std::borrow::Cow;

use chrono::DateTime;

/// A value of the time column.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum TimeCell<'a> {
    Text(&'a [u8]),
    Integer(i64),
    Float(f64),
    Micros(i64),
}

impl<'a> TimeCell<'a> {
    /// Returns the value as it was written.
    pub fn shown(self) -> Cow<'a, str> {
        const MAX_SHOWN: usize = 100;
        match self {
            TimeCell::Text(text) => String::from_utf8_lossy(&text[..text.len().min(MAX_SHOWN)]),
            TimeCell::Integer(value) => Cow::Owned(value.to_string()),
            TimeCell::Float(value) => Cow::Owned(value.to_string()),
            TimeCell::Micros(value) => Cow::Owned(
                DateTime::from_timestamp_micros(value).map_or_else(|| value.to_string(), |at| at.format("%F %T").to_string()),
            ),
        }
    }
}
