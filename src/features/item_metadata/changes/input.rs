//! Reading rows from request bodies.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::features::item_metadata::preparation::{LONGEST_COLUMN_NAME, MOST_COLUMNS};
use crate::platform::http::body::{FieldReader, Kind, Missing};
use crate::platform::http::{ApiError, ApiResult, Body, Write};
use crate::platform::request_fields;

/// Bytes of the id of an item.
const LONGEST_ID: usize = 1_000;
/// Bytes of the values of a row, as JSON.
pub const LARGEST_ROW: usize = 64 << 10;
/// Rows of a batch.
const LARGEST_BATCH: usize = 1_000;

/// The schema of the values of a row.
pub struct ItemValues;

impl PartialSchema for ItemValues {
    fn schema() -> RefOr<Schema> {
        let any = Some(AdditionalProperties::FreeForm(true));
        let text = "A value for each column: a text, a number, true, false, null, or a list of these.";
        ObjectBuilder::new().schema_type(Type::Object).description(Some(text)).additional_properties(any).into()
    }
}

impl ToSchema for ItemValues {}

/// A row as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub item_id: String,
    /// Values by column, without those that are null.
    pub values: Map<String, Value>,
    /// The size of the values as JSON.
    pub bytes: usize,
}

type Faults = BTreeMap<String, Vec<String>>;

/// Reads the row of an item from a body with a value for each column.
pub fn row(item_id: &str, body: Body, item_column: &str) -> ApiResult<Row> {
    let mut faults = Faults::new();
    let row = checked(item_id, body.0, item_column, &mut faults);
    if faults.is_empty() { Ok(row) } else { Err(ApiError::fields(faults)) }
}

/// Fails unless an item may have this id.
pub fn check_id(item_id: &str) -> ApiResult<()> {
    fault_of_id(item_id).map_or(Ok(()), |fault| Err(ApiError::field("item_id", fault)))
}

fn fault_of_id(item_id: &str) -> Option<String> {
    match item_id {
        id if id.trim().is_empty() => Some("This field may not be blank.".to_owned()),
        id if id.contains('\0') => Some("Null characters are not allowed.".to_owned()),
        id if id.len() > LONGEST_ID => Some(format!("The id of an item may have at most {LONGEST_ID} bytes.")),
        _ => None,
    }
}

fn checked(item_id: &str, sent: Map<String, Value>, item_column: &str, faults: &mut Faults) -> Row {
    let mut fault = |field: &str, message: String| faults.entry(field.to_owned()).or_default().push(message);
    if let Some(message) = fault_of_id(item_id) {
        fault("item_id", message);
    }
    if sent.len() > MOST_COLUMNS {
        fault("non_field_errors", format!("A row may have at most {MOST_COLUMNS} columns; this one has {}.", sent.len()));
    }
    for (column, value) in sent.iter().take(MOST_COLUMNS) {
        if column == item_column {
            fault(column, "This is the column of the item ids: name the item by its id, and leave this column out.".to_owned());
        } else if let Some(message) = fault_of_column(column).or_else(|| fault_of_value(value)) {
            // A long name would make the answer as long.
            fault(&column.chars().take(LONGEST_COLUMN_NAME).collect::<String>(), message.to_owned());
        }
    }
    let values: Map<String, Value> = sent.into_iter().filter(|(_, value)| !value.is_null()).collect();
    let bytes = serde_json::to_vec(&values).map_or(usize::MAX, |text| text.len());
    if bytes > LARGEST_ROW {
        fault("non_field_errors", format!("A row may have at most {LARGEST_ROW} bytes as JSON; this one has {bytes}."));
    }
    Row { item_id: item_id.to_owned(), values, bytes }
}

fn fault_of_column(column: &str) -> Option<&'static str> {
    match column {
        name if name.trim().is_empty() => Some("The name of a column may not be blank."),
        name if name.contains('\0') => Some("Null characters are not allowed."),
        name if name.chars().count() > LONGEST_COLUMN_NAME => Some("The name of a column may have at most 256 characters."),
        _ => None,
    }
}

fn fault_of_value(value: &Value) -> Option<&'static str> {
    const NUL: &str = "Null characters are not allowed.";
    const KINDS: &str = "Send a text, a number, true, false, null, or a list of these.";
    match value {
        Value::String(text) if text.contains('\0') => Some(NUL),
        Value::Array(values) if values.iter().any(|value| value.is_array() || value.is_object()) => Some(KINDS),
        Value::Array(values) => values.iter().find_map(fault_of_value),
        Value::Object(_) => Some(KINDS),
        _ => None,
    }
}

request_fields! {
    /// The rows of many items.
    pub struct ItemBatch {
        /// At most 1,000 rows, each with its `item_id` and its `values` by column. Of several rows of one item, the last is used.
        items: Vec<Value> => RowList,
    }
}

/// The rows of a batch, which are read one by one.
pub struct RowList;

impl Kind for RowList {
    type Output = Vec<Value>;

