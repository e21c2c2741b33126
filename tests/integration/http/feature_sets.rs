//! Feature sets: versions that never change, what is shown to those who write one, trainings that use the current one, and
//! measurements of what each field is worth.

use serde_json::{Value, json};

use crate::support::prepared::Prepared;
use crate::support::slots;
use crate::support::tastes::{configure, halves, tastes};
use crate::support::{Answer, Caller, Jobs, TestApp};

const USERS: usize = 40;

/// Letters that have nothing to do with who likes an item.
const NOISE: &[u8] = b"abcbacabcacbbacacbab";

/// Returns one row for each item of [`tastes`]: `colour` says who likes it, `shade` says nothing.
fn items() -> String {
    let all = (0..4).flat_map(|taste| (0..12).map(move |n| (taste, n)));
    all.fold("item,colour,shade\n".to_owned(), |csv, (taste, n)| {
        let shade = char::from(NOISE[(taste * 7 + n) % NOISE.len()]);
        csv + &format!("t{taste}-{n},colour {taste},shade {shade}\n")
    })
}

fn spec(columns: &[&str]) -> Value {
    let fields: Vec<Value> = columns.iter().map(|column| json!({ "column": column, "kind": "category" })).collect();
    json!({ "version": 1, "fields": fields })
}

/// Creates a project with interactions.
async fn shop(user: &Caller) -> Prepared {
    let project = json!({ "name": "P", "user_column": "user", "item_column": "item" });
    let project = user.post("project/", project).await.expect(201).id();
    let data = user.upload(project, "tastes.csv", tastes(USERS)).await.expect(201).id();
    Prepared { user: user.clone(), project, data, configuration: 0 }
}

async fn save(shop: &Prepared, name: &str, spec: Value) -> Answer {
    shop.user.post("feature_sets/", json!({ "project": shop.project, "name": name, "spec": spec })).await
}

async fn describe(shop: &Prepared, csv: &str) {
    shop.user.upload_items(shop.project, "items.csv", csv.to_owned()).await.expect(201);
}

async fn train(shop: &Prepared, algorithm: &str, parameters: Value) -> Value {
    let configuration = configure(shop, algorithm, parameters).await;
    Prepared { user: shop.user.clone(), configuration, ..*shop }.train().await
}

async fn preview(shop: &Prepared, spec: Value) -> Answer {
    shop.user.post("feature_sets/preview/", json!({ "project": shop.project, "spec": spec })).await
}

