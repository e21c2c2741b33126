//! Section 1 of the contract over HTTP: addresses, verbs, bodies, headers. `docs/contract.md` says which fact is checked where.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn project(name: &str) -> Value {
    json!({ "name": name, "user_column": "u", "item_column": "i" })
}

async fn shop(user: &Caller) -> String {
    format!("project/{}/", user.post("project/", project("Shop")).await.expect(201).id())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_bases_serve_the_same_and_the_root_lists_the_collections() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let path = shop(&user).await;
    let one = user.get(&format!("/api/v1/{path}")).await.expect(200).body;
    assert_eq!(user.get(&format!("/api/{path}")).await.expect(200).body, one);
    for base in ["/api/v1/", "/api/"] {
        let root = user.get(base).await.expect(200).body;
        assert_eq!(root["project"], format!("{}/api/project/", app.base));
        for name in ["training_data", "split_config", "trained_model", "api_keys", "task_log"] {
            user.get(root[name].as_str().unwrap().strip_prefix(&app.base).unwrap()).await.expect(200);
        }
        assert!(root.get("project_summary").is_none() && root.get("ping").is_none(), "{root}");
        app.anonymous().get(base).await.expect(401);
    }
    assert_eq!(app.anonymous().get("/api/v1").await.expect(301).header("location"), "/api/v1/");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_without_the_slash_are_sent_to_it_and_writes_are_served() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let path = shop(&user).await;
    let bare = path.trim_end_matches('/');
    let moved = user.get(&format!("{bare}?a=1&b=%C3%A4")).await.expect(301);
    assert_eq!(moved.header("location"), format!("/api/v1/{path}?a=1&b=%C3%A4"));
    // 1.x loses the body and fails here.
    user.post("project", project("second")).await.expect(201);
    assert_eq!(user.patch(bare, json!({ "name": "new" })).await.expect(200).body["name"], "new");
    user.delete(bare).await.expect(204);
    app.anonymous().get("nowhere").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_are_chosen_by_suffix_or_parameter_and_there_is_only_one() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let path = shop(&user).await;
    let id = path.trim_start_matches("project/").trim_end_matches('/').to_owned();
    let list = user.get("project/").await.expect(200).body;
    for same in ["project.json", "project/?format=json", "project.json/"] {
        assert_eq!(user.get(same).await.expect(200).body["results"], list["results"], "{same}");
    }
    assert_eq!(user.get(&format!("project/{id}.json")).await.expect(200).body, list["results"][0]);
    user.patch(&format!("project/{id}.json"), json!({ "name": "by suffix" })).await.expect(200);
    for unknown in ["project.xml".to_owned(), format!("project/{id}.xml"), "project/?format=xml".to_owned()] {
        assert!(user.get(&unknown).await.expect(404).body["detail"].is_string(), "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_404_in_json_whoever_asks() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let paths = [
        "nowhere/",
        "project/abc/",
        "project/1.5/",
        "project/-1/",
        "project/99999999999999999999/",
        "project_summary/abc/",
        "project/1/nothing/",
        "/api/",
        "/api/v2/project/",
        "/inference/nothing",
        "/ws/nothing/",
    ];
    for path in paths.iter().filter(|path| **path != "/api/") {
        let answer = user.get(path).await.expect(404);
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        assert!(answer.body["detail"].is_string(), "{path}");
    }
    assert!(app.anonymous().post("nowhere/", json!({})).await.expect(404).body["detail"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_verb_is_405_with_those_that_are_right() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let path = shop(&user).await;
    for (method, path, allow) in [
        (Method::DELETE, "project/", "GET, POST, HEAD, OPTIONS"),
        (Method::POST, path.as_str(), "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
        (Method::GET, "auth/login/", "POST, OPTIONS"),
        (Method::POST, "task_log/", "GET, HEAD, OPTIONS"),
        (Method::TRACE, "ping/", "GET, HEAD, OPTIONS"),
    ] {
        let answer = user.call(method.clone(), path, None).await.expect(405);
        assert!(answer.body["detail"].as_str().unwrap().contains(method.as_str()), "{}", answer.body);
        assert_eq!(answer.header("allow"), allow, "{path}");
    }
    assert_eq!(user.get("project/").await.expect(200).header("allow"), "GET, POST, HEAD, OPTIONS");
    let prediction = user.get("/inference/predict/1").await.expect(405);
    assert!(prediction.body["detail"].is_string());
    assert_eq!(prediction.header("allow"), "POST");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_describes_and_head_answers_without_a_body() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let answer = user.call(Method::OPTIONS, "project/", None).await.expect(200);
    assert_eq!(answer.body["parses"].as_array().unwrap().len(), 3);
    assert_eq!(answer.body["renders"], json!(["application/json"]));
    assert_eq!(answer.body["actions"]["POST"]["name"]["required"], true);
    assert_eq!(answer.body["actions"]["POST"]["time_column"]["required"], false);
    app.anonymous().call(Method::OPTIONS, "project/", None).await.expect(401);
    app.anonymous().call(Method::OPTIONS, "auth/login/", None).await.expect(200);
    let head = user.call(Method::HEAD, "project/", None).await.expect(200);
    assert!(head.bytes.is_empty());
    assert_eq!(head.header("content-type"), "application/json");
    app.anonymous().call(Method::HEAD, "project/", None).await.expect(401);
    app.anonymous().call(Method::HEAD, "ping/", None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compact_json_with_the_headers_browsers_need() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    user.post("project/", project("Größe ✓")).await.expect(201);
    let answer = user.get("project/").await.expect(200);
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    assert!(text.contains("\"name\":\"Größe ✓\""), "{text}");
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), value);
    }
    let vary = answer.header("vary").to_lowercase();
    assert!(vary.contains("origin") && vary.contains("cookie"), "{vary}");
    assert!(!answer.header("x-request-id").is_empty());
    let refused = app.anonymous().get("project/").await.expect(401);
    assert_eq!((refused.header("x-frame-options").as_str(), refused.header("www-authenticate").as_str()), ("DENY", "X-API-Key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_are_utc_with_microseconds() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let made = user.post("project/", project("P")).await.expect(201).body;
    let text = made["ins_datetime"].as_str().unwrap();
    assert!(text.ends_with('Z') && text.as_bytes()[10] == b'T', "{text}");
    app.execute("UPDATE projects SET ins_datetime = '2026-11-21T03:17:58.286239Z', updated_at = '2026-11-21T03:17:58Z'").await;
    let read = user.get(&format!("project/{}/", made["id"])).await.expect(200).body;
    assert_eq!(
        (&read["ins_datetime"], &read["updated_at"]),
        (&json!("2026-11-21T03:17:58.286239Z"), &json!("2026-11-21T03:17:58Z"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_json_or_a_form_of_either_kind() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let made =
        user.raw(Method::POST, "project/", &[FORM], "name=by+form&user_column=u&item_column=i&time_column=").await.expect(201);
    assert_eq!((&made.body["name"], &made.body["time_column"]), (&json!("by form"), &Value::Null));
    let form = reqwest::multipart::Form::new().text("name", "by parts").text("user_column", "u").text("item_column", "i");
    assert_eq!(user.send_form(Method::POST, "project/", form).await.expect(201).body["name"], "by parts");
    let key = format!("project={}&name=k&scopes=read&scopes=predict", made.id());
    assert_eq!(user.raw(Method::POST, "api_keys/", &[FORM], key).await.expect(201).body["scopes"], json!(["read", "predict"]));
    let parameters = format!("project={}&recommender_class_name=IALS&parameters_json=%7B%22reg%22%3A+0.5%7D", made.id());
    let configuration = user.raw(Method::POST, "model_configuration/", &[FORM], parameters).await.expect(201);
    assert_eq!(configuration.body["parameters_json"]["reg"], 0.5);
    assert!(
        user.raw(Method::POST, "project/", &[("content-type", "text/plain")], "x").await.expect(415).body["detail"].is_string()
    );
    // Data are sent as a file, and not otherwise.
    assert!(user.post("training_data/", json!({ "project": made.id() })).await.expect(415).body["detail"].is_string());
    let login = app.anonymous().raw(Method::POST, "auth/login/", &[FORM], "username=margarete&password=a+good+long+phrase").await;
    assert!(login.expect(200).body["access"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_read_says_so() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    for malformed in ["{", "{\"name\": NaN}", "{\"name\": Infinity}", "{\"name\": 1e999}", "{\"name\": \"\\ud800\"}", "\u{0}"] {
        let answer = user.raw(Method::POST, "project/", &[JSON], malformed).await.expect(400);
        assert!(answer.body["detail"].is_string(), "{malformed}: {}", answer.body);
    }
    for not_an_object in ["[1]", "1", "\"x\"", "null"] {
        user.raw(Method::POST, "project/", &[JSON], not_an_object).await.fault("non_field_errors");
    }
    let deep = format!("{{\"name\": {}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(user.raw(Method::POST, "project/", &[JSON], deep).await.expect(400).body["detail"].is_string());
    let large = vec![b' '; (10 << 20) + 1];
    let answer = user.raw(Method::POST, "project/", &[JSON], large.clone()).await.expect(413);
    assert!(answer.body["detail"].is_string());
    let project = user.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let key = user.post("api_keys/", json!({ "project": project, "name": "k", "scopes": ["predict"] })).await.expect(201);
    let program = app.anonymous().with_key(key.body["key"].as_str().expect("a key"));
    assert!(program.raw(Method::POST, "/inference/predict/1", &[JSON], large).await.expect(413).body["detail"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_character_is_refused_wherever_it_is_sent() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    user.post("project/", project("a\0b")).await.fault("name");
    user.get("project/?name=a%00b").await.fault("name");
    let id = user.post("project/", project("P")).await.expect(201).id();
    let parameters = json!({ "project": id, "recommender_class_name": "IALS", "parameters_json": { "a": ["\0"] } });
    user.post("model_configuration/", parameters).await.fault("parameters_json");
    let weights = json!({ "name": "W", "user_column": "u", "item_column": "i", "event_weights": { "\0": 1 } });
    user.post("project/", weights).await.fault("event_weights");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_coerced_as_the_contract_says() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let made = json!({ "random_seed": "7", "n_heldout": 5.0, "heldout_ratio": "0.5", "test_user_ratio": 1, "name": 12 });
    let split = user.post("split_config/", made).await.expect(201);
    assert_eq!((&split.body["random_seed"], &split.body["n_heldout"]), (&json!(7), &json!(5)));
    assert_eq!((&split.body["heldout_ratio"], &split.body["name"]), (&json!(0.5), &json!("12")));
    assert!(String::from_utf8_lossy(&split.bytes).contains("\"test_user_ratio\":1.0"), "a float column is always a float");
    for (field, value) in [
        ("random_seed", json!(true)),
        ("random_seed", json!(1.5)),
        ("random_seed", json!("x")),
        ("random_seed", json!(2_147_483_648_i64)),
        ("random_seed", json!(-2_147_483_649_i64)),
        ("heldout_ratio", json!("nan")),
        ("name", json!(true)),
        ("name", json!("  ")),
        ("name", json!([])),
    ] {
        user.post("split_config/", json!({ field: value })).await.fault(field);
    }
    let path = format!("split_config/{}/", split.id());
    assert_eq!(user.patch(&path, json!({ "random_seed": i32::MAX })).await.expect(200).body["random_seed"], i32::MAX);
    // Unknown and read-only fields are ignored.
    let ignored = json!({ "id": 5, "ins_datetime": "x", "created_by": 99, "no_such_field": {}, "name": " trimmed " });
    let saved = user.patch(&path, ignored).await.expect(200).body;
    assert_eq!((&saved["id"], &saved["created_by"]), (&split.body["id"], &split.body["created_by"]));
    assert_eq!(saved["name"], "trimmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_and_moments_are_read_in_every_form_clients_write() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("margarete").await;
    let id = user.post("project/", project("P")).await.expect(201).id();
    let key = |name: &str, end: &str| json!({ "project": id, "name": name, "scopes": ["read"], "expires_at": end });
    for (name, end, read) in [
        ("a", "2999-01-31", "2999-01-31T00:00:00Z"),
        ("b", "2999-01-31T12:00:00+02:00", "2999-01-31T10:00:00Z"),
        ("c", "2999-01-31T12:00", "2999-01-31T12:00:00Z"),
        ("d", "2999-01-31T12:00:00.5Z", "2999-01-31T12:00:00.500000Z"),
    ] {
        assert_eq!(user.post("api_keys/", key(name, end)).await.expect(201).body["expires_at"], read);
    }
    user.post("api_keys/", key("e", "tomorrow")).await.fault("expires_at");
    let data = user.upload(id, "a.csv", "u,i\n1,2\n").await.expect(201).id();
    let split = user.post("split_config/", json!({})).await.expect(201).id();
    let evaluation = user.post("evaluation_config/", json!({})).await.expect(201).id();
    let job = |flag: Value| json!({ "data": data, "split": split, "evaluation": evaluation, "train_after_tuning": flag });
    for (flag, read) in
        [(json!("true"), true), (json!("Yes"), true), (json!(1), true), (json!("0"), false), (json!("off"), false)]
    {
        assert_eq!(user.post("parameter_tuning_job/", job(flag)).await.expect(201).body["train_after_tuning"], read);
    }
    user.post("parameter_tuning_job/", job(json!("maybe"))).await.fault("train_after_tuning");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_takes_an_empty_body_that_says_it_is_json() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let id = user.post("project/", project("P")).await.expect(201).id();
    let key = user.post("api_keys/", json!({ "project": id, "name": "k", "scopes": ["read"] })).await.expect(201).id();
    let revoked = user.raw(Method::POST, &format!("api_keys/{key}/revoke/"), &[JSON], "").await.expect(200);
    assert_eq!(revoked.body, json!({ "status": "revoked" }));
    app.anonymous().raw(Method::POST, "auth/logout/", &[JSON], "").await.expect(200);
    // GETs of the browser UI have this content type, too.
    user.raw(Method::GET, "project/", &[JSON], "").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_server_is_json_and_keeps_its_cause_to_itself() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    app.execute("ALTER TABLE split_configs RENAME TO elsewhere").await;
    let answer = user.get("split_config/").await.expect(500);
    assert_eq!((answer.header("content-type").as_str(), &answer.body["code"]), ("application/json", &json!("internal_error")));
    let text = String::from_utf8(answer.bytes).unwrap();
    assert!(!text.contains("split_configs") && !text.contains("relation"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_address_gets_the_page_of_the_ui() {
    let app = TestApp::start().await;
    let anyone = app.anonymous();
    let page = anyone.get("/").await.expect(200);
    for path in ["/login", "/projects/1/data", "/users"] {
        let answer = anyone.get(path).await.expect(200);
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        assert_eq!(answer.bytes, page.bytes, "{path}: the UI routes it");
    }
    let html = String::from_utf8(page.bytes).unwrap();
    // Without a built UI the page names no files.
    for asset in html.split('"').filter(|text| text.starts_with("/assets/")) {
        assert!(anyone.get(asset).await.expect(200).header("cache-control").contains("immutable"), "{asset}");
    }
    assert!(anyone.get("/assets/nothing.js").await.expect(404).body["detail"].is_string());
}
