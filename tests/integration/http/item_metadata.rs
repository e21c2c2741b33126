//! Item metadata over HTTP: what is accepted and refused, and how a model's sample shows it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::prepared::prepare;
use crate::support::{Caller, TestApp};

const ITEMS: &str = "item,title,price,code\nx,The X,9.90,007\na/b c,Slash,,12\nÁgætis byrjun,Sigur Rós,3,\n";

async fn project_of(caller: &Caller, name: &str) -> i64 {
    caller.post("project/", json!({ "name": name, "user_column": "user", "item_column": "item" })).await.expect(201).id()
}

fn file(name: &str, bytes: impl Into<Vec<u8>>) -> Form {
    Form::new().part("file", Part::bytes(bytes.into()).file_name(name.to_owned()))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_uploaded_read_replaced_unlinked_and_deleted() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let (project, other) = (project_of(&user, "p").await, project_of(&user, "q").await);
    let made = user.upload_items(project, "Verzeichnis äöü.csv", ITEMS).await.expect(201);
    let path = format!("item_meta_data/{}/", made.id());
    let keys: Vec<&String> = made.body.as_object().unwrap().keys().take(7).collect();
    assert_eq!(keys, ["id", "project", "file", "ins_datetime", "basename", "filesize", "valid_columns_list_json"]);
    assert_eq!(made.body["valid_columns_list_json"], json!(["title", "price", "code"]));
    assert_eq!((&made.body["filesize"], &made.body["project"]), (&json!(ITEMS.len()), &json!(project)));
    let download = user.get(made.body["file"].as_str().unwrap()).await.expect(200);
    assert_eq!(download.bytes, ITEMS.as_bytes());
    let disposition = download.headers["content-disposition"].to_str().unwrap();
    assert!(disposition.ends_with("filename*=UTF-8''Verzeichnis%20%C3%A4%C3%B6%C3%BC.csv"), "{disposition}");
    let preview = user.get(&format!("{path}preview/?n_rows=1")).await.expect(200).body;
    assert_eq!((&preview["rows"], &preview["total_rows"]), (&json!([["x", "The X", "9.90", "007"]]), &json!(3)));

    assert_eq!(user.get(&format!("item_meta_data/?project={project}&id={}", made.id())).await.body["count"], 1);
    assert_eq!(user.get(&format!("item_meta_data/?project={other}")).await.body["count"], 0);
    assert_eq!(user.get("item_meta_data/?project=99999").await.expect(200).body["count"], 0);
    user.get("item_meta_data/?project=x").await.fault("project");
    user.get(&format!("{path}?project={other}")).await.expect(404);

    let renamed = user.send_form(Method::PATCH, &path, Form::new().text("project", project.to_string())).await.expect(200);
    assert_eq!(renamed.body["basename"], made.body["basename"]);
    user.send_form(Method::PATCH, &path, Form::new().text("project", other.to_string())).await.fault("project");
    user.send_form(Method::PUT, &path, Form::new().text("project", project.to_string())).await.fault("file");
    let changed = user.send_form(Method::PATCH, &path, file("b.jsonl", "{\"item\":\"x\",\"tags\":[1,2]}\n")).await.expect(200);
    assert_eq!(changed.body["valid_columns_list_json"], json!(["tags"]));
    assert_eq!((&changed.body["basename"], &changed.body["filesize"]), (&json!("b.jsonl"), &json!(26)));
    user.patch(&path, json!({ "project": project })).await.expect(415);
    user.post("item_meta_data/", json!({ "project": project })).await.expect(415);
    assert_eq!(app.files().len(), 2, "the new file and its prepared form: {:?}", app.files());

    let bare = user.delete(&format!("{path}unlink_file/")).await.expect(200).body;
    assert!(bare["file"].is_null() && bare["basename"].is_null() && bare["filesize"].is_null(), "{bare}");
    assert_eq!(app.files(), Vec::<String>::new());
    assert!(user.get(&format!("{path}download_file/")).await.expect(404).body["detail"].is_array());
    user.get(&path).await.expect(404);
    assert_eq!(user.get("item_meta_data/").await.body["count"], 0);
    let second = user.upload_items(project, "a.csv", ITEMS).await.expect(201).id();
    user.delete(&format!("item_meta_data/{second}/")).await.expect(204);
    user.delete(&format!("item_meta_data/{second}/")).await.expect(404);
    assert_eq!(app.files(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_gives_the_same_columns_and_bad_files_are_400_with_nothing_left() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = project_of(&user, "p").await;
    let records = r#"[{"title":"T","item":7},{"item":"x","price":1.5}]"#;
    let columns = r#"{"item":{"0":7,"1":"x"},"title":{"1":null,"0":"T"},"price":{"1":1.5}}"#;
    let good: [(&str, Vec<u8>); 6] = [
        ("a.csv", b"\xef\xbb\xbfitem,title,price\n7,T,\nx,,1.5\n".to_vec()),
        ("a.tsv.gz", gzip(b"title\titem\tprice\nT\t7\t\n\tx\t1.5\n")),
        ("a.json", records.into()),
        ("b.json", columns.into()),
        ("a.ndjson", b"{\"title\":\"T\",\"item\":7}\n{\"item\":\"x\",\"price\":1.5}\n".to_vec()),
        ("a.v2.CSV", b"item,title,price\n7,T,\nx,,1.5\n7,\n".to_vec()),
    ];
    for (name, bytes) in good {
        let made = user.upload_items(project, name, bytes).await.expect(201);
        assert_eq!(made.body["valid_columns_list_json"], json!(["title", "price"]), "{name}");
        assert_eq!(made.body["report"]["items"], 2, "{name}: {}", made.body);
        user.delete(&format!("item_meta_data/{}/", made.id())).await.expect(204);
    }
    let wide: String = (0..1_002).map(|column| format!("c{column},")).collect();
    let deep = format!("[{{\"item\":\"x\",\"t\":[{}1]}}]", "1,".repeat(1 << 20));
    let many_keys: String = (0..1_500).map(|key| format!("{{\"item\":\"x\",\"k{key}\":1}}\n")).collect();
    let bad: [(&str, Vec<u8>, &str); 10] = [
        ("a.csv", b"user,title\n1,2\n".to_vec(), "\"item\""),
        ("a.csv", Vec::new(), "empty"),
        ("a.csv", b"item,title\n".to_vec(), "header"),
        ("a.csv", b"item,title\n,T\n".to_vec(), "blank"),
        ("a.csv.gz", b"\x1f\x8b\x08\0garbage garbage".to_vec(), "gzip"),
        ("a.csv", format!("{wide}item\n").into_bytes(), "columns"),
        ("a.json", deep.into_bytes(), "large"),
        ("a.jsonl", many_keys.into_bytes(), "columns"),
        ("a.parquet", b"PAR1 not really".to_vec(), "Parquet"),
        ("a.pkl", ITEMS.into(), ".parquet"),
    ];
    for (name, bytes, expected) in bad {
        let refused = user.upload_items(project, name, bytes).await;
        assert!(refused.fault("file").contains(expected), "{name}: {}", refused.body);
    }
    let large_cell = format!("item,title\na,{}\nb,T\n", "x".repeat(300 << 10));
    let report = user.upload_items(project, "a.csv", large_cell).await.expect(201).body["report"].clone();
    assert_eq!((&report["items"], &report["rejected"]), (&json!(1), &json!(1)), "{report}");
    let nothing = user.send_form(Method::POST, "item_meta_data/", Form::new().text("x", "y")).await;
    nothing.fault("file");
    nothing.fault("project");
    assert_eq!(app.files().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_metadata_is_prepared_by_a_job_and_what_was_prepared_before_stays_in_use() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = project_of(&user, "p").await;
    let rows: String = (0..5_000).map(|row| format!("i{row},{}\n", "x".repeat(1_000))).collect();
    let made = user.upload_items(project, "a.csv", format!("item,title\n{rows}")).await.expect(201);
    let path = format!("item_meta_data/{}/", made.id());
    assert_eq!((&made.body["status"], &made.body["valid_columns_list_json"]), (&json!("preparing"), &Value::Null));
    assert_eq!(user.get(&format!("{path}preview/?n_rows=1")).await.expect(200).body["columns"], json!(["item", "title"]));
    app.work();
    let is_over = |metadata: &Value| metadata["status"] != "preparing";
    let ready = user.wait_for(&path, is_over).await;
    assert_eq!((&ready["status"], &ready["report"]["items"]), (&json!("ready"), &json!(5_000)));
    assert_eq!(ready["valid_columns_list_json"], json!(["title"]));

    let bomb = gzip(&[b"item,t\n".to_vec(), format!("a,{}\n", "b".repeat(2_000)).repeat(40_000).into_bytes()].concat());
    let replaced = user.send_form(Method::PATCH, &path, file("b.csv.gz", bomb)).await.expect(200).body;
    assert_eq!(replaced["basename"], "b.csv.gz");
    let failed = user.wait_for(&path, is_over).await;
    assert_eq!((&failed["status"], &failed["valid_columns_list_json"]), (&json!("failed"), &json!(["title"])));
    assert!(failed["error"].as_str().unwrap().contains("times its size"), "{failed}");
    let prepared = app.files().into_iter().filter(|file| file.ends_with(".items")).count();
    assert_eq!((prepared, app.files().len()), (1, 2), "{:?}", app.files());

    let refused = user.upload_items(project, "a.csv", format!("sku,title\n{rows}")).await;
    assert!(refused.fault("file").contains("\"item\""), "{}", refused.body);
    assert_eq!(app.files().len(), 2);
    user.delete(&path).await.expect(204);
    assert_eq!(app.files(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_metadata_is_not_there() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let project = project_of(&ada, "p").await;
    bob.upload_items(project, "a.csv", ITEMS).await.fault("project");
    let path = format!("item_meta_data/{}/", ada.upload_items(project, "a.csv", ITEMS).await.id());
    for below in ["", "preview/", "download_file/"] {
        bob.get(&format!("{path}{below}")).await.expect(404);
    }
    bob.delete(&path).await.expect(404);
    app.join("bob", "ada", "viewer").await;
    bob.get(&path).await.expect(200);
    bob.delete(&path).await.expect(403);
    bob.delete(&format!("{path}unlink_file/")).await.expect(403);
    bob.send_form(Method::PATCH, &path, Form::new().text("x", "y")).await.expect(403);
    bob.upload_items(project, "a.csv", ITEMS).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_a_model_comes_with_what_is_known_about_its_items() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let model = prepared.train().await["id"].clone();
    let user = &prepared.user;
    let metadata = user.upload_items(prepared.project, "a.csv", ITEMS).await.expect(201).id();
    let sample = |metadata: i64| format!("trained_model/{model}/sample_recommendation_metadata/{metadata}/");
    let answer = user.get(&sample(metadata)).await.expect(200).body;
    assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["user_id", "user_profile", "recommendations"]);
    let rows = |field: &str| serde_json::from_str::<Vec<Value>>(answer[field].as_str().unwrap()).unwrap();
    let columns = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let profile = rows("user_profile");
    let x = profile.iter().find(|row| row["item"] == "x").expect("everybody likes x");
    assert_eq!(*x, json!({ "item": "x", "title": "The X", "price": 9.9, "code": "007" }));
    assert_eq!(columns(x), ["item", "title", "price", "code"]);
    for row in rows("recommendations") {
        assert_eq!(columns(&row), ["item", "title", "price", "code", "score"]);
        assert!(row["score"].is_f64(), "{row}");
        if row["item"] == "007" {
            assert!(row["title"].is_null(), "nothing is known about it: {row}");
        }
    }
    let elsewhere = project_of(user, "Q").await;
    let elsewhere = user.upload_items(elsewhere, "a.csv", ITEMS).await.id();
    for unknown in [elsewhere, 9_999] {
        user.get(&sample(unknown)).await.expect(404);
    }
    user.get(&format!("trained_model/{model}/sample_recommendation_metadata/x/")).await.expect(404);
    let predict = user.with_key(&prepared.key("p", "predict").await);
    predict.get(&sample(metadata)).await.expect(403);
    let read = user.with_key(&prepared.key("r", "read").await);
    read.get(&sample(metadata)).await.expect(200);
    app.user("eve").await.get(&sample(metadata)).await.expect(404);
    user.delete(&format!("item_meta_data/{metadata}/unlink_file/")).await.expect(200);
    user.get(&sample(metadata)).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_the_place_of_a_stored_file_is_not_read() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = project_of(&user, "p").await;
    let metadata = user.upload_items(project, "a.csv", ITEMS).await.expect(201).id();
    let secret = app.services.settings.data_dir.join("secret");
    std::fs::write(&secret, "item,title\nx,secret\n").unwrap();
    let stored = app.files();
    assert_eq!(stored.len(), 2, "the file and its prepared form: {stored:?}");
    for key in stored {
        let place = app.services.blobs.path(&key).unwrap();
        std::fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink(&secret, &place).unwrap();
    }
    for action in ["download_file", "preview"] {
        let answer = user.get(&format!("item_meta_data/{metadata}/{action}/")).await.expect(503);
        assert!(!String::from_utf8_lossy(&answer.bytes).contains("secret"), "{action}");
    }
}
