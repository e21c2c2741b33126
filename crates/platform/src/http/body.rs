//! The fields of request bodies, read with the tolerance existing clients rely on
//! (numeric strings for numbers, numbers for strings, trimmed text) and with every fault of a body reported at once.

mod choices;

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Map, Value};

use super::error::{ApiError, ApiResult};

const REQUIRED: &str = "This field is required.";
const NO_NULL_CHARACTERS: &str = "Null characters are not allowed.";
const NOT_NULL: &str = "This field may not be null.";

/// A request body as an object of named values. An empty body is an empty object.
#[derive(Debug, Clone, Default)]
pub struct Body(pub Map<String, Value>, pub(super) Encoding);

/// The notation of the values. A form has only text, so more conversion is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    Json,
    Form,
}

impl From<Map<String, Value>> for Body {
    fn from(values: Map<String, Value>) -> Self {
        Self(values, Encoding::Json)
    }
}

impl Body {
    /// Creates a body that was sent as JSON.
    pub fn of(values: Map<String, Value>) -> Self {
        Self(values, Encoding::Json)
    }

    /// Starts reading the fields.
    pub fn reader(self) -> FieldReader {
        FieldReader { values: self.0, encoding: self.1, errors: BTreeMap::new() }
    }
}

/// Replacement for a field that the caller left out.
#[derive(Debug, Clone)]
pub enum Missing<T> {
    /// A missing field is an error.
    Required,
    /// The default on creation, or the current value on a partial change.
    Use(T),
}

impl<T> Missing<T> {
    /// Makes a field required on creation (`current` is `None`), and keeps the current value on a partial change.
    pub fn keep_or_require(current: Option<T>) -> Self {
        current.map_or(Self::Required, Self::Use)
    }
}

/// Reads typed fields from a body and collects their faults.
#[derive(Debug)]
pub struct FieldReader {
    values: Map<String, Value>,
    encoding: Encoding,
    errors: BTreeMap<String, Vec<String>>,
}

