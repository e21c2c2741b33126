//! What a spec makes of the items of a project: the terms of some, and the items most like one. Blocks.

use serde::Serialize;
use utoipa::ToSchema;

use super::error::FeatureSetError;
use crate::ml::context::Context;
use crate::ml::error::MlResult;
use crate::ml::features::{Encoder, FeatureSpec, FeatureTable, FieldKind, FieldTerms, Neighbour};

/// The number of items that are shown.
const ITEMS: usize = 5;
/// The largest number of terms of each field that are shown.
const TERMS: usize = 12;
/// The largest number of similar items.
const NEIGHBOURS: usize = 10;

/// What a spec makes of the items.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeaturePreview {
    items: Vec<EncodedItem>,
    /// The fields of the spec, in its order.
    fields: Vec<EncodedField>,
    neighbours: SimilarItems,
}

/// An item as models see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct EncodedItem {
    item_id: String,
    /// The fields of the spec, in its order.
    fields: Vec<EncodedItemField>,
}

/// What one field makes of an item.
#[derive(Debug, Serialize, ToSchema)]
pub struct EncodedItemField {
    column: String,
    #[schema(value_type = String)]
    kind: FieldKind,
    /// The heaviest terms first, at most 12.
    terms: Vec<EncodedTerm>,
    /// The number of all terms; 0 if the field says nothing about the item.
    n_terms: usize,
}

/// A term of an item.
#[derive(Debug, Serialize, ToSchema)]
pub struct EncodedTerm {
    term: String,
    weight: f32,
}

/// What one field makes of all items.
#[derive(Debug, Serialize, ToSchema)]
pub struct EncodedField {
    column: String,
    /// The number of different terms.
    n_columns: usize,
    /// The share of items about which it says nothing.
    empty_share: f32,
    /// What should be known of how its values are read: numbers that are taken for days of a spreadsheet, values that are left out
    /// because they cannot be read, or that the field says nothing.
    warning: Option<String>,
}

/// The items most like one.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimilarItems {
    item_id: String,
    /// The most similar items first, at most 10.
    items: Vec<SimilarItem>,
}

/// An item like another one.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimilarItem {
    item_id: String,
    /// Cosine of the angle between the two items.
    score: f32,
    /// What makes them alike, at most 3 terms.
    terms: Vec<String>,
}

/// Encodes all items as a training would, and shows some of them with those most like `item`, by default the first. Ages are measured
/// from the latest date.
pub fn encodings(
    spec: &FeatureSpec,
    table: &FeatureTable,
    item: Option<&str>,
    context: &Context,
) -> Result<FeaturePreview, FeatureSetError> {
    let n_rows = table.n_rows();
    let chosen = match item {
        Some(item) => table.ids().find(item).ok_or_else(|| FeatureSetError::UnknownItem(item.to_owned()))? as usize,
        None if n_rows == 0 => return Err(FeatureSetError::NoItems),
        None => 0,
    };
    let rows: Vec<Option<u32>> = (0..n_rows as u32).map(Some).collect();
    let (encoder, encoded) = Encoder::fit_and_encode(spec, table, (&rows, &rows), None, context)?;
    let id = |row: usize| table.ids().get(row as u32).to_owned();
    let spread = (0..n_rows).step_by(n_rows.div_ceil(ITEMS).max(1)).filter(|row| *row != chosen);
    let shown = std::iter::once(chosen).chain(spread).take(ITEMS);
    let items = shown.map(|row| {
        let fields = encoder.terms_of(&encoded, row)?.into_iter().map(EncodedItemField::from).collect();
        Ok(EncodedItem { item_id: id(row), fields })
    });
    let items = items.collect::<MlResult<Vec<_>>>()?;
    let fields = spec.fields.iter().enumerate().zip(encoder.empty_shares(&encoded)?);
    let fields = fields.map(|((number, field), empty_share)| EncodedField {
        column: field.column.clone(),
        n_columns: encoder.field_columns(number).len(),
        empty_share,
        warning: encoder.warning(number),
    });
    let similar = |neighbour: Neighbour| SimilarItem {
        item_id: id(neighbour.row),
        score: neighbour.cosine,
        terms: neighbour.shared.into_iter().map(|term| format!("{}: {}", term.column, term.label)).collect(),
    };
    let neighbours = encoder.nearest(&encoded, chosen, NEIGHBOURS)?.into_iter().map(similar).collect();
    Ok(FeaturePreview { items, fields: fields.collect(), neighbours: SimilarItems { item_id: id(chosen), items: neighbours } })
}

