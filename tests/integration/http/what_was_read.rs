//! Use of data read from files: times after the upload, numbers among other texts, weights of popular items, and event types that
//! do not occur in the project.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::prepared::Prepared;
use crate::support::{Answer, Caller, TestApp};

/// Creates a project with data and a configuration of an algorithm.
async fn prepare(user: &Caller, project: Value, csv: &str, algorithm: &str) -> Prepared {
    let name = format!("P{}", csv.len());
    let mut fields = json!({ "name": name, "user_column": "user", "item_column": "item" });
    fields.as_object_mut().expect("an object").extend(project.as_object().expect("an object").clone());
    let project = user.post("project/", fields).await.expect(201).id();
    let data = user.upload(project, "data.csv", csv).await.expect(201).id();
    let configuration = json!({ "project": project, "recommender_class_name": algorithm, "parameters_json": {} });
    let configuration = user.post("model_configuration/", configuration).await.expect(201).id();
    Prepared { user: user.clone(), project, data, configuration }
}

/// A deployed model.
struct Served {
    prepared: Prepared,
    model: Value,
    program: Caller,
}

impl Served {
    async fn start(app: &TestApp, prepared: Prepared) -> Self {
        let model = prepared.train().await;
        assert_eq!(model["status"], "COMPLETED", "{model}");
        let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
        Self { prepared, model, program }
    }

    async fn ask(&self, more: Value) -> Answer {
        let mut body = json!({ "user_id": "a stranger", "cutoff": 20 });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.program.post(&format!("/inference/predict/{}", self.model["id"]), body).await
    }

    async fn popular(&self) -> Vec<(String, f64)> {
        let answer = self.ask(json!({})).await.expect(200).body;
        let items = answer["items"].as_array().expect("items").iter();
        items
            .map(|item| (item["item_id"].as_str().expect("an id").to_owned(), item["score"].as_f64().expect("a score")))
            .collect()
    }