impl FieldReader {
    /// Adds a fault to a field.
    pub fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.errors.entry(field.to_owned()).or_default().push(message.into());
    }

    /// Returns whether a field has a fault already.
    pub fn is_faulty(&self, field: &str) -> bool {
        self.errors.contains_key(field)
    }

    /// Looks up what the value of a field refers to, unless the value itself is at fault; returns `None` if either fails. A
    /// refusal by field is kept among the faults of the body, so that all ids of a body that refer to nothing are named at once;
    /// any other error ends the reading.
    pub async fn refer<T>(&mut self, field: &str, lookup: impl Future<Output = ApiResult<T>>) -> ApiResult<Option<T>> {
        if self.is_faulty(field) {
            return Ok(None);
        }
        match lookup.await {
            Ok(found) => Ok(Some(found)),
            Err(refusal) => self.keep(refusal).map(|()| None),
        }
    }

    /// Keeps a refusal by field among the faults of the body; returns any other error.
    pub fn keep(&mut self, refusal: ApiError) -> ApiResult<()> {
        let Some(faults) = refusal.by_field() else { return Err(refusal) };
        for (field, messages) in faults {
            self.errors.entry(field).or_default().extend(messages);
        }
        Ok(())
    }

    /// Returns whether the caller sent this field.
    pub fn has(&self, field: &str) -> bool {
        self.values.contains_key(field)
    }

    /// Fails with a 400 that lists every fault, if there is one.
    pub fn finish(self) -> ApiResult<()> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::fields(self.errors)) }
    }

    /// Returns the value of a field; of several in a form, the last.
    fn sent(&self, field: &str) -> Option<&Value> {
        match self.values.get(field) {
            Some(Value::Array(values)) if self.encoding == Encoding::Form => values.last(),
            value => value,
        }
    }

    /// Converts the text that a form has for a structured value: a list as repeated fields, an object as JSON.
    fn unpack(&mut self, field: &str, unpacked: impl FnOnce(&Value) -> Option<Value>) {
        if self.encoding == Encoding::Form
            && let Some(value) = self.values.get(field).and_then(unpacked)
        {
            self.values.insert(field.to_owned(), value);
        }
    }

    fn read<T: Default>(&mut self, field: &str, missing: Missing<T>, convert: impl FnOnce(&Value) -> Result<T, String>) -> T {
        self.read_or(field, missing, T::default, convert)
    }

    /// Reads a value; `fallback` stands in for one that is wrong.
    fn read_or<T>(
        &mut self,
        field: &str,
        missing: Missing<T>,
        fallback: impl FnOnce() -> T,
        convert: impl FnOnce(&Value) -> Result<T, String>,
    ) -> T {
        let result = match (self.sent(field), missing) {
            (None, Missing::Use(value)) => Ok(value),
            (None, Missing::Required) => Err(REQUIRED.to_owned()),
            (Some(Value::Null), _) => Err(NOT_NULL.to_owned()),
            (Some(value), _) => convert(value),
        };
        result.unwrap_or_else(|message| {
            self.fault(field, message);
            fallback()
        })
    }

    fn read_nullable<T>(
        &mut self,
        field: &str,
        missing: Option<T>,
        convert: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match self.sent(field) {
            None => missing,
            Some(Value::Null) => None,
            // A form has no other way to write null.
            Some(Value::String(text)) if self.encoding == Encoding::Form && text.is_empty() => None,
            Some(value) => match convert(value) {
                Ok(value) => Some(value),
                Err(message) => {
                    self.fault(field, message);
                    None
                }
            },
        }
    }

    /// Reads text of 1 to `longest` characters.
    pub fn text(&mut self, field: &str, longest: usize, missing: Missing<String>) -> String {
        self.read(field, missing, |value| text(value, longest, false))
    }

    /// Reads text that may be empty.
    pub fn text_or_blank(&mut self, field: &str, longest: usize, missing: Missing<String>) -> String {
        self.read(field, missing, |value| text(value, longest, true))
    }

    /// Reads text unchanged, including blanks: a password.
    pub fn secret(&mut self, field: &str) -> String {
        self.read(field, Missing::Required, |value| match value {
            Value::String(text) if text.is_empty() => Err("This field may not be blank.".to_owned()),
            Value::String(text) if text.len() <= 1024 && !text.contains('\0') => Ok(text.clone()),
            _ => Err("Not a valid string.".to_owned()),
        })
    }

    /// Reads text of 1 to `longest` characters, or null.
    pub fn nullable_text(&mut self, field: &str, longest: usize, missing: Option<String>) -> Option<String> {
        self.read_nullable(field, missing, |value| text(value, longest, false))
    }

    /// Reads text or null; blank text means null.
    pub fn nullable_text_or_blank(&mut self, field: &str, longest: usize, missing: Option<String>) -> Option<String> {
        self.read_nullable(field, missing, |value| text(value, longest, true)).filter(|text| !text.is_empty())
    }

    /// Reads a whole number within a range.
    pub fn integer(&mut self, field: &str, range: RangeInclusive<i32>, missing: Missing<i32>) -> i32 {
        self.read(field, missing, |value| integer(value, range))
    }

    /// Reads a whole number within a range, or null.
    pub fn nullable_integer(&mut self, field: &str, range: RangeInclusive<i32>, missing: Option<i32>) -> Option<i32> {
        self.read_nullable(field, missing, |value| integer(value, range))
    }

    /// Reads a number within a range.
    pub fn number(&mut self, field: &str, range: RangeInclusive<f64>, missing: Missing<f64>) -> f64 {
        self.read(field, missing, |value| number(value, range))
    }

    /// Reads a number within a range, or null.
    pub fn nullable_number(&mut self, field: &str, range: RangeInclusive<f64>, missing: Option<f64>) -> Option<f64> {
        self.read_nullable(field, missing, |value| number(value, range))
    }

    /// Reads a boolean.
    pub fn flag(&mut self, field: &str, missing: Missing<bool>) -> bool {
        self.read(field, missing, flag)
    }

    /// Reads the id of another row.
    pub fn id(&mut self, field: &str, missing: Missing<i64>) -> i64 {
        self.read(field, missing, id)
    }

    /// Reads the id of another row, or null.
    pub fn nullable_id(&mut self, field: &str, missing: Option<i64>) -> Option<i64> {
        self.read_nullable(field, missing, id)
    }

    /// Reads a JSON object.
    pub fn object(&mut self, field: &str, missing: Missing<Map<String, Value>>) -> Map<String, Value> {
        self.unpack(field, |value| serde_json::from_str(value.as_str()?).ok());
        self.read(field, missing, |value| match value {
            Value::Object(_) if has_null_character(value) => Err(NO_NULL_CHARACTERS.to_owned()),
            Value::Object(map) => Ok(map.clone()),
            _ => Err("This must be a JSON object.".to_owned()),
        })
    }

    /// Reads any JSON except null; in a form, text that is not JSON is read as a string.
    pub fn json(&mut self, field: &str, missing: Missing<Value>) -> Value {
        self.unpack(field, |value| serde_json::from_str(value.as_str()?).ok());
        self.read(field, missing, |value| Ok(value.clone()))
    }

    /// Reads a list of texts.
    pub fn texts(&mut self, field: &str, missing: Missing<Vec<String>>) -> Vec<String> {
        self.unpack(field, as_list);
        self.read(field, missing, texts)
    }

    /// Reads a list of texts, or null.
    pub fn nullable_texts(&mut self, field: &str, missing: Option<Vec<String>>) -> Option<Vec<String>> {
        self.unpack(field, as_list);
        self.read_nullable(field, missing, texts)
    }

    /// Reads a moment, or null. A date alone means its first moment in UTC.
    pub fn nullable_moment(&mut self, field: &str, missing: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        self.read_nullable(field, missing, moment)
    }
}

