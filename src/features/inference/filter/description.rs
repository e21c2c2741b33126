//! The format of a filter: its words, which the reader uses, and its description in the API document.

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Filter;
use super::operation::Operation;
use crate::platform::http::body::NamedSchemas;

pub const AND: &str = "and";
pub const OR: &str = "or";
pub const NOT: &str = "not";
/// The words of a condition.
pub const FIELD: &str = "field";
pub const OPERATION: &str = "op";
pub const VALUE: &str = "value";

/// The forms of a filter, by the names of their schemas.
const CONDITION: &str = "ItemCondition";
const ALL_OF: &str = "AllOf";
const ANY_OF: &str = "AnyOf";
const NONE_OF: &str = "NoneOf";

impl PartialSchema for Filter {
    fn schema() -> RefOr<Schema> {
        let forms = [CONDITION, ALL_OF, ANY_OF, NONE_OF].into_iter().map(Ref::from_schema_name);
        let description = "Which items may be listed, by the project's newest item metadata: a condition on a field, or a \
                           combination of several. At most 200 conditions, 16 levels deep.";
        forms
            .fold(OneOfBuilder::new(), OneOfBuilder::item)
            .description(Some(description))
            .examples([json!({ FIELD: "genre", OPERATION: Operation::Eq, VALUE: "jazz" })])
            .into()
    }
}

impl ToSchema for Filter {
    fn name() -> Cow<'static, str> {
        "ItemFilter".into()
    }

    fn schemas(schemas: &mut NamedSchemas) {
        let filter = || Ref::from_schema_name(Self::name());
        let filters = || ArrayBuilder::new().items(filter());
        let forms = [
            (CONDITION, condition()),
            (ALL_OF, combined("All of these must match.", AND, filters().into())),
            (ANY_OF, combined("At least one of these must match.", OR, filters().into())),
            (NONE_OF, combined("This must not match.", NOT, filter().into())),
        ];
        schemas.extend(forms.map(|(name, form)| (name.to_owned(), form)));
        schemas.push((Operation::name().into_owned(), Operation::schema()));
    }
}

fn condition() -> RefOr<Schema> {
    let description = "A condition on one field. A number compares only with cells that are numbers, in any notation; true and \
        false compare with cells that are true or false (also `True`, `TRUE` and 1); everything else compares as text. In a \
        column of numbers, a numeric text counts as a number. The report on the item metadata names the columns of numbers, and \
        their cells that are not numbers. An item without a value meets only `ne`, `not_in` and `exists` with the value false.";
    let field = ObjectBuilder::new().schema_type(Type::String).description(Some("A column of the item metadata."));
    let value = ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some("A text, a number, true or false; a list of these for `in` and `not_in`; true or false for `exists`."));
    ObjectBuilder::new()
        .description(Some(description))
        .property(FIELD, field.examples([json!("genre")]))
        .required(FIELD)
        .property(OPERATION, Ref::from_schema_name(Operation::name()))
        .required(OPERATION)
        .property(VALUE, value)
        .into()
}

/// Returns the description of what `word` makes of other filters.
fn combined(description: &str, word: &str, parts: RefOr<Schema>) -> RefOr<Schema> {
    ObjectBuilder::new().description(Some(description)).property(word, parts).required(word).into()
}
