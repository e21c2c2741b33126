//! What a program may ask of a list beside the items: why they are there, what is known about them, which may be there.

use serde_json::{Value, json};

use super::trained::{Prepared, prepare};
use crate::support::{Caller, TestApp};

/// A trained model and a program that may ask it.
struct Served {
    prepared: Prepared,
    model: i64,
    program: Caller,
}

impl Served {
    async fn start(app: &TestApp, algorithm: &str) -> Self {
        let prepared = prepare(app.user("margarete").await, "P", algorithm).await;
        let model = prepared.train().await["id"].as_i64().expect("a model");
        let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
        Self { prepared, model, program }
    }

    async fn predict(&self, body: Value) -> Value {
        self.program.post(&format!("/inference/predict/{}", self.model), body).await.expect(200).body
    }

    async fn batch(&self, body: Value) -> Value {
        self.program.post(&format!("/inference/predict/{}/batch", self.model), body).await.expect(200).body["results"].clone()
    }

    /// Asks by way of a slot, which is made for it.
    async fn by_slot(&self, app: &TestApp, body: Value) -> Value {
        let (project, model) = (self.prepared.project, self.model);
        app.execute(&format!(
            "INSERT INTO deployment_slots (project_id, name, trained_model_id, weight) VALUES ({project}, 'main', {model}, 100)"
        ))
        .await;
        let path = format!("/inference/predict/project/{project}");
        let answers = async || self.program.post(&path, json!({ "user_id": "007" })).await.status.as_u16() == 200;
        app.soon("the slot answers", answers).await;
        self.program.post(&path, body).await.expect(200).body
    }

    /// The faults of a refused body.
    async fn faults(&self, body: Value) -> Vec<Value> {
        let answer = self.program.post(&format!("/inference/predict/{}", self.model), body).await.expect(422);
        answer.body["detail"].as_array().expect("faults").clone()
    }
}

fn items(body: &Value) -> &Vec<Value> {
    body["items"].as_array().expect("items")
}

fn keys(item: &Value) -> Vec<&str> {
    item.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_says_why_it_is_there_when_that_is_asked() {
    let app = TestApp::start_with_worker().await;
    let served = Served::start(&app, "CosineKNN").await;
    let plain = served.predict(json!({ "user_id": "007", "explain": false })).await;
    assert!(items(&plain).iter().all(|item| keys(item) == ["item_id", "score"]), "{plain}");

    let known = served.predict(json!({ "user_id": "007", "cutoff": 1, "explain": true })).await;
    assert_eq!(keys(&items(&known)[0]), ["item_id", "score", "because"]);
    assert_eq!(items(&known)[0]["because"], json!([{ "item_id": "x", "share": 1.0 }]), "nobody has the other item with it");
    assert_eq!(items(&known)[0]["item_id"], items(&plain)[0]["item_id"], "the list is the same");

    let three = json!(["Ágætis byrjun", "a/b c", "007"]);
    let folded = served.predict(json!({ "interactions": three, "cutoff": 1, "explain": true })).await;
    let because = items(&folded)[0]["because"].as_array().expect("reasons");
    assert!(
        because.len() == 3 && because.iter().all(|reason| three.as_array().unwrap().contains(&reason["item_id"])),
        "{folded}"
    );
    let shares: Vec<f64> = because.iter().map(|reason| reason["share"].as_f64().expect("a share")).collect();
    assert!(shares.is_sorted_by(|a, b| a >= b) && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{folded}");

    let popular = served.predict(json!({ "user_id": "nobody", "explain": true })).await;
    assert!(popular["strategy"] == "popular" && items(&popular).iter().all(|item| item["because"] == json!([])), "{popular}");
    let batch = served.batch(json!({ "user_ids": ["nobody", "007"], "cutoff": 1, "explain": true })).await;
    assert_eq!((&batch[0]["items"][0]["because"], &batch[1]["items"]), (&json!([]), &known["items"]));
    let by_slot = served.by_slot(&app, json!({ "user_id": "007", "cutoff": 1, "explain": true })).await;
    assert_eq!(by_slot["items"], known["items"]);
    assert_eq!(served.faults(json!({ "user_id": "007", "explain": "yes" })).await[0]["loc"], json!(["body", "explain"]));
}
