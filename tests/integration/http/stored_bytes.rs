//! The bytes that the files of an organisation may take up: what would exceed them is refused in words, and other organisations go on.

use std::io::Write;
use std::sync::Arc;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use flate2::Compression;
use flate2::write::GzEncoder;
use recotem::app::roles;
use recotem::platform::config::Settings;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::support::prepared::prepare;
use crate::support::{Answer, Caller, Jobs, TestApp};

/// Room for one upload of [`rows`] with its prepared form, and not for two.
const ROOM: u64 = 25_000;

/// Returns a file of about 8 kB, whose prepared form is about as large again.
fn rows() -> String {
    let rows = (0..1_000).map(|row| format!("u{},i{}\n", row % 97, row % 89));
    std::iter::once("user,item\n".to_owned()).chain(rows).collect()
}

async fn start(jobs: Jobs, most: u64) -> TestApp {
    TestApp::start_with(jobs, |settings| settings.max_stored_bytes_per_organisation = most).await
}

async fn project(caller: &Caller, name: &str, organisation: Option<i64>) -> i64 {
    let mut project = json!({ "name": name, "user_column": "user", "item_column": "item" });
    if let Some(organisation) = organisation {
        project["organisation"] = json!(organisation);
    }
    caller.post("project/", project).await.expect(201).id()
}

/// Checks that an answer refuses to store more in an organisation, with the numbers and what to do.
fn assert_refused(answer: Answer) {
    assert_refused_beyond(answer, "this organisation", ROOM);
}

fn assert_refused_beyond(answer: Answer, whose: &str, room: u64) {
    let answer = answer.expect(507);
    assert_eq!(answer.body["code"], "too_many_stored_bytes");
    let detail = answer.body["detail"].as_str().expect("a sentence");
    let begins = format!("The files of {whose} take up ");
    assert!(detail.starts_with(&begins) && detail.contains(&format!("of the {room} bytes")), "{detail}");
    assert!(detail.contains("max_stored_bytes_per_organisation") && detail.contains("Delete uploads"), "{detail}");
}

/// Returns what the only organisation of a caller stores.
async fn stored(caller: &Caller) -> i64 {
    let listed = caller.get("organisation/").await.expect(200).body;
    listed["results"][0]["stored_bytes"].as_i64().expect("a number")
}

