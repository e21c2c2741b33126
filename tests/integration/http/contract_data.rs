//! Projects, uploads, configurations, models and logs as Recotem 1.x's clients know them, and 1.x's faults fixed.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::prepared::{DATA, prepare};
use crate::support::{Caller, TestApp};

async fn project_of(caller: &Caller, name: &str) -> i64 {
    caller.post("project/", json!({ "name": name, "user_column": "user", "item_column": "item" })).await.expect(201).id()
}

/// Checks the first keys of an object, in their order on the wire.
#[track_caller]
fn assert_keys(body: &Value, expected: &[&str]) {
    let keys: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).take(expected.len()).collect();
    assert_eq!(keys, expected);
}

/// Checks that an object has all of these keys, in any order.
#[track_caller]
fn assert_has(body: &Value, expected: &[&str]) {
    let missing: Vec<&&str> = expected.iter().filter(|key| body.get(**key).is_none()).collect();
    assert!(missing.is_empty(), "without {missing:?}: {body}");
}

fn ids(list: &Value) -> Vec<i64> {
    list["results"].as_array().expect("results").iter().filter_map(|row| row["id"].as_i64()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn file(name: &str, bytes: impl Into<Vec<u8>>) -> Form {
    Form::new().part("file", Part::bytes(bytes.into()).file_name(name.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_speak_1x() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let me = user.get("auth/user/").await.body["pk"].clone();
    let fields = json!({ "name": "P", "user_column": "u", "item_column": 5, "owner": 99, "id": 7, "unknown": [] });
    let made = user.post("project/", fields.clone()).await.expect(201).body;
    let of_1x = ["id", "ins_datetime", "updated_at", "name", "user_column", "item_column", "time_column", "owner"];
    assert_has(&made, &of_1x);
    assert_eq!((&made["item_column"], &made["time_column"], &made["owner"]), (&json!("5"), &Value::Null, &me));
    assert!(made["ins_datetime"].as_str().unwrap().ends_with('Z'));
    user.post("project/", fields.clone()).await.fault("name");
    app.user("bob").await.post("project/", fields).await.expect(201);
    let path = format!("project/{}/", made["id"]);
    user.patch(&path, json!({ "time_column": "t" })).await.expect(200);
    assert_eq!(user.patch(&path, json!({})).await.expect(200).body["time_column"], "t");
    // 1.x kept a blank name and then refused every upload.
    assert_eq!(user.patch(&path, json!({ "time_column": "" })).await.expect(200).body["time_column"], Value::Null);
    let put = json!({ "name": "P", "user_column": "u", "item_column": "i" });
    assert_eq!(user.put(&path, put).await.expect(200).body["time_column"], Value::Null);
    let incomplete = user.put(&path, json!({ "name": "P" })).await;
    incomplete.fault("user_column");
    incomplete.fault("item_column");
    let long = "x".repeat(257);
    for (field, value) in [("name", json!(null)), ("name", json!(" ")), ("user_column", json!(long)), ("name", json!(true))] {
        user.patch(&path, json!({ field: value })).await.fault(field);
    }
    user.get("project/5x/").await.expect(404);
    user.get("project_summary/5x/").await.expect(404);
    assert!(user.get("project/99999999999999999999/").await.expect(404).body["detail"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_come_newest_first_and_in_pages_of_the_size_asked_for() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let mut made = Vec::new();
    for name in 0..23 {
        made.push(project_of(&user, &format!("P{name}")).await);
    }
    made.reverse();
    assert_eq!(ids(&user.get("project/").await.body), made[..20]);
    assert_eq!(ids(&user.get("project/?page=last").await.body), made[20..]);
    user.patch(&format!("project/{}/", made[9]), json!({ "user_column": "other" })).await.expect(200);
    assert_eq!(ids(&user.get("project/?page_size=100").await.body), made);
    let page = user.get("project/?page_size=5&page=2").await.body;
    assert_eq!(ids(&page), made[5..10]);
    assert!(page["next"].as_str().unwrap().ends_with("/api/v1/project/?page=3&page_size=5"), "{page}");
    user.get("project/?page=6&page_size=5").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_count_for_single_objects_too_and_tell_nothing_about_others() {
    let app = TestApp::start_without_worker().await;
    let (user, other) = (app.user("ada").await, app.user("bob").await);
    let (mine, theirs) = (prepare(user, "P", "TopPop").await, prepare(other, "Q", "TopPop").await);
    let user = &mine.user;
    let split = user.post("split_config/", json!({ "name": "s" })).await.id();
    let evaluation = user.post("evaluation_config/", json!({})).await.id();
    let model = json!({ "configuration": mine.configuration, "data_loc": mine.data });
    let model = user.post("trained_model/", model).await.expect(201).id();
    let project = mine.project;
    let cases = [
        (format!("project/{project}/"), "name=P".to_owned(), "name=p".to_owned()),
        (format!("project/{project}/"), format!("id={project}&name="), "id=1000000".to_owned()),
        (format!("training_data/{}/", mine.data), format!("project={project}"), format!("project={}", theirs.project)),
        (format!("training_data/{}/preview/", mine.data), format!("project={project}"), "project=1000000".to_owned()),
        (format!("split_config/{split}/"), "unnamed=false".to_owned(), "unnamed=1".to_owned()),
        (format!("split_config/{split}/"), "name=s&unnamed=maybe".to_owned(), "name=t".to_owned()),
        (format!("evaluation_config/{evaluation}/"), "unnamed=true".to_owned(), "unnamed=0".to_owned()),
        (format!("model_configuration/{}/", mine.configuration), format!("project={project}"), "project=-1".to_owned()),
        (format!("trained_model/{model}/"), format!("data_loc__project={project}"), "data_loc__project=0".to_owned()),
        (format!("trained_model/{model}/"), format!("data_loc={}", mine.data), format!("data_loc={}", theirs.data)),
    ];
    for (path, admits, refuses) in &cases {
        user.get(&format!("{path}?{admits}")).await.expect(200);
        user.get(&format!("{path}?{refuses}")).await.expect(404);
        user.patch(&format!("{path}?{refuses}"), json!({})).await;
    }
    user.delete(&format!("split_config/{split}/?name=t")).await.expect(404);
    user.get(&format!("split_config/{split}/")).await.expect(200);
    let foreign_keys = [
        ("training_data/?project", theirs.project),
        ("item_meta_data/?project", theirs.project),
        ("model_configuration/?project", theirs.project),
        ("trained_model/?data_loc", theirs.data),
        ("trained_model/?data_loc__project", theirs.project),
        ("trained_model/?configuration", theirs.configuration),
        ("task_log/?tuning_job_id", theirs.data),
        ("task_log/?model_id", theirs.data),
    ];
    for (filter, foreign) in foreign_keys {
        let (theirs, nobodys) = (user.get(&format!("{filter}={foreign}")).await, user.get(&format!("{filter}=777777")).await);
        let bare = |answer: &crate::support::Answer| (answer.status.as_u16(), answer.body.clone());
        assert_eq!(bare(&theirs), bare(&nobodys), "{filter}");
        assert_eq!(theirs.body, json!({ "count": 0, "next": null, "previous": null, "results": [] }), "{filter}");
        let (_, name) = filter.split_once('?').unwrap();
        user.get(&format!("{filter}=1x")).await.fault(name);
    }
    user.get(&format!("training_data/{}/?project=x", mine.data)).await.fault("project");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_counts_each_thing_once() {
    let app = TestApp::start().await;
    let mine = prepare(app.user("ada").await, "P", "TopPop").await;
    let user = &mine.user;
    for name in 0..5 {
        user.upload(mine.project, &format!("{name}.csv"), DATA).await.expect(201);
        let configuration = json!({ "project": mine.project, "recommender_class_name": "TopPop" });
        user.post("model_configuration/", configuration).await.expect(201);
    }
    let unlinked = user.upload(mine.project, "gone.csv", DATA).await.id();
    user.delete(&format!("training_data/{unlinked}/unlink_file/")).await.expect(200);
    let split = user.post("split_config/", json!({})).await.id();
    let evaluation = user.post("evaluation_config/", json!({})).await.id();
    app.execute(&format!(
        "INSERT INTO tuning_jobs (data_id, split_id, evaluation_id, status, best_config_id)
         SELECT {}, {split}, {evaluation}, 'COMPLETED', id FROM model_configurations WHERE name IS NULL LIMIT 2;
         INSERT INTO tuning_jobs (data_id, split_id, evaluation_id, status) VALUES ({}, {split}, {evaluation}, 'FAILED');
         INSERT INTO trained_models (configuration_id, data_id, status, storage_key)
         SELECT {}, {}, 'COMPLETED', CASE WHEN n < 3 THEN 'models/' || n END FROM generate_series(0, 3) AS n",
        mine.data, mine.data, mine.configuration, mine.data
    ))
    .await;
    let summary = user.get(&format!("project_summary/{}/", mine.project)).await.expect(200).body;
    assert_keys(&summary, &["n_data", "n_complete_jobs", "n_models", "ins_datetime"]);
    assert_eq!([&summary["n_data"], &summary["n_complete_jobs"], &summary["n_models"]], [&json!(6), &json!(2), &json!(3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_speak_1x() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = project_of(&user, "P").await;
    let made = user.upload(project, "a.csv", DATA).await.expect(201).body;
    assert_keys(&made, &["id", "project", "file", "ins_datetime", "basename", "filesize"]);
    let url = made["file"].as_str().unwrap();
    assert!(url.starts_with('/'), "root-relative, so that 1.x's UI can open it: {url}");
    assert_eq!(user.get(url).await.expect(200).bytes, DATA.as_bytes());
    let path = format!("training_data/{}/", made["id"]);

    // Every suffix that 1.x accepts, and those that it refused for no reason.
    let rows = "[{\"user\":\"1\",\"item\":\"2\"}]";
    let columns = "{\"user\":{\"0\":\"1\"},\"item\":{\"0\":\"2\"}}";
    let accepted: [(&str, Vec<u8>); 9] = [
        ("a.tsv", "user\titem\n1\t2\n".into()),
        ("a.json", rows.into()),
        ("b.json", columns.into()),
        ("a.ndjson", "{\"user\":\"1\",\"item\":\"2\"}\n".into()),
        ("a.jsonl.gz", gzip(b"{\"user\":\"1\",\"item\":\"2\"}\n")),
        ("a.csv.gzip", gzip(DATA.as_bytes())),
        ("bom.csv", [b"\xef\xbb\xbf", DATA.as_bytes()].concat()),
        ("a.b.csv", DATA.into()),
        ("UPPER.CSV", DATA.into()),
    ];
    for (name, bytes) in accepted {
        let size = bytes.len();
        let made = user.upload(project, name, bytes).await.expect(201).body;
        assert_eq!((&made["basename"], &made["filesize"]), (&json!(name), &json!(size)));
    }
    let just_short_enough = format!("{}.csv", "x".repeat(96));
    user.upload(project, &just_short_enough, DATA).await.expect(201);

    // A change is checked as the first upload was, and the size follows.
    let put = |form: Form| form.text("project", project.to_string());
    user.send_form(Method::PUT, &path, put(file("a.csv", "a,b\n1,2\n"))).await.fault("file");
    user.send_form(Method::PUT, &path, put(file("a.csv.gz", "no gzip"))).await.fault("file");
    user.send_form(Method::PUT, &path, put(file("a.csv", ""))).await.fault("file");
    user.send_form(Method::PUT, &path, put(Form::new())).await.fault("file");
    user.send_form(Method::PUT, &path, file("a.csv", DATA)).await.fault("project");
    user.send_form(Method::PATCH, &path, put(Form::new())).await.fault("file");
    assert_eq!(user.get(&path).await.body["filesize"], made["filesize"]);
    let shorter = "user,item\n1,2\n";
    let changed = user.send_form(Method::PUT, &path, put(file("日本語.csv", shorter))).await.expect(200).body;
    assert_eq!((&changed["filesize"], &changed["basename"]), (&json!(shorter.len()), &json!("日本語.csv")));
    let download = user.get(&format!("{path}download_file/")).await.expect(200);
    let disposition = download.headers["content-disposition"].to_str().unwrap();
    assert_eq!(disposition, "attachment; filename=\"___.csv\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC%E8%AA%9E.csv");
    assert_eq!(
        (&download.headers["content-type"], &download.headers["cache-control"]),
        (&"application/octet-stream".parse().unwrap(), &"no-cache".parse().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn previews_say_null_where_nothing_is_and_the_truth_about_the_rest() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = project_of(&user, "P").await;
    let id = user.upload(project, "a.csv", "user,item,note\n1,2,\n3,4,x\n,5,y\n").await.expect(201).id();
    let path = format!("training_data/{id}/preview/");
    let preview = user.get(&path).await.expect(200).body;
    assert_keys(&preview, &["columns", "rows", "total_rows"]);
    assert_eq!(preview["rows"], json!([["1", "2", null], ["3", "4", "x"], [null, "5", "y"]]));
    let short = user.get(&format!("{path}?n_rows=1")).await.expect(200).body;
    assert_eq!((short["rows"].as_array().map(Vec::len), &short["total_rows"]), (Some(1), &json!(3)));
    for (wrong, bare) in [("-1", true), ("-99", true), ("abc", false), ("1.5", false), ("9999999999999999999999", false)] {
        let refused = user.get(&format!("{path}?n_rows={wrong}")).await.expect(400).body;
        assert_eq!(refused.is_array(), bare, "{refused}");
    }
    let many: String = (0..300).map(|row| format!("{row},{row}\n")).collect();
    let many = user.upload(project, "b.csv", format!("user,item\n{many}")).await.expect(201).id();
    let preview = user.get(&format!("training_data/{many}/preview/")).await.body;
    assert_eq!((preview["rows"].as_array().map(Vec::len), &preview["total_rows"]), (Some(50), &json!(300)));
    let most = user.get(&format!("training_data/{many}/preview/?n_rows=1000")).await.body;
    assert_eq!(most["rows"].as_array().map(Vec::len), Some(200));

    // A file that was damaged on the disk, and one that is missing from it.
    let stored = app.files().into_iter().find(|key| key.starts_with(&format!("uploads/{many}-"))).unwrap();
    app.services.blobs.write(&stored, b"\x1f\x8bdamaged").unwrap();
    let broken = user.get(&format!("training_data/{many}/preview/")).await.expect(400).body;
    assert_eq!([&broken["columns"], &broken["rows"], &broken["total_rows"]], [&json!([]), &json!([]), &json!(0)]);
    assert!(broken["error"].is_string(), "{broken}");
    app.services.blobs.remove(&stored).unwrap();
    assert!(user.get(&format!("training_data/{many}/preview/")).await.expect(404).body["detail"].is_array());
    user.get(&format!("training_data/{many}/download_file/")).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn split_and_evaluation_configs_speak_1x() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let split = user.post("split_config/", json!({ "name": "s", "heldout_ratio": "0.5", "random_seed": "7" })).await.expect(201);
    let order = [
        "id",
        "ins_datetime",
        "updated_at",
        "name",
        "scheme",
        "heldout_ratio",
        "n_heldout",
        "test_user_ratio",
        "n_test_users",
        "random_seed",
        "created_by",
    ];
    assert_keys(&split.body, &order);
    assert!(String::from_utf8(split.bytes.clone()).unwrap().contains("\"test_user_ratio\":1.0"), "floats stay floats");
    let path = format!("split_config/{}/", split.id());
    let patched = user.patch(&path, json!({ "scheme": "TU", "created_by": 99 })).await.expect(200).body;
    assert_eq!([&patched["name"], &patched["heldout_ratio"], &patched["random_seed"]], [&json!("s"), &json!(0.5), &json!(7)]);
    assert_eq!(patched["created_by"], split.body["created_by"]);
    let put = user.put(&path, json!({})).await.expect(200).body;
    assert_eq!([&put["name"], &put["scheme"], &put["random_seed"]], [&Value::Null, &json!("RG"), &json!(42)]);
    for (field, value) in [("random_seed", json!(2_147_483_648_i64)), ("n_heldout", json!(0)), ("random_seed", json!(1.5))] {
        user.patch(&path, json!({ field: value })).await.fault(field);
    }
    let evaluation = user.post("evaluation_config/", json!({ "name": "e", "target_metric": "map" })).await.expect(201).body;
    assert_keys(&evaluation, &["id", "ins_datetime", "updated_at", "name", "cutoff", "target_metric", "created_by"]);
    user.post("evaluation_config/", json!({ "name": "e" })).await.expect(201);
    user.post("evaluation_config/", json!({ "name": " " })).await.fault("name");
    assert_eq!(user.get("evaluation_config/?name=e").await.body["count"], 2, "names need not be unique");
    assert_eq!(user.get("split_config/?unnamed=true").await.body["count"], 1);
    assert_eq!(user.get("split_config/?unnamed=false").await.body["count"], 0);
    assert_eq!(user.get("split_config/?unnamed=").await.body["count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn model_configurations_speak_1x() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = project_of(&user, "P").await;
    let make =
        |name: Value| json!({ "project": project, "name": name, "recommender_class_name": "TopPopRecommender", "tuning_job": 4 });
    let made = user.post("model_configuration/", make(json!("a"))).await.expect(201);
    let of_1x = ["id", "tuning_job", "name", "project", "recommender_class_name", "parameters_json", "ins_datetime"];
    assert_has(&made.body, &of_1x);
    assert_eq!((&made.body["tuning_job"], &made.body["parameters_json"]), (&Value::Null, &json!({})));
    let second = user.post("model_configuration/", make(Value::Null)).await.expect(201).id();
    let third = user.post("model_configuration/", make(Value::Null)).await.expect(201).id();
    assert_eq!(ids(&user.get("model_configuration/").await.body), [third, second, made.id()]);
    user.post("model_configuration/", make(json!("a"))).await.fault("non_field_errors");
    user.patch(&format!("model_configuration/{second}/"), json!({ "name": "a" })).await.fault("non_field_errors");
    let path = format!("model_configuration/{}/", made.id());
    for wrong in [json!([1]), json!("{}"), Value::Null] {
        user.patch(&path, json!({ "parameters_json": wrong })).await.fault("parameters_json");
    }
    user.patch(&path, json!({ "name": "" })).await.fault("name");
    assert_eq!(user.patch(&path, json!({})).await.expect(200).body["name"], "a");
    let put = json!({ "project": project, "recommender_class_name": "TopPopRecommender" });
    assert_eq!(user.put(&path, put).await.expect(200).body["name"], Value::Null);
    user.put(&path, json!({ "recommender_class_name": "TopPopRecommender" })).await.fault("project");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_their_logs_speak_1x() {
    let app = TestApp::start_without_worker().await;
    let mine = prepare(app.user("ada").await, "P", "TopPop").await;
    let user = &mine.user;
    let outputs = json!({ "configuration": mine.configuration, "data_loc": mine.data, "file": "x", "irspack_version": "9", "basename": "b", "filesize": 3, "status": "COMPLETED" });
    let made = user.post("trained_model/", outputs).await.expect(201).body;
    let order =
        ["id", "configuration", "data_loc", "file", "irspack_version", "ins_datetime", "basename", "filesize", "task_links"];
    assert_keys(&made, &order);
    let path = format!("trained_model/{}/", made["id"]);
    let before = user.get(&path).await.expect(200).body;
    for field in ["file", "irspack_version", "basename", "filesize", "error"] {
        assert!(
            made[field].is_null() && before[field].is_null(),
            "{field} is null both times: {} {}",
            made[field],
            before[field]
        );
    }
    assert_eq!(before["status"], "PENDING");
    assert!(user.get(&format!("{path}download_file/")).await.expect(404).body["detail"].is_array());
    let task = &before["task_links"][0]["task"];
    assert_keys(task, &["task_id", "status", "date_created", "date_done", "traceback"]);
    app.work();
    let ended = |model: &Value| model["status"] == "COMPLETED" && model["task_links"][0]["task"]["status"] == "SUCCESS";
    let done = user.wait_for(&path, ended).await;
    let bytes = user.get(done["file"].as_str().unwrap()).await.expect(200).bytes;
    assert_eq!(done["filesize"], json!(bytes.len()));

    let log = user.get(&format!("task_log/?model_id={}", made["id"])).await.expect(200).body;
    let lines = ids(&log);
    assert!(lines.len() >= 2 && lines.is_sorted_by(|a, b| a > b), "newest first: {log}");
    assert_keys(&log["results"][0], &["id", "ins_datetime", "updated_at", "contents", "task"]);
    assert!(log["results"][0]["task"].is_i64());
    let oldest = lines[lines.len() - 1];
    assert_eq!(ids(&user.get(&format!("task_log/?id_gt={oldest}")).await.body), lines[..lines.len() - 1]);
    assert_eq!(ids(&user.get(&format!("task_log/?id={oldest}")).await.body), [oldest]);
    user.get(&format!("task_log/{oldest}/?id_gt={oldest}")).await.expect(404);
    user.get(&format!("task_log/{oldest}/?model_id={}", made["id"])).await.expect(200);
    user.get("task_log/?id_gt=x").await.fault("id_gt");
    user.delete(&format!("task_log/{oldest}/")).await.expect(405);
    user.post("task_log/", json!({})).await.expect(405);
}
