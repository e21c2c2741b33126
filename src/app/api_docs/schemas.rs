//! The schemas of the error envelope, and navigation in schemas.

use serde_json::{Map, Value, json};

/// Returns a schema with its reference resolved.
pub fn resolved<'a>(schema: &'a Value, document: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

/// Returns `{"$ref": …}` to a schema of the document.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Returns the schemas of error responses.
pub fn of_errors() -> Map<String, Value> {
    let schemas = [of_refusals(), of_bodies(), of_conflicts(), of_predictions()];
    schemas.into_iter().flat_map(|part| part.as_object().cloned().unwrap_or_default()).collect()
}

/// Returns the schema of a text.
fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// Returns the schemas of requests that are refused for any body.
fn of_refusals() -> Value {
    json!({
        "Detail": {
            "type": "object",
            "description": "What went wrong, in a sentence for people and, in some cases, a `code` for programs.",
            "required": ["detail"],
            "properties": { "detail": text("A sentence"), "code": text("A stable word") },
            "example": { "detail": "Not found." },
        },
        "NotFound": {
            "type": "object",
            "description": "The object does not exist, or the caller may not see it. For a removed file, `detail` is a list.",
            "required": ["detail"],
            "properties": { "detail": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] } },
            "example": { "detail": "Not found." },
        },
        "Unauthorized": {
            "type": "object",
            "description": "Not authenticated. `code` is `token_not_valid`, `user_inactive` or `bad_authorization_header`.",
            "required": ["detail"],
            "properties": {
                "detail": text("A sentence"),
                "code": text("A stable word"),
                "messages": { "type": "array", "items": { "type": "object" } },
            },
            "example": { "detail": "Authentication credentials were not provided." },
        },
    })
}

/// Returns the schemas of invalid bodies.
fn of_bodies() -> Value {
    json!({
        "FieldErrors": {
            "type": "object",
            "description": "What is wrong, by field. In a list of objects each fault has the place of its object.",
            "additionalProperties": {
                "type": "array",
                "items": { "anyOf": [{ "type": "string" }, { "type": "object" }] },
            },
            "example": { "name": ["This field is required."] },
        },
        "NonFieldErrors": {
            "type": "object",
            "description": "What is wrong with the whole body rather than one field.",
            "required": ["non_field_errors"],
            "properties": { "non_field_errors": { "type": "array", "items": { "type": "string" } } },
            "example": { "non_field_errors": ["Invalid data. Expected a JSON object."] },
        },
        "BadRequest": {
            "anyOf": [reference("FieldErrors"), reference("NonFieldErrors"), reference("Detail")],
            "example": { "name": ["This field is required."] },
        },
    })
}

/// Returns the schema of the objects that prevent a deletion.
fn of_conflicts() -> Value {
    json!({
        "Conflict": {
            "type": "object",
            "description": "The object is in the wrong state for this, or in use.",
            "required": ["detail"],
            "properties": {
                "detail": text("A sentence"),
                "code": text("A stable word"),
                "dependents": {
                    "type": "array",
                    "description": "The first 100 objects that depend on it",
                    "items": {
                        "type": "object",
                        "properties": {
                            "resource": { "type": "string" },
                            "id": { "type": "integer", "format": "int64" },
                            "name": { "type": ["string", "null"] },
                        },
                    },
                },
                "dependents_count": { "type": "integer", "description": "How many objects depend on it" },
            },
            "example": {
                "detail": "A tuning job uses this.",
                "dependents": [{ "resource": "parameter_tuning_job", "id": 1, "name": null }],
                "dependents_count": 1,
            },
        },
    })
}

/// Returns the schemas in the shape that only predictions use.
fn of_predictions() -> Value {
    json!({
        "RateLimited": {
            "type": "object",
            "description": "A refusal by rate limit, in the shape that only predictions use.",
            "required": ["error"],
            "properties": { "error": { "type": "string" } },
            "example": { "error": "Rate limit exceeded: 100 per 60 seconds" },
        },
        "ValidationErrors": {
            "type": "object",
            "description": "All faults with their places, in the shape that only predictions use.",
            "required": ["detail"],
            "properties": { "detail": { "type": "array", "items": {
                "type": "object",
                "required": ["type", "loc", "msg"],
                "properties": {
                    "type": { "type": "string" },
                    "loc": { "type": "array", "items": { "anyOf": [{ "type": "string" }, { "type": "integer" }] } },
                    "msg": { "type": "string" },
                },
            } } },
            "example": { "detail": [{ "type": "missing", "loc": ["body", "user_id"], "msg": "Field required" }] },
        },
    })
}
