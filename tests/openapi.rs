//! The committed API document is the one the code gives: a change of the API shows in review, and in the UI's types.

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
fn every_operation_has_a_name_of_its_own() {
    let document = serde_json::to_value(recotem::app::api_docs::document("/api/v1")).expect("a document");
    let paths = document["paths"].as_object().expect("paths");
    let mut names: Vec<&str> = paths
        .values()
        .flat_map(|item| item.as_object().into_iter().flatten())
        .map(|(_, operation)| operation["operationId"].as_str().expect("an operation id"))
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
