//! The fields of the bodies of predictions, each written once: from one list, `prediction_fields!` generates the struct, the
//! function that reads it with faults in 1.x's shape, and its description in the API document.

use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use super::faults::Faults;
use crate::platform::http::body::NamedSchemas;
use crate::platform::http::request::Description;

/// A kind of fields.
pub trait Kind {
    /// The type of the value.
    type Output;
    /// Whether a body without the field is always faulty.
    const IS_REQUIRED: bool = false;

    /// Reads the value of a field of a body that is an object, and keeps its faults.
    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> Self::Output;

    /// Returns the description of the value.
    fn schema(&self) -> RefOr<Schema>;

    /// Adds the schemas that the description refers to.
    fn add_schemas(&self, _: &mut NamedSchemas) {}
}

/// A list of fields, or several lists in one body.
pub trait Fields: Default {
    /// Reads the fields of a body that is an object, and keeps their faults.
    fn read(body: &Value, faults: &mut Faults) -> Self;
}

impl<A: Fields, B: Fields> Fields for (A, B) {
    fn read(body: &Value, faults: &mut Faults) -> Self {
        (A::read(body, faults), B::read(body, faults))
    }
}

/// Adds a field to the description of a body.
pub fn describe<K: Kind>(description: &mut Description, field: &str, kind: &K, lines: &[Option<&str>]) {
    kind.add_schemas(description.schemas());
    description.value(field, kind.schema(), K::IS_REQUIRED, lines);
}

/// Generates a struct of the fields of a prediction's body, with the function that reads them and their description. Each field
/// is written once: its name, its type, and after `=>` its [`Kind`].
macro_rules! prediction_fields {
    ($(#[$($meta:tt)*])* $visibility:vis struct $name:ident {
        $($(#[$($attribute:tt)*])* $of_field:vis $field:ident: $type:ty => $kind:expr),+ $(,)?
    }) => {
        $(#[$($meta)*])*
        $visibility struct $name {
            $($(#[$($attribute)*])* $of_field $field: $type),+
        }

        impl $crate::features::inference::fields::Fields for $name {
            fn read(body: &::serde_json::Value, faults: &mut $crate::features::inference::faults::Faults) -> Self {
                Self {
                    $($field: $crate::features::inference::fields::Kind::read(&$kind, body, ::std::stringify!($field), faults)),+
                }
            }
        }

        impl $crate::platform::http::Described for $name {
            fn describe(description: &mut $crate::platform::http::request::Description) {
                description.text(&[$($crate::platform::doc_line!($($meta)*)),*]);
                $($crate::features::inference::fields::describe(
                    description,
                    ::std::stringify!($field),
                    &$kind,
                    &[$($crate::platform::doc_line!($($attribute)*)),*],
                );)+
            }
        }
    };
}

pub(super) use prediction_fields;
