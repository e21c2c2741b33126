//! Users that a model was not trained on: recommended to by their profiles, sent along or uploaded as user metadata, and near
//! anchors; and the two kinds of metadata, kept apart.

use chrono::TimeDelta;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::lists::items;
use crate::support::prepared::Prepared;
use crate::support::tastes::{configure, tastes};
use crate::support::{Caller, TestApp};

const USERS: usize = 40;

/// A shop whose customers belong to one of four teams, each with a taste of its own, and a program that queries its model.
struct Shop {
    prepared: Prepared,
    program: Caller,
}

impl Shop {
    async fn open(app: &TestApp) -> Self {
        let user = app.user("margarete").await;
        let project = json!({ "name": "P", "user_column": "user", "item_column": "item" });
        let project = user.post("project/", project).await.expect(201).id();
        let data = user.upload(project, "tastes.csv", tastes(USERS)).await.expect(201).id();
        let prepared = Prepared { user, project, data, configuration: 0 };
        let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
        Self { prepared, program }
    }

    /// Uploads the team of every customer, and of some others. Returns the id of the upload.
    async fn describe(&self, more: &[(&str, usize)]) -> i64 {
        let known = (0..USERS).map(|user| (format!("u{user}"), user % 4));
        let all = known.chain(more.iter().map(|(user, team)| ((*user).to_owned(), *team)));
        let csv = all.fold("user,team\n".to_owned(), |csv, (user, team)| csv + &format!("{user},team {team}\n"));
        self.prepared.user.upload_users(self.prepared.project, "users.csv", csv).await.expect(201).id()
    }

    async fn train(&self, algorithm: &str, parameters: Value) -> Value {
        let configuration = configure(&self.prepared, algorithm, parameters).await;
        let prepared = Prepared { user: self.prepared.user.clone(), configuration, ..self.prepared };
        let model = prepared.train().await;
        assert_eq!(model["status"], "COMPLETED", "{model}");
        model
    }

    async fn ials(&self) -> Value {
        self.train("IALS", json!({ "n_components": 4, "alpha0": 0.1 })).await
    }

    async fn ask(&self, model: &Value, body: Value) -> Value {
        self.program.post(&format!("/inference/predict/{}", model["id"]), body).await.expect(200).body
    }
}