/// Returns the bytes of all files on the disk.
fn on_disk(app: &TestApp) -> i64 {
    let root = app.services.settings.data_dir.join("files");
    // A file that is removed after it was listed has none.
    let size = |key: String| std::fs::metadata(root.join(key)).map_or(0, |file| file.len());
    app.files().into_iter().map(size).sum::<u64>() as i64
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_beyond_the_limit_of_its_organisation_is_refused_until_another_is_deleted() {
    let app = start(Jobs::None, ROOM).await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let (mine, theirs) = (project(&ada, "P", None).await, project(&bob, "P", None).await);
    assert_eq!(stored(&ada).await, 0);
    let first = ada.upload(mine, "data.csv", rows()).await.expect(201).id();
    assert_eq!(stored(&ada).await, on_disk(&app));
    let (files, bytes) = (app.files().len(), stored(&ada).await);

    assert_refused(ada.upload(mine, "more.csv", rows()).await);
    assert_refused(ada.upload_items(mine, "items.csv", format!("item,title\ni1,{}\n", "x".repeat(ROOM as usize))).await);
    assert_eq!((app.files().len(), stored(&ada).await), (files, bytes), "nothing is left of what was refused");
    assert_eq!(app.count("SELECT count(*) FROM training_data").await, 1);

    // Another organisation has room of its own.
    bob.upload(theirs, "data.csv", rows()).await.expect(201);
    // What takes the place of an upload needs no room beside it.
    let part = Part::bytes(rows().into_bytes()).file_name("new.csv");
    let form = Form::new().text("project", mine.to_string()).part("file", part);
    ada.send_form(Method::PUT, &format!("training_data/{first}/"), form).await.expect(200);

    ada.delete(&format!("training_data/{first}/unlink_file/")).await.expect(200);
    assert_eq!(stored(&ada).await, 0);
    let second = ada.upload(mine, "more.csv", rows()).await.expect(201).id();
    ada.delete(&format!("training_data/{second}/")).await.expect(204);
    ada.upload(mine, "again.csv", rows()).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_while_it_is_read() {
    let app = start(Jobs::None, ROOM).await;
    let ada = app.user("ada").await;
    let mine = project(&ada, "P", None).await;
    // It could not be imported either, which would be the answer if it were read first.
    let part = Part::bytes(vec![b'x'; ROOM as usize + 1]).file_name("data.csv");
    let form = Form::new().text("project", mine.to_string()).part("file", part);
    assert_refused(ada.send_form(Method::POST, "training_data/", form).await);
    assert_eq!(app.files(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_uploads_at_once_only_the_one_that_fits_is_stored() {
    let app = start(Jobs::None, ROOM).await;
    let ada = app.user("ada").await;
    let (one, other) = (project(&ada, "one", None).await, project(&ada, "other", None).await);
    let uploads = (0..6).map(|n| ada.upload(if n % 2 == 0 { one } else { other }, "data.csv", rows()));
    let answers = futures_util::future::join_all(uploads).await;
    let (stored_ones, refused): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((stored_ones.len(), refused.len()), (1, 5));
    refused.into_iter().for_each(assert_refused);
    assert!(stored(&ada).await <= ROOM as i64);
    assert_eq!(stored(&ada).await, on_disk(&app));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_share_the_room_and_the_organisations_of_a_user_have_twice_as_much() {
    let app = start(Jobs::None, ROOM).await;
    let ada = app.user("ada").await;
    let mine = project(&ada, "P", None).await;
    ada.upload(mine, "data.csv", rows()).await.expect(201);
    // A key sees only its own project, which is empty.
    let empty = project(&ada, "empty", None).await;
    let key = ada.post("api_keys/", json!({ "project": empty, "name": "k", "scopes": ["write"] })).await.expect(201);
    assert_refused(ada.with_key(key.body["key"].as_str().expect("a key")).upload(empty, "data.csv", rows()).await);
    // An organisation that is full leaves room to another of its founder, and more organisations bring no more than that.
    let mut answers = Vec::new();
    for name in ["second", "third", "fourth"] {
        let team = ada.post("organisation/", json!({ "name": name })).await.expect(201);
        assert_eq!(team.body["stored_bytes"], 0);
        let of_team = project(&ada, name, Some(team.id())).await;
        answers.push((team.id(), of_team, ada.upload(of_team, "data.csv", rows()).await));
    }
    let (team, of_team, last) = answers.pop().expect("an answer");
    assert_refused_beyond(last, "all organisations with the same founder as this one", 2 * ROOM);
    answers.remove(0).2.expect(201);
    // One that staff created has room of its own.
    app.execute(&format!("UPDATE organisations SET founder_id = NULL WHERE id = {team}")).await;
    ada.upload(of_team, "data.csv", rows()).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_does_not_fit_fails_in_words_and_keeps_the_upload() {
    let rows: String = (0..100_000).map(|row| format!("u{},i{}\n", row % 4_999, row * 7_919 % 2_999)).collect();
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(format!("user,item\n{rows}").as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory");
    let size = packed.len() as i64;
    let app = start(Jobs::Run, packed.len() as u64 + 1_000).await;
    let ada = app.user("ada").await;
    let mine = project(&ada, "P", None).await;
    let data = ada.upload(mine, "data.csv.gz", packed).await.expect(201);
    assert_eq!(data.body["status"], "preparing");
    let failed = ada.wait_for(&format!("training_data/{}/", data.id()), |data| data["status"] == "failed").await;
    assert!(failed["error"].as_str().expect("a reason").contains("max_stored_bytes_per_organisation"), "{failed}");
    assert_eq!((stored(&ada).await, on_disk(&app)), (size, size));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_whose_model_does_not_fit_fails_in_words() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("ada").await, "P", "TopPop").await;
    let ada = &prepared.user;
    let used = stored(ada).await;
    let ended = |model: &Value| matches!(model["status"].as_str(), Some("COMPLETED" | "FAILED"));
    // No room at all, room for less than the model, and no limit.
    for (most, status) in [(used, "FAILED"), (used + 1, "FAILED"), (0, "COMPLETED")] {
        let body = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
        let model = ada.post("trained_model/", body).await.expect(201).id();
        let mut services = app.services.clone();
        let limited = Settings { max_stored_bytes_per_organisation: most.unsigned_abs(), ..Settings::clone(&services.settings) };
        services.settings = Arc::new(limited);
        let stop = CancellationToken::new();
        let worker = tokio::spawn(roles::work(services, stop.clone()));
        let model = ada.wait_for(&format!("trained_model/{model}/"), ended).await;
        stop.cancel();
        worker.await.expect("the worker stops");
        assert_eq!(model["status"], status, "{model}");
        if status == "FAILED" {
            assert!(model["error"].as_str().expect("a reason").contains("max_stored_bytes_per_organisation"), "{model}");
            assert_eq!((stored(ada).await, on_disk(&app)), (used, used), "no file is left");
        } else {
            assert_eq!(stored(ada).await, used + model["filesize"].as_i64().expect("a size"));
        }
    }
}

/// Sends a whole request, such as `DELETE project/1/`, and resets the connection while the request waits for a lock on its table.
async fn hang_up(app: &TestApp, caller: &Caller, table: &str, request: &str, body: &str) {
    let mut lock = AsyncPgConnection::establish(app.services.db.url()).await.expect("a connection");
    lock.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN SHARE MODE")).await.expect("a lock");
    let host = app.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.expect("a connection");
    let (method, path) = request.split_once(' ').expect("a method and a path");
    let head = format!(
        "{method} /api/v1/{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\n\r\n",
        caller.token(),
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("it takes the request");
    let waiting = format!(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid
         WHERE NOT granted AND relation = '{table}'::regclass AND datname = current_database()"
    );
    app.soon("the request waits for the lock", async || app.count(&waiting).await == 1).await;
    stream.set_zero_linger().expect("it is open");
    drop(stream);
    // The server answers these after it has noticed.
    let other = app.anonymous();
    for _ in 0..30 {
        other.get("ping/").await.expect(200);
    }
    lock.batch_execute("COMMIT").await.expect("it is unlocked");
}

/// Returns the body of an upload.
fn upload_of(project: i64, file: &str) -> String {
    let part = |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name={name}\r\n\r\n{value}\r\n");
    format!("{}{}--b--\r\n", part("\"project\"", &project.to_string()), part("\"file\"; filename=\"a.csv\"", file))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_leaves_no_file_without_a_row() {
    let app = TestApp::start_without_worker().await;
    let ada = app.user("ada").await;
    let mine = project(&ada, "P", None).await;
    let items = |n: usize| (0..n).fold("item,title\n".to_owned(), |rows, item| format!("{rows}i{item},t\n"));
    let shorter = rows().lines().take(500).fold(String::new(), |rows, row| format!("{rows}{row}\n"));
    let uploads = [("training_data", rows(), shorter), ("item_meta_data", items(9), items(5))];
    for (table, first, second) in uploads {
        let largest = format!("SELECT coalesce(max(filesize), 0) AS count FROM {table}");
        let is_stored = async |size: usize| {
            app.count(&largest).await == size as i64 && stored(&ada).await > 0 && stored(&ada).await == on_disk(&app)
        };
        let is_empty = async || (stored(&ada).await, on_disk(&app)) == (0, 0);

        hang_up(&app, &ada, table, &format!("POST {table}/"), &upload_of(mine, &first)).await;
        app.soon("the upload has its row", async || is_stored(first.len()).await).await;
        let id = app.count(&format!("SELECT max(id) AS count FROM {table}")).await;
        hang_up(&app, &ada, table, &format!("PUT {table}/{id}/"), &upload_of(mine, &second)).await;
        app.soon("the upload is replaced", async || is_stored(second.len()).await).await;
        hang_up(&app, &ada, table, &format!("DELETE {table}/{id}/unlink_file/"), "").await;
        app.soon("its file is removed", &is_empty).await;

        let answer = if table == "training_data" {
            ada.upload(mine, "a.csv", first).await
        } else {
            ada.upload_items(mine, "a.csv", first).await
        };
        let id = answer.expect(201).id();
        hang_up(&app, &ada, table, &format!("DELETE {table}/{id}/"), "").await;
        app.soon("the upload is deleted", &is_empty).await;
        assert_eq!(app.count(&format!("SELECT count(*) FROM {table} WHERE id = {id}")).await, 0);
        assert_eq!(app.count(&format!("SELECT count(*) FROM {table} WHERE storage_key IS NOT NULL")).await, 0);
    }
}