    fn read(&self, fields: &mut FieldReader, field: &str, _: Missing<Vec<Value>>) -> Vec<Value> {
        let fault = match fields.take(field) {
            Some(Value::Array(rows)) if rows.len() <= LARGEST_BATCH => return rows,
            Some(Value::Array(rows)) => {
                format!("A batch may hold at most {LARGEST_BATCH} rows; this one holds {}.", rows.len())
            }
            Some(_) => "Expected a list of rows.".to_owned(),
            None => "This field is required.".to_owned(),
        };
        fields.fault(field, fault);
        Vec::new()
    }

    fn schema(&self) -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
        let row = ObjectBuilder::new().property("item_id", text).property("values", ItemValues::schema());
        let row = row.required("item_id").required("values");
        ArrayBuilder::new().items(row).max_items(Some(LARGEST_BATCH)).into()
    }
}

/// Reads the rows of a batch. If some have faults, the answer has one entry per row, empty for valid ones.
pub fn batch(body: Body, item_column: &str) -> ApiResult<Vec<Row>> {
    let mut fields = body.reader();
    let ItemBatch { items } = ItemBatch::read(&mut fields, Write::Create);
    fields.finish()?;
    let (rows, faults): (Vec<Row>, Vec<Faults>) = items.into_iter().map(|sent| one_of_batch(sent, item_column)).unzip();
    if faults.iter().all(Faults::is_empty) {
        return Ok(rows);
    }
    Err(ApiError::with_body(StatusCode::BAD_REQUEST, json!({ "items": faults })))
}

fn one_of_batch(mut sent: Value, item_column: &str) -> (Row, Faults) {
    let mut faults = Faults::new();
    let item_id = match sent.get("item_id") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => {
            faults.insert("item_id".to_owned(), vec!["Name the item by its id.".to_owned()]);
            return (Row { item_id: String::new(), values: Map::new(), bytes: 0 }, faults);
        }
    };
    let values = match sent.get_mut("values").map(Value::take) {
        Some(Value::Object(values)) => values,
        _ => {
            faults.insert("values".to_owned(), vec!["Send an object with a value for each column.".to_owned()]);
            Map::new()
        }
    };
    (checked(&item_id, values, item_column, &mut faults), faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: Value) -> ApiResult<Row> {
        row("a", Body::of(values.as_object().cloned().unwrap()), "item")
    }

    #[test]
    fn a_row_has_scalars_and_lists_and_null_means_no_value() {
        let row = of(json!({ "title": "Up", "price": 9.5, "tags": ["a", 1], "gone": null })).unwrap();
        assert_eq!(json!(row.values), json!({ "title": "Up", "price": 9.5, "tags": ["a", 1] }));
        assert_eq!(row.bytes, r#"{"title":"Up","price":9.5,"tags":["a",1]}"#.len());
        assert!(of(json!({})).is_ok());
        for wrong in [json!({ "": 1 }), json!({ "a": {} }), json!({ "a": [[1]] }), json!({ "a": "\0" }), json!({ "item": "b" })] {
            assert!(of(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_size_of_a_row_and_of_an_id_is_limited() {
        // {"t":""} has eight bytes.
        let with = |length: usize| of(json!({ "t": "x".repeat(length) }));
        assert!(with(LARGEST_ROW - 8).is_ok());
        let refused = with(LARGEST_ROW - 7).unwrap_err();
        assert!(refused.body()["non_field_errors"][0].as_str().unwrap().ends_with("has 65537."), "{}", refused.body());
        assert!(check_id(&"x".repeat(LONGEST_ID)).is_ok());
        for wrong in ["", " ", "a\0", &"x".repeat(LONGEST_ID + 1)] {
            assert!(check_id(wrong).is_err(), "{wrong:?}");
        }
        let wide: Map<String, Value> = (0..=MOST_COLUMNS).map(|column| (format!("c{column}"), json!(1))).collect();
        assert!(of(Value::Object(wide)).is_err());
    }

    #[test]
    fn faults_of_a_batch_stand_where_their_rows_stand() {
        let sent = json!({ "items": [
            { "item_id": 7, "values": { "a": 1 } }, { "item_id": "b" }, 5, { "item_id": "c", "values": { "a": {} } },
        ] });
        let refused = batch(Body::of(sent.as_object().cloned().unwrap()), "item").unwrap_err();
        let faults = &refused.body()["items"];
        assert_eq!(faults[0], json!({}));
        assert!(faults[1]["values"].is_array() && faults[2]["item_id"].is_array() && faults[3]["a"].is_array(), "{faults}");
        let good = json!({ "items": [{ "item_id": 7, "values": { "a": 1 } }] });
        let rows = batch(Body::of(good.as_object().cloned().unwrap()), "item").unwrap();
        assert_eq!((rows.len(), rows[0].item_id.as_str()), (1, "7"));
        let many = json!({ "items": vec![json!({}); LARGEST_BATCH + 1] });
        assert!(batch(Body::of(many.as_object().cloned().unwrap()), "item").unwrap_err().body()["items"][0].is_string());
    }
}
