//! Cells: the value of one item in one column, on its way to be encoded.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

use super::dates::{self, Numbers};

/// Texts that stand for a missing number or date; letter case is ignored.
const MISSING: [&str; 6] = ["na", "n/a", "null", "none", "-", "?"];

/// Whole numbers up to this have a double of their own.
const EXACT: i64 = 1 << 53;

/// Most characters of a value that are shown.
const SHOWN: usize = 60;

/// A result whose error ends a sentence that begins with the column and the id.
pub(super) type Told<T> = Result<T, String>;

/// A value, borrowed from its table where possible.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Missing,
    Text(Cow<'a, str>),
    Number(f64),
    Texts(Vec<Cow<'a, str>>),
    /// A JSON array as it stands in the table.
    Values(&'a [Value]),
}

impl<'a> Cell<'a> {
    /// Returns the cell of a value. Empty texts and arrays are missing.
    pub fn of(value: &'a Value) -> Told<Self> {
        Ok(match value {
            Value::Null => Cell::Missing,
            Value::Bool(true) => Cell::Text("true".into()),
            Value::Bool(false) => Cell::Text("false".into()),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), Some(value)) if (-EXACT..=EXACT).contains(&whole) => Cell::Number(value),
                (None, Some(value)) if !number.is_u64() => Cell::Number(value),
                // Larger numbers are names rather than quantities, and every digit counts.
                _ => Cell::Text(number.to_string().into()),
            },
            Value::String(text) => Cell::text(Cow::Borrowed(text)),
            Value::Array(values) if values.is_empty() => Cell::Missing,
            Value::Array(values) if values.iter().any(Value::is_array) => return Err("has an array inside an array".to_owned()),
            Value::Array(values) if values.iter().any(Value::is_object) => {
                return Err("has a JSON object inside an array; write texts or numbers".to_owned());
            }
            Value::Array(values) => Cell::Values(values),
            Value::Object(_) => return Err("has a JSON object; write a text, a number or an array".to_owned()),
        })
    }

    /// Returns the cell of a text, without the blanks around it.
    pub fn text(text: Cow<'a, str>) -> Self {
        let trimmed = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        };
        if trimmed.is_empty() { Cell::Missing } else { Cell::Text(trimmed) }
    }

    /// Calls `found` with each of the texts in the cell, and with whether it stood alone, not in a list.
    pub fn each_text(&self, number: &mut String, found: &mut dyn FnMut(&str, bool)) -> Told<()> {
        match self {
            Cell::Missing => {}
            Cell::Text(text) => found(text, true),
            Cell::Number(value) => found(number_text(*value, number), true),
            Cell::Texts(texts) => texts.iter().for_each(|text| found(text, false)),
            Cell::Values(values) => {
                for value in *values {
                    match Cell::of(value)? {
                        Cell::Missing => {}
                        Cell::Text(text) => found(&text, false),
                        Cell::Number(value) => found(number_text(value, number), false),
                        Cell::Texts(_) | Cell::Values(_) => return Err("has an array inside an array".to_owned()),
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the bytes of the texts in the cell.
    pub fn bytes(&self) -> usize {
        match self {
            Cell::Missing | Cell::Number(_) => 0,
            Cell::Text(text) => text.len(),
            Cell::Texts(texts) => texts.iter().map(|text| text.len()).sum(),
            Cell::Values(values) => values.iter().map(|value| value.as_str().map_or(0, str::len)).sum(),
        }
    }

    /// Returns the texts in the cell.
    pub fn texts(self) -> Told<Vec<Cow<'a, str>>> {
        match self {
            Cell::Text(text) => Ok(vec![text]),
            Cell::Texts(texts) => Ok(texts),
            other => {
                let mut texts = Vec::new();
                other.each_text(&mut String::new(), &mut |text, _| texts.push(Cow::Owned(text.to_owned())))?;
                Ok(texts)
            }
        }
    }

    /// Returns the number in the cell.
    pub fn number(&self) -> Told<Option<f64>> {
        self.number_if_any().ok_or_else(|| match self {
            Cell::Texts(_) | Cell::Values(_) => "has several values, not one number".to_owned(),
            Cell::Text(text) => match text.parse::<f64>() {
                Ok(value) => format!("has {value}, which is not a finite number of usual size"),
                Err(_) => format!("has {}, which is not a number", quoted(text)),
            },
            Cell::Number(value) => format!("has {value}, which is not a finite number of usual size"),
            Cell::Missing => String::new(),
        })
    }

    /// Returns the number in the cell; the outer `None` stands for a value that is none.
    pub fn number_if_any(&self) -> Option<Option<f64>> {
        let value = match self {
            Cell::Missing => return Some(None),
            Cell::Number(value) => *value,
            Cell::Text(text) if is_missing(text) => return Some(None),
            Cell::Text(text) => text.parse().ok()?,
            Cell::Texts(_) | Cell::Values(_) => return None,
        };
        (value.is_finite() && value.abs() <= f64::from(f32::MAX)).then_some(Some(value))
    }

    /// Returns the moment in the cell, in microseconds UTC.
    pub fn moment(&self, numbers: Numbers) -> Told<Option<i64>> {
        self.moment_if_any(numbers).ok_or_else(|| {
            let shown = match self {
                Cell::Number(value) => value.to_string(),
                Cell::Text(text) => quoted(text),
                Cell::Texts(_) | Cell::Values(_) => return "has several values, not one date".to_owned(),
                Cell::Missing => String::new(),
            };
            format!("has {shown}, which is not a date; write it as 1995-01-31 or 1995-01-31T12:30:00Z")
        })
    }

    /// Returns the moment in the cell; the outer `None` stands for a value that is none.
    pub fn moment_if_any(&self, numbers: Numbers) -> Option<Option<i64>> {
        match self {
            Cell::Missing => Some(None),
            Cell::Number(value) => numbers.moment(*value).map(Some),
            Cell::Text(text) if is_missing(text) => Some(None),
            Cell::Text(text) => dates::of_text(text, numbers).map(Some),
            Cell::Texts(_) | Cell::Values(_) => None,
        }
    }
}

fn is_missing(text: &str) -> bool {
    MISSING.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Returns a text in quotes, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Returns a text, cut where it is long.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Writes a number as the shortest text that stands for it: 5 and 5.0 are the same category.
pub(super) fn number_text(value: f64, buffer: &mut String) -> &str {
    buffer.clear();
    // Adding zero makes a positive zero of a negative one. Writing to a text cannot fail.
    let _ = write!(buffer, "{}", value + 0.0);
    buffer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(value: &Value) -> Vec<String> {
        Cell::of(value).unwrap().texts().unwrap().into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn values_become_texts() {
        for (value, wanted) in [
            (json!(null), vec![]),
            (json!("  "), vec![]),
            (json!([]), vec![]),
            (json!(" a b "), vec!["a b"]),
            (json!(true), vec!["true"]),
            (json!(5), vec!["5"]),
            (json!(5.0), vec!["5"]),
            (json!(-0.0), vec!["0"]),
            (json!(0.25), vec!["0.25"]),
            (json!(9_007_199_254_740_993_i64), vec!["9007199254740993"]),
            (json!(u64::MAX), vec!["18446744073709551615"]),
            (json!(["x", null, 2, ""]), vec!["x", "2"]),
        ] {
            assert_eq!(texts(&value), wanted, "{value}");
        }
        let nested = json!([["x"]]);
        assert!(Cell::of(&nested).is_err() && Cell::of(&json!(["x", {"a": 1}])).is_err());
        assert!(Cell::of(&json!({"a": 1})).is_err());
    }

    #[test]
    fn numbers_are_read_or_refused_with_a_reason() {
        let number = |value: Value| Cell::of(&value).unwrap().number();
        assert_eq!(number(json!(" 2.5 ")), Ok(Some(2.5)));
        assert_eq!(number(json!(3)), Ok(Some(3.0)));
        for missing in [json!(null), json!(""), json!("N/A"), json!("null")] {
            assert_eq!(number(missing), Ok(None));
        }
        assert_eq!(number(json!("cheap")).unwrap_err(), "has \"cheap\", which is not a number");
        assert!(number(json!("NaN")).unwrap_err().contains("NaN, which is not a finite"));
        assert!(number(json!("inf")).unwrap_err().contains("inf"));
        assert!(number(json!(1e300)).is_err());
        assert!(number(json!([1])).is_err());
    }

    #[test]
    fn long_values_are_quoted_in_part() {
        assert_eq!(quoted(&"é".repeat(61)), format!("{:?}…", "é".repeat(60)));
    }
}
