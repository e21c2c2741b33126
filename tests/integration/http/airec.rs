//! The addresses of AiREC.

use recotem::platform::config::Settings;
use reqwest::{Method, multipart};
use serde_json::{Value, json};

use crate::support::tastes::Shop;
use crate::support::{Answer, Caller, Jobs, PASSWORD, TestApp};

fn file(name: &str, text: impl Into<Vec<u8>>) -> multipart::Part {
    multipart::Part::bytes(text.into()).file_name(name.to_owned())
}

async fn create(caller: &Caller, form: multipart::Form) -> Answer {
    caller.send_form(Method::POST, "/airec/create-project", form).await
}

fn titles(answer: &Value) -> Vec<String> {
    let list = answer["recommendations"].as_array().unwrap_or_else(|| panic!("no list: {answer}"));
    list.iter().map(|item| item["item_title"].as_str().unwrap().to_owned()).collect()
}

/// Says what a project of a shop was learnt from, as the studio does.
async fn made_by_studio(app: &TestApp, project: i64, goal: &str) {
    let values = format!("({project}, 'P', '{goal}', 60, '{{}}', '[]', 'ready', 'ready')");
    app.execute(&format!(
        "DELETE FROM studio_runs WHERE project_id = {project};
         INSERT INTO studio_runs (project_id, name, goal, budget_seconds, mapping, stages, state, stage) VALUES {values}"
    ))
    .await;
}

