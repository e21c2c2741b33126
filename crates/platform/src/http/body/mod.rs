//! The fields of request bodies, read with the tolerance existing clients rely on
//! (numeric strings for numbers, numbers for strings, trimmed text) and with every fault of a body reported at once.

mod kinds;
mod values;

use std::collections::BTreeMap;
use std::future::Future;

use serde_json::{Map, Value};

pub use kinds::{Choice, Convert, Kept, Kind, NamedSchemas, Nullable, or_null};
pub use values::{AnyJson, Flag, Id, Integer, JsonObject, Moment, Number, Secret, Text, TextOrBlank, TextOrNull, Texts};

use super::error::{ApiError, ApiResult};

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

/// Reads typed fields from a body and collects their faults.
#[derive(Debug, Default)]
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

    /// Takes the value of a field out of the body, for one that is too large to be copied.
    pub fn take(&mut self, field: &str) -> Option<Value> {
        self.values.remove(field)
    }

    /// Reads a field.
    pub fn read<K: Kind>(&mut self, field: &str, kind: K, missing: Missing<K::Output>) -> K::Output {
        kind.read(self, field, missing)
    }
}

#[cfg(test)]
mod tests;
