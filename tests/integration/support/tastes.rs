//! Interactions of users with clear tastes, on which a model of neighbours beats popularity, and the fixtures of its tests.

use serde_json::{Value, json};

use super::Caller;
use super::prepared::Prepared;

/// Returns interactions in which every user likes most of the items of one of four tastes, so that neighbours predict them and
/// popularity does not.
pub fn tastes(users: usize) -> String {
    let liked = |user: usize| (0..8).map(move |n| format!("u{user},t{}-{}\n", user % 4, (user / 4 + n * 5) % 12));
    (0..users).flat_map(liked).fold("user,item\n".to_owned(), |text, line| text + &line)
}

/// Creates a model configuration of a project.
pub async fn configure(prepared: &Prepared, algorithm: &str, parameters: Value) -> i64 {
    let body = json!({ "project": prepared.project, "name": algorithm, "recommender_class_name": algorithm,
        "parameters_json": parameters });
    prepared.user.post("model_configuration/", body).await.expect(201).id()
}

/// Creates a split that hides half of each user's interactions.
pub async fn halves(user: &Caller) -> i64 {
    user.post("split_config/", json!({ "heldout_ratio": 0.5 })).await.expect(201).id()
}
