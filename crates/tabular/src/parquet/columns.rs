//! The columns of a Parquet file as ids, times and texts.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_schema::{DataType, TimeUnit};

use super::super::error::TabularError;
use super::super::findings::{IdFindings, whole_number};
use super::super::times::TimeCell;
use super::decoding::decode;

/// Bytes of a UUID.
const UUID: i32 = 16;

/// Returns the name of a type in messages, if its values cannot be read.
pub(super) fn unreadable(kind: &DataType) -> Option<String> {
    match kind {
        DataType::Dictionary(_, of) => unreadable(of),
        DataType::Struct(fields) => {
            let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            Some(format!("structs (of {})", names.join(", ")))
        }
        DataType::Map(..) => Some("maps".to_owned()),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => Some("lists".to_owned()),
        DataType::Interval(_) | DataType::Duration(_) => Some("lengths of time".to_owned()),
        DataType::FixedSizeBinary(size) if *size != UUID => Some(format!("{size} bytes that are no text")),
        DataType::Union(..) | DataType::RunEndEncoded(..) => Some(format!("values of the type {kind}")),
        _ => None,
    }
}

/// Refuses a column whose values cannot be read.
fn refuse_unreadable(name: &str, kind: &DataType) -> Result<(), TabularError> {
    match unreadable(kind) {
        Some(kind) => Err(TabularError::ColumnKind { column: name.to_owned(), kind }),
        None => Ok(()),
    }
}

/// Returns a column as text.
pub(super) fn texts(name: &str, column: &ArrayRef) -> Result<StringViewArray, TabularError> {
    refuse_unreadable(name, column.data_type())?;
    let column = match column.data_type() {
        DataType::FixedSizeBinary(_) => Arc::new(uuids(column)),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Arc::new(bytes_as_text(name, column)?),
        DataType::Utf8View => Arc::clone(column),
        _ => {
            let through_text = || cast(&cast(column, &DataType::Utf8)?, &DataType::Utf8View);
            cast(column, &DataType::Utf8View).or_else(|_: TabularError| through_text())?
        }
    };
    Ok(column.as_string_view().clone())
}

/// Returns UUIDs as they are usually written.
fn uuids(column: &ArrayRef) -> StringViewArray {
    let values = column.as_fixed_size_binary();
    values.iter().map(|bytes| bytes.and_then(|bytes| uuid::Uuid::from_slice(bytes).ok()).map(|id| id.to_string())).collect()
}

/// Returns bytes as text: some programs do not mark text as such.
fn bytes_as_text(name: &str, column: &ArrayRef) -> Result<StringViewArray, TabularError> {
    let bytes = cast(column, &DataType::BinaryView)?;
    let values = bytes.as_binary_view();
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| std::str::from_utf8(bytes).map(str::to_owned)).transpose();
    let texts: Result<StringViewArray, _> = values.iter().map(text).collect();
    texts.map_err(|_| TabularError::ColumnKind { column: name.to_owned(), kind: "bytes that are no text".to_owned() })
}

/// Returns a column of ids as text: whole numbers without a fraction, for any type of the column, since many programs turn a
/// column of whole numbers with a missing value into one of floating-point numbers.
pub(super) fn ids(name: &str, column: &ArrayRef, findings: &mut IdFindings) -> Result<StringViewArray, TabularError> {
    let kind = column.data_type();
    if !kind.is_floating() && !kind.is_decimal() {
        return texts(name, column);
    }
    let finite = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let values = cast(column, &DataType::Utf8)?;
    let written = values.as_string::<i32>();
    let mut id = |text: Option<&str>| {
        let text = text.filter(|text| finite(text))?;
        let plain = in_full(text);
        let whole = whole_number(&plain);
        match whole {
            Some(_) => findings.whole.add(&plain),
            None if plain.contains(['.', 'e']) => findings.fraction(&plain),
            None => {}
        }
        Some(whole.unwrap_or(&plain).to_owned())
    };
    Ok(written.iter().map(&mut id).collect())
}

/// Writes a whole number with an exponent, such as `1e15`, in full, as far as that is exact.
fn in_full(text: &str) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match text.parse::<f64>() {
        Ok(value) if text.contains(['e', 'E']) && value.fract() == 0.0 && value.abs() <= EXACT => format!("{value:.1}"),
        _ => text.to_owned(),
    }
}

pub(super) fn text(column: &StringViewArray, row: usize) -> Option<&[u8]> {
    column.is_valid(row).then(|| column.value(row).as_bytes())
}

/// A time column in the form that keeps the most precision.
pub(super) enum Times {
    Micros(ArrayRef),
    Integers(ArrayRef),
    Floats(ArrayRef),
    Texts(StringViewArray),
}

impl Times {
    pub fn of(name: &str, column: &ArrayRef) -> Result<Self, TabularError> {
        use DataType as T;
        Ok(match column.data_type() {
            // The zone stays: it only tells how to show the moment, which is counted in UTC.
            T::Timestamp(_, zone) => Times::Micros(cast(column, &T::Timestamp(TimeUnit::Microsecond, zone.clone()))?),
            T::Date32 | T::Date64 => Times::Micros(cast(column, &T::Timestamp(TimeUnit::Microsecond, None))?),
            kind if kind.is_integer() => Times::Integers(cast(column, &T::Int64)?),
            kind if kind.is_floating() || kind.is_decimal() => Times::Floats(cast(column, &T::Float64)?),
            _ => Times::Texts(texts(name, column)?),
        })
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        match self {
            Times::Micros(a) | Times::Integers(a) | Times::Floats(a) => a.len(),
            Times::Texts(a) => a.len(),
        }
    }

    pub fn get(&self, row: usize) -> Option<TimeCell<'_>> {
        match self {
            Times::Micros(a) => {
                a.is_valid(row).then(|| TimeCell::Micros(a.as_primitive::<TimestampMicrosecondType>().value(row)))
            }
            Times::Integers(a) => a.is_valid(row).then(|| TimeCell::Integer(a.as_primitive::<Int64Type>().value(row))),
            Times::Floats(a) => {
                let value = |row| a.as_primitive::<Float64Type>().value(row);
                // NaN is a missing value.
                a.is_valid(row).then(|| value(row)).filter(|value| !value.is_nan()).map(TimeCell::Float)
            }
            Times::Texts(a) => text(a, row).map(TimeCell::Text),
        }
    }
}

pub(super) fn cast(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, TabularError> {
    if column.data_type() == to {
        return Ok(Arc::clone(column));
    }
    decode(|| arrow_cast::cast(column, to))
}

#[cfg(test)]
mod tests {
    use super::in_full;

    #[test]
    fn large_whole_numbers_are_written_in_full() {
        for (text, full) in
            [("1.0", "1.0"), ("1e15", "1000000000000000.0"), ("1.5e3", "1500.0"), ("1e300", "1e300"), ("1.5", "1.5")]
        {
            assert_eq!(in_full(text), full);
        }
    }
}
