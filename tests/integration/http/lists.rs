//! Options of a list: reasons, metadata and filters.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::{Caller, TestApp};

/// A trained model and a program that may query it.
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

    /// Sends a request to a slot, which is created for it.
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

    /// Uploads item metadata and returns its id.
    async fn describe(&self, csv: &str) -> i64 {
        let file = Part::bytes(csv.as_bytes().to_vec()).file_name("items.csv");
        let form = Form::new().part("file", file).text("project", self.prepared.project.to_string());
        self.prepared.user.send_form(Method::POST, "item_meta_data/", form).await.expect(201).id()
    }

    /// Returns the metadata of the most popular item.
    async fn known_of_x(&self) -> Value {
        let list = self.predict(json!({ "user_id": "nobody", "cutoff": 1, "with_metadata": true })).await;
        assert_eq!(ids(&list), ["x"]);
        items(&list)[0]["metadata"].clone()
    }

    /// Returns the faults of a refused body.
    async fn faults(&self, body: Value) -> Vec<Value> {
        let answer = self.program.post(&format!("/inference/predict/{}", self.model), body).await.expect(422);
        answer.body["detail"].as_array().expect("faults").clone()
    }
}

fn items(body: &Value) -> &Vec<Value> {
    body["items"].as_array().expect("items")
}

