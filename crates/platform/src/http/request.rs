//! The fields of a request body, each written once: from one list, [`request_fields!`](crate::request_fields) generates the
//! struct, the function that reads it, and the schema of the API document.

use std::marker::PhantomData;

use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::body::{Kind, Missing, NamedSchemas};

/// The purpose of a body, with the current values.
#[derive(Debug)]
pub enum Write<'a, F> {
    Create,
    /// PUT: a field that the body leaves out gets its default, unless its kind is [`Kept`](super::body::Kept).
    Replace(&'a F),
    /// PATCH: a field that the body leaves out keeps its value.
    Change(&'a F),
}

impl<F> Clone for Write<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Write<'_, F> {}

impl<'a, F> Write<'a, F> {
    /// Returns a change of the current values, in whole or in part.
    pub fn over(current: &'a F, partial: bool) -> Self {
        if partial { Self::Change(current) } else { Self::Replace(current) }
    }

    fn kept_by<K: Kind>(self) -> Option<&'a F> {
        match self {
            Self::Create => None,
            Self::Replace(current) => K::KEPT.then_some(current),
            Self::Change(current) => Some(current),
        }
    }

    /// Returns the replacement for a required field.
    pub fn or_require<K: Kind>(self, _: &K, of: impl FnOnce(&F) -> K::Output) -> Missing<K::Output> {
        self.kept_by::<K>().map_or(Missing::Required, |current| Missing::Use(of(current)))
    }

    /// Returns the replacement for a field with a default.
    pub fn or_default<K: Kind>(
        self,
        _: &K,
        of: impl FnOnce(&F) -> K::Output,
        default: impl FnOnce() -> K::Output,
    ) -> Missing<K::Output> {
        Missing::Use(self.kept_by::<K>().map_or_else(default, of))
    }
}

/// A list of fields, or several lists in one body.
pub trait Described {
    /// Adds the fields to the description of a body.
    fn describe(description: &mut Description);
}

impl<A: Described, B: Described> Described for (A, B) {
    fn describe(description: &mut Description) {
        A::describe(description);
        B::describe(description);
    }
}

/// A list of fields that a body may leave out as a whole.
pub struct Optional<F>(PhantomData<F>);

impl<F: Described> Described for Optional<F> {
    fn describe(description: &mut Description) {
        let outer = std::mem::replace(&mut description.is_optional, true);
        F::describe(description);
        description.is_optional = outer;
    }
}

/// The description of a body. A partial change requires no field, which the API document derives from its method.
#[derive(Default)]
pub struct Description {
    object: ObjectBuilder,
    /// The description of the first list.
    text: Option<String>,
    schemas: NamedSchemas,
    /// Whether the following fields are optional, including those that are otherwise required.
    is_optional: bool,
}

impl Description {
    /// Sets the description of the body, unless it is set already.
    pub fn text(&mut self, lines: &[Option<&str>]) {
        if self.text.is_none() {
            self.text = Some(joined(lines)).filter(|text| !text.is_empty());
        }
    }

    /// Adds a field whose value has the type `T`.
    pub fn field<T, K: Kind<Output = T>>(&mut self, name: &str, kind: &K, is_required: bool, lines: &[Option<&str>]) {
        kind.add_schemas(&mut self.schemas);
        self.value(name, kind.schema(), is_required, lines);
    }

    /// Adds a field whose value is described in another way than by a kind.
    pub fn value(&mut self, name: &str, schema: RefOr<Schema>, is_required: bool, lines: &[Option<&str>]) {
        let text = joined(lines);
        let schema = if text.is_empty() { schema } else { described(schema, text) };
        let object = std::mem::take(&mut self.object).property(name, schema);
        self.object = if is_required && !self.is_optional { object.required(name) } else { object };
    }

    /// Adds the schemas that a description refers to.
    pub fn schemas(&mut self) -> &mut NamedSchemas {
        &mut self.schemas
    }
}

/// Returns the lines of a comment as one text.
fn joined(lines: &[Option<&str>]) -> String {
    lines.iter().flatten().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}

fn described(schema: RefOr<Schema>, text: String) -> RefOr<Schema> {
    match schema {
        RefOr::Ref(mut reference) => {
            reference.description = text;
            RefOr::Ref(reference)
        }
        RefOr::T(Schema::Object(mut object)) => {
            object.description = Some(text);
            object.into()
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.description = Some(text);
            array.into()
        }
        RefOr::T(Schema::OneOf(mut choices)) => {
            choices.description = Some(text);
            RefOr::T(Schema::OneOf(choices))
        }
        other => other,
    }
}

/// The schema of a body with the fields `F`, for `request_body` of `#[utoipa::path]`.
pub struct RequestOf<F>(PhantomData<F>);

impl<F: Described> PartialSchema for RequestOf<F> {
    fn schema() -> RefOr<Schema> {
        let mut description = Description::default();
        F::describe(&mut description);
        description.object.description(description.text).into()
    }
}

