//! What the columns of a file mean, as AiREC's clients say it: `{"item_id": "movieId", "feature_col": ["genres", "year"]}`.

use serde_json::{Map, Value};

use super::super::mapping::{Columns, Meaning, Part, Role};

/// The keys of a schema with the roles that they stand for.
const KEYS: [(&str, Role); 9] = [
    ("item_id", Role::ItemId),
    ("item_title", Role::Title),
    ("user_id", Role::UserId),
    ("feature_col", Role::Feature),
    ("image_url", Role::ImageUrl),
    ("timestamp", Role::Time),
    ("rating", Role::Rating),
    ("event_type", Role::EventType),
    ("ignored", Role::Ignored),
];

/// Returns the meaning of the columns that a schema names. Fails with a sentence.
pub fn columns_of(part: Part, schema: &str) -> Result<Columns, String> {
    let shape =
        "Send a JSON object of columns by their meaning, such as {\"item_id\": \"movieId\", \"feature_col\": [\"genres\"]}.";
    let keys: Map<String, Value> =
        serde_json::from_str(schema).map_err(|error| format!("This is no schema ({error}). {shape}"))?;
    let mut columns = Columns::new();
    for (key, named) in &keys {
        let Some((_, role)) = KEYS.iter().find(|(known, _)| known == key) else {
            let known = KEYS.map(|(key, _)| key).join(", ");
            return Err(format!("\"{key}\" is no key of a schema. The keys are {known}."));
        };
        // A key that says nothing about this file is common to both schemas.
        let role = if part.roles().contains(role) { *role } else { Role::Ignored };
        for column in named_by(named).ok_or_else(|| format!("The value of \"{key}\" is no name of a column. {shape}"))? {
            let meaning = Meaning { role, kind: None };
            if columns.insert(column.clone(), meaning).is_some_and(|former| former.role != role) {
                return Err(format!("The column \"{column}\" has two meanings. Name it once."));
            }
        }
    }
    Ok(columns)
}

/// Returns the columns that a value names: one, several, or none.
fn named_by(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Value::Null => Some(Vec::new()),
        Value::String(column) if column.is_empty() => Some(Vec::new()),
        Value::String(column) => Some(vec![column.clone()]),
        Value::Array(columns) => columns.iter().map(text).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(part: Part, schema: &str) -> Result<Vec<(String, Role)>, String> {
        Ok(columns_of(part, schema)?.into_iter().map(|(column, meaning)| (column, meaning.role)).collect())
    }

    #[test]
    fn keys_name_one_column_or_several() {
        let schema =
            r#"{"item_id": "id", "item_title": "name", "feature_col": ["genre", "year"], "user_id": "", "rating": null}"#;
        let found = roles(Part::Items, schema).unwrap();
        let named = |column: &str, role| (column.to_owned(), role);
        let wanted =
            [named("genre", Role::Feature), named("id", Role::ItemId), named("name", Role::Title), named("year", Role::Feature)];
        assert_eq!(found, wanted);
        let found =
            roles(Part::Interactions, r#"{"user_id": "u", "item_id": "i", "item_title": "t", "feature_col": "g"}"#).unwrap();
        let wanted = [named("g", Role::Ignored), named("i", Role::ItemId), named("t", Role::Ignored), named("u", Role::UserId)];
        assert_eq!(found, wanted);
        assert_eq!(roles(Part::Items, "{}"), Ok(vec![]));
    }

    #[test]
    fn a_schema_that_cannot_be_used_is_refused_in_words() {
        let fault = |schema: &str| roles(Part::Items, schema).unwrap_err();
        assert!(fault("[]").contains("Send a JSON object") && fault("").contains("Send a JSON object"));
        assert!(fault(r#"{"item": "id"}"#).starts_with("\"item\" is no key of a schema. The keys are item_id, item_title"));
        assert!(fault(r#"{"item_id": 7}"#).contains("\"item_id\"") && fault(r#"{"feature_col": [1]}"#).contains("feature_col"));
        assert!(fault(r#"{"item_id": "id", "item_title": "id"}"#).contains("two meanings"));
    }
}
