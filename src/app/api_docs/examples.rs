//! An example for every body, derived from its schema: typical values, by the name of the field.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::schemas::resolved;

/// Deeper than any schema; ends those that contain themselves.
const DEEPEST: usize = 8;

/// Typical values by the name of the field.
static BY_NAME: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());

/// Returns an example of a schema.
pub fn of(schema: &Value, document: &Value) -> Value {
    value(schema, document, None, 0)
}

fn value(schema: &Value, document: &Value, name: Option<&str>, depth: usize) -> Value {
    let schema = resolved(schema, document);
    if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)).or_else(|| schema.get("const")) {
        return example.clone();
    }
    let usual = name.and_then(|name| BY_NAME.get(name));
    if let Some(words) = schema["enum"].as_array() {
        let usual = usual.filter(|usual| words.contains(usual));
        return usual.or_else(|| words.iter().find(|word| !word.is_null())).cloned().unwrap_or_default();
    }
    if let Some(usual) = usual.filter(|usual| fits(usual, schema)) {
        return usual.clone();
    }
    if depth > DEEPEST {
        return Value::Null;
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let real = choices.iter().find(|choice| choice["type"] != "null").unwrap_or(&Value::Null);
            return value(real, document, name, depth + 1);
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let objects = parts.iter().map(|part| value(part, document, name, depth + 1));
        return Value::Object(objects.filter_map(|part| part.as_object().cloned()).flatten().collect());
    }
    of_type(schema, document, depth)
}

fn of_type(schema: &Value, document: &Value, depth: usize) -> Value {
    // A field that may be null, and has no typical value, is null.
    let one_type = schema["type"].as_str();
    let format = schema["format"].as_str();
    match one_type {
        Some("object") => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            Value::Object(fields.map(|(name, field)| (name.clone(), value(field, document, Some(name), depth + 1))).collect())
        }
        Some("array") => json!([value(&schema["items"], document, None, depth + 1)]),
        Some("integer") => schema.get("minimum").filter(|least| least.as_i64() > Some(1)).cloned().unwrap_or(json!(1)),
        Some("number") => json!(0.5),
        Some("boolean") => json!(true),
        Some("string") => match format {
            Some("date-time") => json!("2026-01-31T12:00:00.123456Z"),
            Some("uuid") => json!("6f1c2c9e-3d55-4a57-9d0c-6a1a2d2c7c11"),
            Some("uri") => json!("https://recotem.example.com/api/v1/"),
            Some("binary") => json!("user_id,item_id\nu1,i1\n"),
            _ => json!("text"),
        },
        _ => Value::Null,
    }
}

fn fits(value: &Value, schema: &Value) -> bool {
    let is = |name: &str| match name {
        "string" => value.is_string() && schema["format"] != "binary",
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => value.is_null(),
    };
    match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => false,
    }
}
