//! The API document: the committed one equals the one that the code generates, and it is complete.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use std::collections::BTreeSet;

use serde_json::Value;

fn document() -> Value {
    serde_json::to_value(recotem::app::api_docs::document("/api/v1")).expect("a document")
}

/// Returns every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().expect("operations").iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    operations.collect()
}

/// Checks that a change of the API shows in review, and in the UI's types.
#[test]
fn the_committed_document_is_up_to_date() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/web/openapi.json")).expect("web/openapi.json");
    let current = recotem::app::api_docs::document("/api/v1").to_pretty_json().expect("a document");
    assert!(
        committed.trim_end() == current.trim_end(),
        "web/openapi.json is out of date: run `make openapi` and commit what it changes"
    );
}

#[test]
fn every_operation_has_a_name_of_its_own_that_says_what_it_does() {
    const VERBS: [&str; 6] = ["list", "create", "read", "replace", "update", "delete"];
    let document = document();
    let mut names = BTreeSet::new();
    for (operation, value) in operations(&document) {
        let name = value["operationId"].as_str().unwrap_or_else(|| panic!("{operation} has no operation id"));
        assert!(names.insert(name.to_owned()), "{operation}: {name} is taken");
        let (verb, resource) = name.split_once('_').unwrap_or_default();
        assert!(VERBS.contains(&verb) && !resource.is_empty(), "{operation}: {name} is not <verb>_<resource>");
        let of_method = match operation.split(' ').next().unwrap_or_default() {
            "get" => &["list", "read"][..],
            "post" => &["create"],
            "put" => &["replace"],
            "patch" => &["update"],
            _ => &["delete"],
        };
        assert!(of_method.contains(&verb), "{operation}: {name}");
        let is_snake = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(is_snake, "{operation}: {name}");
    }
}

#[test]
fn every_operation_says_who_may_ask_and_what_can_go_wrong() {
    let document = document();
    for (operation, value) in operations(&document) {
        let public = value["security"].as_array().unwrap_or_else(|| panic!("{operation} does not say who may ask")).is_empty();
        let mut statuses = Vec::new();
        if !public {
            statuses.extend(["401", "403", "429", "503"]);
        }
        if operation.contains('{') {
            statuses.push("404");
        }
        if !value["requestBody"].is_null() {
            statuses.extend(["400", "413"]);
            assert!(!value["responses"]["415"].is_null() || operation.contains("/inference/"), "{operation}: 415");
        }
        for status in statuses {
            assert!(!value["responses"][status].is_null(), "{operation}: {status} is missing");
        }
        assert!(!value["summary"].as_str().unwrap_or_default().is_empty(), "{operation} has no summary");
    }
}

#[test]
fn every_body_has_a_schema_and_every_success_and_request_an_example() {
    let document = document();
    for (operation, value) in operations(&document) {
        for (status, response) in value["responses"].as_object().expect("responses") {
            assert!(!response["description"].as_str().unwrap_or_default().is_empty(), "{operation} {status}: no description");
            if status == "204" {
                continue;
            }
            for (media, body) in response["content"].as_object().unwrap_or_else(|| panic!("{operation} {status}: no body")) {
                assert!(!body["schema"].is_null(), "{operation} {status} {media}: no schema");
                let success = status.starts_with('2');
                assert!(!success || !body["example"].is_null(), "{operation} {status} {media}: no example");
            }
        }
        for (media, body) in value["requestBody"]["content"].as_object().into_iter().flatten() {
            assert!(!body["example"].is_null(), "{operation} {media}: no example");
        }
    }
}

#[test]
fn every_tag_is_described_and_every_reference_leads_somewhere() {
    let document = document();
    let described: BTreeSet<&str> =
        document["tags"].as_array().expect("tags").iter().filter_map(|tag| tag["name"].as_str()).collect();
    for (operation, value) in operations(&document) {
        let tags = value["tags"].as_array().unwrap_or_else(|| panic!("{operation} has no tag"));
        for tag in tags.iter().filter_map(Value::as_str) {
            assert!(described.contains(tag), "{operation}: describe the tag {tag} in src/app/api_docs/completion.rs");
        }
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap_or_default();
        assert!(document.pointer(pointer).is_some(), "{pointer} is nowhere");
    }
    assert!(document["servers"].as_array().is_some_and(|servers| !servers.is_empty()));
}
