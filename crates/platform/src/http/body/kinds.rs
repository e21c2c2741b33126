//! Kinds of fields: how the value of a field is read, and how the API document describes it.

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};

use super::{Encoding, FieldReader, Missing};
use crate::words::Word;

const REQUIRED: &str = "This field is required.";
const NOT_NULL: &str = "This field may not be null.";

/// Schemas with the names by which others refer to them.
pub type NamedSchemas = Vec<(String, RefOr<Schema>)>;

/// A kind of fields.
pub trait Kind {
    /// The type of the value.
    type Output;
    /// Whether a replacement also keeps the current value if the body leaves the field out.
    const KEPT: bool = false;

    /// Reads the value of a field and keeps its faults in the reader.
    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<Self::Output>) -> Self::Output;

    /// Returns the description of the value.
    fn schema(&self) -> RefOr<Schema>;

    /// Adds the schemas that the description refers to.
    fn add_schemas(&self, _: &mut NamedSchemas) {}
}

/// A kind of field that is read independently of others. An invalid value is replaced by the default of the type.
pub trait Convert {
    /// The type of the value.
    type Output: Default;

    /// Converts a value other than null.
    fn convert(&self, value: &Value) -> Result<Self::Output, String>;

    /// Converts the text that a form has for a structured value.
    fn unpack(_: &Value) -> Option<Value> {
        None
    }

    /// Returns the description of the value.
    fn described(&self) -> RefOr<Schema>;
}

impl<C: Convert> Kind for C {
    type Output = C::Output;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<Self::Output>) -> Self::Output {
        fields.unpack(field, Self::unpack);
        read_or(fields, field, missing, Self::Output::default, |value| self.convert(value))
    }

    fn schema(&self) -> RefOr<Schema> {
        self.described()
    }
}

/// Reads a value; an invalid one is replaced by `stand_in`.
fn read_or<T>(
    fields: &mut FieldReader,
    field: &str,
    missing: Missing<T>,
    stand_in: impl FnOnce() -> T,
    convert: impl FnOnce(&Value) -> Result<T, String>,
) -> T {
    let result = match (fields.sent(field), missing) {
        (None, Missing::Use(value)) => Ok(value),
        (None, Missing::Required) => Err(REQUIRED.to_owned()),
        (Some(Value::Null), _) => Err(NOT_NULL.to_owned()),
        (Some(value), _) => convert(value),
    };
    result.unwrap_or_else(|message| {
        fields.fault(field, message);
        stand_in()
    })
}

/// Another kind, or null.
pub struct Nullable<C>(pub C);

impl<C: Convert> Kind for Nullable<C> {
    type Output = Option<C::Output>;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<Self::Output>) -> Self::Output {
        fields.unpack(field, C::unpack);
        let result = match (fields.sent(field), missing) {
            (None, Missing::Use(value)) => Ok(value),
            (None, Missing::Required) => Err(REQUIRED.to_owned()),
            (Some(Value::Null), _) => Ok(None),
            // A form has no other way to write null.
            (Some(Value::String(text)), _) if fields.encoding == Encoding::Form && text.is_empty() => Ok(None),
            (Some(value), _) => self.0.convert(value).map(Some),
        };
        result.unwrap_or_else(|message| {
            fields.fault(field, message);
            None
        })
    }

    fn schema(&self) -> RefOr<Schema> {
        or_null(self.0.described())
    }
}

/// Returns the description of a value that may also be null.
pub fn or_null(described: RefOr<Schema>) -> RefOr<Schema> {
    let with_null = |one: SchemaType| match one {
        SchemaType::Type(one) => SchemaType::from_iter([one, Type::Null]),
        other => other,
    };
    match described {
        RefOr::T(Schema::Object(mut object)) => {
            object.schema_type = with_null(object.schema_type);
            object.into()
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.schema_type = with_null(array.schema_type);
            array.into()
        }
        other => OneOfBuilder::new().item(other).item(ObjectBuilder::new().schema_type(Type::Null)).into(),
    }
}

/// A kind whose fields keep their value if the body leaves them out, even in a replacement.
pub struct Kept<K>(pub K);

impl<K: Kind> Kind for Kept<K> {
    type Output = K::Output;
    const KEPT: bool = true;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<Self::Output>) -> Self::Output {
        self.0.read(fields, field, missing)
    }

    fn schema(&self) -> RefOr<Schema> {
        self.0.schema()
    }

    fn add_schemas(&self, schemas: &mut NamedSchemas) {
        self.0.add_schemas(schemas);
    }
}

/// One of the words of an enum, or an alias that some clients send for a value.
pub struct Choice<W: 'static>(pub &'static [(&'static str, W)]);

impl<W: Word> Choice<W> {
    fn words(&self) -> impl Iterator<Item = (&'static str, W)> {
        W::ALL.iter().map(|value| (value.wire(), *value)).chain(self.0.iter().copied())
    }
}

impl<W: Word + ToSchema> Kind for Choice<W> {
    type Output = W;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<W>) -> W {
        let first = || W::ALL[0];
        read_or(fields, field, missing, first, |value| {
            let meant = value.as_str().and_then(|sent| self.words().find(|(word, _)| *word == sent));
            let known = || self.words().map(|(word, _)| word).collect::<Vec<_>>().join(", ");
            let wrong = || format!("{value} is not a valid choice. Choose one of: {}.", known());
            meant.map(|(_, meant)| meant).ok_or_else(wrong)
        })
    }

    fn schema(&self) -> RefOr<Schema> {
        if self.0.is_empty() {
            return Ref::from_schema_name(W::name()).into();
        }
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(self.words().map(|(word, _)| word))).into()
    }

    fn add_schemas(&self, schemas: &mut NamedSchemas) {
        if self.0.is_empty() {
            schemas.push((W::name().into_owned(), W::schema()));
        }
    }
}
