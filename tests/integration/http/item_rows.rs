//! Single rows of item metadata: set, read and removed by item, and in use a few seconds later.

use recotem::features::item_metadata::MergeItemChanges;
use recotem::platform::queue::{EnqueueOptions, JobState, enqueue};
use reqwest::Method;
use reqwest::multipart::Form;
use serde_json::{Map, Value, json};

use crate::support::tastes::{Shop, place};
use crate::support::{Caller, Jobs, TestApp};

async fn project_of(caller: &Caller) -> i64 {
    caller.post("project/", json!({ "name": "P", "user_column": "user", "item_column": "item" })).await.expect(201).id()
}

async fn key(caller: &Caller, project: i64, scope: &str) -> Caller {
    let body = json!({ "project": project, "name": scope, "scopes": [scope] });
    let made = caller.post("api_keys/", body).await.expect(201);
    caller.with_key(made.body["key"].as_str().expect("a key"))
}

/// A caller's item metadata in one project.
struct Items<'a> {
    caller: &'a Caller,
    project: i64,
}

impl Items<'_> {
    fn path(&self, item: &str) -> String {
        format!("item/{item}/?project={}", self.project)
    }

    async fn put(&self, item: &str, values: Value) {
        let answer = self.caller.put(&self.path(item), values).await.expect(202);
        assert_eq!(answer.body["is_pending"], true);
    }

    async fn row(&self, item: &str) -> Value {
        self.caller.get(&self.path(item)).await.expect(200).body
    }

    /// Returns the only item metadata of the project.
    async fn only(&self) -> Value {
        let listed = self.caller.get(&format!("item_meta_data/?project={}", self.project)).await.expect(200).body;
        assert_eq!(listed["count"], 1, "{listed}");
        listed["results"][0].clone()
    }
}

async fn waiting(app: &TestApp) -> i64 {
    app.count("SELECT count(*) FROM item_changes").await
}