fn ids(page: &Value) -> Vec<i64> {
    page["results"].as_array().expect("results").iter().filter_map(|row| row["id"].as_i64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_numbered_by_name_and_never_change_but_for_which_is_current() {
    let app = TestApp::start().await;
    let shop = shop(&app.user("ada").await).await;
    let user = &shop.user;
    let first = save(&shop, " look ", spec(&["colour"])).await.expect(201);
    let second = save(&shop, "look", spec(&["colour", "shade"])).await.expect(201);
    let other = json!({ "project": shop.project, "name": "other", "spec": spec(&["colour"]), "is_current": false });
    let other = user.post("feature_sets/", other).await.expect(201);
    let told = |set: &Answer| (set.body["name"].clone(), set.body["version"].clone(), set.body["is_current"].clone());
    assert_eq!(told(&first), (json!("look"), json!(1), json!(true)));
    assert_eq!(told(&second), (json!("look"), json!(2), json!(true)));
    assert_eq!(told(&other), (json!("other"), json!(1), json!(false)));
    assert_eq!((&first.body["target"], &first.body["project"]), (&json!("items"), &json!(shop.project)));
    assert!(first.body["created_by"].is_i64() && first.body["ins_datetime"].is_string(), "{}", first.body);
    assert_eq!(first.body["spec_sha256"], other.body["spec_sha256"], "the same spec");
    assert_ne!(first.body["spec_sha256"], second.body["spec_sha256"]);

    let list = async |filter: &str| {
        let path = format!("feature_sets/?project={}{filter}", shop.project);
        ids(&user.get(&path).await.expect(200).body)
    };
    assert_eq!(list("").await, [other.id(), second.id(), first.id()]);
    assert_eq!(list("&name=look").await, [second.id(), first.id()]);
    assert_eq!(list("&is_current=true").await, [second.id()]);

    let path = format!("feature_sets/{}/", first.id());
    for field in ["spec", "name", "version"] {
        user.patch(&path, json!({ field: first.body[field] })).await.fault(field);
    }
    user.put(&path, json!({ "is_current": true })).await.expect(405);
    assert_eq!(user.patch(&path, json!({ "is_current": true })).await.expect(200).body["is_current"], true);
    assert_eq!(list("&is_current=true").await, [first.id()], "one at a time");
    assert_eq!(user.get(&path).await.expect(200).body["spec"], spec_as_stored(&["colour"]));
    user.patch(&path, json!({ "is_current": false })).await.expect(200);
    assert_eq!(list("&is_current=true").await, [0; 0]);
    user.delete(&path).await.expect(204);
    user.get(&path).await.expect(404);
    assert_eq!(save(&shop, "look", spec(&["colour"])).await.expect(201).body["version"], 3);
}

/// Returns a spec as the engine writes it.
fn spec_as_stored(columns: &[&str]) -> Value {
    let field = |column: &&str| json!({ "column": column, "kind": "category", "weight": 1.0 });
    json!({ "version": 1, "fields": columns.iter().map(field).collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_saved_at_once_get_a_version_each_and_one_is_current() {
    let app = TestApp::start().await;
    let shop = shop(&app.user("ada").await).await;
    let saved = futures_util::future::join_all((0..6).map(|_| save(&shop, "look", spec(&["colour"])))).await;
    let mut versions: Vec<i64> = saved.into_iter().filter_map(|set| set.expect(201).body["version"].as_i64()).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
    assert_eq!(app.count("SELECT count(*) FROM feature_sets WHERE is_current").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_spec_name_the_column() {
    let app = TestApp::start().await;
    let shop = shop(&app.user("ada").await).await;
    let faults = [
        (json!([]), "JSON object"),
        (json!({ "version": 2, "fields": [] }), "version 2"),
        (json!({ "version": 1, "fields": [] }), "no fields"),
        (json!({ "version": 1, "fields": [{ "column": "colour", "kind": "picture" }] }), "Column \"colour\": unknown variant"),
        (
            json!({ "version": 1, "fields": [{ "column": "colour", "kind": "category", "weight": 0 }] }),
            "Column \"colour\": weight 0 is not a positive number.",
        ),
        (
            json!({ "version": 1, "fields": [{ "column": "colour", "kind": "text", "derive": [{ "extract": { "pattern": "(" } }] }] }),
            "is not a regular expression",
        ),
    ];
    for (spec, words) in faults {
        let refused = save(&shop, "look", spec.clone()).await;
        assert!(refused.fault("spec").contains(words), "{spec}: {}", refused.body);
    }
    assert_eq!(app.count("SELECT count(*) FROM feature_sets").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_and_measurements_of_others_are_not_there() {
    let app = TestApp::start_without_worker().await;
    let (shop, stranger) = (shop(&app.user("ada").await).await, app.user("stranger").await);
    describe(&shop, &items()).await;
    let set = save(&shop, "look", spec(&["colour"])).await.expect(201).id();
    let measurement = json!({ "feature_set": set, "data": shop.data });
    let measured = shop.user.post("feature_measurements/", measurement.clone()).await.expect(201).id();
    for path in [format!("feature_sets/{set}/"), format!("feature_measurements/{measured}/")] {
        stranger.get(&path).await.expect(404);
        stranger.delete(&path).await.expect(404);
    }
    stranger.patch(&format!("feature_sets/{set}/"), json!({ "is_current": false })).await.expect(404);
    stranger.get(&format!("feature_sets/columns/?project={}", shop.project)).await.expect(404);
    for list in ["feature_sets/", "feature_measurements/"] {
        assert_eq!(stranger.get(&format!("{list}?project={}", shop.project)).await.expect(200).body["count"], 0, "{list}");
    }
    let wanted = json!({ "project": shop.project, "name": "look", "spec": spec(&["colour"]) });
    stranger.post("feature_sets/", wanted.clone()).await.fault("project");
    stranger.post("feature_sets/preview/", wanted).await.fault("project");
    stranger.post("feature_measurements/", measurement).await.fault("feature_set");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_shown_with_what_they_probably_mean() {
    let app = TestApp::start().await;
    let shop = shop(&app.user("ada").await).await;
    let path = format!("feature_sets/columns/?project={}", shop.project);
    let missing = shop.user.get(&path).await.expect(404);
    assert!(missing.body["detail"].as_str().is_some_and(|text| text.contains("no item metadata")), "{}", missing.body);
    shop.user.get("feature_sets/columns/").await.fault("project");
    let csv = items().replace('\n', ",\n").replacen("shade,\n", "shade,empty\n", 1);
    describe(&shop, &csv).await;
    let shown = shop.user.get(&path).await.expect(200).body;
    assert_eq!(shown["n_items"], 48);
    assert!(shown["item_meta_data"].is_i64());
    let of = |column: &str| {
        let found = shown["columns"].as_array().expect("columns").iter().find(|one| one["column"] == column);
        found.unwrap_or_else(|| panic!("no {column}: {shown}")).clone()
    };
    let colour = of("colour");
    assert_eq!((&colour["kind"], &colour["coverage"], &colour["n_distinct"]), (&json!("category"), &json!(1.0), &json!(4)));
    assert!(colour["examples"].as_array().is_some_and(|examples| examples.len() == 3 && examples[0].is_string()), "{colour}");
    assert!(colour["reason"].as_str().is_some_and(|reason| reason.contains("come back")), "{colour}");
    assert_eq!((of("empty")["kind"].clone(), of("empty")["coverage"].clone()), (Value::Null, json!(0.0)));
    let guessed = shown["spec"]["fields"].as_array().expect("fields");
    assert!(guessed.iter().any(|field| field["column"] == "colour"), "{shown}");
    assert!(guessed.iter().all(|field| field["column"] != "empty"), "{shown}");
    save(&shop, "guessed", shown["spec"].clone()).await.expect(201);
    let refused = preview(&shop, spec(&["empty"])).await;
    assert!(refused.fault("spec").starts_with("Column \"empty\" is empty in all rows"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_terms_and_neighbours_and_faults_by_column() {
    let app = TestApp::start().await;
    let shop = shop(&app.user("ada").await).await;
    preview(&shop, spec(&["colour"])).await.expect(404);
    describe(&shop, &items()).await;
    let shown = preview(&shop, spec(&["colour", "shade"])).await.expect(200).body;
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(5));
    let item = &shown["items"][0]["fields"][0];
    assert_eq!((&item["column"], &item["kind"], &item["n_terms"]), (&json!("colour"), &json!("category"), &json!(1)));
    assert!(item["terms"][0]["term"].as_str().is_some_and(|term| term.contains("colour")), "{item}");
    assert!(item["terms"][0]["weight"].as_f64().is_some_and(|weight| weight > 0.0), "{item}");
    assert_eq!((&shown["fields"][0]["n_columns"], &shown["fields"][0]["empty_share"]), (&json!(4), &json!(0.0)));

    let asked = json!({ "project": shop.project, "spec": spec(&["colour"]), "item_id": "t2-5" });
    let like = shop.user.post("feature_sets/preview/", asked.clone()).await.expect(200).body["neighbours"].clone();
    assert_eq!(like["item_id"], "t2-5");
    let items = like["items"].as_array().expect("neighbours");
    assert_eq!(items.len(), 10);
    assert!(items.iter().all(|item| item["item_id"].as_str().is_some_and(|id| id.starts_with("t2-"))), "{like}");
    assert!(items[0]["terms"][0].as_str().is_some_and(|term| term.contains("colour 2")), "{like}");
    let mut unknown = asked;
    unknown["item_id"] = json!("nothing");
    assert!(shop.user.post("feature_sets/preview/", unknown).await.fault("item_id").contains("\"nothing\""));

    let missing = preview(&shop, spec(&["colour", "size"])).await;
    assert!(missing.fault("spec").contains("column \"size\", which the table does not have"), "{}", missing.body);
    let unread = preview(&shop, json!({ "version": 1, "fields": [{ "column": "colour" }] })).await;
    assert!(unread.fault("spec").starts_with("Column \"colour\": missing field `kind`"), "{}", unread.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_cannot_be_encoded_are_named_with_column_and_item() {
    let app = TestApp::start().await;
    let shop = shop(&app.user("ada").await).await;
    let rows = json!([
        { "item": "t0-0", "embedding": [1.0, 2.0], "note": null },
        { "item": "t0-1", "embedding": [1.0, 2.0, 3.0], "note": null },
    ]);
    shop.user.upload_items(shop.project, "items.json", rows.to_string()).await.expect(201);
    let vector = json!({ "version": 1, "fields": [{ "column": "embedding", "kind": "vector" }] });
    let shown = preview(&shop, vector).await.expect(200).body["fields"][0].clone();
    let said = shown["warning"].as_str().expect("a warning");
    assert!(said.starts_with("Column \"embedding\"") && said.contains("\"t0-1\"") && said.contains("3 numbers"), "{said}");
    assert!(said.ends_with("this value is left out.") && shown["empty_share"] == 0.5, "{shown}");
    let refused = preview(&shop, json!({ "version": 1, "fields": [{ "column": "embedding", "kind": "number" }] })).await;
    assert!(refused.fault("spec").starts_with("Column \"embedding\": id \"t0-0\" has several values"), "{}", refused.body);

    let csv = (0..100_000).fold("item,code\n".to_owned(), |csv, n| csv + &format!("i{n},c{n}\n"));
    describe(&shop, &csv).await;
    let refused = preview(&shop, spec(&["code"])).await;
    assert!(refused.fault("spec").contains("Column \"code\" has 100000 different values"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn trainings_use_the_current_set_and_keep_its_spec() {
    let app = TestApp::start_with_worker().await;
    let shop = shop(&app.user("ada").await).await;
    describe(&shop, &items()).await;
    let first = save(&shop, "look", spec(&["colour"])).await.expect(201).id();
    let model = train(&shop, "IALS", json!({ "n_components": 4 })).await;
    assert_eq!(model["status"], "COMPLETED", "{model}");
    assert_eq!(model["lineage"]["feature_set"], json!({ "id": first, "name": "look", "version": 1 }));
    assert_eq!(model["lineage"]["item_features"], spec_as_stored(&["colour"]));

    let second = save(&shop, "look", spec(&["shade"])).await.expect(201).id();
    let content = train(&shop, "ContentKNN", json!({})).await;
    assert_eq!(content["lineage"]["feature_set"]["id"], second, "{content}");
    assert_eq!(content["lineage"]["item_features"]["fields"][0]["column"], "shade");

    for set in [first, second] {
        shop.user.delete(&format!("feature_sets/{set}/")).await.expect(204);
    }
    let kept = shop.user.get(&format!("trained_model/{}/", model["id"])).await.expect(200).body;
    assert_eq!(kept["lineage"]["feature_set"]["id"], first, "a model keeps what it was trained with");
    let guessed = train(&shop, "DenseSLIM", json!({})).await;
    assert_eq!((&guessed["status"], guessed["lineage"].get("feature_set")), (&json!("COMPLETED"), None), "{guessed}");
    assert!(guessed["lineage"]["item_features"]["fields"].as_array().is_some_and(|fields| !fields.is_empty()), "{guessed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_names_a_missing_column_fails_only_models_made_of_features() {
    let app = TestApp::start_with_worker().await;
    let shop = shop(&app.user("ada").await).await;
    describe(&shop, &items()).await;
    save(&shop, "look", spec(&["colour", "size"])).await.expect(201);
    let content = train(&shop, "ContentKNN", json!({})).await;
    assert_eq!(content["status"], "FAILED", "{content}");
    let names_it = |text: &str| text.contains("column \"size\", which the table does not have");
    assert!(content["error"].as_str().is_some_and(names_it), "{content}");
    let model = train(&shop, "IALS", json!({ "n_components": 4 })).await;
    assert_eq!((&model["status"], model["lineage"].get("feature_set")), (&json!("COMPLETED"), None), "{model}");
    let log = shop.user.get(&format!("task_log/?model_id={}", model["id"])).await.expect(200).body;
    let lines = log["results"].as_array().expect("lines").iter();
    assert!(lines.filter_map(|line| line["contents"].as_str()).any(names_it), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_uses_the_current_set() {
    let app = TestApp::start_with_worker().await;
    let shop = shop(&app.user("ada").await).await;
    describe(&shop, &items()).await;
    let split = halves(&shop.user).await;
    let evaluation = shop.user.post("evaluation_config/", json!({})).await.expect(201).id();
    let search = async || {
        let job = json!({ "data": shop.data, "split": split, "evaluation": evaluation, "n_trials": 1,
            "tried_algorithms_json": ["ContentKNN"], "train_after_tuning": false });
        let job = shop.user.post("parameter_tuning_job/", job).await.expect(201).id();
        let ended = |job: &Value| matches!(job["status"].as_str(), Some("COMPLETED" | "FAILED"));
        shop.user.wait_for(&format!("parameter_tuning_job/{job}/"), ended).await
    };
    save(&shop, "look", spec(&["size"])).await.expect(201);
    let failed = search().await;
    assert!(failed["error"].as_str().is_some_and(|text| text.contains("column \"size\"")), "{failed}");
    save(&shop, "look", spec(&["colour"])).await.expect(201);
    let done = search().await;
    assert_eq!(done["status"], "COMPLETED", "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measurement_tells_a_useful_field_from_a_useless_one() {
    let app = TestApp::start_with_worker().await;
    let shop = shop(&app.user("ada").await).await;
    describe(&shop, &items()).await;
    let set = save(&shop, "look", spec(&["colour", "shade"])).await.expect(201).id();
    let asked = json!({ "feature_set": set, "data": shop.data });
    let made = shop.user.post("feature_measurements/", asked).await.expect(201);
    let told = [&made.body["project"], &made.body["feature_set"], &made.body["data"], &made.body["algorithm"]];
    assert_eq!(told, [&json!(shop.project), &json!(set), &json!(shop.data), &json!("IALSRecommender")]);
    let path = format!("feature_measurements/{}/", made.id());
    let ended = |one: &Value| matches!(one["status"].as_str(), Some("COMPLETED" | "FAILED"));
    let measured = shop.user.wait_for(&path, ended).await;
    assert_eq!((&measured["status"], &measured["error"]), (&json!("COMPLETED"), &Value::Null), "{measured}");
    assert_eq!(measured["progress"]["done"], measured["progress"]["total"], "{measured}");
    assert!(measured["end_datetime"].is_string(), "{measured}");

    let result = &measured["result"];
    assert_eq!((&result["cutoff"], &result["n_items"], &result["n_cold"]), (&json!(20), &json!(48), &json!(9)), "{result}");
    assert!(result["n_users"].as_i64().is_some_and(|n| n > 0 && n <= USERS as i64), "{result}");
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("no number: {result}"));
    let quality = |of: &Value| {
        assert!(number(&of["low"]) <= number(&of["mean"]) && number(&of["mean"]) <= number(&of["high"]), "{of}");
        number(&of["mean"])
    };
    let ndcg = quality(&result["ndcg"]);
    for baseline in ["random", "popularity_from_features", "content_knn"] {
        quality(&result["baselines"][baseline]);
    }
    assert!(ndcg > number(&result["baselines"]["random"]["high"]), "{result}");
    let [colour, shade] = [&result["fields"][0], &result["fields"][1]];
    assert_eq!(
        (&colour["field"], &colour["column"], &colour["is_noise"]),
        (&json!(0), &json!("colour"), &json!(false)),
        "{result}"
    );
    assert!(number(&colour["low"]) > 0.0 && number(&colour["worth"]) > number(&shade["high"]), "{result}");
    assert!(number(&shade["low"]) <= 0.0, "it is not shown to help: {result}");
    let listed = shop.user.get(&format!("feature_measurements/?project={}&feature_set={set}", shop.project)).await;
    assert_eq!(ids(&listed.expect(200).body), [made.id()]);
    shop.user.delete(&format!("training_data/{}/", shop.data)).await.expect(204);
    shop.user.get(&path).await.expect(200);
    shop.user.delete(&format!("feature_sets/{set}/")).await.expect(204);
    shop.user.get(&path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measurement_that_cannot_be_made_says_why() {
    let app = TestApp::start_with_worker().await;
    let shop = shop(&app.user("ada").await).await;
    let set = save(&shop, "look", spec(&["colour"])).await.expect(201).id();
    let other = self::shop(&app.user("bob").await).await;
    let measure = async |body: Value| shop.user.post("feature_measurements/", body).await;
    let refused = measure(json!({ "feature_set": set, "data": shop.data, "algorithm": "TopPop" })).await;
    assert!(refused.fault("algorithm").contains("cannot recommend new items"), "{}", refused.body);
    measure(json!({ "feature_set": set, "data": other.data })).await.fault("data");
    let failed = async || {
        let made = measure(json!({ "feature_set": set, "data": shop.data })).await.expect(201).id();
        let path = format!("feature_measurements/{made}/");
        let failed = shop.user.wait_for(&path, |one| one["status"] == "FAILED").await;
        failed["error"].as_str().expect("a reason").to_owned()
    };
    let reason = failed().await;
    assert!(reason.contains("no item metadata"), "{reason}");
    describe(&shop, "item,colour\nunknown 1,red\nunknown 2,red\n").await;
    let reason = failed().await;
    assert!(reason.contains("none of the items of the item metadata is in the training data"), "{reason}");
    describe(&shop, &items().replace("colour,", "hue,")).await;
    let reason = failed().await;
    assert!(reason.contains("column \"colour\", which the table does not have"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_measured_stays_and_a_deleted_measurement_is_cancelled() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.max_waiting_jobs_per_organisation = 1).await;
    let shop = shop(&app.user("ada").await).await;
    describe(&shop, &items()).await;
    let set = save(&shop, "look", spec(&["colour"])).await.expect(201).id();
    let asked = json!({ "feature_set": set, "data": shop.data });
    let made = shop.user.post("feature_measurements/", asked.clone()).await.expect(201);
    assert_eq!((&made.body["status"], &made.body["progress"]), (&json!("PENDING"), &Value::Null));
    let refused = shop.user.post("feature_measurements/", asked).await.expect(429);
    assert_eq!(refused.body["code"], "too_many_waiting_jobs");
    for path in [format!("feature_sets/{set}/"), format!("training_data/{}/", shop.data), format!("project/{}/", shop.project)] {
        let refused = shop.user.delete(&path).await.expect(409);
        assert_eq!(refused.body["dependents"][0]["resource"], "feature_measurements", "{path}: {}", refused.body);
    }
    shop.user.delete(&format!("feature_measurements/{}/", made.id())).await.expect(204);
    assert_eq!(app.unfinished_jobs().await.len(), 0, "its job is cancelled");
    shop.user.delete(&format!("project/{}/", shop.project)).await.expect(204);
    assert_eq!(app.count("SELECT count(*) FROM feature_sets").await, 0);
}

/// A pattern that takes time in proportion to five thousand times the text.
const DEAR_PATTERN: &str = "(?:c{0,1000}){5}olour \\d";

fn derived(derive: Value) -> Value {
    json!({ "version": 1, "fields": [{ "column": "colour", "kind": "category", "derive": derive }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_refuses_what_would_take_all_memory_or_time() {
    let app = TestApp::start().await;
    let shop = shop(&app.user("ada").await).await;
    let texts: Vec<String> = (0..1000).map(|n| format!("b{n}")).collect();
    let row = |n: usize| json!({ "item": format!("t0-{n}"), "colour": "c".repeat(60_000), "texts": texts }).to_string();
    shop.user.upload_items(shop.project, "items.jsonl", [row(0), row(1)].join("\n")).await.expect(201);
    let with = |column: &str| json!({ "cross": { "with": column } });
    let crossed = [vec![with("texts")], vec![with("colour"); 19]].concat();
    let refused = preview(&shop, derived(json!(crossed))).await;
    let words = "Column \"colour\": id \"t0-0\" has texts that take 60007890 bytes when they are crossed";
    assert!(refused.fault("spec").starts_with(words), "{}", refused.body);
    let refused = preview(&shop, derived(json!([{ "extract": { "pattern": DEAR_PATTERN } }]))).await;
    assert!(refused.fault("spec").starts_with("Column \"colour\": id \"t0-0\" has a text of 60000 bytes"), "{}", refused.body);
    let heavy = json!({ "version": 1, "fields": [{ "column": "colour", "kind": "category", "weight": 1e38 }] });
    assert!(save(&shop, "heavy", heavy).await.fault("spec").contains("is not between 0.000001 and 1000000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn days_of_a_spreadsheet_are_dates_and_the_preview_says_so() {
    let app = TestApp::start().await;
    let shop = shop(&app.user("ada").await).await;
    let rows = (0..12).fold("item,added\n".to_owned(), |csv, n| csv + &format!("t0-{n},{}\n", 43_831 + n));
    describe(&shop, &rows).await;
    let field = |more: Value| {
        let mut field = json!({ "column": "added", "kind": "time" });
        field.as_object_mut().expect("a field").extend(more.as_object().expect("more").clone());
        json!({ "version": 1, "fields": [field] })
    };
    let shown = preview(&shop, field(json!({ "options": { "calendar": true } }))).await.expect(200).body;
    assert!(shown["items"][0]["fields"][0]["terms"].to_string().contains("year=2020"), "{shown}");
    assert!(shown["fields"][0]["warning"].as_str().is_some_and(|warning| warning.contains("spreadsheet")), "{shown}");
    let aged = preview(&shop, field(json!({ "derive": ["age"] }))).await;
    assert!(aged.fault("spec").contains("age gives a number of days, which is no date"), "{}", aged.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_items_that_cannot_be_encoded_are_left_out_and_hold_up_no_server() {
    let app = TestApp::start_with_worker().await;
    let shop = shop(&app.user("ada").await).await;
    describe(&shop, &items()).await;
    let dear = derived(json!([{ "extract": { "pattern": DEAR_PATTERN } }, { "cross": { "with": "colour" } }]));
    save(&shop, "dear", dear).await.expect(201);
    let model = train(&shop, "ContentKNNRecommender", json!({})).await;
    assert_eq!(model["status"], "COMPLETED", "{model}");
    let model = model["id"].as_i64().expect("an id");
    slots::make(&shop, model, json!({ "name": "main" })).await.expect(201);
    let long = (0..40).fold(items(), |csv, n| csv + &format!("new-{n},{},shade a\n", "c".repeat(60_000)));
    describe(&shop, &long).await;
    let fresh = app.replica(|_| {});
    app.soon("it is ready", async || fresh.get("/inference/ready").await.status.as_u16() == 200).await;
    let program = fresh.with_key(&shop.key("program", "predict").await);
    let list = program.post(&format!("/inference/predict/{model}"), json!({ "user_id": "u1" })).await.expect(200).body;
    assert!(list["items"].as_array().is_some_and(|items| !items.is_empty()), "{list}");
}
