//! Items that a model was not trained on: recommended for their metadata as soon as it is uploaded, without another training.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::prepared::Prepared;
use crate::support::tastes::{configure, tastes};
use crate::support::{Caller, TestApp};

/// A shop whose customers like the items of one of four tastes, and a program that queries its model.
struct Shop {
    prepared: Prepared,
    program: Caller,
}

impl Shop {
    async fn open(app: &TestApp) -> Self {
        let user = app.user("margarete").await;
        let project = json!({ "name": "P", "user_column": "user", "item_column": "item" });
        let project = user.post("project/", project).await.expect(201).id();
        let data = user.upload(project, "tastes.csv", tastes(40)).await.expect(201).id();
        let prepared = Prepared { user, project, data, configuration: 0 };
        let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
        Self { prepared, program }
    }

    /// Uploads what every item is like, and some more items, each with its taste.
    async fn describe(&self, more: &[(&str, usize)]) {
        let known = (0..4).flat_map(|taste| (0..12).map(move |n| (format!("t{taste}-{n}"), taste)));
        let all = known.chain(more.iter().map(|(item, taste)| ((*item).to_owned(), *taste)));
        let csv = all.fold("item,colour\n".to_owned(), |csv, (item, taste)| csv + &format!("\"{item}\",colour {taste}\n"));
        let file = Part::bytes(csv.into_bytes()).file_name("items.csv");
        let form = Form::new().part("file", file).text("project", self.prepared.project.to_string());
        self.prepared.user.send_form(Method::POST, "item_meta_data/", form).await.expect(201);
    }

    async fn train(&self, algorithm: &str, parameters: Value) -> Value {
        let configuration = configure(&self.prepared, algorithm, parameters).await;
        let prepared = Prepared { user: self.prepared.user.clone(), configuration, ..self.prepared };
        prepared.train().await
    }

    async fn listed(&self, model: &Value, body: Value) -> Vec<Value> {
        let path = format!("/inference/predict/{}", model["id"]);
        self.program.post(&path, body).await.expect(200).body["items"].as_array().expect("items").clone()
    }
}

fn place(list: &[Value], item: &str) -> Option<usize> {
    list.iter().position(|listed| listed["item_id"] == item)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_item_reaches_those_who_like_its_kind_and_goes_with_its_row() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.describe(&[]).await;
    for (algorithm, parameters) in
        [("IALS", json!({ "n_components": 4, "alpha0": 0.1 })), ("DenseSLIM", json!({})), ("ContentKNN", json!({}))]
    {
        let model = shop.train(algorithm, parameters).await;
        assert_eq!(model["status"], "COMPLETED", "{algorithm}: {model}");
        assert_eq!(model["lineage"]["item_features"]["fields"][0]["column"], "colour", "{model}");
        let ask = json!({ "user_id": "u0", "cutoff": 60 });
        let before = shop.listed(&model, ask.clone()).await;
        assert!(place(&before, "new, of 0").is_none() && before.iter().all(|listed| listed.get("cold").is_none()));

        shop.describe(&[("new, of 0", 0), ("new, of 3", 3)]).await;
        let is_listed = async || place(&shop.listed(&model, ask.clone()).await, "new, of 0").is_some();
        app.soon(&format!("{algorithm} recommends the new item"), is_listed).await;
        let list = shop.listed(&model, ask.clone()).await;
        let (alike, other) = (place(&list, "new, of 0").expect("listed"), place(&list, "new, of 3"));
        assert!(other.is_none_or(|other| alike < other), "{algorithm}: {list:?}");
        let cold: Vec<&str> =
            list.iter().filter(|listed| listed["cold"] == true).filter_map(|one| one["item_id"].as_str()).collect();
        assert!(cold.iter().all(|item| item.starts_with("new")) && cold.contains(&"new, of 0"), "{algorithm}: {cold:?}");
        let of_3 = json!({ "user_id": "u0", "cutoff": 60, "with_metadata": true,
            "filter": { "field": "colour", "op": "eq", "value": "colour 3" } });
        let filtered = shop.listed(&model, of_3).await;
        assert!(place(&filtered, "new, of 3").is_some() && place(&filtered, "new, of 0").is_none(), "{algorithm}: {filtered:?}");
        assert!(filtered.iter().all(|listed| listed["metadata"]["colour"] == "colour 3"));

        shop.describe(&[]).await;
        let is_gone = async || place(&shop.listed(&model, ask.clone()).await, "new, of 0").is_none();
        app.soon("an item without a row is not recommended", is_gone).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_says_nothing_is_left_out_with_a_reason_unless_the_model_is_made_of_it() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let missing = shop.train("ContentKNN", json!({})).await;
    assert_eq!(missing["status"], "FAILED", "{missing}");
    assert!(missing["error"].as_str().is_some_and(|text| text.contains("features of items")), "{missing}");

    let file = Part::bytes(b"item,colour\nunknown 1,red\nunknown 2,red\n".to_vec()).file_name("items.csv");
    let form = Form::new().part("file", file).text("project", shop.prepared.project.to_string());
    shop.prepared.user.send_form(Method::POST, "item_meta_data/", form).await.expect(201);
    let model = shop.train("IALS", json!({ "n_components": 4 })).await;
    assert_eq!((&model["status"], model["lineage"].get("item_features")), (&json!("COMPLETED"), None), "{model}");
    let log = shop.prepared.user.get("task_log/").await.expect(200).body;
    assert!(log.to_string().contains("none of its items is in the training data"), "{log}");
}