    /// Returns the items that match a filter, in the order of their ids; an empty list while the item metadata has no such field.
    async fn admitted(&self, filter: &Value) -> Vec<String> {
        let answer = self.ask(json!({ "filter": filter })).await;
        let items = answer.body["items"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> = items.iter().filter_map(|item| item["item_id"].as_str()).map(str::to_owned).collect();
        ids.sort();
        ids
    }

    /// Replaces the item metadata by a file; returns the columns in its report.
    async fn describe(&self, name: &str, content: &str) -> Value {
        let file = Part::bytes(content.as_bytes().to_vec()).file_name(name.to_owned());
        let form = Form::new().part("file", file).text("project", self.prepared.project.to_string());
        let made = self.prepared.user.send_form(Method::POST, "item_meta_data/", form).await.expect(201).body;
        made["report"]["columns"].clone()
    }
}

const CLEAN: &str = "user,item,day\na,old,2020-01-01\nb,old,2020-01-01\nc,old,2020-01-01\nd,old,2020-01-01\n\
                     a,new,2020-12-01\nb,new,2020-12-01\n";

#[tokio::test(flavor = "multi_thread")]
async fn one_row_in_the_year_9999_leaves_the_others_their_weight() {
    let app = TestApp::start_with_worker().await;
    let user = app.user("margarete").await;
    let fields = json!({ "time_column": "day", "half_life_days": 30 });
    let clean = prepare(&user, fields.clone(), CLEAN, "TopPop").await;
    let late = prepare(&user, fields, &format!("{CLEAN}d,old,9999-12-31\n"), "TopPop").await;
    let report = |data: &Value| data["report"].clone();
    let clean_report = report(&user.get(&format!("training_data/{}/", clean.data)).await.expect(200).body);
    let late_report = report(&user.get(&format!("training_data/{}/", late.data)).await.expect(200).body);
    assert_eq!(clean_report["late_times"], Value::Null);
    let expected = json!({
        "rows": 1, "last": "9999-12-31T00:00:00Z", "counted_as": "2020-12-01T00:00:00Z",
    });
    assert_eq!(late_report["late_times"], expected);
    assert_eq!(late_report["time_max"], "2020-12-01T00:00:00Z");

    let (clean, late) = (Served::start(&app, clean).await, Served::start(&app, late).await);
    let (clean, late) = (clean.popular().await, late.popular().await);
    assert_eq!(clean[0], ("new".to_owned(), 2.0), "what is old has faded: {clean:?}");
    assert_eq!(late[0].0, "new", "{late:?}");
    assert!((late[1].1 - 1.0 - clean[1].1).abs() < 0.01, "the late row counts as one of the last day: {clean:?} {late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_looks_for_half_lives_of_the_time_that_the_data_covers() {
    let app = TestApp::start_with_worker().await;
    let user = app.user("margarete").await;
    let rows: String = (0..120).map(|at| format!("u{},i{},2024-01-{:02}\n", at % 12, at * 7 % 10, 1 + at % 28)).collect();
    let csv = format!("user,item,day\n{rows}u1,i1,9999-12-31\n");
    let prepared = prepare(&user, json!({ "time_column": "day" }), &csv, "TopPop").await;
    let split = user.post("split_config/", json!({ "heldout_ratio": 0.3 })).await.expect(201).id();
    let evaluation = user.post("evaluation_config/", json!({ "cutoff": 3 })).await.expect(201).id();
    let job = json!({
        "data": prepared.data, "split": split, "evaluation": evaluation, "n_trials": 12, "random_seed": 3,
        "tried_algorithms_json": ["TopPop"], "search_weights": true, "train_after_tuning": false,
    });
    let path = format!("parameter_tuning_job/{}/", user.post("parameter_tuning_job/", job).await.expect(201).id());
    user.wait_for(&path, |job| job["status"] == "COMPLETED").await;
    let trials = user.get(&format!("{path}trials/")).await.expect(200).body;
    let half_lives = trials.as_array().expect("trials").iter().map(|trial| trial["parameters"]["half_life_days"].as_f64());
    assert!(half_lives.clone().all(|days| days.is_some_and(|days| days <= 280.0)), "{:?}", half_lives.collect::<Vec<_>>());
}

const PRICES: [&str; 8] = ["5", "9.5", "10", "12", "25", "99", "100", "250"];

/// Returns interactions with nine items, of which `m8` has an unusual price.
fn nine_items() -> String {
    let rows: String = (0..9).map(|item| format!("u{item},m{item}\n")).collect();
    format!("user,item\n{rows}")
}

fn with_odd_price(odd: &str) -> String {
    let rows: String = PRICES.iter().enumerate().map(|(at, price)| format!("m{at},{price}\n")).collect();
    format!("item,price\n{rows}m8,{odd}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_in_a_filter_compares_with_every_cell_that_is_a_number_and_no_other() {
    let app = TestApp::start_with_worker().await;
    let user = app.user("margarete").await;
    let served = Served::start(&app, prepare(&user, json!({}), &nine_items(), "TopPop").await).await;
    let below = |bound: Value| json!({ "field": "price", "op": "lt", "value": bound });
    let cheap = ["m0", "m1", "m2", "m3", "m4", "m5"];
    let cheap_and_odd = [&cheap[..], &["m8"]].concat();
    let follows = async |filter: Value, expected: &[&str]| {
        let followed = async || served.admitted(&filter).await == expected;
        app.soon(&format!("{filter} admits {expected:?}"), followed).await;
    };
    for odd in ["19.99", "+19.99", " 19.99", "19.989999771118164", "20.113456789012343"] {
        let columns = served.describe("odd.csv", &with_odd_price(odd)).await;
        assert_eq!((&columns[0]["kind"], &columns[0]["not_numbers"]), (&json!("number"), &json!(0)), "{odd}: {columns}");
        follows(below(json!(100)), &cheap_and_odd).await;
        follows(below(json!("100")), &cheap_and_odd).await;
    }
    for odd in ["N/A", "on request", "$19.99"] {
        let columns = served.describe("odd.csv", &with_odd_price(odd)).await;
        assert_eq!((&columns[0]["not_numbers"], &columns[0]["examples"]), (&json!(1), &json!([odd])), "{columns}");
        follows(below(json!(100)), &cheap).await;
    }
    let texts: Vec<Value> = (0..8).map(|at| json!({ "item": format!("m{at}"), "price": PRICES[at] })).collect();
    served.describe("texts.json", &json!(texts).to_string()).await;
    follows(below(json!(100)), &cheap).await;

    let truths = "item,sold\nm0,True\nm1,False\nm2,TRUE\nm3,true\n";
    let columns = served.describe("truths.csv", truths).await;
    assert_eq!(columns[0]["kind"], "boolean", "{columns}");
    follows(json!({ "field": "sold", "op": "eq", "value": true }), &["m0", "m2", "m3"]).await;
    served.describe("truths.csv", "item,sold\nm0,1\nm1,0\n").await;
    follows(json!({ "field": "sold", "op": "eq", "value": true }), &["m0"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_what_counts_most_by_the_weights_of_the_project() {
    let app = TestApp::start_with_worker().await;
    let user = app.user("margarete").await;
    let views: String = (0..9).map(|at| format!("u{at},seen,view,2024-01-01\nw{at},seen,view,2024-01-01\n")).collect();
    let csv = format!("user,item,event,day\n{views}u0,bought,purchase,2024-01-01\nu1,fresh,purchase,2024-03-01\n");
    let weights = json!({ "view": 0.01, "purchase": 10 });
    let fields = json!({ "event_column": "event", "event_weights": weights, "time_column": "day", "half_life_days": 30 });
    let list = async |algorithm: &str| {
        let mut fields = fields.clone();
        fields["name"] = json!(algorithm);
        let served = Served::start(&app, prepare(&user, fields, &csv, algorithm).await).await;
        served.popular().await
    };
    for algorithm in ["CosineKNN", "VMISKNN"] {
        let popular = list(algorithm).await;
        let items: Vec<&str> = popular.iter().map(|(item, _)| item.as_str()).collect();
        assert_eq!(items, ["fresh", "bought", "seen"], "{algorithm}: {popular:?}");
        assert!((popular[0].1 - 10.0).abs() < 1e-4 && (popular[1].1 - 2.5).abs() < 1e-4, "{algorithm}: {popular:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_weight_of_a_type_that_no_upload_has_is_kept_and_named() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let fields = json!({
        "name": "Shop", "user_column": "user", "item_column": "item", "event_column": "event", "event_weights": { "purhcase": 5 },
    });
    let made = user.post("project/", fields).await.expect(201);
    assert_eq!(made.body["warnings"], json!([]), "data may come later");
    user.upload(made.id(), "a.csv", "user,item,event\na,x,view\na,y,purchase\n").await.expect(201);
    let warning = "No upload of this project has events of the type \"purhcase\". Did you mean \"purchase\"?";
    let path = format!("project/{}/", made.id());
    assert_eq!(user.get(&path).await.expect(200).body["warnings"], json!([warning]));
    assert_eq!(user.get("project/").await.expect(200).body["results"][0]["warnings"], json!([warning]));
    let kept = user.patch(&path, json!({ "event_weights": { "purhcase": 6, "zzz": 1 } })).await.expect(200).body;
    assert_eq!((&kept["event_weights"]["purhcase"], kept["warnings"].as_array().map(Vec::len)), (&json!(6), Some(2)));
    assert_eq!(kept["warnings"][1], "No upload of this project has events of the type \"zzz\".");
    let right = user.patch(&path, json!({ "event_weights": { "purchase": 5, "view": 1 } })).await.expect(200).body;
    assert_eq!(right["warnings"], json!([]));
}
