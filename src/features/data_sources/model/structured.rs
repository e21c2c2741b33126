//! Fields whose value is an object of its own, as its column stores it.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::platform::http::body::{FieldReader, JsonObject, Kind, Missing, NamedSchemas};

/// An object that a field may have.
pub trait Object: Serialize + DeserializeOwned + ToSchema + PartialSchema {
    /// Checks what its type does not say. Fails with a sentence.
    fn check(&self) -> Result<(), String>;
}

/// A field with an object of this type.
pub struct Structured<T>(PhantomData<T>);

impl<T> Structured<T> {
    /// Creates the kind.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Object> Kind for Structured<T> {
    type Output = Value;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<Value>) -> Value {
        let sent = fields.read(field, JsonObject::STORED, missing);
        if fields.is_faulty(field) {
            return sent;
        }
        let read = serde_json::from_value::<T>(sent).map_err(|error| format!("This is not valid: {error}."));
        match read.and_then(|object| object.check().map(|()| object)) {
            Ok(object) => serde_json::to_value(object).unwrap_or_default(),
            Err(message) => {
                fields.fault(field, message);
                Value::Null
            }
        }
    }

    fn schema(&self) -> RefOr<Schema> {
        Ref::from_schema_name(T::name()).into()
    }

    fn add_schemas(&self, schemas: &mut NamedSchemas) {
        schemas.push((T::name().into_owned(), <T as PartialSchema>::schema()));
        <T as ToSchema>::schemas(schemas);
    }
}
