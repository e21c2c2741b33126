//! The document says which refusals an operation can answer, by its policy and its body.

use actix_web::http::Method;
use serde_json::Value;

use super::document;
use crate::app::policy::{Policy, policy_of};

/// Calls `check` with each operation: its verb and path, its policy, and its description.
fn each_operation(mut check: impl FnMut(&str, Policy, &Value)) {
    let document = serde_json::to_value(document("")).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            check(&format!("{method} {path}"), policy_of(&method, path).unwrap(), operation);
        }
    }
}

#[test]
fn every_operation_whose_requests_are_counted_says_that_it_may_be_refused() {
    let mut renewals = 0;
    each_operation(|name, policy, operation| {
        assert_eq!(!operation["responses"]["429"].is_null(), policy.is_limited(), "{name}");
        renewals += usize::from(name == "POST /auth/token/refresh/" && policy.is_limited());
    });
    assert_eq!(renewals, 1, "renewals are counted by session");
}

/// Returns whether an operation stores a file that its body contains.
fn is_upload(name: &str) -> bool {
    let is_file = [" /item_meta_data/", " /training_data/", " /user_meta_data/"].iter().any(|kind| name.contains(kind));
    let of_studio = ["POST /airec/create-project", "POST /studio/", "POST /studio/guess/"];
    of_studio.contains(&name) || is_file && ["PATCH ", "POST ", "PUT "].iter().any(|verb| name.starts_with(verb))
}

#[test]
fn uploads_and_other_changes_may_find_no_room_on_the_disk() {
    let mut uploads = 0;
    each_operation(|name, policy, operation| {
        let verb: Method = name.split(' ').next().unwrap_or_default().parse().unwrap();
        let words = operation["responses"]["507"]["description"].as_str();
        assert_eq!(words.is_some(), policy.takes_disk(&verb), "{name}");
        assert_eq!(words.is_some_and(|words| words.contains("the file")), is_upload(name), "{name}: {words:?}");
        uploads += usize::from(is_upload(name));
    });
    assert_eq!(uploads, 12, "creations, replacements and changes of three kinds of files, and the calls of the studio");
}

#[test]
fn every_operation_says_why_it_may_be_refused_for_now() {
    each_operation(|name, policy, operation| {
        let responses = &operation["responses"];
        let has_body = !operation["requestBody"].is_null();
        assert_eq!(!responses["408"].is_null(), has_body, "{name}");
        assert_eq!(!responses["413"].is_null(), has_body, "{name}");
        let for_now = responses["503"]["description"].as_str().unwrap_or_default();
        let is_probe = policy.is_public && (name.contains("/inference/") || name.ends_with("/ping/"));
        assert_eq!(for_now.contains("`busy`"), !is_probe, "{name}: {for_now}");
        let is_upload = is_upload(name);
        assert_eq!(for_now.contains("`no_room_for_uploads`"), is_upload, "{name}: {for_now}");
        assert_eq!(for_now.contains("`too_many_bodies`"), has_body && !is_upload && !is_probe, "{name}: {for_now}");
    });
}
