//! Training data over HTTP: what is accepted, what is refused and why, and the answers.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use recotem::features::datasets;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{Caller, Jobs, TestApp};

const GOOD: &str = "user,item\n007,Sigur Rós\n7,a/b c\n007,x\n";

async fn project_of(caller: &Caller, name: &str, with_time: bool) -> i64 {
    let time = with_time.then_some("time");
    let project = json!({ "name": name, "user_column": "user", "item_column": "item", "time_column": time });
    caller.post("project/", project).await.id()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Sends a file that must be refused, checks that nothing was kept, and returns the message.
async fn refusal(server: &TestApp, person: &Caller, project: i64, name: &str, bytes: impl Into<Vec<u8>>) -> String {
    let answer = person.upload(project, name, bytes).await;
    let message = answer.fault("file").to_owned();
    assert!(message.ends_with('.') && message.starts_with(|c: char| !c.is_lowercase()), "not a sentence: {message}");
    assert_eq!(server.count("SELECT count(*) FROM training_data").await, 0, "{name}: {message}");
    assert_eq!(server.files(), Vec::<String>::new(), "{name}: {message}");
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_imported_is_refused_with_its_reason_and_leaves_nothing() {
    let server = TestApp::start_with(Jobs::None, |settings| settings.max_expanded_bytes = 1 << 20).await;
    let person = server.user("ada").await;
    let (plain, timed) = (project_of(&person, "plain", false).await, project_of(&person, "timed", true).await);
    let bomb = gzip(format!("user,item\n{}", "a,b\n".repeat(1 << 19)).as_bytes());
    let mut cut = gzip(GOOD.repeat(1000).as_bytes());
    cut.truncate(cut.len() / 2);
    let huge = format!("user,item\n\"{}", "x".repeat(900 << 10));
    let long_name = format!("{}.csv", "x".repeat(97));
    let cases: [(i64, &str, Vec<u8>, &str); 17] = [
        (plain, "a.csv", b"user,product\n1,2\n".to_vec(), "\"item\""),
        (plain, "a.csv", Vec::new(), "empty"),
        (plain, "a.csv", b"user,item\n".to_vec(), "header"),
        (plain, "a.csv", b"\xffuser,item\n1,2\n".to_vec(), "UTF-8"),
        (plain, "a.csv", b"user,item\n1\n2\n".to_vec(), "line 2"),
        (plain, "a.csv", b"user,item\n,1\n ,2\n".to_vec(), "blank"),
        (plain, "a.csv.gz", bomb, "expanded"),
        (plain, "a.csv.gz", cut, "cut off"),
        (plain, "a.csv.gz", b"\x1f\x8b\x08\0garbage garbage".to_vec(), "gzip"),
        (plain, "a.csv.gz", GOOD.as_bytes().to_vec(), "gzip"),
        (plain, "a.csv", gzip(GOOD.as_bytes()), "gzip"),
        (plain, "a.xlsx", GOOD.as_bytes().to_vec(), ".parquet"),
        (plain, "a", GOOD.as_bytes().to_vec(), ".parquet"),
        (plain, &long_name, GOOD.as_bytes().to_vec(), "101"),
        (plain, "a.csv", huge.into_bytes(), ""),
        (timed, "a.csv", GOOD.as_bytes().to_vec(), "\"time\""),
        (timed, "a.csv", b"user,item,time\n1,2,yesterday\n1,3,noon\n".to_vec(), "yesterday"),
    ];
    for (project, name, bytes, expected) in cases {
        let message = refusal(&server, &person, project, name, bytes).await;
        assert!(message.contains(expected), "{name}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn single_bad_rows_are_left_out_and_reported() {
    let server = TestApp::start().await;
    let person = server.user("ada").await;
    let project = project_of(&person, "p", true).await;
    let huge = "x".repeat(2 << 20);
    let mut file =
        b"time,user,item\n2024-01-01,u1,i1\n2024-01-02,u1,i1\n2024-01-03,,i1\n2024-01-04,u2\n2024-01-05,u2,\xff\xfe\n".to_vec();
    file.extend(format!("2024-01-06,u2,{huge}\n2024-01-07,u2,i2\n").bytes());
    let answer = person.upload(project, "Data.v2.CSV", file).await;
    let report = &answer.body["report"];
    let figures =
        ["rows_total", "rows_kept", "rejected", "users", "items", "duplicates", "blank_ids"].map(|name| report[name].as_i64());
    assert_eq!(figures, [7, 3, 4, 2, 2, 1, 1].map(Some), "{answer:?}");
    assert_eq!((&report["density"], &report["time_min"]), (&json!(0.5), &json!("2024-01-01T00:00:00Z")));
    assert_eq!(report["rejected_examples"][0]["line"], 4);
    assert_eq!((&answer.body["status"], &answer.body["basename"]), (&json!("ready"), &json!("Data.v2.CSV")));

    let url = answer.body["rejected_rows_url"].as_str().unwrap().to_owned();
    let rows = person.get(&url).await;
    let mut reader = csv::Reader::from_reader(rows.bytes.as_slice());
    let lines: Vec<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
    assert_eq!(lines, ["4", "5", "6", "7"]);
    assert!(rows.headers["content-disposition"].to_str().unwrap().contains(".csv"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_bytes_come_back_exactly() {
    let server = TestApp::start().await;
    let person = server.user("ada").await;
    let project = project_of(&person, "p", false).await;
    let bytes = gzip(GOOD.as_bytes());
    let answer = person.upload(project, "Sigur Rós \"live\"; 1.csv.gz", bytes.clone()).await;
    let id = answer.id();
    assert_eq!((answer.status.as_u16(), answer.body["filesize"].as_i64()), (201, Some(bytes.len() as i64)));

    let file = person.get(&format!("training_data/{id}/download_file/")).await;
    assert!(file.bytes == bytes, "{:?}", file.headers);
    let disposition = file.headers["content-disposition"].to_str().unwrap();
    assert!(disposition.ends_with("filename*=UTF-8''Sigur%20R%C3%B3s%20%22live%22%3B%201.csv.gz"), "{disposition}");
    assert_eq!(
        (&file.headers["cache-control"], file.headers.get("content-length").is_some()),
        (&"no-cache".parse().unwrap(), true)
    );

    let preview = person.get(&format!("training_data/{id}/preview/?n_rows=2")).await.body;
    assert_eq!(preview["columns"], json!(["user", "item"]));
    assert_eq!(preview["rows"], json!([["007", "Sigur Rós"], ["7", "a/b c"]]));
    assert_eq!((&preview["total_rows"], &preview["more"]), (&json!(3), &json!(true)));

    let mut connection = server.services.db.conn().await.unwrap();
    let data = datasets::find(&mut connection, id).await.unwrap().unwrap();
    let log = datasets::load_log(&server.services, &data).await.unwrap();
    assert_eq!(log.users.iter().collect::<Vec<_>>(), ["007", "7"]);
    assert_eq!(log.items.iter().collect::<Vec<_>>(), ["Sigur Rós", "a/b c", "x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn preview_refuses_nonsense_and_never_says_nan() {
    let server = TestApp::start().await;
    let person = server.user("ada").await;
    let project = project_of(&person, "p", false).await;
    let rows = "{\"user\":\"1\",\"item\":\"2\",\"x\":null}\n{\"user\":\"2\",\"item\":\"2\"}\n";
    let id = person.upload(project, "a.jsonl", rows).await.id();
    let negative = person.get(&format!("training_data/{id}/preview/?n_rows=-1")).await.expect(400);
    assert!(negative.body[0].is_string(), "a bare list, as 1.x has it: {negative:?}");
    for wrong in ["x", "0", "1.5"] {
        person.get(&format!("training_data/{id}/preview/?n_rows={wrong}")).await.fault("n_rows");
    }
    let preview = person.get(&format!("training_data/{id}/preview/?n_rows=100000")).await;
    assert_eq!(preview.status.as_u16(), 200);
    assert_eq!(preview.body["rows"].as_array().map(Vec::len), Some(2), "{preview:?}");
    assert!(!String::from_utf8(preview.bytes).unwrap().contains("NaN"));
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_may_come_in_any_order_and_all_that_is_missing_is_said_at_once() {
    let server = TestApp::start_with(Jobs::None, |settings| settings.max_upload_bytes = 1000).await;
    let person = server.user("ada").await;
    let project = project_of(&person, "p", false).await;
    let file = |bytes: &str| Part::bytes(bytes.as_bytes().to_vec()).file_name("a.csv");

    let project_first = Form::new().text("project", project.to_string()).text("note", "x").part("file", file(GOOD));
    assert_eq!(person.send_form(Method::POST, "training_data/", project_first).await.status.as_u16(), 201);

    let nothing = person.send_form(Method::POST, "training_data/", Form::new().text("project", "x")).await;
    nothing.fault("file");
    nothing.fault("project");
    let no_file_name = Form::new().text("project", project.to_string()).text("file", GOOD);
    person.send_form(Method::POST, "training_data/", no_file_name).await.fault("file");

    let too_large = person.upload(project, "a.csv", GOOD.repeat(100)).await;
    assert_eq!(too_large.status.as_u16(), 413, "{too_large:?}");
    assert_eq!(person.post("training_data/", json!({ "project": project })).await.status.as_u16(), 415);
    assert_eq!(server.files().len(), 2, "the good file and its prepared form");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_project_and_data_are_not_there() {
    let server = TestApp::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let project = project_of(&ada, "p", false).await;
    bob.upload(project, "a.csv", GOOD).await.fault("project");
    bob.upload(999, "a.csv", GOOD).await.fault("project");
    let id = ada.upload(project, "a.csv", GOOD).await.id();
    for path in ["", "preview/", "download_file/", "rejected_rows/"] {
        assert_eq!(bob.get(&format!("training_data/{id}/{path}")).await.status.as_u16(), 404, "{path}");
    }
    assert_eq!(bob.delete(&format!("training_data/{id}/")).await.status.as_u16(), 404);
    assert_eq!(bob.delete(&format!("training_data/{id}/unlink_file/")).await.status.as_u16(), 404);
    assert_eq!(bob.get("training_data/").await.body["count"], 0);
    assert_eq!(ada.get(&format!("training_data/?project={project}")).await.body["count"], 1);
    ada.get("training_data/?project=x").await.fault("project");
    assert_eq!(ada.get("training_data/x/").await.status.as_u16(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_in_use_stays_and_removed_data_takes_its_files_along() {
    let server = TestApp::start().await;
    let person = server.user("ada").await;
    let project = project_of(&person, "p", false).await;
    let id = person.upload(project, "a.csv", GOOD).await.id();
    let split = person.post("split_config/", json!({})).await.id();
    let evaluation = person.post("evaluation_config/", json!({})).await.id();
    let job = format!("INSERT INTO tuning_jobs (data_id, split_id, evaluation_id) VALUES ({id}, {split}, {evaluation})");
    server.execute(&job).await;

    for path in [format!("training_data/{id}/"), format!("training_data/{id}/unlink_file/")] {
        let refused = person.delete(&path).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["dependents"][0]["resource"]),
            (409, &json!("parameter_tuning_job")),
            "{refused:?}"
        );
    }
    assert_eq!(person.delete(&format!("split_config/{split}/")).await.status.as_u16(), 409);
    assert_eq!(person.patch(&format!("evaluation_config/{evaluation}/"), json!({ "cutoff": 5 })).await.status.as_u16(), 409);
    assert_eq!(person.patch(&format!("evaluation_config/{evaluation}/"), json!({ "name": "x" })).await.status.as_u16(), 200);

    server.execute("UPDATE tuning_jobs SET status = 'CANCELLED'").await;
    let unlinked = person.delete(&format!("training_data/{id}/unlink_file/")).await;
    assert_eq!((unlinked.status.as_u16(), &unlinked.body["file"], &unlinked.body["basename"]), (200, &Value::Null, &Value::Null));
    assert_eq!(server.files(), Vec::<String>::new());
    assert_eq!(person.get(&format!("training_data/{id}/")).await.status.as_u16(), 404);
    let gone = person.get(&format!("training_data/{id}/download_file/")).await;
    assert!(gone.status.as_u16() == 404 && gone.body["detail"].is_array(), "{gone:?}");
    let mut connection = server.services.db.conn().await.unwrap();
    let data = datasets::find(&mut connection, id).await.unwrap().unwrap();
    assert!(datasets::load_log(&server.services, &data).await.unwrap_err().to_string().contains("deleted"));

    let second = person.upload(project, "b.csv", GOOD).await.id();
    assert_eq!(person.delete(&format!("training_data/{second}/")).await.status.as_u16(), 204);
    assert_eq!(server.files(), Vec::<String>::new());
    assert_eq!(server.count("SELECT count(*) FROM training_data").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_can_take_the_place_of_one() {
    let server = TestApp::start().await;
    let person = server.user("ada").await;
    let project = project_of(&person, "p", false).await;
    let id = person.upload(project, "a.csv", GOOD).await.id();
    let path = format!("training_data/{id}/");
    let file = |text: &str| Form::new().part("file", Part::bytes(text.as_bytes().to_vec()).file_name("b.tsv"));
    assert_eq!(person.patch(&path, json!({})).await.status.as_u16(), 415);
    person.send_form(Method::PATCH, &path, Form::new().text("x", "y")).await.fault("file");
    person.send_form(Method::PATCH, &path, file("no\tcolumns\n1\t2\n")).await.fault("file");
    assert_eq!(person.get(&path).await.body["basename"], "a.csv");
    let changed = person.send_form(Method::PATCH, &path, file("user\titem\n1\t2\n")).await;
    assert_eq!(
        (changed.status.as_u16(), &changed.body["basename"], &changed.body["report"]["rows_kept"]),
        (200, &json!("b.tsv"), &json!(1))
    );
    assert_eq!(server.files().len(), 2);
    let other = project_of(&person, "q", false).await;
    person.send_form(Method::PATCH, &path, file("user\titem\n1\t2\n").text("project", other.to_string())).await.fault("project");
}

/// Turns an upload into one that still waits for its job, as large ones do.
async fn make_waiting(server: &TestApp, id: i64) {
    let waiting = "UPDATE training_data SET status = 'preparing', prepared_key = NULL, report = NULL";
    server.execute(&format!("{waiting} WHERE id = {id}")).await;
    let mut connection = server.services.db.conn().await.unwrap();
    let job = datasets::PrepareData { training_data_id: id };
    recotem::platform::queue::enqueue(&mut connection, &job, Default::default()).await.unwrap();
}

async fn wait_until_prepared(person: &Caller, id: i64) -> Value {
    person.wait_for(&format!("training_data/{id}/"), |data| data["status"] != "preparing").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_prepares_what_was_left_to_it() {
    let server = TestApp::start_without_worker().await;
    let person = server.user("ada").await;
    let project = project_of(&person, "p", false).await;
    let (good, bad) = (person.upload(project, "a.csv", GOOD).await, person.upload(project, "b.csv", GOOD).await);
    make_waiting(&server, good.id()).await;
    make_waiting(&server, bad.id()).await;
    let bad_file = server.files().into_iter().find(|file| file.starts_with(&format!("uploads/{}-", bad.id()))).unwrap();
    server.services.blobs.write(&bad_file, b"user,product\n1,2\n").unwrap();
    server.work();
    let ready = wait_until_prepared(&person, good.id()).await;
    assert_eq!((&ready["status"], &ready["report"]), (&json!("ready"), &good.body["report"]));
    let failed = wait_until_prepared(&person, bad.id()).await;
    assert_eq!(failed["status"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("\"item\""), "{failed}");
}