/// Wraps the list so that the last-value rule for forms leaves it intact.
fn as_list(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Array(_) => Value::from(vec![value.clone()]),
        one => Value::from(vec![Value::from(vec![one.clone()])]),
    })
}

/// Returns whether the value contains, at any depth, a text that the database cannot store.
fn has_null_character(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_null_character),
        Value::Object(map) => map.iter().any(|(name, value)| name.contains('\0') || has_null_character(value)),
        _ => false,
    }
}

fn text(value: &Value, longest: usize, blank_allowed: bool) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return Err("Not a valid string.".to_owned()),
    };
    if text.contains('\0') {
        return Err(NO_NULL_CHARACTERS.to_owned());
    }
    if text.is_empty() && !blank_allowed {
        return Err("This field may not be blank.".to_owned());
    }
    if text.chars().count() > longest {
        return Err(format!("Ensure this field has no more than {longest} characters."));
    }
    Ok(text)
}

fn integer(value: &Value, range: RangeInclusive<i32>) -> Result<i32, String> {
    let (low, high) = (*range.start(), *range.end());
    let whole = whole_number(value).ok_or("A valid integer is required.")?;
    if whole < i64::from(low) {
        return Err(format!("Ensure this value is greater than or equal to {low}."));
    }
    i32::try_from(whole).ok().filter(|whole| *whole <= high).ok_or(format!("Ensure this value is less than or equal to {high}."))
}

fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().filter(|real| real.fract() == 0.0 && real.abs() < 9e15).map(|real| real as i64)),
        Value::String(text) => {
            let text = text.trim();
            let whole = text.split_once('.').filter(|(_, zeros)| zeros.bytes().all(|digit| digit == b'0'));
            whole.map_or(text, |(whole, _)| whole).parse().ok()
        }
        _ => None,
    }
}

fn number(value: &Value, range: RangeInclusive<f64>) -> Result<f64, String> {
    let real = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let real = real.filter(|real| real.is_finite()).ok_or("A valid number is required.")?;
    if range.contains(&real) {
        Ok(real)
    } else {
        Err(format!("Ensure this value is between {} and {}.", range.start(), range.end()))
    }
}

fn flag(value: &Value) -> Result<bool, String> {
    let word = match value {
        Value::Bool(flag) => return Ok(*flag),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_lowercase(),
        _ => String::new(),
    };
    match word.as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("Must be a valid boolean.".to_owned()),
    }
}

fn id(value: &Value) -> Result<i64, String> {
    whole_number(value).ok_or_else(|| "Incorrect type. Expected an id.".to_owned())
}

fn texts(value: &Value) -> Result<Vec<String>, String> {
    let wrong = "Expected a list of strings.";
    if has_null_character(value) {
        return Err(NO_NULL_CHARACTERS.to_owned());
    }
    let list = value.as_array().ok_or(wrong)?;
    list.iter().map(|entry| entry.as_str().map(str::to_owned).ok_or_else(|| wrong.to_owned())).collect()
}

/// Formats of a moment without a zone, which is then UTC.
const LOCAL_FORMATS: [&str; 4] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
/// Formats with a zone, beyond RFC 3339.
const ZONED_FORMATS: [&str; 2] = ["%Y-%m-%dT%H:%M%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];

fn moment(value: &Value) -> Result<DateTime<Utc>, String> {
    let wrong = "Datetime has wrong format. Use ISO 8601, such as 2030-01-31T12:00:00Z.";
    let text = value.as_str().ok_or(wrong)?.trim();
    let zoned = DateTime::parse_from_rfc3339(text).ok();
    let zoned = zoned.or_else(|| ZONED_FORMATS.iter().find_map(|format| DateTime::parse_from_str(text, format).ok()));
    let local = || LOCAL_FORMATS.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(NaiveDateTime::from);
    let moment = zoned.map(|moment| moment.to_utc()).or_else(|| local().or_else(date).map(|moment| moment.and_utc()));
    // The years that both the database and the clients can write.
    moment.filter(|moment| (1..=9_999).contains(&moment.year())).ok_or_else(|| wrong.to_owned())
}

#[cfg(test)]
mod tests;
