//! The API document of predictions alone, at the address that clients of 1.x's inference service use: its paths begin below
//! `/inference`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, Resource};
use serde_json::{Map, Value, json};

use super::pages::swagger_ui_of;
use crate::platform::http::Unchanging;

const BASE: &str = "/inference";
const SCHEMAS: &str = "#/components/schemas/";

static WRITTEN: LazyLock<Unchanging> = LazyLock::new(|| Unchanging::new(of_inference(super::document("").0).to_string()));

/// Answers `GET /inference/openapi.json`.
pub async fn document(request: HttpRequest) -> HttpResponse {
    WRITTEN.answer(&request, "application/json", "no-cache")
}

/// Answers `GET /inference/docs`: the pages are below it, at any prefix of a proxy.
pub async fn to_pages() -> HttpResponse {
    HttpResponse::TemporaryRedirect().insert_header((LOCATION, "docs/")).finish()
}

/// Serves Swagger UI below `{base}/docs/`.
pub fn pages(base: &str) -> Resource {
    swagger_ui_of("../openapi.json".to_owned(), format!("{base}/docs"))
}

/// Removes everything that predictions do not need.
fn of_inference(mut document: Value) -> Value {
    let paths = document["paths"].take();
    let below = |(path, item): (&String, &Value)| Some((path.strip_prefix(BASE)?.to_owned(), item.clone()));
    let paths: Map<String, Value> = paths.as_object().into_iter().flatten().filter_map(below).collect();
    let (mut named, mut schemas) = (BTreeSet::new(), Map::new());
    let paths = Value::Object(paths);
    note_schemas(&paths, &mut named);
    while let Some(name) = named.iter().find(|name| !schemas.contains_key(*name)).cloned() {
        let schema = document["components"]["schemas"][&name].take();
        note_schemas(&schema, &mut named);
        schemas.insert(name, schema);
    }
    document["info"]["title"] = json!("Recotem inference");
    // Relative to the document, so that it also holds behind a proxy that removes the prefix.
    document["servers"] = json!([{ "url": "./", "description": "This server" }]);
    document["tags"].as_array_mut().into_iter().for_each(|tags| tags.retain(|tag| tag["name"] == "inference"));
    document["components"]["schemas"] = Value::Object(schemas);
    document["components"]["securitySchemes"]
        .as_object_mut()
        .into_iter()
        .for_each(|kinds| kinds.retain(|kind, _| kind == "api_key"));
    document["paths"] = paths;
    document
}

/// Collects the schemas that a part of the document refers to.
fn note_schemas(part: &Value, named: &mut BTreeSet<String>) {
    match part {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(SCHEMAS));
            named.extend(name.map(str::to_owned));
            fields.values().for_each(|value| note_schemas(value, named));
        }
        Value::Array(values) => values.iter().for_each(|value| note_schemas(value, named)),
        _ => {}
    }
}
