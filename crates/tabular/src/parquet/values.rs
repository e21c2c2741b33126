//! The values of a Parquet file as JSON.

use std::fmt::{self, Write};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Schema};
use serde_json::Value;

use super::super::error::TabularError;
use super::columns::unreadable;

/// Levels of nested lists that are read.
const MAX_DEPTH: usize = 16;

/// Refuses a table with a column whose values have no usable form in JSON.
pub(super) fn refuse_unreadable(schema: &Schema) -> Result<(), TabularError> {
    for field in schema.fields() {
        if let Some(kind) = unreadable_in_lists(field.data_type(), 0) {
            return Err(TabularError::ColumnKind { column: field.name().clone(), kind });
        }
    }
    Ok(())
}

fn unreadable_in_lists(kind: &DataType, depth: usize) -> Option<String> {
    match kind {
        DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _) if depth < MAX_DEPTH => {
            unreadable_in_lists(of.data_type(), depth + 1).map(|kind| format!("lists of {kind}"))
        }
        kind => unreadable(kind),
    }
}

/// Memory that a value takes in addition to its text.
const VALUE_BYTES: usize = 32;

/// Returns the room for values of up to `bytes` bytes, for any number of values.
pub(super) fn room_for(bytes: usize) -> usize {
    bytes.saturating_mul(4).saturating_add(VALUE_BYTES)
}

/// Returns a value as JSON: numbers, booleans and lists as such, everything else as text. Its size is deducted from `room`; `None`
/// where it is larger.
pub(super) fn value(column: &ArrayRef, row: usize, room: &mut usize) -> Option<Value> {
    *room = room.checked_sub(VALUE_BYTES)?;
    if column.is_null(row) {
        return Some(Value::Null);
    }
    match column.data_type() {
        DataType::List(_) => list(&column.as_list::<i32>().value(row), room),
        DataType::LargeList(_) => list(&column.as_list::<i64>().value(row), room),
        DataType::FixedSizeList(..) => list(&column.as_fixed_size_list().value(row), room),
        DataType::FixedSizeBinary(_) => {
            let bytes = column.as_fixed_size_binary().value(row);
            match uuid::Uuid::from_slice(bytes) {
                Ok(id) => Some(Value::String(id.to_string())),
                Err(_) => shown(column, row, room),
            }
        }
        _ => match bytes(column, row).map(std::str::from_utf8) {
            // Some programs do not mark text as such.
            Some(Ok(text)) => {
                *room = room.checked_sub(text.len())?;
                Some(Value::from(text))
            }
            Some(Err(_)) | None => shown(column, row, room),
        },
    }
}

/// Returns a value of a column of bytes.
fn bytes(column: &ArrayRef, row: usize) -> Option<&[u8]> {
    match column.data_type() {
        DataType::Binary => Some(column.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Some(column.as_binary::<i64>().value(row)),
        DataType::BinaryView => Some(column.as_binary_view().value(row)),
        _ => None,
    }
}

/// Returns whether a value consists of bytes that are not text; false for a missing value.
pub(super) fn is_no_text(column: &ArrayRef, row: usize) -> bool {
    bytes(column, row).is_some_and(|bytes| std::str::from_utf8(bytes).is_err())
}

fn list(items: &ArrayRef, room: &mut usize) -> Option<Value> {
    let mut values = Vec::new();
    for at in 0..items.len() {
        values.push(value(items, at, room)?);
    }
    Some(Value::Array(values))
}

/// A text that grows only within its room.
struct Bounded<'r> {
    text: String,
    room: &'r mut usize,
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        *self.room = self.room.checked_sub(part.len()).ok_or(fmt::Error)?;
        self.text.push_str(part);
        Ok(())
    }
}

fn shown(column: &ArrayRef, row: usize, room: &mut usize) -> Option<Value> {
    let options = FormatOptions::default();
    let Ok(formatter) = ArrayFormatter::try_new(column, &options) else { return Some(Value::Null) };
    let mut bounded = Bounded { text: String::new(), room };
    write!(bounded, "{}", formatter.value(row)).ok()?;
    let shown = bounded.text;
    let kind = match column.data_type() {
        DataType::Dictionary(_, of) => of,
        kind => kind,
    };
    Some(if kind.is_floating() {
        // NaN and infinity are missing values: JSON has no way to write them.
        serde_json::from_str(&shown).unwrap_or(Value::Null)
    } else if kind.is_numeric() || *kind == DataType::Boolean {
        serde_json::from_str(&shown).unwrap_or(Value::String(shown))
    } else {
        Value::String(shown)
    })
}
