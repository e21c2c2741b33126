//! Request bodies: JSON, form or multipart text fields, read with the tolerance existing clients rely on
//! (numeric strings for numbers, numbers for strings, trimmed text) and with every fault of a body reported at once.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};

use super::error::{ApiError, ApiResult};

const REQUIRED: &str = "This field is required.";
const NOT_NULL: &str = "This field may not be null.";

/// A request body as an object of named values. An empty body is an empty object.
#[derive(Debug, Clone, Default)]
pub struct Body(pub Map<String, Value>);

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = ApiResult<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = is_form(request);
        let known = form || request.mime_type().ok().flatten().is_none_or(|mime| mime.subtype() == "json");
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            let bytes = bytes.await.map_err(|error| {
                ApiError::detail(error.as_response_error().status_code(), format!("The body could not be read: {error}."))
            })?;
            if bytes.is_empty() {
                return Ok(Self::default());
            }
            if !known {
                return Err(ApiError::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json."));
            }
            if form { Self::from_form(&bytes) } else { Self::from_json(&bytes) }
        })
    }
}

fn is_form(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

impl Body {
    fn from_json(bytes: &[u8]) -> ApiResult<Self> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(ApiError::non_field("Invalid data. Expected a JSON object.")),
            Err(error) => Err(ApiError::bad_request(format!("JSON parse error - {error}"))),
        }
    }

    fn from_form(bytes: &[u8]) -> ApiResult<Self> {
        Ok(Self(
            url::form_urlencoded::parse(bytes).map(|(key, value)| (key.into_owned(), Value::from(value.into_owned()))).collect(),
        ))
    }

    /// Starts reading the fields.
    pub fn reader(self) -> FieldReader {
        FieldReader { values: self.0, errors: BTreeMap::new() }
    }
}

/// What stands in for a field the caller left out.
#[derive(Debug, Clone)]
pub enum Missing<T> {
    /// Leaving it out is an error.
    Required,
    /// The default on creation, or the current value on a partial change.
    Use(T),
}

impl<T> Missing<T> {
    /// Required on creation (`current` is none), the current value on a partial change.
    pub fn keep_or_require(current: Option<T>) -> Self {
        current.map_or(Self::Required, Self::Use)
    }
}

/// Reads typed fields from a body and collects what is wrong with them.
#[derive(Debug)]
pub struct FieldReader {
    values: Map<String, Value>,
    errors: BTreeMap<String, Vec<String>>,
}

