//! The kinds of fields that the bodies of predictions have. Faults have the types and messages of 1.x's inference service.

use std::sync::Arc;

use serde_json::{Value, json};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::faults::Faults;
use super::fields::Kind;
use super::filter::{self, Filter};
use crate::features::models;
use crate::platform::http::body::{NamedSchemas, or_null};

const LARGEST_CUTOFF: i64 = models::LARGEST_CUTOFF as i64;
const DEFAULT_CUTOFF: usize = 10;
/// Most ids in a list that may be left out.
const LONGEST_LIST: usize = 10_000;

/// Returns the value of a field that may be left out; `None` for null, too.
fn given<'a>(body: &'a Value, field: &str) -> Option<&'a Value> {
    body.get(field).filter(|value| !value.is_null())
}

fn of_type(one: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(one)
}

fn ids(most: usize) -> ArrayBuilder {
    ArrayBuilder::new().items(of_type(Type::String)).max_items(Some(most))
}

/// The user to recommend for: required, unless the body has a list or an object in one of the fields that are named here.
pub struct UserUnless(pub &'static [&'static str]);

impl Kind for UserUnless {
    type Output = Option<String>;

    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> Option<String> {
        let is_sent = |field: &&str| body.get(*field).is_some_and(|value| value.is_array() || value.is_object());
        let may_be_missing = self.0.iter().any(is_sent);
        match body.get(field) {
            Some(Value::String(user)) => return Some(user.clone()),
            None | Some(Value::Null) if may_be_missing => {}
            None => faults.add("missing", json!(["body", field]), "Field required", body),
            Some(other) => faults.add("string_type", json!(["body", field]), "Input should be a valid string", other),
        }
        None
    }

    fn schema(&self) -> RefOr<Schema> {
        or_null(of_type(Type::String).into())
    }
}

/// A required list of ids, of which the handler refuses more than this. One more is read, which tells the handler.
pub struct FirstIds(pub usize);

impl Kind for FirstIds {
    type Output = Vec<String>;
    const IS_REQUIRED: bool = true;

    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> Vec<String> {
        let list = match body.get(field) {
            Some(Value::Array(list)) => list,
            None => {
                faults.add("missing", json!(["body", field]), "Field required", body);
                return Vec::new();
            }
            Some(other) => {
                faults.add("list_type", json!(["body", field]), "Input should be a valid list", other);
                return Vec::new();
            }
        };
        let read = list.len().min(self.0 + 1);
        let mut texts = Vec::with_capacity(read);
        for (index, entry) in list.iter().take(read).enumerate() {
            match entry {
                Value::String(text) => texts.push(text.clone()),
                other => faults.add("string_type", json!(["body", field, index]), "Input should be a valid string", other),
            }
        }
        texts
    }

    fn schema(&self) -> RefOr<Schema> {
        ids(self.0).into()
    }
}

/// A required list of ids.
pub struct RequiredIds {
    pub may_be_empty: bool,
    /// Most ids.
    pub most: usize,
}

impl Kind for RequiredIds {
    type Output = Vec<String>;
    const IS_REQUIRED: bool = true;

    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> Vec<String> {
        let read = FirstIds(self.most).read(body, field, faults);
        let loc = || json!(["body", field]);
        if let Some(sent @ Value::Array(list)) = body.get(field)
            && list.is_empty()
            && !self.may_be_empty
        {
            faults.add_bound("too_short", loc(), "List should have at least 1 item", sent, ("min_length", 1));
        }
        if read.len() > self.most {
            add_too_long(faults, loc(), self.most);
        }
        read
    }

    fn schema(&self) -> RefOr<Schema> {
        ids(self.most).min_items((!self.may_be_empty).then_some(1)).into()
    }
}

fn add_too_long(faults: &mut Faults, loc: Value, most: usize) {
    let message = format!("List should have at most {most} items");
    faults.add_bound("too_long", loc, &message, &Value::Null, ("max_length", most as i64));
}

/// A list of ids of at most this length, empty where there is none.
pub struct IdsUpTo(pub usize);

impl IdsUpTo {
    fn read_given(&self, body: &Value, field: &str, faults: &mut Faults) -> Option<Vec<String>> {
        if given(body, field)?.as_array().is_some_and(|list| list.len() > self.0) {
            add_too_long(faults, json!(["body", field]), self.0);
            return None;
        }
        Some(FirstIds(self.0).read(body, field, faults))
    }
}

impl Kind for IdsUpTo {
    type Output = Vec<String>;

    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> Vec<String> {
        self.read_given(body, field, faults).unwrap_or_default()
    }

    fn schema(&self) -> RefOr<Schema> {
        or_null(ids(self.0).into())
    }
}

/// A list of ids, or `None` where there is none.
pub struct OptionalIds;

impl Kind for OptionalIds {
    type Output = Option<Vec<String>>;

    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> Option<Vec<String>> {
        IdsUpTo(LONGEST_LIST).read_given(body, field, faults)
    }

