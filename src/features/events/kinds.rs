//! Kinds of fields that only events have.

use serde_json::Value;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use uuid::Uuid;

use crate::platform::http::body::{AnyJson, Convert, FieldReader, Kind, Missing, Text};

/// Characters of an id.
pub const LONGEST_ID: usize = 256;
/// Bytes of a client's metadata of an event, as JSON.
pub const LARGEST_METADATA: usize = 8 << 10;

/// The id of a list of recommendations.
pub struct RequestId;

impl Convert for RequestId {
    type Output = Uuid;

    fn convert(&self, value: &Value) -> Result<Uuid, String> {
        Text(LONGEST_ID).convert(value)?.parse().map_err(|_| "Must be a valid UUID.".to_owned())
    }

    fn described(&self) -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Uuid);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

/// Metadata that a client adds to an event.
pub struct Metadata;

impl Kind for Metadata {
    type Output = Value;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<Value>) -> Value {
        let value = fields.read(field, AnyJson, missing);
        if has_nul(&value) {
            fields.fault(field, "Null characters are not allowed.");
        }
        let bytes = written_bytes(&value);
        if bytes > LARGEST_METADATA {
            fields.fault(field, format!("Metadata may have at most {LARGEST_METADATA} bytes as JSON; this has {bytes}."));
        }
        value
    }

    fn schema(&self) -> RefOr<Schema> {
        AnyJson.schema()
    }
}

/// Returns the length of a value as JSON, without allocating the text.
pub fn written_bytes(value: &Value) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Every value can be written as JSON, and this writer never fails.
    serde_json::to_writer(&mut counter, value).map_or(usize::MAX, |()| counter.0)
}

/// Returns whether a value contains the character U+0000, which PostgreSQL cannot store.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}