fn ids(body: &Value) -> Vec<&str> {
    items(body).iter().filter_map(|item| item["item_id"].as_str()).collect()
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

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_was_deleted_a_moment_ago_is_unknown_and_no_fault() {
    let app = TestApp::start_with_worker().await;
    let served = Served::start(&app, "CosineKNN").await;
    let first = served.describe(ITEMS).await;
    let replica = app.replica(|_| {}).with_key(&served.prepared.key("replica", "predict").await);
    let ask = async |body: Value| replica.post(&format!("/inference/predict/{}", served.model), body).await.expect(200).body;
    ask(json!({ "user_id": "nobody" })).await;
    // Until a process is told of the change, it counts on the file.
    app.execute("ALTER TABLE item_meta_data DISABLE TRIGGER announced").await;
    served.prepared.user.delete(&format!("item_meta_data/{first}/unlink_file/")).await.expect(200);
    let list = ask(json!({ "user_id": "nobody", "cutoff": 1, "with_metadata": true })).await;
    assert_eq!(items(&list)[0]["metadata"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_go_with_a_basket() {
    let app = TestApp::start_with_worker().await;
    let served = Served::start(&app, "CosineKNN").await;
    let path = format!("/inference/related/{}", served.model);
    let ask = async |body: Value| served.program.post(&path, body).await.expect(200).body;
    let of_one = ask(json!({ "item_ids": ["Ágætis byrjun"], "cutoff": 1 })).await;
    assert_eq!((&of_one["strategy"], &of_one["model_id"]), (&json!("related"), &json!(served.model)));
    assert_eq!(ids(&of_one), ["x"], "the only one they share a user with");
    assert!(of_one["request_id"].is_string() && keys(&items(&of_one)[0]) == ["item_id", "score"], "{of_one}");

    let basket = ask(json!({ "item_ids": ["Ágætis byrjun", "x", "unheard of", "x"] })).await;
    assert_eq!(BTreeSet::from_iter(ids(&basket)), BTreeSet::from(["007", "a/b c"]), "no item of the basket: {basket}");
    let together = ask(json!({ "item_ids": ["Ágætis byrjun", "007"], "cutoff": 1 })).await;
    let alone = ask(json!({ "item_ids": ["007"], "cutoff": 1 })).await;
    let score = |body: &Value| items(body)[0]["score"].as_f64().expect("a score");
    assert!((score(&together) - score(&of_one) - score(&alone)).abs() < 1e-5, "likenesses add up");

    let denied = ask(json!({ "item_ids": ["007"], "deny": ["x"], "cutoff": 2 })).await;
    assert_eq!(BTreeSet::from_iter(ids(&denied)), BTreeSet::from(["a/b c", "Ágætis byrjun"]));
    let allowed = ask(json!({ "item_ids": ["007"], "allow": ["a/b c", "007"], "diversity": 0.5 })).await;
    assert_eq!(ids(&allowed), ["a/b c"]);
    let unknown = ask(json!({ "item_ids": ["unheard of"], "cutoff": 1 })).await;
    assert_eq!((&unknown["strategy"], ids(&unknown)), (&json!("popular"), vec!["x"]));
    for wrong in [
        json!({}),
        json!({ "item_ids": [] }),
        json!({ "item_ids": "x" }),
        json!({ "item_ids": [7] }),
        json!({ "item_ids": vec!["x"; 101] }),
        json!({ "item_ids": ["x"], "cutoff": 0 }),
    ] {
        assert!(served.program.post(&path, wrong).await.expect(422).body["detail"].is_array());
    }
    ask(json!({ "item_ids": vec!["x"; 100] })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_go_with_others_are_told_to_the_project_s_programs_only() {
    let app = TestApp::start_with_worker().await;
    let served = Served::start(&app, "TopPop").await;
    let (path, body) = (format!("/inference/related/{}", served.model), json!({ "item_ids": ["x"] }));
    let anonymous = app.anonymous();
    anonymous.post(&path, body.clone()).await.expect(401);
    anonymous.with_key("rctm_wrong").post(&path, body.clone()).await.expect(401);
    served.prepared.user.post(&path, body.clone()).await.expect(401);
    anonymous.with_key(&served.prepared.key("reader", "read").await).post(&path, json!({})).await.expect(403);
    let sibling = prepare(served.prepared.user.clone(), "Q", "TopPop").await;
    let stranger = prepare(app.user("friedrich").await, "R", "TopPop").await;
    for other in [&sibling, &stranger] {
        let program = anonymous.with_key(&other.key("other", "predict").await);
        program.post(&path, body.clone()).await.expect(403);
    }
    served.program.post("/inference/related/999", body.clone()).await.expect(404);
    served.program.get(&path).await.expect(405);
    assert_eq!(served.program.post(&format!("{path}/"), body).await.expect(307).header("location"), path);
}

const ITEMS: &str = "item,title,price,code\nx,The X,9.90,007\na/b c,Slash,,12\nÁgætis byrjun,Sigur Rós,3,\nelsewhere,E,1,1\n";

#[tokio::test(flavor = "multi_thread")]
async fn each_item_comes_with_what_is_known_about_it_when_that_is_asked() {
    let app = TestApp::start_with_worker().await;
    let served = Served::start(&app, "CosineKNN").await;
    assert_eq!(served.known_of_x().await, Value::Null, "nothing has been uploaded");
    let first = served.describe(ITEMS).await;
    let known = async || served.known_of_x().await == json!({ "title": "The X", "price": 9.9, "code": "007" });
    app.soon("an upload is heard of", known).await;

    let body = json!({ "user_id": "nobody", "with_metadata": true });
    let all = served.predict(body.clone()).await;
    for item in items(&all) {
        assert_eq!(keys(item), ["item_id", "score", "metadata"]);
        match item["item_id"].as_str() {
            Some("007") => assert_eq!(item["metadata"], Value::Null, "it is not in the upload"),
            Some("a/b c") => assert_eq!(item["metadata"], json!({ "title": "Slash", "price": null, "code": "12" })),
            _ => assert!(item["metadata"]["title"].is_string(), "{item}"),
        }
    }
    let plain = served.predict(json!({ "user_id": "nobody" })).await;
    assert!(items(&plain).iter().all(|item| keys(item) == ["item_id", "score"]), "{plain}");
    let batch = served.batch(json!({ "user_ids": ["nobody", "007"], "with_metadata": true, "explain": true })).await;
    assert_eq!(batch[0]["items"][0]["metadata"], items(&all)[0]["metadata"]);
    assert_eq!(keys(&batch[1]["items"][0]), ["item_id", "score", "because", "metadata"]);
    let related = json!({ "item_ids": ["007"], "cutoff": 1, "with_metadata": true });
    let related = served.program.post(&format!("/inference/related/{}", served.model), related).await.expect(200).body;
    assert_eq!(items(&related)[0]["metadata"], items(&all)[0]["metadata"]);
    assert_eq!(served.by_slot(&app, body.clone()).await["items"], all["items"]);
    assert_eq!(served.faults(json!({ "user_id": "007", "with_metadata": 1 })).await[0]["loc"], json!(["body", "with_metadata"]));

    served.describe("item,title\nx,Another X\n").await;
    let newer = async || served.known_of_x().await == json!({ "title": "Another X" });
    app.soon("the newest upload counts", newer).await;
    let newest = app.count("SELECT max(id) AS count FROM item_meta_data").await;
    served.prepared.user.delete(&format!("item_meta_data/{newest}/")).await.expect(204);
    app.soon("what was deleted is not known", known).await;
    served.prepared.user.delete(&format!("item_meta_data/{first}/unlink_file/")).await.expect(200);
    let nothing = async || served.known_of_x().await == Value::Null;
    app.soon("an upload without its file says nothing", nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_stays_known_while_the_database_is_away() {
    let app = TestApp::start_with_worker().await;
    let served = Served::start(&app, "TopPop").await;
    served.describe(ITEMS).await;
    // The key that was just made is announced, and then read once more.
    app.announced().await;
    assert_eq!(served.known_of_x().await["title"], "The X");
    app.services.db.close();
    for _ in 0..3 {
        assert_eq!(served.known_of_x().await["title"], "The X");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_items_that_fit_are_listed_and_as_many_as_there_are() {
    let app = TestApp::start_with_worker().await;
    let served = Served::start(&app, "CosineKNN").await;
    let dear = json!({ "field": "price", "op": "ge", "value": 5 });
    let refused = served.faults(json!({ "user_id": "nobody", "filter": dear })).await;
    assert_eq!((&refused[0]["type"], &refused[0]["loc"]), (&json!("no_item_metadata"), &json!(["body", "filter"])));
    served.describe(ITEMS).await;
    let described = async || served.known_of_x().await["title"] == "The X";
    app.soon("the upload is heard of", described).await;

    let popular = served.predict(json!({ "user_id": "nobody", "filter": dear })).await;
    assert_eq!((&popular["strategy"], ids(&popular)), (&json!("popular"), vec!["x"]));
    let others = json!({ "not": dear });
    for (cutoff, expected) in [(1, 1), (2, 2), (3, 3), (9, 3)] {
        let list = served.predict(json!({ "user_id": "nobody", "cutoff": cutoff, "filter": others })).await;
        assert!(ids(&list).len() == expected && !ids(&list).contains(&"x"), "{list}");
    }
    let titled = json!({ "and": [{ "field": "title", "op": "exists" }, { "field": "code", "op": "ne", "value": "12" }] });
    let personal = served.predict(json!({ "user_id": "007", "filter": titled, "with_metadata": true })).await;
    assert_eq!((&personal["strategy"], ids(&personal)), (&json!("personal"), vec!["Ágætis byrjun"]));
    assert_eq!(items(&personal)[0]["metadata"]["title"], "Sigur Rós");
    let folded = json!({ "interactions": ["007"], "filter": titled, "allow": ["x", "007"], "diversity": 0.3 });
    assert_eq!(ids(&served.predict(folded).await), ["x"], "what is allowed and fits");
    let denied = json!({ "user_id": "nobody", "filter": titled, "deny": ["x"] });
    assert_eq!(ids(&served.predict(denied).await), ["Ágætis byrjun"]);

    let batch = served.batch(json!({ "user_ids": ["nobody", "007"], "filter": titled })).await;
    assert_eq!((ids(&batch[0]).len(), ids(&batch[1])), (2, vec!["Ágætis byrjun"]));
    let related = json!({ "item_ids": ["007"], "filter": others, "cutoff": 5 });
    let related = served.program.post(&format!("/inference/related/{}", served.model), related).await.expect(200).body;
    assert_eq!(BTreeSet::from_iter(ids(&related)), BTreeSet::from(["a/b c", "Ágætis byrjun"]));
    let by_slot = served.by_slot(&app, json!({ "user_id": "007", "filter": titled })).await;
    assert_eq!(ids(&by_slot), ["Ágætis byrjun"]);

    let nothing = json!({ "field": "price", "op": "gt", "value": 1_000 });
    for user in ["007", "nobody"] {
        for _ in 0..2 {
            assert_eq!(served.predict(json!({ "user_id": user, "filter": nothing })).await["items"], json!([]));
        }
    }

    served.describe("item,price\nx,1\n007,2000\n").await;
    let newer = async || ids(&served.predict(json!({ "user_id": "nobody", "filter": nothing })).await) == ["007"];
    app.soon("the filter goes by the newest upload", newer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_cannot_be_followed_is_refused_and_says_why() {
    let app = TestApp::start_with_worker().await;
    let served = Served::start(&app, "TopPop").await;
    served.describe(ITEMS).await;
    let filter = json!({ "or": [{ "field": "title", "op": "exists" }, { "field": "genre", "op": "eq", "value": "jazz" }] });
    let body = json!({ "user_id": "nobody", "filter": filter });
    let fault = &served.faults(body.clone()).await[0];
    assert_eq!(fault["type"], "unknown_field");
    let message = fault["msg"].as_str().expect("a message");
    assert!(message.contains("'genre'") && message.contains("'title', 'price', 'code'"), "{message}");
    let dated = json!({ "user_id": "nobody", "filter": { "not": { "field": "price", "op": "lt", "value": "2020-01-05" } } });
    let fault = &served.faults(dated).await[0];
    assert_eq!((&fault["type"], &fault["loc"]), (&json!("number_type"), &json!(["body", "filter"])));
    assert!(fault["msg"].as_str().is_some_and(|message| message.contains("'price' holds numbers")), "{fault}");
    let wrong = json!({ "user_id": 7, "filter": { "and": [{ "field": "title", "op": "like", "value": "x" }] } });
    let places: Vec<Value> = served.faults(wrong).await.iter().map(|fault| fault["loc"].clone()).collect();
    assert_eq!(places, [json!(["body", "user_id"]), json!(["body", "filter", "and", 0, "op"])]);
    for below in ["/batch", ""] {
        let path = format!("/inference/predict/{}{below}", served.model);
        let body = json!({ "user_id": "x", "user_ids": ["x"], "filter": filter });
        served.program.post(&path, body.clone()).await.expect(422);
        app.anonymous().post(&path, body.clone()).await.expect(401);
        app.anonymous().with_key(&served.prepared.key(&format!("r{below}"), "read").await).post(&path, body).await.expect(403);
    }
    let stranger = prepare(app.user("friedrich").await, "R", "TopPop").await;
    let program = app.anonymous().with_key(&stranger.key("other", "predict").await);
    let foreign = program.post(&format!("/inference/predict/{}", served.model), body).await.expect(403);
    assert!(!foreign.body.to_string().contains("title"), "nothing about somebody else's items");
}

/// Checks filters on lists from an index of factors, which searches in another way.
#[tokio::test(flavor = "multi_thread")]
async fn filters_hold_for_lists_from_factors_too() {
    let app = TestApp::start_with_worker().await;
    let served = Served::start(&app, "TruncatedSVD").await;
    served.describe(ITEMS).await;
    let filter = json!({ "field": "title", "op": "in", "value": ["Sigur Rós", "Slash"] });
    let list = served.predict(json!({ "user_id": "7", "filter": filter, "cutoff": 2, "explain": true })).await;
    assert_eq!(list["strategy"], "personal");
    assert_eq!(BTreeSet::from_iter(ids(&list)), BTreeSet::from(["a/b c", "Ágætis byrjun"]), "{list}");
    let quick = served.predict(json!({ "user_id": "7", "filter": filter, "cutoff": 2, "with_metadata": true })).await;
    assert_eq!(ids(&quick), ids(&list));
}