    fn schema(&self) -> RefOr<Schema> {
        IdsUpTo(LONGEST_LIST).schema()
    }
}

/// A list of ids, empty where there is none.
pub struct Ids;

impl Kind for Ids {
    type Output = Vec<String>;

    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> Vec<String> {
        IdsUpTo(LONGEST_LIST).read(body, field, faults)
    }

    fn schema(&self) -> RefOr<Schema> {
        IdsUpTo(LONGEST_LIST).schema()
    }
}

/// True or false; this by default.
pub struct Switch(pub bool);

impl Kind for Switch {
    type Output = bool;

    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> bool {
        match body.get(field) {
            None | Some(Value::Null) => self.0,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                faults.add("bool_type", json!(["body", field]), "Input should be a valid boolean", other);
                self.0
            }
        }
    }

    fn schema(&self) -> RefOr<Schema> {
        or_null(of_type(Type::Boolean).into())
    }
}

/// A number from 0 to `most`.
pub struct NumberUpTo {
    pub most: f32,
    /// The default.
    pub usual: f32,
}

impl Kind for NumberUpTo {
    type Output = f32;

    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> f32 {
        let Some(value) = given(body, field) else { return self.usual };
        match value.as_f64().filter(|number| (0.0..=f64::from(self.most)).contains(number)) {
            Some(number) => number as f32,
            None => {
                let message = format!("Input should be a number from 0 to {}", self.most);
                faults.add("float_range", json!(["body", field]), &message, value);
                self.usual
            }
        }
    }

    fn schema(&self) -> RefOr<Schema> {
        let number = of_type(Type::Number).format(Some(SchemaFormat::KnownFormat(KnownFormat::Float)));
        or_null(number.minimum(Some(0.0)).maximum(Some(f64::from(self.most))).into())
    }
}

/// How many items to list: 1 to 1000, 10 by default; a numeric text is accepted, a fraction is not.
pub struct Cutoff;

impl Kind for Cutoff {
    type Output = usize;

    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> usize {
        let Some(value) = body.get(field) else { return DEFAULT_CUTOFF };
        let loc = || json!(["body", field]);
        match whole(value) {
            Err((kind, message)) => faults.add(kind, loc(), message, value),
            Ok(number) if number < 1 => {
                faults.add_bound("greater_than_equal", loc(), "Input should be greater than or equal to 1", value, ("ge", 1));
            }
            Ok(number) if number > LARGEST_CUTOFF => {
                let message = format!("Input should be less than or equal to {LARGEST_CUTOFF}");
                faults.add_bound("less_than_equal", loc(), &message, value, ("le", LARGEST_CUTOFF));
            }
            Ok(number) => return number as usize,
        }
        DEFAULT_CUTOFF
    }

    fn schema(&self) -> RefOr<Schema> {
        let integer = of_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
        integer.minimum(Some(1.0)).maximum(Some(LARGEST_CUTOFF as f64)).into()
    }
}

fn whole(value: &Value) -> Result<i64, (&'static str, &'static str)> {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(whole),
            (None, Some(real)) if real.fract() == 0.0 => Ok(real as i64),
            _ => Err(("int_from_float", "Input should be a valid integer, got a number with a fractional part")),
        },
        Value::String(text) => text
            .trim()
            .parse()
            .map_err(|_| ("int_parsing", "Input should be a valid integer, unable to parse string as an integer")),
        _ => Err(("int_type", "Input should be a valid integer")),
    }
}

/// A filter of items, or `None` where there is none.
pub struct OptionalFilter;

impl Kind for OptionalFilter {
    type Output = Option<Arc<Filter>>;

    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> Self::Output {
        filter::read(given(body, field)?, faults).map(Arc::new)
    }

    fn schema(&self) -> RefOr<Schema> {
        or_null(Ref::from_schema_name(Filter::name()).into())
    }

    fn add_schemas(&self, schemas: &mut NamedSchemas) {
        schemas.push((Filter::name().into_owned(), Filter::schema()));
        Filter::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cutoff_may_be_a_numeric_text_but_no_fraction() {
        let read = |value: Value| {
            let mut faults = Faults::default();
            let cutoff = Cutoff.read(&json!({ "cutoff": value }), "cutoff", &mut faults);
            faults.finish().map(|()| cutoff).ok()
        };
        assert_eq!(read(json!("25")), Some(25));
        assert_eq!(read(json!(3.0)), Some(3));
        for wrong in [json!(0), json!(-1), json!(2.5), json!("x"), json!(null), json!(true), json!(1_001)] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn of_a_list_that_is_too_long_one_entry_too_many_is_read() {
        let mut faults = Faults::default();
        let users = FirstIds(100).read(&json!({ "user_ids": vec!["a"; 5_000] }), "user_ids", &mut faults);
        assert_eq!((users.len(), faults.finish().is_ok()), (101, true));
    }
}