impl FieldReader {
    /// Adds a fault to a field.
    pub fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.errors.entry(field.to_owned()).or_default().push(message.into());
    }

    /// Whether the caller sent this field at all.
    pub fn has(&self, field: &str) -> bool {
        self.values.contains_key(field)
    }

    /// 400 with every fault found, if there is one.
    pub fn finish(self) -> ApiResult<()> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::fields(self.errors)) }
    }

    fn read<T: Default>(&mut self, field: &str, missing: Missing<T>, convert: impl FnOnce(&Value) -> Result<T, String>) -> T {
        let result = match (self.values.get(field), missing) {
            (None, Missing::Use(value)) => Ok(value),
            (None, Missing::Required) => Err(REQUIRED.to_owned()),
            (Some(Value::Null), _) => Err(NOT_NULL.to_owned()),
            (Some(value), _) => convert(value),
        };
        result.unwrap_or_else(|message| {
            self.fault(field, message);
            T::default()
        })
    }

    fn read_nullable<T>(
        &mut self,
        field: &str,
        missing: Option<T>,
        convert: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match self.values.get(field) {
            None => missing,
            Some(Value::Null) => None,
            Some(value) => match convert(value) {
                Ok(value) => Some(value),
                Err(message) => {
                    self.fault(field, message);
                    None
                }
            },
        }
    }

    /// Text of 1 to `longest` characters.
    pub fn text(&mut self, field: &str, longest: usize, missing: Missing<String>) -> String {
        self.read(field, missing, |value| text(value, longest, false))
    }

    /// Text that may also be empty.
    pub fn text_or_blank(&mut self, field: &str, longest: usize, missing: Missing<String>) -> String {
        self.read(field, missing, |value| text(value, longest, true))
    }

    /// Text taken as it is, blanks and all: a password.
    pub fn secret(&mut self, field: &str) -> String {
        self.read(field, Missing::Required, |value| match value {
            Value::String(text) if text.is_empty() => Err("This field may not be blank.".to_owned()),
            Value::String(text) if text.len() <= 1024 && !text.contains('\0') => Ok(text.clone()),
            _ => Err("Not a valid string.".to_owned()),
        })
    }

    /// Text of 1 to `longest` characters, or null.
    pub fn nullable_text(&mut self, field: &str, longest: usize, missing: Option<String>) -> Option<String> {
        self.read_nullable(field, missing, |value| text(value, longest, false))
    }

    /// Text or null; blank text means null.
    pub fn nullable_text_or_blank(&mut self, field: &str, longest: usize, missing: Option<String>) -> Option<String> {
        self.read_nullable(field, missing, |value| text(value, longest, true)).filter(|text| !text.is_empty())
    }

    /// A whole number within a range.
    pub fn integer(&mut self, field: &str, range: RangeInclusive<i32>, missing: Missing<i32>) -> i32 {
        self.read(field, missing, |value| integer(value, range))
    }

    /// A whole number within a range, or null.
    pub fn nullable_integer(&mut self, field: &str, range: RangeInclusive<i32>, missing: Option<i32>) -> Option<i32> {
        self.read_nullable(field, missing, |value| integer(value, range))
    }

    /// A number within a range.
    pub fn number(&mut self, field: &str, range: RangeInclusive<f64>, missing: Missing<f64>) -> f64 {
        self.read(field, missing, |value| number(value, range))
    }

    /// A number within a range, or null.
    pub fn nullable_number(&mut self, field: &str, range: RangeInclusive<f64>, missing: Option<f64>) -> Option<f64> {
        self.read_nullable(field, missing, |value| number(value, range))
    }

    /// Yes or no.
    pub fn flag(&mut self, field: &str, missing: Missing<bool>) -> bool {
        self.read(field, missing, flag)
    }

    /// The id of another row.
    pub fn id(&mut self, field: &str, missing: Missing<i64>) -> i64 {
        self.read(field, missing, id)
    }

    /// The id of another row, or null.
    pub fn nullable_id(&mut self, field: &str, missing: Option<i64>) -> Option<i64> {
        self.read_nullable(field, missing, id)
    }

    /// One of a set of words.
    pub fn choice(&mut self, field: &str, known: &[&str], missing: Missing<String>) -> String {
        self.read(field, missing, |value| match value.as_str() {
            Some(word) if known.contains(&word) => Ok(word.to_owned()),
            _ => Err(format!("{value} is not a valid choice. Choose one of: {}.", known.join(", "))),
        })
    }

    /// A JSON object.
    pub fn object(&mut self, field: &str, missing: Missing<Map<String, Value>>) -> Map<String, Value> {
        self.read(field, missing, |value| match value {
            Value::Object(map) => Ok(map.clone()),
            _ => Err("This must be a JSON object.".to_owned()),
        })
    }

    /// Any JSON but null.
    pub fn json(&mut self, field: &str, missing: Missing<Value>) -> Value {
        self.read(field, missing, |value| Ok(value.clone()))
    }

    /// A list of texts.
    pub fn texts(&mut self, field: &str, missing: Missing<Vec<String>>) -> Vec<String> {
        self.read(field, missing, texts)
    }

    /// A list of texts, or null.
    pub fn nullable_texts(&mut self, field: &str, missing: Option<Vec<String>>) -> Option<Vec<String>> {
        self.read_nullable(field, missing, texts)
    }

    /// A moment, or null. A date alone means its first moment in UTC.
    pub fn nullable_moment(&mut self, field: &str, missing: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        self.read_nullable(field, missing, moment)
    }
}

fn text(value: &Value, longest: usize, blank_allowed: bool) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return Err("Not a valid string.".to_owned()),
    };
    if text.contains('\0') {
        return Err("Null characters are not allowed.".to_owned());
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
        Value::String(text) => text.trim().parse().ok(),
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
    let list = value.as_array().ok_or("Expected a list of strings.")?;
    list.iter().map(|entry| entry.as_str().map(str::to_owned).ok_or_else(|| "Expected a list of strings.".to_owned())).collect()
}

fn moment(value: &Value) -> Result<DateTime<Utc>, String> {
    let wrong = "Datetime has wrong format. Use ISO 8601, such as 2030-01-31T12:00:00Z.";
    let text = value.as_str().ok_or(wrong)?.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.with_timezone(&Utc));
    }
    if let Ok(moment) = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f") {
        return Ok(moment.and_utc());
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| wrong)?;
    Ok(date.and_time(chrono::NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reader(value: Value) -> FieldReader {
        Body(value.as_object().cloned().unwrap_or_default()).reader()
    }

    #[test]
    fn numbers_and_texts_are_read_with_the_clients_tolerance() {
        let mut fields = reader(json!({ "a": "5", "b": 5.0, "c": 7, "d": " x ", "e": "yes" }));
        assert_eq!(fields.integer("a", 0..=10, Missing::Required), 5);
        assert_eq!(fields.integer("b", 0..=10, Missing::Required), 5);
        assert_eq!(fields.text("c", 10, Missing::Required), "7");
        assert_eq!(fields.text("d", 10, Missing::Required), "x");
        assert!(fields.flag("e", Missing::Required));
        assert!(fields.finish().is_ok());
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let mut fields = reader(json!({ "n": true, "s": "", "z": null, "big": 4_000_000_000_u64, "nul": "a\0b" }));
        fields.integer("n", 0..=10, Missing::Required);
        fields.text("s", 10, Missing::Required);
        fields.text("z", 10, Missing::Required);
        fields.text("gone", 10, Missing::Required);
        fields.text("nul", 10, Missing::Required);
        fields.integer("big", 0..=i32::MAX, Missing::Required);
        let error = fields.finish().unwrap_err();
        for field in ["n", "s", "z", "gone", "big", "nul"] {
            assert!(error.body()[field].is_array(), "{field} is missing in {error}");
        }
    }
}