/// A row that cannot be read must not take the other new items with it, and its owner must learn why it is not recommended.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_left_out_alone_and_says_why() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let owner = Items { caller: &shop.prepared.user, project: shop.prepared.project };
    let row = |item: usize| format!("t{0}-{1},colour {0},{item},{2},\"[{1}, 1]\"\n", item % 4, item / 4, item % 3);
    let file = (0..48).fold("item,colour,price,tags,emb\n".to_owned(), |text, item| text + &row(item));
    let part = reqwest::multipart::Part::bytes(file.into_bytes()).file_name("items.csv");
    let form = Form::new().part("file", part).text("project", owner.project.to_string());
    owner.caller.send_form(Method::POST, "item_meta_data/", form).await.expect(201);
    let fields = json!([
        { "column": "colour", "kind": "category" },
        { "column": "price", "kind": "number" },
        { "column": "emb", "kind": "vector", "weight": 0.1 },
        { "column": "colour", "kind": "category", "derive": [{ "cross": { "with": "tags" } }] }
    ]);
    let set = json!({ "project": owner.project, "name": "strict", "spec": { "version": 1, "fields": fields } });
    owner.caller.post("feature_sets/", set).await.expect(201);
    let good = json!({ "colour": "colour 0", "price": 12, "emb": [1, 1] });
    owner.caller.put(&owner.path("good"), good.clone()).await.expect(202);
    let many: Vec<String> = (0..40).map(|n| format!("x{n}")).collect();
    let bad = [
        (
            "no price",
            json!({ "colour": "colour 0", "price": "on request", "emb": [1, 1] }),
            "\"on request\", which is not a number",
        ),
        (
            "wide",
            json!({ "colour": "colour 0", "price": 12, "emb": [1, 1, 1] }),
            "has 3 numbers, and the model was trained with 2",
        ),
        ("crossed", json!({ "colour": many, "tags": many, "price": 12 }), "has 40 values to be crossed with 40"),
        ("unknown", json!({ "size": "XL" }), "no value of it occurs in the items"),
    ];
    let model = shop.train("IALS", json!({ "n_components": 4, "alpha0": 0.1 })).await;
    assert_eq!((&model["status"], model["lineage"].get("warnings")), (&json!("COMPLETED"), None), "{model}");
    for (item, row, _) in &bad {
        owner.caller.put(&owner.path(&item.replace(' ', "%20")), row.clone()).await.expect(202);
    }
    owner.caller.put(&owner.path("later"), good).await.expect(202);
    let ask = json!({ "user_id": "u0", "cutoff": 60 });
    let listed = async |item: &str| place(&shop.listed(&model, ask.clone()).await, item).is_some();
    let both = async || {
        app.wake().await;
        listed("good").await && listed("later").await
    };
    app.soon("the rows that can be read are recommended", both).await;
    let is_in_use = async |item: &str| {
        app.wake().await;
        owner.row(item).await["is_pending"] == false
    };
    for (item, _, wanted) in &bad {
        let id = item.replace(' ', "%20");
        app.soon("the row is in use", async || is_in_use(&id).await).await;
        let row = owner.row(&id).await;
        let problem = row["problem"].as_str().unwrap_or_default();
        assert!(problem.starts_with("Model ") && problem.contains(wanted), "{row}");
        assert!(!listed(item).await, "{item}");
    }
    assert_eq!(owner.row("good").await.get("problem"), None);

    // At an item that a model is trained on, the value is left out of the training, which says so.
    let id = "t3-0";
    owner.caller.put(&owner.path(id), json!({ "colour": "colour 3", "price": "ask", "emb": [1, 1] })).await.expect(202);
    app.soon("the row is in use", async || is_in_use(id).await).await;
    let again = shop.train("ContentKNN", json!({})).await;
    assert_eq!(again["status"], "COMPLETED", "{again}");
    assert_eq!(again["lineage"]["item_features"]["fields"][1]["column"], "price", "{again}");
    let warnings = again["lineage"]["warnings"].to_string();
    assert!(warnings.contains("\\\"ask\\\", which is not a number; this value is left out"), "{warnings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_is_recommended_once_its_row_arrives_and_no_longer_once_that_is_removed() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.describe(&[]).await;
    let model = shop.train("IALS", json!({ "n_components": 4, "alpha0": 0.1 })).await;
    assert_eq!(model["status"], "COMPLETED", "{model}");
    let owner = Items { caller: &shop.prepared.user, project: shop.prepared.project };
    let writer = shop.program.with_key(&shop.prepared.key("writer", "write").await);
    let ask = json!({ "user_id": "u0", "cutoff": 60 });
    let listed = async || {
        app.wake().await;
        place(&shop.listed(&model, ask.clone()).await, "new 1").is_some()
    };
    assert!(!listed().await);

    // The project is that of the key.
    let set = writer.put("item/new%201/", json!({ "colour": "colour 0" })).await.expect(202).body;
    assert_eq!(set, json!({ "item_id": "new 1", "values": { "colour": "colour 0" }, "is_pending": true }));
    app.soon("the new item is recommended", async || listed().await).await;
    let list = shop.listed(&model, ask.clone()).await;
    let at = place(&list, "new 1").expect("listed");
    assert_eq!(list[at]["cold"], true);
    let row = owner.row("new%201").await;
    assert_eq!(row, json!({ "item_id": "new 1", "values": { "colour": "colour 0" }, "is_pending": false }));
    let made = owner.only().await;
    let report = &made["report"];
    assert_eq!([&report["rows_total"], &report["rows_kept"], &report["items"]], [&json!(49); 3], "{report}");
    assert_eq!(waiting(&app).await, 0);

    writer.delete("item/new%201/").await.expect(202);
    owner.caller.get(&owner.path("new%201")).await.expect(404);
    app.soon("the item without a row is not recommended", async || !listed().await).await;
    writer.delete("item/new%201/").await.expect(404);
    assert_eq!(owner.only().await["report"]["items"], 48);
    let lines = "SELECT count(*) FROM audit_log WHERE resource LIKE 'item%'";
    assert_eq!(app.count(lines).await, 1, "the audit log has the upload and no line for each row");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_changes_decides_about_filters() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.describe(&[]).await;
    let model = shop.train("IALS", json!({ "n_components": 4, "alpha0": 0.1 })).await;
    let owner = Items { caller: &shop.prepared.user, project: shop.prepared.project };
    let cheap = json!({ "user_id": "u0", "cutoff": 60, "exclude_seen": false, "with_metadata": true,
        "filter": { "field": "price", "op": "le", "value": 7 } });
    let path = format!("/inference/predict/{}", model["id"]);
    // The column is not known yet.
    shop.program.post(&path, cheap.clone()).await.expect(422);
    let found = async || {
        app.wake().await;
        let answer = shop.program.post(&path, cheap.clone()).await;
        answer.body["items"].as_array().map(|list| list.iter().map(|one| one["item_id"].clone()).collect::<Vec<_>>())
    };
    owner.put("t0-1", json!({ "colour": "colour 0", "price": 5, "tags": ["a", "b"] })).await;
    app.soon("the cheap item is found", async || found().await == Some(vec![json!("t0-1")])).await;
    let answer = shop.program.post(&path, cheap.clone()).await.expect(200).body;
    assert_eq!(answer["items"][0]["metadata"], json!({ "colour": "colour 0", "price": 5, "tags": ["a", "b"] }));
    owner.put("t0-1", json!({ "colour": "colour 0", "price": 9 })).await;
    app.soon("it is not cheap any more", async || found().await == Some(Vec::new())).await;
    // A row is set as a whole.
    assert_eq!(owner.row("t0-1").await["values"], json!({ "colour": "colour 0", "price": 9 }));
    assert_eq!(owner.only().await["valid_columns_list_json"], json!(["colour", "price", "tags"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_alone_are_item_metadata_and_can_be_downloaded() {
    let app = TestApp::start_with_worker().await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    let rows = json!({ "items": [
        { "item_id": 7, "values": { "title": "Seven", "price": 1.5 } },
        { "item_id": "a/b c", "values": { "title": "old" } },
        { "item_id": "a/b c", "values": { "title": "Slash", "tags": ["x", 2, true] } },
        { "item_id": "x.json", "values": {} },
    ] });
    let answer = user.put(&format!("item/?project={}", items.project), rows).await.expect(202);
    assert_eq!(answer.body, json!({ "accepted": 4 }));
    assert_eq!(items.row("a%2Fb%20c").await["values"], json!({ "title": "Slash", "tags": ["x", 2, true] }));
    app.idle().await;

    let made = items.only().await;
    assert_eq!((&made["basename"], &made["status"]), (&json!("items-by-api.jsonl"), &json!("ready")));
    assert_eq!(made["report"]["items"], 3);
    let path = format!("item_meta_data/{}/", made["id"]);
    let lines = user.get(&format!("{path}download_file/")).await.expect(200).bytes;
    let lines: Vec<Value> = lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.contains(&json!({ "item": "7", "title": "Seven", "price": 1.5 })), "{lines:?}");
    assert_eq!(user.get(&format!("{path}preview/")).await.expect(200).body["total_rows"], 3);
    assert_eq!(items.row("x.json").await, json!({ "item_id": "x.json", "values": {}, "is_pending": false }));

    user.delete(&items.path("7")).await.expect(202);
    app.idle().await;
    let changed = items.only().await;
    assert_eq!((&changed["id"], &changed["report"]["rows_total"]), (&made["id"], &json!(2)));
    let lines = user.get(&format!("{path}download_file/")).await.expect(200).bytes;
    assert!(!String::from_utf8_lossy(&lines).contains("Seven"));
    // The file and its prepared form, and nothing of the former ones.
    let files = app.files();
    assert_eq!(files.len(), 2, "{files:?}");
    let root = app.services.settings.data_dir.join("files");
    let on_disk: u64 = files.iter().map(|key| std::fs::metadata(root.join(key)).expect("a file").len()).sum();
    let organisations = user.get("organisation/").await.expect(200).body;
    assert_eq!(organisations["results"][0]["stored_bytes"], json!(on_disk));
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_what_was_never_merged_leaves_no_metadata() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    user.delete(&items.path("a")).await.expect(404);
    items.put("a", json!({ "title": "A" })).await;
    user.delete(&items.path("a")).await.expect(202);
    user.get(&items.path("a")).await.expect(404);
    user.delete(&items.path("a")).await.expect(404);
    app.work();
    app.idle().await;
    assert_eq!(user.get("item_meta_data/").await.expect(200).body["count"], 0);
    assert_eq!((waiting(&app).await, app.files().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_replaces_the_changes_before_it_and_those_after_it_apply_to_it() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    let first = user.upload_items(items.project, "a.csv", "item,title\na,A\n").await.expect(201).id();
    items.put("before", json!({ "title": "before" })).await;
    user.upload_items(items.project, "b.csv", "item,title\nb,B\n").await.expect(201);
    user.get(&items.path("before")).await.expect(404);
    assert_eq!(waiting(&app).await, 0);
    items.put("after", json!({ "title": "after" })).await;
    // This one is not in use.
    let file = reqwest::multipart::Part::bytes(b"item,title\nc,C\n".to_vec()).file_name("c.csv");
    let form = Form::new().part("file", file);
    user.send_form(Method::PATCH, &format!("item_meta_data/{first}/"), form).await.expect(200);
    assert_eq!(waiting(&app).await, 1);

    // Large enough to be prepared by a job.
    items.put("before", json!({ "title": "before" })).await;
    let lines = (0..4_500).map(|number| format!("i{number},{}\n", "x".repeat(1_000)));
    let large: String = std::iter::once("item,title\n".to_owned()).chain(lines).collect();
    let large = user.upload_items(items.project, "large.csv", large).await.expect(201);
    assert_eq!(large.body["status"], "preparing");
    assert_eq!(items.row("before").await["is_pending"], true, "the former rows are in use until it is ready");
    items.put("later", json!({ "title": "later" })).await;
    items.put("i7", json!({ "title": "Seven" })).await;
    app.work();
    app.idle().await;
    assert_eq!(waiting(&app).await, 0);
    for gone in ["before", "after", "b"] {
        user.get(&items.path(gone)).await.expect(404);
    }
    for (there, title) in [("later", "later"), ("i7", "Seven")] {
        let row = items.row(there).await;
        assert_eq!((&row["values"], &row["is_pending"]), (&json!({ "title": title }), &json!(false)));
    }
    let read = user.get(&format!("item_meta_data/{}/", large.id())).await.expect(200).body;
    assert_eq!((&read["report"]["items"], &read["basename"]), (&json!(4_501), &json!("large.csv")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_dies_at_the_end_leaves_the_form_in_use_and_the_changes_waiting() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    user.upload_items(items.project, "a.csv", "item,title\na,A\n").await.expect(201);
    let mut before = app.files();
    before.sort();
    app.execute(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the server died'; END $$;
         CREATE TRIGGER dies BEFORE DELETE ON item_changes FOR EACH ROW EXECUTE FUNCTION die()",
    )
    .await;
    items.put("b", json!({ "title": "B" })).await;
    app.work();
    app.wake().await;
    let has_failed = async || app.unfinished_jobs().await.iter().any(|job| job.state == JobState::Retryable);
    app.soon("the merge fails", has_failed).await;
    assert_eq!(items.row("b").await["is_pending"], true);
    assert_eq!(items.row("a").await, json!({ "item_id": "a", "values": { "title": "A" }, "is_pending": false }));
    let mut files = app.files();
    files.sort();
    assert_eq!(files, before);
    assert_eq!(items.row("b").await.get("problem"), None, "it is tried again");

    app.execute("UPDATE jobs SET max_attempts = 1 WHERE kind = 'merge_item_changes'").await;
    app.idle().await;
    let given_up = items.row("b").await;
    assert!(given_up["problem"].as_str().is_some_and(|problem| problem.contains("the server died")), "{given_up}");
    assert_eq!(given_up["is_pending"], true);

    app.execute("DROP FUNCTION die CASCADE").await;
    items.put("a", json!({ "title": "A" })).await;
    assert_eq!(items.row("b").await.get("problem"), None, "it is tried again with the next change");
    app.idle().await;
    assert_eq!(items.row("b").await, json!({ "item_id": "b", "values": { "title": "B" }, "is_pending": false }));
    assert_eq!(items.only().await["report"]["items"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_that_run_twice_and_at_once_lose_nothing() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    for round in 0..3 {
        let rows: Vec<Value> =
            (0..50).map(|row| json!({ "item_id": format!("{round}-{row}"), "values": { "n": row } })).collect();
        user.put(&format!("item/?project={}", items.project), json!({ "items": rows })).await.expect(202);
        let mut connection = app.services.db.conn().await.expect("a connection");
        for _ in 0..3 {
            let job = MergeItemChanges { project_id: items.project };
            enqueue(&mut connection, &job, EnqueueOptions::default()).await.expect("it is added");
        }
        if round == 0 {
            app.work();
        }
    }
    app.idle().await;
    assert_eq!(waiting(&app).await, 0);
    assert_eq!(items.only().await["report"]["items"], 150);
    assert_eq!(items.row("2-49").await, json!({ "item_id": "2-49", "values": { "n": 49 }, "is_pending": false }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_row_is_refused_in_words() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    let path = items.path("a");
    user.put("item/a/", json!({})).await.fault("project");
    user.put("item/a/?project=x", json!({})).await.fault("project");
    app.user("eve").await.put(&path, json!({})).await.expect(404);
    app.user("eve2").await.get(&path).await.expect(404);
    for (scope, put, get) in [("read", 403, 404), ("write", 202, 403), ("predict", 403, 403)] {
        let caller = key(&user, items.project, scope).await;
        caller.get("item/z/").await.expect(get);
        caller.put("item/z/", json!({})).await.expect(put);
    }
    user.put(&path, json!({ "item": "b" })).await.fault("item");
    user.put(&path, json!({ "title": { "en": "A" } })).await.fault("title");
    user.put(&path, json!({ "title": "x".repeat(70_000) })).await.fault("non_field_errors");
    user.put(&items.path(&"x".repeat(1_001)), json!({})).await.fault("item_id");
    user.get(&items.path("%20")).await.fault("item_id");
    let batch = format!("item/?project={}", items.project);
    let rows = |rows: Vec<Value>| json!({ "items": rows });
    user.put(&batch, json!({})).await.fault("items");
    user.put(&batch, rows(vec![json!({}); 1_001])).await.fault("items");
    let good = json!({ "item_id": "good", "values": { "n": 1 } });
    let faults = user.put(&batch, rows(vec![good, json!({ "item_id": "bad" })])).await.expect(400).body;
    assert_eq!(faults["items"][0], json!({}));
    assert!(faults["items"][1]["values"].is_array(), "{faults}");
    user.get(&items.path("good")).await.expect(404);

    // All columns together.
    let columns: Vec<String> = (0..999).map(|column| format!("c{column}")).collect();
    let file = format!("item,{}\na{}\n", columns.join(","), ",1".repeat(999));
    user.upload_items(items.project, "wide.csv", file).await.expect(201);
    items.put("a", json!({ "c0": 1, "one more": 1 })).await;
    let refused = user.put(&path, json!({ "one more": 1, "too many": 1 })).await;
    assert!(refused.fault("non_field_errors").contains("there would be 1001"), "{}", refused.body);
    let wide: Map<String, Value> = (0..1_001).map(|column| (format!("w{column}"), json!(1))).collect();
    user.put(&path, Value::Object(wide)).await.fault("non_field_errors");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_wait_count_too() {
    let app = TestApp::start_with(Jobs::Stay, |_| {}).await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    let row = |batch: usize, columns: usize| -> Value {
        (0..columns).map(|column| (format!("b{batch}c{column}"), json!(1))).collect::<Map<_, _>>().into()
    };
    items.put("a", row(0, 400)).await;
    items.put("b", row(1, 400)).await;
    let refused = user.put(&items.path("c"), row(2, 201)).await;
    assert!(refused.fault("non_field_errors").contains("there would be 1001"), "{}", refused.body);
    user.get(&items.path("c")).await.expect(404);
    items.put("c", row(2, 200)).await;
    // A row that is replaced or removed needs its columns no longer.
    items.put("a", json!({})).await;
    items.put("d", row(3, 400)).await;
    user.put(&items.path("e"), row(4, 1)).await.fault("non_field_errors");
    user.delete(&items.path("d")).await.expect(202);
    items.put("e", row(4, 400)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_no_text_names_no_item() {
    let app = TestApp::start_with(Jobs::Stay, |_| {}).await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    for wrong in ["%FF", "a%C3", "%c3%28", "%ED%A0%80"] {
        let refused = user.put(&items.path(wrong), json!({ "n": 1 })).await.expect(400);
        assert_eq!(refused.body["detail"], "The address is not valid UTF-8. Encode each character as UTF-8, then as %XX.");
    }
    assert_eq!(waiting(&app).await, 0);
    items.put("%C3%84%25", json!({ "n": 1 })).await;
    assert_eq!(items.row("%C3%84%25").await["item_id"], "Ä%");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_limited_and_counts_among_the_stored_bytes() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.max_stored_bytes_per_organisation = 1_000).await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    items.put("a", json!({ "title": "x".repeat(600) })).await;
    let refused = user.put(&items.path("b"), json!({ "title": "x".repeat(600) })).await.expect(507);
    assert_eq!(refused.body["code"], "too_many_stored_bytes");
    user.get(&items.path("b")).await.expect(404);
    // In place of the former row.
    items.put("a", json!({ "title": "y".repeat(700) })).await;
    user.delete(&items.path("a")).await.expect(202);
    items.put("b", json!({ "title": "x".repeat(600) })).await;

    app.execute(&format!(
        "INSERT INTO item_changes (project_id, item_id, bytes)
         SELECT {}, 'i' || number, 0 FROM generate_series(1, 99998) AS number",
        items.project
    ))
    .await;
    let refused = user.put(&items.path("c"), json!({})).await.expect(429);
    assert_eq!(refused.body["code"], "too_many_item_changes");
    assert!(refused.body["detail"].as_str().is_some_and(|text| text.contains("100000") && text.contains("upload a whole file")));
    assert!(!refused.header("retry-after").is_empty());
    // One that waits can still be replaced.
    items.put("b", json!({ "title": "z" })).await;
}

/// Returns a row with a value in each of these columns.
fn wide(name: &str, columns: usize) -> Value {
    (0..columns).map(|column| (format!("{name}{column}"), json!(1))).collect::<Map<_, _>>().into()
}

/// More bytes than are prepared within a request.
const LARGE: usize = 4_500_000;

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_an_upload_in_preparation_count_too() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    user.upload_items(items.project, "a.csv", "item,title\na,A\n").await.expect(201);
    let columns: Vec<String> = (0..900).map(|column| format!("c{column}")).collect();
    let row = |item: usize| format!("i{item},{}{}\n", "x".repeat(1_000), ",".repeat(899));
    let large: String = std::iter::once(format!("item,{}\n", columns.join(","))).chain((0..LARGE / 1_000).map(row)).collect();
    let large = user.upload_items(items.project, "large.csv", large).await.expect(201);
    assert_eq!(large.body["status"], "preparing");

    let refused = user.put(&items.path("z"), wide("other", 900)).await;
    assert!(refused.fault("non_field_errors").contains("there would be 1800"), "{}", refused.body);
    user.get(&items.path("z")).await.expect(404);
    items.put("z", wide("other", 100)).await;
    // The metadata in use has the column.
    let refused = user.put(&items.path("a"), json!({ "title": "B" })).await;
    assert!(refused.fault("non_field_errors").contains("there would be 1001"), "{}", refused.body);
    items.put("a", json!({ "c0": 1 })).await;
    app.work();
    app.idle().await;
    assert_eq!(items.row("z").await, json!({ "item_id": "z", "values": wide("other", 100), "is_pending": false }));
    assert_eq!(items.row("a").await["is_pending"], false);
    let ready = user.get(&format!("item_meta_data/{}/", large.id())).await.expect(200).body;
    assert_eq!(ready["valid_columns_list_json"].as_array().map(Vec::len), Some(1_000));
    assert!(!ready["report"]["notes"].to_string().contains("columns_full"), "{}", ready["report"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_room_in_an_upload_waits_and_says_so() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    // Records of JSON lines can have columns that the first does not show.
    let mut second = wide("c", 900);
    second["item"] = json!("second");
    let others = (0..LARGE / 1_000).map(|item| json!({ "item": format!("i{item}"), "c0": "x".repeat(1_000) }));
    let lines = [json!({ "item": "first", "c0": 1 }), second].into_iter().chain(others).map(|line| format!("{line}\n"));
    let large = user.upload_items(items.project, "large.jsonl", lines.collect::<String>()).await.expect(201);
    assert_eq!(large.body["status"], "preparing");
    items.put("first", wide("other", 900)).await;
    items.put("z", json!({ "c1": 2, "new": 3 })).await;
    app.work();
    app.idle().await;

    let waits = items.row("first").await;
    assert_eq!((&waits["values"], &waits["is_pending"]), (&wide("other", 900), &json!(true)));
    assert!(waits["problem"].as_str().is_some_and(|problem| problem.contains("there would be 1801")), "{waits}");
    assert_eq!(items.row("z").await, json!({ "item_id": "z", "values": { "c1": 2, "new": 3 }, "is_pending": false }));
    let path = format!("item_meta_data/{}/", large.id());
    let report = user.get(&path).await.expect(200).body["report"].clone();
    let full = json!({ "column": null, "kind": "columns_full", "count": 900, "examples": ["other0", "other1", "other2"], "guess": null });
    assert!(report["notes"].as_array().is_some_and(|notes| notes.contains(&full)), "{report}");

    items.put("first", json!({ "c0": 9 })).await;
    app.idle().await;
    assert_eq!(items.row("first").await, json!({ "item_id": "first", "values": { "c0": 9 }, "is_pending": false }));
    let report = user.get(&path).await.expect(200).body["report"].clone();
    assert!(!report["notes"].to_string().contains("columns_full"), "{report}");
    assert_eq!(waiting(&app).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_rows_names_their_items_after_the_item_column_has_changed() {
    let app = TestApp::start_with_worker().await;
    let user = app.user("ada").await;
    let items = Items { caller: &user, project: project_of(&user).await };
    let file = async || {
        app.idle().await;
        let path = format!("item_meta_data/{}/download_file/", items.only().await["id"]);
        String::from_utf8(user.get(&path).await.expect(200).bytes).expect("a text")
    };
    items.put("a", json!({ "sku": "X", "title": "A" })).await;
    assert_eq!(file().await, "{\"item\":\"a\",\"sku\":\"X\",\"title\":\"A\"}\n");
    let project = format!("project/{}/", items.project);
    user.patch(&project, json!({ "item_column": "sku" })).await.expect(200);
    items.put("b", json!({ "title": "B", "item": "left" })).await;
    let lines = file().await;
    assert_eq!(lines, "{\"sku\":\"a\",\"sku_2\":\"X\",\"title\":\"A\"}\n{\"sku\":\"b\",\"title\":\"B\",\"item\":\"left\"}\n");
    assert_eq!(items.row("a").await["values"], json!({ "sku": "X", "title": "A" }));
    user.upload_items(items.project, "again.jsonl", lines).await.expect(201);
    assert_eq!(items.row("a").await["values"], json!({ "sku_2": "X", "title": "A" }));
    assert_eq!(items.row("b").await["values"], json!({ "title": "B", "item": "left" }));
    user.get(&items.path("X")).await.expect(404);
}
