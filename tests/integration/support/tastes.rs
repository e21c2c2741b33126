//! Interactions of users with clear tastes, on which a model of neighbours beats popularity, and the fixtures of its tests.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::prepared::Prepared;
use super::{Caller, TestApp};

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

/// A shop whose customers like the items of one of four tastes, and a program that queries its model.
pub struct Shop {
    pub prepared: Prepared,
    pub program: Caller,
}

impl Shop {
    /// Creates a project with interactions, and a key for predictions.
    pub async fn open(app: &TestApp) -> Self {
        let user = app.user("margarete").await;
        let project = json!({ "name": "P", "user_column": "user", "item_column": "item" });
        let project = user.post("project/", project).await.expect(201).id();
        let data = user.upload(project, "tastes.csv", tastes(40)).await.expect(201).id();
        let prepared = Prepared { user, project, data, configuration: 0 };
        let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
        Self { prepared, program }
    }

    /// Uploads what every item is like, and some more items, each with its taste.
    pub async fn describe(&self, more: &[(&str, usize)]) {
        let known = (0..4).flat_map(|taste| (0..12).map(move |n| (format!("t{taste}-{n}"), taste)));
        let all = known.chain(more.iter().map(|(item, taste)| ((*item).to_owned(), *taste)));
        let csv = all.fold("item,colour\n".to_owned(), |csv, (item, taste)| csv + &format!("\"{item}\",colour {taste}\n"));
        let file = Part::bytes(csv.into_bytes()).file_name("items.csv");
        let form = Form::new().part("file", file).text("project", self.prepared.project.to_string());
        self.prepared.user.send_form(Method::POST, "item_meta_data/", form).await.expect(201);
    }

    /// Trains a model of an algorithm.
    pub async fn train(&self, algorithm: &str, parameters: Value) -> Value {
        let configuration = configure(&self.prepared, algorithm, parameters).await;
        let prepared = Prepared { user: self.prepared.user.clone(), configuration, ..self.prepared };
        prepared.train().await
    }

    /// Returns the list of a model.
    pub async fn listed(&self, model: &Value, body: Value) -> Vec<Value> {
        let path = format!("/inference/predict/{}", model["id"]);
        self.program.post(&path, body).await.expect(200).body["items"].as_array().expect("items").clone()
    }
}

/// Returns where a list has an item.
pub fn place(list: &[Value], item: &str) -> Option<usize> {
    list.iter().position(|listed| listed["item_id"] == item)
}