/// Fails unless a list has this strategy and only items of a taste.
#[track_caller]
fn assert_list(list: &Value, strategy: &str, taste: usize) {
    assert_eq!(list["strategy"], strategy, "{list}");
    let items = items(list);
    assert!(!items.is_empty() && items.iter().all(|item| item.starts_with(&format!("t{taste}-"))), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_the_model_does_not_know_gets_the_items_of_their_group() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.describe(&[]).await;
    let model = shop.ials().await;
    assert_eq!(model["lineage"]["user_features"]["fields"][0]["column"], "team", "{model}");
    for team in 0..4 {
        let features = json!({ "team": format!("team {team}"), "shoe size": 44 });
        let sent = json!({ "user_id": "a stranger", "user_features": features, "cutoff": 3 });
        assert_list(&shop.ask(&model, sent).await, "profile", team);
        assert_list(&shop.ask(&model, json!({ "user_features": features, "cutoff": 3 })).await, "profile", team);
    }
    let both = json!({ "user_id": "a stranger", "user_features": { "team": "team 2" }, "interactions": ["t2-0"], "cutoff": 60 });
    let both = shop.ask(&model, both).await;
    assert_eq!(both["strategy"], "profile", "{both}");
    assert!(!items(&both).contains(&"t2-0".to_owned()) && items(&both).len() == 47, "{both}");
    let of_3 = json!({ "user_features": { "team": "team 3" }, "allow": ["t3-1", "t3-2", "t0-1"], "deny": ["t3-1"], "cutoff": 1 });
    assert_eq!(items(&shop.ask(&model, of_3).await), ["t3-2"]);

    let known = shop.ask(&model, json!({ "user_id": "u0", "user_features": { "team": "team 2" } })).await;
    assert_eq!(known["strategy"], "personal", "what the model has learnt of a user says more: {known}");
    assert_eq!(known["items"], shop.ask(&model, json!({ "user_id": "u0" })).await["items"]);
    for nothing in [json!({ "shoe size": 44 }), json!({ "team": "of another league" }), json!({}), Value::Null] {
        let list = shop.ask(&model, json!({ "user_id": "a stranger", "user_features": nothing })).await;
        assert_eq!(list["strategy"], "popular", "{list}");
    }
    let other = shop.train("TopPop", json!({})).await;
    assert!(other["lineage"].get("user_features").is_none(), "{other}");
    let list = shop.ask(&other, json!({ "user_id": "a stranger", "user_features": { "team": "team 2" } })).await;
    assert_eq!(list["strategy"], "popular", "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_user_metadata_is_the_profile_of_a_new_user() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.describe(&[]).await;
    let model = shop.ials().await;
    let ask = async |user: &str| shop.ask(&model, json!({ "user_id": user, "cutoff": 3 })).await;
    assert_eq!(ask("a newcomer").await["strategy"], "popular");

    let second = shop.describe(&[("a newcomer", 3), ("another", 1)]).await;
    app.soon("the row of the newcomer is used", async || ask("a newcomer").await["strategy"] == "profile").await;
    assert_list(&ask("a newcomer").await, "profile", 3);
    assert_eq!(ask("a stranger").await["strategy"], "popular");
    let batch = json!({ "user_ids": ["another", "u0", "a stranger", "a newcomer"], "cutoff": 3 });
    let batch = shop.program.post(&format!("/inference/predict/{}/batch", model["id"]), batch).await.expect(200).body;
    assert_list(&batch["results"][0], "profile", 1);
    assert_list(&batch["results"][3], "profile", 3);
    assert_eq!((&batch["results"][1]["strategy"], &batch["results"][2]["strategy"]), (&json!("personal"), &json!("popular")));
    let sent = json!({ "user_id": "a newcomer", "user_features": { "team": "team 1" }, "cutoff": 3 });
    assert_list(&shop.ask(&model, sent).await, "profile", 1);

    app.not_found_for_unknown_users(shop.prepared.project).await;
    let path = format!("/inference/predict/{}", model["id"]);
    let refused = async || shop.program.post(&path, json!({ "user_id": "a stranger" })).await.status.as_u16() == 404;
    app.soon("a stranger is told so", refused).await;
    assert_list(&ask("a newcomer").await, "profile", 3);

    shop.prepared.user.delete(&format!("user_meta_data/{second}/")).await.expect(204);
    let is_gone = async || shop.program.post(&path, json!({ "user_id": "a newcomer" })).await.status.as_u16() == 404;
    app.soon("the row is gone", is_gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_metadata_that_says_nothing_is_left_out_with_a_reason() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let strangers = "user,team\nstranger 1,red\nstranger 2,red\n";
    shop.prepared.user.upload_users(shop.prepared.project, "users.csv", strangers).await.expect(201);
    let model = shop.ials().await;
    assert!(model["lineage"].get("user_features").is_none(), "{model}");
    let log = shop.prepared.user.get("task_log/").await.expect(200).body.to_string();
    assert!(log.contains("does not use the user metadata: none of the 2 users of the metadata is in the training data"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hybrid_list_is_for_the_user_and_near_the_anchors() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.describe(&[]).await;
    for model in [shop.ials().await, shop.train("CosineKNN", json!({})).await] {
        let near = |weight: f64, cutoff: usize| json!({ "user_id": "u0", "anchor_items": ["t3-1", "unheard of"], "anchor_weight": weight, "cutoff": cutoff });
        assert_list(&shop.ask(&model, near(10.0, 5)).await, "hybrid", 3);
        let all = shop.ask(&model, near(10.0, 60)).await;
        assert!(!items(&all).contains(&"t3-1".to_owned()) && items(&all).len() == 39, "eight items of the user's: {all}");
        // They have four items of their taste left.
        assert_list(&shop.ask(&model, near(0.0, 4)).await, "hybrid", 0);

        let usual = json!({ "user_id": "u0", "anchor_items": ["t3-1"], "cutoff": 60, "explain": true, "diversity": 0.2 });
        let usual = shop.ask(&model, usual).await;
        assert!(usual["strategy"] == "hybrid" && usual["items"][0]["because"].is_array(), "{usual}");
        let folded = json!({ "user_id": "a stranger", "interactions": ["t1-1"], "anchor_items": ["t2-1"], "cutoff": 60 });
        let folded = shop.ask(&model, folded).await;
        assert!(folded["strategy"] == "hybrid" && !items(&folded).contains(&"t1-1".to_owned()), "{folded}");

        let basket = json!({ "item_ids": ["t2-1"], "cutoff": 5 });
        let basket = shop.program.post(&format!("/inference/related/{}", model["id"]), basket).await.expect(200).body;
        for stranger in [json!({ "user_id": "a stranger" }), json!({})] {
            let mut asked = json!({ "anchor_items": ["t2-1"], "cutoff": 5 });
            asked.as_object_mut().unwrap().extend(stranger.as_object().unwrap().clone());
            let related = shop.ask(&model, asked).await;
            assert_eq!((&related["strategy"], &related["items"]), (&json!("related"), &basket["items"]));
        }
        let lost = shop.ask(&model, json!({ "user_id": "u0", "anchor_items": ["unheard of"], "cutoff": 4 })).await;
        let alone = shop.ask(&model, json!({ "user_id": "u0", "cutoff": 4 })).await;
        assert_eq!((&lost["strategy"], &lost["items"]), (&json!("personal"), &alone["items"]));
    }
    let model = shop.train("DenseSLIM", json!({})).await;
    let of_profile = json!({ "user_features": { "team": "team 1" }, "anchor_items": ["t2-1"], "anchor_weight": 0, "cutoff": 3 });
    assert_list(&shop.ask(&model, of_profile).await, "hybrid", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn past_lists_by_profile_are_replayed_and_those_with_options_are_left_out() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.describe(&[("a newcomer", 3)]).await;
    let model = shop.ials().await;
    app.services.clock.advance(TimeDelta::minutes(1));
    let Prepared { user, project, .. } = &shop.prepared;
    let slot = json!({ "project": project, "name": "main", "trained_model": model["id"], "weight": 100 });
    user.post("deployment_slot/", slot).await.expect(201);
    user.patch(&format!("project/{project}/"), json!({ "logged_share": 1 })).await.expect(200);
    let path = format!("/inference/predict/project/{project}");
    let is_logged = async || {
        shop.program.post(&path, json!({ "user_id": "a probe" })).await;
        app.count("SELECT count(*) FROM recommendation_log").await > 0
    };
    app.soon("lists are logged", is_logged).await;

    for more in [json!({}), json!({ "user_features": { "team": "team 1" } }), json!({ "anchor_items": ["t2-1"] })] {
        let mut asked = json!({ "user_id": "a newcomer", "cutoff": 3 });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        shop.program.post(&path, asked).await.expect(200);
    }
    let of_newcomer = async |strategy: &str, is_plain: bool| {
        let which = if is_plain { "plain_cutoff = 3" } else { "plain_cutoff IS NULL" };
        app.count(&format!(
            "SELECT count(*) FROM recommendation_log WHERE user_id = 'a newcomer' AND strategy = '{strategy}' AND {which}"
        ))
        .await
    };
    let all = async || {
        (of_newcomer("profile", true).await, of_newcomer("profile", false).await, of_newcomer("hybrid", false).await) == (1, 1, 1)
    };
    app.soon("each list is logged with how it was computed", all).await;
    app.execute("DELETE FROM recommendation_log WHERE user_id = 'a probe'").await;
    let found = user.get(&format!("trained_model/{}/off_policy/?cutoff=3", model["id"])).await.expect(200).body;
    assert_eq!((&found["requests"], &found["left_out"]["special"]), (&json!(1), &json!(2)), "{found}");
    assert_eq!(found["agreement"]["identical"], 1.0, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_profiles_and_anchors_are_explained() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let model = shop.train("TopPop", json!({})).await;
    let path = format!("/inference/predict/{}", model["id"]);
    let columns = |n: usize| Value::Object((0..n).map(|column| (format!("c{column}"), json!(column))).collect());
    for (field, wrong, kind) in [
        ("user_features", json!("team 1"), "dict_type"),
        ("user_features", json!(["team 1"]), "dict_type"),
        ("user_features", json!({ "team": { "name": "1" } }), "cell_type"),
        ("user_features", json!({ "teams": [["1"]] }), "cell_type"),
        ("user_features", columns(201), "too_long"),
        ("user_features", json!({ "text": "x".repeat(17 << 10) }), "too_large"),
        ("anchor_items", json!("t0-1"), "list_type"),
        ("anchor_items", json!([1]), "string_type"),
        ("anchor_items", json!(vec!["t0-1"; 101]), "too_long"),
        ("anchor_weight", json!(-0.1), "float_range"),
        ("anchor_weight", json!(10.5), "float_range"),
        ("anchor_weight", json!("much"), "float_range"),
    ] {
        let body = json!({ "user_id": "u0", field: wrong });
        let detail = shop.program.post(&path, body).await.expect(422).body["detail"].clone();
        assert_eq!((&detail[0]["type"], &detail[0]["loc"][1]), (&json!(kind), &json!(field)), "{detail}");
    }
    let largest = json!({ "user_features": columns(200), "anchor_items": vec!["t0-1"; 100], "anchor_weight": 10 });
    shop.program.post(&path, largest).await.expect(200);
    let batch = json!({ "user_ids": ["u0"], "user_features": "team 1", "anchor_items": 7 });
    shop.program.post(&format!("{path}/batch"), batch).await.expect(200);
    let nobody = shop.program.post(&path, json!({ "anchor_weight": 1 })).await.expect(422).body;
    assert_eq!(nobody["detail"][0]["loc"], json!(["body", "user_id"]));
}

const ABOUT_ITEMS: &str = "item,title\nx,The X\n";
const ABOUT_USERS: &str = "user,country\n007,uk\nSigur Rós,is\n";

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_items_and_of_users_is_never_taken_for_the_other() {
    let app = TestApp::start().await;
    let (staff, user) = (app.staff("boss").await, app.user("ada").await);
    let project = json!({ "name": "p", "user_column": "user", "item_column": "item" });
    let project = user.post("project/", project).await.expect(201).id();
    let of_items = user.upload_items(project, "items.csv", ABOUT_ITEMS).await.expect(201);
    let of_users = user.upload_users(project, "users.csv", ABOUT_USERS).await.expect(201);
    assert_eq!(of_users.body["valid_columns_list_json"], json!(["country"]));
    assert_eq!((&of_users.body["status"], &of_users.body["report"]["items"]), (&json!("ready"), &json!(2)));
    let same = |made: &Value| made.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(same(&of_items.body), same(&of_users.body));

    for (own, other, id, text) in [
        ("item_meta_data", "user_meta_data", of_items.id(), ABOUT_ITEMS),
        ("user_meta_data", "item_meta_data", of_users.id(), ABOUT_USERS),
    ] {
        let listed = user.get(&format!("{own}/?project={project}")).await.expect(200).body;
        assert_eq!((&listed["count"], &listed["results"][0]["id"]), (&json!(1), &json!(id)));
        assert_eq!(user.get(&format!("{other}/?id={id}")).await.expect(200).body["count"], 0);
        let made = user.get(&format!("{own}/{id}/")).await.expect(200).body;
        let download = user.get(made["download_url"].as_str().unwrap()).await.expect(200);
        assert_eq!((download.bytes.as_slice(), &made["download_url"]), (text.as_bytes(), &made["file"]));
        let preview = user.get(&format!("{own}/{id}/preview/")).await.expect(200).body;
        assert_eq!(preview["rows"].as_array().unwrap().len(), text.lines().count() - 1);
        for below in ["", "preview/", "download_file/"] {
            user.get(&format!("{other}/{id}/{below}")).await.expect(404);
        }
        let file = || Form::new().part("file", Part::bytes(text.as_bytes().to_vec()).file_name("a.csv"));
        user.send_form(Method::PATCH, &format!("{other}/{id}/"), file()).await.expect(404);
        let with_project = file().text("project", project.to_string());
        user.send_form(Method::PUT, &format!("{other}/{id}/"), with_project).await.expect(404);
        user.delete(&format!("{other}/{id}/unlink_file/")).await.expect(404);
        user.delete(&format!("{other}/{id}/")).await.expect(404);
        user.get(&format!("{own}/{id}/")).await.expect(200);
    }
    assert!(user.upload_users(project, "a.csv", ABOUT_ITEMS).await.fault("file").contains("\"user\""));
    let empty = user.upload_users(project, "a.csv", "user,country\n").await;
    assert_eq!(empty.fault("file"), "The file has a header but no rows. Add at least one user.");
    app.user("eve").await.get(&format!("user_meta_data/{}/", of_users.id())).await.expect(404);

    let path = format!("user_meta_data/{}/", of_users.id());
    let replaced = Form::new().part("file", Part::bytes(b"user,age\n007,40\n".to_vec()).file_name("b.csv"));
    let replaced = user.send_form(Method::PATCH, &path, replaced).await.expect(200).body;
    assert_eq!(replaced["valid_columns_list_json"], json!(["age"]));
    let files = app.files().len();
    user.delete(&format!("{path}unlink_file/")).await.expect(200);
    assert_eq!(app.files().len(), files - 2, "the file and its prepared form");
    user.delete(&path).await.expect(204);
    assert_eq!(user.get(&format!("item_meta_data/?project={project}")).await.body["count"], 1);
    let actions = async |resource: &str| {
        let page = staff.get(&format!("audit_log/?resource={resource}&page_size=100")).await.expect(200).body;
        let actions = page["results"].as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap().to_owned());
        actions.rev().collect::<Vec<_>>()
    };
    assert_eq!(actions("item_meta_data").await, ["created"]);
    assert_eq!(actions("user_meta_data").await, ["created", "updated", "updated", "deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_user_metadata_is_prepared_by_a_job_by_its_own_column() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = json!({ "name": "p", "user_column": "user", "item_column": "item" });
    let project = user.post("project/", project).await.expect(201).id();
    let rows: String = (0..5_000).map(|row| format!("u{row},{}\n", "x".repeat(1_000))).collect();
    let made = user.upload_users(project, "a.csv", format!("user,about\n{rows}")).await.expect(201);
    assert_eq!(made.body["status"], "preparing");
    app.work();
    let ready = user.wait_for(&format!("user_meta_data/{}/", made.id()), |metadata| metadata["status"] != "preparing").await;
    assert_eq!((&ready["status"], &ready["report"]["items"]), (&json!("ready"), &json!(5_000)), "{ready}");
    let other = user.upload_users(project, "b.csv", format!("item,about\n{rows}")).await;
    assert!(other.fault("file").contains("\"user\""), "{}", other.body);
}