/// Returns a shop with titles and a deployed model.
async fn shop(app: &TestApp) -> Shop {
    let shop = Shop::open(app).await;
    let rows = (0..4).flat_map(|taste| (0..12).map(move |n| format!("t{taste}-{n},Item {n} of taste {taste}\n")));
    let csv = rows.fold("item,title\n".to_owned(), |csv, row| csv + &row);
    shop.prepared.user.upload_items(shop.prepared.project, "items.csv", csv).await.expect(201);
    let model = shop.train("IALS", json!({ "n_components": 4, "alpha0": 0.1 })).await;
    let slot = json!({ "project": shop.prepared.project, "name": "A", "trained_model": model["id"], "weight": 1 });
    shop.prepared.user.post("deployment_slot/", slot).await.expect(201);
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_items_become_a_project_that_recommends_by_title() {
    let app = TestApp::start_with(Jobs::Run, |settings: &mut Settings| settings.self_sign_up = true).await;
    let stranger = app.anonymous();
    let account = json!({ "name": "Ana", "email": "ana@example.com", "password": PASSWORD });
    let made = stranger.post("/airec/signup", account.clone()).await.expect(200).body;
    assert_eq!(made["success"], true);
    assert!(stranger.post("/airec/signup", account).await.expect(400).body["email"].is_array());
    let entry = json!({ "email": "ana@example.com", "password": PASSWORD });
    let entered = stranger.post("/airec/login/", entry).await.expect(200).body;
    assert_eq!((&entered["success"], &entered["email"]), (&json!(true), &json!("ana@example.com")));
    assert_eq!(entered["token"], entered["jwtToken"]);
    stranger.post("/airec/login", json!({ "email": "ana@example.com", "password": "wrong" })).await.expect(400);
    let ana = stranger.with_token(entered["jwtToken"].as_str().unwrap());
    assert_eq!(ana.get("/airec/projects/").await.expect(200).body, json!([]));

    let colours = ["red", "green", "blue", "grey"];
    let row = |at: usize| format!("i{at},A thing of {} number {at},{}\n", colours[at % 4], colours[at % 4]);
    let csv: String = std::iter::once("code,called,colour\n".to_owned()).chain((0..40).map(row)).collect();
    let schema = json!({ "item_id": "code", "item_title": "called", "feature_col": ["colour"] }).to_string();
    let form = multipart::Form::new().text("project_name", "Things").part("content_file", file("items.csv", csv));
    let project = create(&ana, form.text("content_schema_json", schema)).await.expect(201).body;
    assert_eq!((&project["project_name"], &project["model_type"]), (&json!("Things"), &json!("CONTENT")), "{project}");
    let at = |rest: &str| format!("/airec/project/{}/{rest}", project["id"]);
    let status =
        ana.wait_for(&at("status"), |status| !["PENDING", "PROCESSING"].contains(&status["status"].as_str().unwrap())).await;
    assert_eq!(status, json!({ "status": "READY", "error": null, "stage": "ready", "progress": 1.0 }));
    let listed = ana.get("/airec/projects").await.expect(200).body;
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["status"]), (Some(1), &json!("READY")));
    assert!(listed[0]["mlflow_model_version"].is_string(), "{listed}");

    let items = ana.get(&at("items?limit=2&offset=1&q=i1")).await.expect(200).body;
    assert_eq!(
        items,
        json!([{ "item_id": "i10", "item_title": "A thing of blue number 10" },
        { "item_id": "i11", "item_title": "A thing of grey number 11" }])
    );
    let list = ana.get(&at("recommendations?item_title=a%20thing%20of%20RED%20number%200&n=5")).await.expect(200).body;
    let found = titles(&list);
    assert_eq!((found.len(), found.iter().all(|title| title.contains("red"))), (5, true), "{list}");
    assert!(ana.get(&at("recommendations?user_id=u")).await.expect(422).body["item_title"].is_array());
    let unknown = ana.get(&at("recommendations?item_title=A%20thing%20of%20red%20nmber%200")).await.expect(404).body;
    assert_eq!((&unknown["code"], unknown["nearest"].as_array().map(Vec::len)), (&json!("unknown_title"), Some(5)));
    assert_eq!(unknown["nearest"][0], "A thing of red number 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn titles_and_users_count_as_the_type_of_the_project_says() {
    let app = TestApp::start_with_worker().await;
    let shop = shop(&app).await;
    let (owner, project) = (&shop.prepared.user, shop.prepared.project);
    let ask = async |query: &str| owner.get(&format!("/airec/project/{project}/recommendations?{query}")).await;
    let title = "item_title=Item%203%20of%20taste%201";
    owner.get(&format!("/airec/project/{project}/status")).await.expect(404);

    made_by_studio(&app, project, "hybrid").await;
    let both = titles(&ask(&format!("{title}&user_id=u1&n=3")).await.expect(200).body);
    let nobody = titles(&ask(&format!("{title}&user_id=nobody&n=3")).await.expect(200).body);
    assert!(both.len() == 3 && nobody.iter().all(|title| title.ends_with("taste 1")), "{both:?} {nobody:?}");
    assert!(!both.contains(&"Item 3 of taste 1".to_owned()));
    assert_eq!(titles(&ask("user_id=u1").await.expect(200).body).len(), 10);
    ask("").await.expect(422);

    made_by_studio(&app, project, "collaborative").await;
    assert_eq!(titles(&ask(&format!("user_id=u1&{title}&n=2")).await.expect(200).body).len(), 2);
    ask(title).await.expect(422);
    for wrong in ["n=0", "n=1001", "n=x"] {
        ask(&format!("user_id=u1&{wrong}")).await.expect(400);
    }
    let users = owner.get(&format!("/airec/project/{project}/users?limit=3&q=u1")).await.expect(200).body;
    assert_eq!(users, json!(["u1", "u10", "u11"]));
    for wrong in ["limit=1001", "limit=0", "offset=-1"] {
        owner.get(&format!("/airec/project/{project}/items?{wrong}")).await.expect(400);
    }
    assert_eq!(
        owner.get(&format!("/airec/project/{project}/items?limit=1000")).await.expect(200).body.as_array().unwrap().len(),
        48
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_has_a_key_for_its_project_alone_and_is_counted() {
    let app = TestApp::start_with_worker().await;
    let shop = shop(&app).await;
    let (owner, project) = (&shop.prepared.user, shop.prepared.project);
    let wanted = json!({ "app_name": "Films", "webhook_url": "" });
    assert_eq!(owner.post("/airec/api/apps/register", wanted.clone()).await.fault("project_id"), "Create a project first.");
    made_by_studio(&app, project, "hybrid").await;
    let made = owner.post("/airec/api/apps/register", wanted.clone()).await.expect(201).body;
    assert_eq!((&made["project_id"], &made["webhook_secret"]), (&json!(project), &Value::Null));
    owner.post("/airec/api/apps/register", wanted).await.expect(400);
    let inside = json!({ "app_name": "Inside", "webhook_url": "http://127.0.0.1/hook" });
    assert!(owner.post("/airec/api/apps/register", inside).await.expect(400).body["webhook_url"].is_array());

    let films = app.anonymous().with_key(made["api_key"].as_str().unwrap());
    let ask = json!({ "project_id": project, "item_title": "Item 3 of taste 1", "user_id": 7 });
    let list = films.post("/airec/api/recommend", ask.clone()).await.expect(200).body;
    assert!(!titles(&list).is_empty());
    let other = owner.post("project/", json!({ "name": "O", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    films.post("/airec/api/recommend", json!({ "project_id": other, "user_id": "u1" })).await.expect(404);
    let unknown = json!({ "project_id": project, "item_title": "Itm 3 of taste 1" });
    assert_eq!(films.post("/airec/api/recommend/", unknown).await.expect(404).body["nearest"][0], "Item 3 of taste 1");
    films.post("/airec/api/recommend", json!({ "user_id": "u1" })).await.expect(400);
    films.post("/airec/api/recommend", json!([1])).await.expect(400);
    owner.post("/airec/api/recommend", ask).await.expect(401);

    let listed = owner.get("/airec/api/apps").await.expect(200).body;
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["app_name"]), (Some(1), &json!("Films")));
    assert!(!listed.to_string().contains(made["api_key"].as_str().unwrap()), "the key is shown once");
    let used = owner.get("/airec/api/apps/usage").await.expect(200).body;
    assert_eq!(used[0]["app_name"], "Films");
    let bob = app.user("bob").await;
    for mine in ["projects", "api/apps", "api/apps/usage"] {
        assert_eq!(bob.get(&format!("/airec/{mine}")).await.expect(200).body, json!([]), "{mine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_cannot_be_made_is_refused_with_the_part_and_the_column() {
    let app = TestApp::start_without_worker().await;
    let ana = app.user("ana").await;
    let named = || multipart::Form::new().text("project_name", "P");
    let with = |csv: &'static str, schema: Value| {
        named().part("interaction_file", file("a.csv", csv)).text("interaction_schema_json", schema.to_string())
    };
    let refused = async |form: multipart::Form| create(&ana, form).await.expect(422).body;
    assert!(refused(named()).await["content_file"].is_array());
    let nameless = multipart::Form::new().part("content_file", file("a.csv", "item,title\n1,a\n"));
    assert!(refused(nameless).await["project_name"].is_array());
    let wrong = refused(with("u,i\n1,2\n", json!({ "user": "u" }))).await;
    assert!(wrong["interaction_schema_json"][0].as_str().unwrap().starts_with("\"user\" is no key"), "{wrong}");
    let missing = refused(with("u,i\n1,2\n", json!({ "user_id": "u", "item_id": "x" }))).await;
    assert!(missing["detail"].to_string().contains("no column \\\"x\\\""), "{missing}");
    assert!(refused(named().part("content_file", file("a.xlsx", "x"))).await["content_file"].is_array());
    assert_eq!(app.count("SELECT count(*) FROM projects").await, 0);
    create(&app.anonymous(), named()).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_exist_only_where_the_setting_is_on() {
    let app = TestApp::start_with(Jobs::None, |settings: &mut Settings| settings.compat.airec = false).await;
    let ana = app.user("ana").await;
    for path in ["/airec/projects", "/airec/api/apps", "/airec/", "/airec"] {
        ana.get(path).await.expect(404);
    }
    for path in ["/airec/login", "/airec/signup", "/airec/api/recommend"] {
        ana.post(path, json!({})).await.expect(404);
    }
    let on = TestApp::start().await;
    let ana = on.user("ana").await;
    let wrong = ana.call(Method::DELETE, "/airec/projects", None).await.expect(405);
    assert!(wrong.header("allow").contains("GET"));
    for path in ["/airec/nothing", "/airec/", "/api/v1/airec/projects/"] {
        ana.get(path).await.expect(404);
    }
    on.anonymous().post("/airec/signup", json!({ "name": "A", "email": "a@b.example", "password": PASSWORD })).await.expect(403);
}
