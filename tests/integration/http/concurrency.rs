//! Many clients working on the same objects at once.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

const CLIENTS: usize = 50;
const ROUNDS: usize = 6;

/// Runs one client's requests of one round, all on objects that the others change and delete at the same time.
async fn round(client: &Caller, number: usize, round: usize, shared: i64, data: i64) -> Vec<(String, u16)> {
    let mut seen = Vec::new();
    let mut note = |what: &str, answer: &crate::support::Answer| seen.push((what.to_owned(), answer.status.as_u16()));
    // The same name for all: one gets it, the others are refused.
    let name = format!("round {round}");
    let project = json!({ "name": name, "user_column": "u", "item_column": "i" });
    let made = client.post("project/", project).await;
    note("create project", &made);
    let listed = client.get(&format!("project/?name=round%20{round}")).await;
    note("list project", &listed);
    if let Some(id) = listed.body["results"][0]["id"].as_i64() {
        note("patch project", &client.patch(&format!("project/{id}/"), json!({ "time_column": format!("t{number}") })).await);
        let configuration = json!({ "project": id, "name": "same", "recommender_class_name": "TopPopRecommender" });
        note("create configuration", &client.post("model_configuration/", configuration).await);
        if number.is_multiple_of(5) {
            note("delete project", &client.delete(&format!("project/{id}/")).await);
        }
    }
    let configuration =
        json!({ "project": shared, "name": format!("c{}", number % 7), "recommender_class_name": "TopPopRecommender" });
    note("create configuration", &client.post("model_configuration/", configuration).await);
    let configurations = client.get(&format!("model_configuration/?project={shared}")).await;
    note("list configuration", &configurations);
    for row in configurations.body["results"].as_array().into_iter().flatten().take(3) {
        let path = format!("model_configuration/{}/", row["id"]);
        note("patch configuration", &client.patch(&path, json!({ "name": format!("c{}", (number + round) % 7) })).await);
        note("train", &client.post("trained_model/", json!({ "configuration": row["id"], "data_loc": data })).await);
        if number.is_multiple_of(3) {
            note("delete configuration", &client.delete(&path).await);
        }
    }
    note("create key", &client.post("api_keys/", json!({ "project": shared, "name": "k", "scopes": ["read"] })).await);
    note("patch shared", &client.patch(&format!("project/{shared}/"), json!({ "time_column": format!("t{number}") })).await);
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_clients_on_the_same_things_break_nothing() {
    let app = Arc::new(TestApp::start_without_worker().await);
    let user = app.user("margarete").await;
    let shared =
        user.post("project/", json!({ "name": "shared", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let data = user.upload(shared, "a.csv", "u,i\n1,2\n2,3\n").await.expect(201).id();
    let clients = (0..CLIENTS).map(|number| {
        let client = user.clone();
        async move {
            let mut seen = Vec::new();
            for one in 0..ROUNDS {
                seen.extend(round(&client, number, one, shared, data).await);
            }
            seen
        }
    });
    let seen: Vec<(String, u16)> = join_all(clients.map(tokio::spawn)).await.into_iter().flat_map(Result::unwrap).collect();
    let expected = [200, 201, 204, 400, 404, 409];
    let strange: Vec<_> = seen.iter().filter(|(_, status)| !expected.contains(status)).collect();
    assert!(strange.is_empty(), "{} of {}: {:?}", strange.len(), seen.len(), &strange[..strange.len().min(20)]);
    assert!(seen.len() > CLIENTS * ROUNDS * 5, "only {} answers", seen.len());
    rows_are_consistent(&app).await;
    let keys = user.get(&format!("api_keys/?project={shared}")).await.expect(200).body;
    assert_eq!(keys["count"], 1, "one name, one key");
    let left: Value = user.get(&format!("model_configuration/?project={shared}&page_size=100")).await.expect(200).body;
    assert!(left["count"].as_i64().unwrap() <= 7, "{left}");
}

/// Checks that no two objects have one name, and that no row refers to a missing one.
async fn rows_are_consistent(app: &TestApp) {
    for (what, sql) in [
        (
            "projects of one name",
            "SELECT count(*) AS count FROM (SELECT name FROM projects GROUP BY name HAVING count(*) > 1) twice",
        ),
        (
            "configurations of one name",
            "SELECT count(*) AS count FROM (SELECT 1 FROM model_configurations WHERE name IS NOT NULL \
             GROUP BY project_id, name HAVING count(*) > 1) twice",
        ),
        (
            "models without a configuration",
            "SELECT count(*) AS count FROM trained_models m \
             WHERE NOT EXISTS (SELECT FROM model_configurations c WHERE c.id = m.configuration_id)",
        ),
    ] {
        assert_eq!(app.count(sql).await, 0, "{what}");
    }
}
