//! The values of a Parquet file as JSON.

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

/// Returns a value as JSON: numbers, booleans and lists as such, everything else as text.
pub(super) fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::List(_) => list(&column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list(&column.as_fixed_size_list().value(row)),
        DataType::FixedSizeBinary(_) => {
            let bytes = column.as_fixed_size_binary().value(row);
            uuid::Uuid::from_slice(bytes).map_or_else(|_| shown(column, row), |id| Value::String(id.to_string()))
        }
        DataType::Binary => as_text(column.as_binary::<i32>().value(row), column, row),
        DataType::LargeBinary => as_text(column.as_binary::<i64>().value(row), column, row),
        DataType::BinaryView => as_text(column.as_binary_view().value(row), column, row),
        _ => shown(column, row),
    }
}

/// Returns bytes as text: some programs do not mark text as such.
fn as_text(bytes: &[u8], column: &ArrayRef, row: usize) -> Value {
    std::str::from_utf8(bytes).map_or_else(|_| shown(column, row), Value::from)
}

fn list(items: &ArrayRef) -> Value {
    (0..items.len()).map(|at| value(items, at)).collect()
}

fn shown(column: &ArrayRef, row: usize) -> Value {
    let Ok(shown) = ArrayFormatter::try_new(column, &FormatOptions::default()) else { return Value::Null };
    let shown = shown.value(row).to_string();
    let kind = match column.data_type() {
        DataType::Dictionary(_, of) => of,
        kind => kind,
    };
    if kind.is_floating() {
        // NaN and infinity are missing values: JSON has no way to write them.
        serde_json::from_str(&shown).unwrap_or(Value::Null)
    } else if kind.is_numeric() || *kind == DataType::Boolean {
        serde_json::from_str(&shown).unwrap_or(Value::String(shown))
    } else {
        Value::String(shown)
    }
}