impl<F: Described> ToSchema for RequestOf<F> {
    fn schemas(schemas: &mut NamedSchemas) {
        let mut description = Description::default();
        F::describe(&mut description);
        schemas.append(&mut description.schemas);
    }
}

/// Generates a struct of the fields of a request body, with a function `read` that reads them and their description. Each field
/// is written once: its name, its type, its default on creation (without one it is required), and after `=>` its
/// [`Kind`](crate::http::body::Kind). `#[serde(rename = "…")]` gives it another name in bodies.
///
/// ```
/// use recotem_platform::http::body::{Body, Id, Nullable, Number, Text};
/// use recotem_platform::http::request::Write;
///
/// recotem_platform::request_fields! {
///     /// What a caller decides about a parcel.
///     #[derive(Debug, PartialEq)]
///     struct ParcelFields {
///         name: String => Text(256),
///         /// In kilograms.
///         weight: f64 = 1.0 => Number(0.0..=30.0),
///         sender: Option<i64> = None => Nullable(Id),
///     }
/// }
/// let body = serde_json::json!({ "name": "Books", "sender": null });
/// let mut fields = Body::of(body.as_object().cloned().unwrap_or_default()).reader();
/// let parcel = ParcelFields::read(&mut fields, Write::Create);
/// assert!(fields.finish().is_ok());
/// assert_eq!(parcel, ParcelFields { name: "Books".to_owned(), weight: 1.0, sender: None });
/// ```
#[macro_export]
macro_rules! request_fields {
    ($(#[$($meta:tt)*])* $visibility:vis struct $name:ident {
        $($(#[$($attribute:tt)*])* $of_field:vis $field:ident: $type:ty $(= $default:expr)? => $kind:expr),+ $(,)?
    }) => {
        $(#[$($meta)*])*
        $visibility struct $name {
            $($(#[$($attribute)*])* $of_field $field: $type),+
        }

        impl $name {
            /// Reads the fields and collects their faults in the reader.
            $visibility fn read(
                fields: &mut $crate::http::FieldReader,
                write: $crate::http::request::Write<'_, Self>,
            ) -> Self {
                Self {
                    $($field: {
                        let kind = $kind;
                        let missing = $crate::missing_field!(write, kind, $field $(, $default)?);
                        fields.read($crate::wire_name!($field $([$($attribute)*])*), kind, missing)
                    }),+
                }
            }
        }

        impl $crate::http::request::Described for $name {
            fn describe(description: &mut $crate::http::request::Description) {
                description.text(&[$($crate::doc_line!($($meta)*)),*]);
                $(description.field::<$type, _>(
                    $crate::wire_name!($field $([$($attribute)*])*),
                    &$kind,
                    $crate::is_required!($($default)?),
                    &[$($crate::doc_line!($($attribute)*)),*],
                );)+
            }
        }
    };
}

/// Returns the replacement for a field that the body leaves out.
#[doc(hidden)]
#[macro_export]
macro_rules! missing_field {
    ($write:ident, $kind:ident, $field:ident) => {
        $write.or_require(&$kind, |current| ::std::clone::Clone::clone(&current.$field))
    };
    ($write:ident, $kind:ident, $field:ident, $default:expr) => {
        $write.or_default(&$kind, |current| ::std::clone::Clone::clone(&current.$field), || $default)
    };
}

/// Returns whether a field without this default is required.
#[doc(hidden)]
#[macro_export]
macro_rules! is_required {
    () => {
        true
    };
    ($default:expr) => {
        false
    };
}

/// Returns the name of a field in bodies: that of its serde attribute, or its own.
#[doc(hidden)]
#[macro_export]
macro_rules! wire_name {
    ($field:ident) => { ::std::stringify!($field) };
    ($field:ident [serde(rename = $name:literal $($rest:tt)*)] $($others:tt)*) => { $name };
    ($field:ident [$($other:tt)*] $($others:tt)*) => { $crate::wire_name!($field $($others)*) };
}

/// Returns the text of an attribute that is a line of documentation.
#[doc(hidden)]
#[macro_export]
macro_rules! doc_line {
    (doc = $line:literal) => {
        ::std::option::Option::<&str>::Some($line)
    };
    ($($other:tt)*) => {
        ::std::option::Option::<&str>::None
    };
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::http::body::{Body, Choice, Flag, Id, Integer, Kept, Nullable, Number, Text, Texts};

    crate::wire_enum! {
        /// How soon a parcel arrives.
        enum Speed {
            Slow = "slow",
            Fast = "fast",
        }
    }

    crate::request_fields! {
        /// What a caller decides about a parcel,
        /// wherever it goes.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        struct ParcelFields {
            name: String => Text(20),
            /// In kilograms.
            weight: f64 = 1.0 => Number(0.0..=30.0),
            #[serde(rename = "sender")]
            sender_id: Option<i64> = None => Nullable(Id),
            speed: Speed = Speed::Slow => Choice(&[]),
            n_stamps: i32 = 2 => Kept(Integer(0..=i32::MAX)),
            notes: Option<Vec<String>> = None => Nullable(Texts { most: 9, longest: 9 }),
        }
    }

    crate::request_fields! {
        /// Where a parcel goes.
        struct Address {
            /// Of the town.
            town: i64 => Id,
            is_island: bool = false => Flag,
        }
    }

    fn read(body: Value, write: Write<'_, ParcelFields>) -> Result<ParcelFields, Value> {
        let mut fields = Body::of(body.as_object().cloned().unwrap()).reader();
        let read = ParcelFields::read(&mut fields, write);
        fields.finish().map(|()| read).map_err(|error| error.body().clone())
    }

    fn parcel() -> ParcelFields {
        let notes = Some(vec!["fragile".to_owned()]);
        ParcelFields { name: "Books".to_owned(), weight: 3.0, sender_id: Some(7), speed: Speed::Fast, n_stamps: 5, notes }
    }

    #[test]
    fn a_new_object_has_the_defaults_of_what_its_body_leaves_out() {
        let expected =
            ParcelFields { name: "Books".to_owned(), weight: 1.0, sender_id: None, speed: Speed::Slow, n_stamps: 2, notes: None };
        assert_eq!(read(json!({ "name": "Books" }), Write::Create), Ok(expected));
        let sent = json!({ "name": "Books", "weight": "3", "sender": 7, "speed": "fast", "n_stamps": 5, "notes": ["fragile"] });
        assert_eq!(read(sent, Write::Create), Ok(parcel()));
    }

    #[test]
    fn every_field_that_is_missing_or_wrong_is_named_as_in_the_body() {
        let faults = read(json!({ "weight": null, "sender": "x", "speed": "warp" }), Write::Create).unwrap_err();
        let named: Vec<&str> = faults.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(named, ["name", "sender", "speed", "weight"]);
        assert_eq!(faults["name"], json!(["This field is required."]));
        assert_eq!(faults["weight"], json!(["This field may not be null."]));
    }

    #[test]
    fn a_replacement_resets_what_it_leaves_out_except_kept_fields() {
        let current = parcel();
        let read_over = read(json!({ "name": "Shoes" }), Write::over(&current, false)).unwrap();
        assert_eq!((read_over.weight, read_over.sender_id, read_over.notes), (1.0, None, None));
        assert_eq!(read_over.n_stamps, 5);
        assert!(read(json!({}), Write::over(&current, false)).unwrap_err()["name"].is_array());
    }

    #[test]
    fn a_partial_change_leaves_what_it_does_not_name() {
        let current = parcel();
        assert_eq!(read(json!({}), Write::over(&current, true)), Ok(current.clone()));
        let changed = read(json!({ "sender": null }), Write::over(&current, true));
        assert_eq!(changed, Ok(ParcelFields { sender_id: None, ..current }));
    }

    #[test]
    fn a_body_may_hold_several_lists_of_fields() {
        let body = json!({ "town": "9", "is_island": "yes", "name": "Books" });
        let mut fields = Body::of(body.as_object().cloned().unwrap()).reader();
        let (address, parcel) = (Address::read(&mut fields, Write::Create), ParcelFields::read(&mut fields, Write::Create));
        assert!(fields.finish().is_ok());
        assert_eq!((address.town, address.is_island, parcel.name.as_str()), (9, true, "Books"));
    }

    #[test]
    fn fields_that_may_be_left_out_together_are_not_required() {
        let schema = serde_json::to_value(RequestOf::<(Address, Optional<ParcelFields>)>::schema()).unwrap();
        assert_eq!(schema["required"], json!(["town"]));
        assert_eq!(schema["properties"]["name"]["type"], "string");
    }

    #[test]
    fn the_schema_says_what_the_reader_enforces() {
        let schema = serde_json::to_value(RequestOf::<(ParcelFields, Address)>::schema()).unwrap();
        assert_eq!(schema["description"], "What a caller decides about a parcel,\nwherever it goes.");
        assert_eq!(schema["required"], json!(["name", "town"]));
        let fields = &schema["properties"];
        assert_eq!(fields["name"], json!({ "type": "string", "minLength": 1, "maxLength": 20 }));
        let weight = json!({ "type": "number", "format": "double", "description": "In kilograms.", "minimum": 0, "maximum": 30 });
        assert_eq!(fields["weight"], weight);
        assert_eq!(fields["sender"], json!({ "type": ["integer", "null"], "format": "int64" }));
        assert_eq!(fields["speed"], json!({ "$ref": "#/components/schemas/Speed" }));
        assert_eq!(fields["n_stamps"], json!({ "type": "integer", "format": "int32", "minimum": 0 }));
        let notes = json!({ "type": ["array", "null"], "maxItems": 9, "items": { "type": "string", "maxLength": 9 } });
        assert_eq!(fields["notes"], notes);
        assert_eq!(fields["town"], json!({ "type": "integer", "format": "int64", "description": "Of the town." }));
        assert_eq!(fields["is_island"], json!({ "type": "boolean" }));
        let mut named = NamedSchemas::new();
        RequestOf::<(ParcelFields, Address)>::schemas(&mut named);
        assert_eq!(named.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["Speed"]);
    }
}