impl From<FieldTerms> for EncodedItemField {
    fn from(field: FieldTerms) -> Self {
        let terms = field.terms.into_iter().take(TERMS).map(|term| EncodedTerm { term: term.label, weight: term.weight });
        Self { column: field.column, kind: field.kind, terms: terms.collect(), n_terms: field.n_terms }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ml::features::FeatureTableBuilder;

    fn table(rows: &[(&str, Value)]) -> FeatureTable {
        let mut builder = FeatureTableBuilder::new(vec!["colour".to_owned()]);
        rows.iter().for_each(|(item, value)| builder.push(item, [(0, value.clone())]));
        builder.finish().0
    }

    fn spec(field: Value) -> FeatureSpec {
        serde_json::from_value(json!({ "version": 1, "fields": [field] })).unwrap()
    }

    fn shown(spec: &FeatureSpec, table: &FeatureTable, item: Option<&str>) -> Result<Value, String> {
        let shown = encodings(spec, table, item, &Context::new(0, 1));
        shown.map(|shown| json!(shown)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_chosen_item_is_shown_first_with_those_like_it() {
        let rows: Vec<(String, Value)> =
            (0..40).map(|n| (format!("i{n:02}"), json!(["red", "blue", "green", "grey"][n % 4]))).collect();
        let rows: Vec<(&str, Value)> = rows.iter().map(|(item, value)| (item.as_str(), value.clone())).collect();
        let spec = spec(json!({ "column": "colour", "kind": "category" }));
        let preview = shown(&spec, &table(&rows), Some("i05")).unwrap();
        assert_eq!(preview["items"].as_array().map(Vec::len), Some(ITEMS));
        assert_eq!((&preview["items"][0]["item_id"], &preview["neighbours"]["item_id"]), (&json!("i05"), &json!("i05")));
        assert_eq!(preview["items"][0]["fields"][0]["n_terms"], 1);
        assert_eq!((&preview["fields"][0]["n_columns"], &preview["fields"][0]["empty_share"]), (&json!(4), &json!(0.0)));
        let alike = preview["neighbours"]["items"].as_array().unwrap();
        assert_eq!(alike.len(), 9, "the others of its colour");
        assert!(alike.iter().all(|item| item["terms"][0].as_str().unwrap().contains("blue")), "{alike:?}");
        assert!(shown(&spec, &table(&rows), Some("i99")).unwrap_err().contains("no item \"i99\""));
    }

    #[test]
    fn days_of_a_spreadsheet_are_read_as_such_and_told() {
        let table = table(&[("a", json!(43_831)), ("b", json!("43832")), ("c", json!(44_200.5))]);
        let spec = spec(json!({ "column": "colour", "kind": "time", "options": { "calendar": true } }));
        let preview = shown(&spec, &table, None).unwrap();
        let terms = &preview["items"][0]["fields"][0]["terms"];
        assert!(terms.to_string().contains("year=2020"), "{terms}");
        assert_eq!(preview["fields"][0]["warning"], "The numbers are read as days of a spreadsheet: 43831 is 2020-01-01.");
    }

    #[test]
    fn faults_name_the_column() {
        let table = table(&[("a", json!([1.0, 2.0])), ("b", json!([1.0]))]);
        let missing = shown(&spec(json!({ "column": "size", "kind": "category" })), &table, None).unwrap_err();
        assert!(missing.contains("column \"size\", which the table does not have"), "{missing}");
        let words = shown(&spec(json!({ "column": "colour", "kind": "number" })), &table, None).unwrap_err();
        assert!(words.contains("Column \"colour\": id \"a\" has several values, not one number"), "{words}");
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_told() {
        let table = table(&[("a", json!([1.0, 2.0])), ("b", json!([1.0])), ("c", json!([0.5, 0.0]))]);
        let preview = shown(&spec(json!({ "column": "colour", "kind": "vector" })), &table, None).unwrap();
        assert_eq!(
            preview["fields"][0]["warning"],
            "Column \"colour\": the vector of id \"b\" has 1 number, and others have 2; this value is left out."
        );
        assert!(preview["fields"][0]["empty_share"].as_f64().is_some_and(|share| (share - 1.0 / 3.0).abs() < 1e-6));
    }

    #[test]
    fn a_column_that_says_nothing_is_told_beside_others_and_refused_alone() {
        let mut builder = FeatureTableBuilder::new(["colour", "code"].map(str::to_owned).to_vec());
        for at in 0..6 {
            builder.push(&format!("i{at}"), [(0, json!(["red", "blue"][at % 2])), (1, json!(format!("c{at}")))]);
        }
        let table = builder.finish().0;
        let code = json!({ "column": "code", "kind": "category" });
        let flaw = "olumn \"code\" has 6 different values, and none is in at least 2 rows of the training, so it makes no two alike; \
                    leave the column out";
        let both = json!({ "version": 1, "fields": [{ "column": "colour", "kind": "category" }, code] });
        let preview = shown(&serde_json::from_value(both).unwrap(), &table, None).unwrap();
        assert_eq!(
            (&preview["fields"][0]["warning"], &preview["fields"][1]["warning"]),
            (&Value::Null, &json!(format!("C{flaw}.")))
        );
        let alone = shown(&spec(code), &table, None).unwrap_err();
        assert!(alone.contains(flaw), "{alone}");
    }
}
