//! Files as sources: what is new, what has changed, what has gone, and folders that are not released.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::Jobs;
use crate::support::shop::Shop;

/// A shop that writes its orders into files of a released folder.
struct Filed {
    shop: Shop,
    folder: tempfile::TempDir,
    connection: i64,
}

impl Filed {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let released = folder.path().to_owned();
        let shop = Shop::start_with(Jobs::Run, |settings| settings.sources.folders = vec![released]).await;
        let path = folder.path().to_str().unwrap();
        let connection = connect(&shop, "folder", json!({ "path": path })).await;
        Self { shop, folder, connection }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, orders: &[(&str, &str)]) {
        let rows: String = orders.iter().map(|(customer, sku)| format!("{customer},{sku},x\n")).collect();
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), format!("customer,sku,other\n{rows}")).unwrap();
    }

    async fn source(&self, more: Value) -> i64 {
        let query = json!({ "files": { "pattern": "dt={yyyy-mm-dd}/*" }, "columns": { "user": "customer", "item": "sku" } });
        let mut body = json!({ "connection": self.connection, "query": query, "mode": "files", "cursor_column": null });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.shop.source(body).await
    }
}

async fn connect(shop: &Shop, kind: &str, settings: Value) -> i64 {
    let organisation = shop.owner.get(&format!("project/{}/", shop.project)).await.body["organisation"].clone();
    let body = json!({ "organisation": organisation, "name": kind, "kind": kind, "settings": settings });
    shop.owner.post("data_connection/", body).await.expect(201).id()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_files_are_read_once_and_a_changed_one_replaces_its_rows() {
    let filed = Filed::start().await;
    let shop = &filed.shop;
    filed.write("dt=2026-11-01/a.csv", &[("ada", "lamp"), ("bob", "chair")]);
    filed.write("dt=2026-11-01/_SUCCESS", &[]);
    filed.write("other/a.csv", &[("no", "no")]);
    let source = filed.source(json!({})).await;
    let first = shop.run(source).await;
    assert_eq!((&first["state"], &first["rows_read"]), (&json!("succeeded"), &json!(2)), "{first}");
    assert_eq!(first["report"]["files"], json!(["dt=2026-11-01/a.csv"]));
    let data = shop.owner.get(&format!("training_data/{}/", first["training_data"])).await.expect(200).body;
    assert_eq!(data["origin"]["files"], json!(["dt=2026-11-01/a.csv"]));
    assert_eq!(shop.run(source).await["state"], "nothing_new");

    let lines = "{\"customer\": \"eve\", \"sku\": 7}\n{\"customer\": null, \"sku\": 8}\n";
    fs::create_dir_all(filed.path("dt=2026-11-02")).unwrap();
    fs::write(filed.path("dt=2026-11-02/b.jsonl"), lines).unwrap();
    let second = shop.run(source).await;
    assert_eq!((&second["rows_read"], &second["rows_rejected"]), (&json!(2), &json!(1)), "{second}");
    assert!(second["report"]["notes"][0].as_str().unwrap().starts_with("dt=2026-11-02/b.jsonl, line 2"), "{second}");
    assert_eq!(shop.rows_in_use().await, 3);

    filed.write("dt=2026-11-01/a.csv", &[("ada", "lamp"), ("bob", "chair"), ("ida", "desk")]);
    let again = shop.run(source).await;
    assert_eq!((&again["state"], &again["rows_read"]), (&json!("succeeded"), &json!(3)), "{again}");
    assert_eq!(shop.rows_in_use().await, 4, "the earlier reading is replaced");
    assert_eq!(shop.run(source).await["state"], "nothing_new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_has_gone_is_told_and_its_rows_stay_until_a_user_lets_them_go() {
    let filed = Filed::start().await;
    let shop = &filed.shop;
    filed.write("dt=2026-11-01/a.csv", &[("ada", "lamp")]);
    filed.write("dt=2026-11-01/b.csv", &[("bob", "chair")]);
    let source = filed.source(json!({})).await;
    shop.run(source).await;
    fs::remove_file(filed.path("dt=2026-11-01/b.csv")).unwrap();
    let none = shop.run(source).await;
    assert_eq!(none["state"], "nothing_new");
    assert!(none["report"]["notes"][0].as_str().unwrap().contains("dt=2026-11-01/b.csv"), "{none}");
    assert_eq!(shop.rows_in_use().await, 2);
    // Its upload also holds a file that has changed.
    filed.write("dt=2026-11-01/a.csv", &[("ada", "lamp"), ("ada", "desk")]);
    let held = shop.run(source).await;
    assert_eq!(held["state"], "held", "{held}");
    assert!(held["problems"][0].as_str().unwrap().contains("dt=2026-11-01/b.csv"), "{held}");
    assert_eq!(shop.rows_in_use().await, 2);
    shop.owner.post(&format!("source_run/{}/accept/", held["id"]), json!({})).await.expect(200);
    shop.app.idle().await;
    assert_eq!(shop.rows_in_use().await, 2);
    assert_eq!(shop.run(source).await["report"]["notes"], json!([]), "it is told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_held_run_come_with_the_next_one_and_a_reset_reads_all_again() {
    let filed = Filed::start().await;
    let shop = &filed.shop;
    filed.write("dt=2026-11-01/a.csv", &[("ada", "lamp")]);
    let source = filed.source(json!({ "guards": { "min_rows": 2 } })).await;
    let held = shop.run(source).await;
    assert_eq!(held["state"], "held", "{held}");
    filed.write("dt=2026-11-02/b.csv", &[("bob", "chair")]);
    let next = shop.run(source).await;
    assert_eq!((&next["state"], &next["rows_read"]), (&json!("succeeded"), &json!(2)), "{next}");
    let overtaken = shop.owner.get(&format!("source_run/{}/", held["id"])).await.body;
    assert_eq!(overtaken["state"], "discarded");
    shop.owner.post(&format!("data_source/{source}/reset/"), json!({})).await.expect(204);
    let all = shop.run(source).await;
    assert_eq!((&all["state"], &all["rows_read"]), (&json!("succeeded"), &json!(2)), "{all}");
    assert_eq!(shop.rows_in_use().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_what_all_files_say_and_all_columns_are_read() {
    let filed = Filed::start().await;
    let shop = &filed.shop;
    fs::write(filed.path("one.csv"), "sku,title\nlamp,Lamp\n").unwrap();
    let query = json!({ "files": { "pattern": "*.csv" }, "columns": { "item": "sku" } });
    let source = filed.source(json!({ "target": "items", "query": query })).await;
    shop.run(source).await;
    fs::write(filed.path("two.csv"), "sku,price\nchair,7\n").unwrap();
    let both = shop.run(source).await;
    assert_eq!((&both["state"], &both["rows_read"]), (&json!("succeeded"), &json!(2)), "{both}");
    let data = shop.owner.get(&format!("item_meta_data/{}/", both["item_meta_data"])).await.expect(200).body;
    assert_eq!(data["status"], "ready", "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_browsed_sampled_and_tried_without_storing_anything() {
    let filed = Filed::start().await;
    let shop = &filed.shop;
    filed.write("dt=2026-11-01/a.csv", &[("ada", "lamp"), ("bob", "chair")]);
    let base = format!("data_connection/{}/", filed.connection);
    let tested = shop.owner.post(&format!("{base}test/"), json!({})).await.expect(200).body;
    assert_eq!(tested["is_usable"], true, "{tested}");
    let root = shop.owner.get(&format!("{base}browse/")).await.expect(200).body;
    assert_eq!((&root["entries"][0]["name"], &root["entries"][0]["kind"]), (&json!("dt=2026-11-01"), &json!("folder")));
    let below = shop.owner.get(&format!("{base}browse/?path=dt%3D2026-11-01")).await.expect(200).body;
    assert_eq!((&below["entries"][0]["name"], &below["entries"][0]["kind"]), (&json!("a.csv"), &json!("file")));
    let columns = shop.owner.get(&format!("{base}browse/?path=dt%3D2026-11-01/a.csv")).await.expect(200).body;
    assert_eq!(columns["entries"].as_array().unwrap().len(), 3);
    let matching = shop.owner.get(&format!("{base}browse/?pattern=dt%3D%7Byyyy-mm-dd%7D/*.csv")).await.expect(200).body;
    assert_eq!(matching["matching"], 1);
    let sample = shop.owner.get(&format!("{base}sample/?path=dt%3D2026-11-01/a.csv")).await.expect(200).body;
    assert_eq!(sample["rows"][1], json!(["bob", "chair", "x"]));
    let source = filed.source(json!({})).await;
    let preview = shop.owner.post(&format!("data_source/{source}/preview/"), json!({})).await.expect(200).body;
    assert_eq!(preview["rows"].as_array().unwrap().len(), 2, "{preview}");
    let tried = shop.owner.post(&format!("data_source/{source}/dry_run/"), json!({})).await.expect(200).body;
    assert_eq!((&tried["rows_read"], &tried["estimate"]["rows"]), (&json!(2), &Value::Null), "{tried}");
    assert_eq!(shop.app.count("SELECT count(*) FROM training_data").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_released_is_not_read() {
    let filed = Filed::start().await;
    let shop = &filed.shop;
    let path = format!("data_connection/{}/", filed.connection);
    shop.owner.patch(&path, json!({ "settings": { "path": "/etc" } })).await.expect(200);
    let tested = shop.owner.post(&format!("{path}test/"), json!({})).await.expect(200).body;
    assert_eq!((&tested["is_usable"], &tested["steps"][0]["state"]), (&json!(false), &json!("failed")), "{tested}");
    let refused = shop.owner.get(&format!("{path}browse/")).await.expect(400).body;
    assert!(refused.to_string().contains("released"), "{refused}");
    for wrong in [json!({ "path": "/srv/../etc" }), json!({ "path": "srv" })] {
        shop.owner.patch(&path, json!({ "settings": wrong })).await.expect(400);
    }
    for kind in ["gcs", "azure", "bigquery"] {
        let organisation = shop.owner.get(&format!("project/{}/", shop.project)).await.body["organisation"].clone();
        let body = json!({ "organisation": organisation, "name": kind, "kind": kind, "settings": {} });
        shop.owner.post("data_connection/", body).await.expect(400);
    }
}
