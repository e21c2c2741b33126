//! The kinds of fields that every body may have.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

use super::kinds::{Convert, Kind, Nullable};
use super::{FieldReader, Missing};

const NO_NULL_CHARACTERS: &str = "Null characters are not allowed.";
const LONGEST_SECRET: usize = 1024;

fn of_type(one: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(one)
}

fn formatted(one: Type, format: KnownFormat) -> ObjectBuilder {
    of_type(one).format(Some(SchemaFormat::KnownFormat(format)))
}

/// Text of 1 to this number of characters.
pub struct Text(pub usize);

impl Convert for Text {
    type Output = String;

    fn convert(&self, value: &Value) -> Result<String, String> {
        let text = TextOrBlank(self.0).convert(value)?;
        if text.is_empty() { Err("This field may not be blank.".to_owned()) } else { Ok(text) }
    }

    fn described(&self) -> RefOr<Schema> {
        of_type(Type::String).min_length(Some(1)).max_length(Some(self.0)).into()
    }
}

/// Text of up to this number of characters.
pub struct TextOrBlank(pub usize);

impl Convert for TextOrBlank {
    type Output = String;

    fn convert(&self, value: &Value) -> Result<String, String> {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return Err("Not a valid string.".to_owned()),
        };
        if text.contains('\0') {
            return Err(NO_NULL_CHARACTERS.to_owned());
        }
        if text.chars().count() > self.0 {
            return Err(format!("Ensure this field has no more than {} characters.", self.0));
        }
        Ok(text)
    }

    fn described(&self) -> RefOr<Schema> {
        of_type(Type::String).max_length(Some(self.0)).into()
    }
}

/// Text of up to this number of characters, or null; blank text means null.
pub struct TextOrNull(pub usize);

impl Kind for TextOrNull {
    type Output = Option<String>;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<Self::Output>) -> Self::Output {
        Nullable(TextOrBlank(self.0)).read(fields, field, missing).filter(|text| !text.is_empty())
    }

    fn schema(&self) -> RefOr<Schema> {
        Nullable(TextOrBlank(self.0)).schema()
    }
}

/// Text that is read unchanged, blanks included: a password.
pub struct Secret;

impl Convert for Secret {
    type Output = String;

    fn convert(&self, value: &Value) -> Result<String, String> {
        match value {
            Value::String(text) if text.is_empty() => Err("This field may not be blank.".to_owned()),
            Value::String(text) if text.len() <= LONGEST_SECRET && !text.contains('\0') => Ok(text.clone()),
            _ => Err("Not a valid string.".to_owned()),
        }
    }

    fn described(&self) -> RefOr<Schema> {
        of_type(Type::String).min_length(Some(1)).max_length(Some(LONGEST_SECRET)).into()
    }
}

/// A whole number within a range.
pub struct Integer(pub RangeInclusive<i32>);

impl Convert for Integer {
    type Output = i32;

    fn convert(&self, value: &Value) -> Result<i32, String> {
        let (low, high) = (*self.0.start(), *self.0.end());
        let whole = whole_number(value).ok_or("A valid integer is required.")?;
        if whole < i64::from(low) {
            return Err(format!("Ensure this value is greater than or equal to {low}."));
        }
        i32::try_from(whole)
            .ok()
            .filter(|whole| *whole <= high)
            .ok_or(format!("Ensure this value is less than or equal to {high}."))
    }

    fn described(&self) -> RefOr<Schema> {
        let bound = |bound: i32, of_format: i32| (bound != of_format).then(|| f64::from(bound));
        let integer = formatted(Type::Integer, KnownFormat::Int32);
        integer.minimum(bound(*self.0.start(), i32::MIN)).maximum(bound(*self.0.end(), i32::MAX)).into()
    }
}

/// A number within a range.
pub struct Number(pub RangeInclusive<f64>);

impl Convert for Number {
    type Output = f64;

    fn convert(&self, value: &Value) -> Result<f64, String> {
        let real = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let real = real.filter(|real| real.is_finite()).ok_or("A valid number is required.")?;
        if self.0.contains(&real) {
            Ok(real)
        } else {
            Err(format!("Ensure this value is between {} and {}.", self.0.start(), self.0.end()))
        }
    }

    fn described(&self) -> RefOr<Schema> {
        let number = formatted(Type::Number, KnownFormat::Double);
        number.minimum(Some(*self.0.start())).maximum(Some(*self.0.end())).into()
    }
}

/// A boolean.
pub struct Flag;

impl Convert for Flag {
    type Output = bool;

    fn convert(&self, value: &Value) -> Result<bool, String> {
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

    fn described(&self) -> RefOr<Schema> {
        of_type(Type::Boolean).into()
    }
}

/// The id of another row.
pub struct Id;

impl Convert for Id {
    type Output = i64;

    fn convert(&self, value: &Value) -> Result<i64, String> {
        whole_number(value).ok_or_else(|| "Incorrect type. Expected an id.".to_owned())
    }

    fn described(&self) -> RefOr<Schema> {
        formatted(Type::Integer, KnownFormat::Int64).into()
    }
}

/// A JSON object of at most this many bytes.
pub struct JsonObject(pub usize);

impl JsonObject {
    /// An object that a row keeps: a list answers a hundred rows at once, and other rows may store copies.
    pub const STORED: Self = Self(64 << 10);
}

impl Convert for JsonObject {
    type Output = Value;

    fn convert(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::Object(_) if has_null_character(value) => Err(NO_NULL_CHARACTERS.to_owned()),
            Value::Object(_) if value.to_string().len() > self.0 => {
                Err(format!("Ensure this field has no more than {} bytes of JSON.", self.0))
            }
            Value::Object(_) => Ok(value.clone()),
            _ => Err("This must be a JSON object.".to_owned()),
        }
    }

    fn unpack(value: &Value) -> Option<Value> {
        serde_json::from_str(value.as_str()?).ok()
    }

    fn described(&self) -> RefOr<Schema> {
        of_type(Type::Object).into()
    }
}

/// Any JSON except null; in a form, text that is not JSON is read as a string.
pub struct AnyJson;

impl Convert for AnyJson {
    type Output = Value;

    fn convert(&self, value: &Value) -> Result<Value, String> {
        Ok(value.clone())
    }

    fn unpack(value: &Value) -> Option<Value> {
        serde_json::from_str(value.as_str()?).ok()
    }

    fn described(&self) -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
    }
}

/// A list of texts.
pub struct Texts {
    /// The largest number of texts.
    pub most: usize,
    /// The largest number of characters of each.
    pub longest: usize,
}

impl Texts {
    /// A list of words of which only a few are known.
    pub const WORDS: Self = Self { most: 100, longest: 128 };
}

impl Convert for Texts {
    type Output = Vec<String>;

    fn convert(&self, value: &Value) -> Result<Vec<String>, String> {
        let wrong = "Expected a list of strings.";
        if has_null_character(value) {
            return Err(NO_NULL_CHARACTERS.to_owned());
        }
        let list = value.as_array().ok_or(wrong)?;
        if list.len() > self.most {
            return Err(format!("Ensure this field has no more than {} elements.", self.most));
        }
        if list.iter().filter_map(Value::as_str).any(|text| text.chars().count() > self.longest) {
            return Err(format!("Ensure that no element has more than {} characters.", self.longest));
        }
        list.iter().map(|entry| entry.as_str().map(str::to_owned).ok_or_else(|| wrong.to_owned())).collect()
    }

    /// Wraps the list so that the last-value rule for forms leaves it intact.
    fn unpack(value: &Value) -> Option<Value> {
        Some(match value {
            Value::Array(_) => Value::from(vec![value.clone()]),
            one => Value::from(vec![Value::from(vec![one.clone()])]),
        })
    }

    fn described(&self) -> RefOr<Schema> {
        ArrayBuilder::new().items(of_type(Type::String).max_length(Some(self.longest))).max_items(Some(self.most)).into()
    }
}

/// A moment. A date alone means its first moment in UTC.
pub struct Moment;

/// Formats of a moment without a zone, which is then UTC.
const LOCAL_FORMATS: [&str; 4] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
/// Formats with a zone, beyond RFC 3339.
const ZONED_FORMATS: [&str; 2] = ["%Y-%m-%dT%H:%M%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];

impl Convert for Moment {
    type Output = DateTime<Utc>;

    fn convert(&self, value: &Value) -> Result<DateTime<Utc>, String> {
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

    fn described(&self) -> RefOr<Schema> {
        formatted(Type::String, KnownFormat::DateTime).into()
    }
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
