//! Items and users of a project, listed and searched.

use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

async fn project_of(caller: &Caller) -> i64 {
    caller.post("project/", json!({ "name": "P", "user_column": "user", "item_column": "item" })).await.expect(201).id()
}

/// Returns what a list has: ids with interactions.
fn counted(list: &Value, id: &str) -> Vec<(String, u64)> {
    let of = |row: &Value| (row[id].as_str().unwrap().to_owned(), row["interactions"].as_u64().unwrap());
    list["results"].as_array().unwrap().iter().map(of).collect()
}

/// A caller's lists of one project.
struct Lists<'a> {
    caller: &'a Caller,
    project: i64,
}

impl Lists<'_> {
    async fn get(&self, list: &str, query: &str) -> Value {
        self.caller.get(&format!("project/{}/{list}/?{query}", self.project)).await.expect(200).body
    }

    async fn items(&self, query: &str) -> Vec<(String, u64)> {
        counted(&self.get("items", query).await, "item_id")
    }

    async fn users(&self, query: &str) -> Vec<(String, u64)> {
        counted(&self.get("users", query).await, "user_id")
    }

    async fn ids(&self, query: &str) -> Vec<String> {
        self.items(query).await.into_iter().map(|(id, _)| id).collect()
    }
}

fn rows(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    pairs.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect()
}

const INTERACTIONS: &str = "user,item\nu1,1\nu1,001\nu2,1\nu1,1\n10,1\n10,10\n";
const ITEMS: &str = "item,Title,価格,画像URL\n1,Toy Story,5,https://pictures.example/1.png\n\
    001,ﾀﾜｰ %,6,javascript:alert(1)\n7,Ｎｅｗ_one,7,\n";

#[tokio::test(flavor = "multi_thread")]
async fn items_and_users_are_listed_by_interactions_and_found_by_id_and_title() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let project = project_of(&ann).await;
    let lists = Lists { caller: &ann, project };
    let empty = json!({
        "count": 0, "next": null, "previous": null, "results": [], "title_column": null, "image_column": null,
    });
    assert_eq!(lists.get("items", "").await, empty);
    assert!(lists.users("q=1").await.is_empty());

    ann.upload(project, "a.csv", INTERACTIONS).await.expect(201);
    assert_eq!(lists.users("").await, rows(&[("u1", 3), ("10", 2), ("u2", 1)]));
    assert_eq!(lists.users("q=1").await, rows(&[("10", 2)]));
    assert_eq!(lists.users("q=U").await, rows(&[("u1", 3), ("u2", 1)]));
    assert_eq!(lists.items("").await, rows(&[("1", 4), ("001", 1), ("10", 1)]));
    let bare = json!({ "item_id": "1", "title": null, "image_url": null, "interactions": 4 });
    assert_eq!(lists.get("items", "").await["results"][0], bare);

    ann.upload_items(project, "i.csv", ITEMS).await.expect(201);
    assert_eq!(lists.items("").await, rows(&[("1", 4), ("001", 1), ("10", 1), ("7", 0)]));
    let all = lists.get("items", "").await;
    let shown = |at: usize| [all["results"][at]["title"].clone(), all["results"][at]["image_url"].clone()];
    assert_eq!(shown(0), [json!("Toy Story"), json!("https://pictures.example/1.png")]);
    assert_eq!(shown(1), [json!("ﾀﾜｰ %"), Value::Null], "no script as an address");
    assert_eq!((shown(2), shown(3)), ([Value::Null, Value::Null], [json!("Ｎｅｗ_one"), Value::Null]));

    assert_eq!(lists.ids("q=1").await, ["1", "10"], "the id itself first, and 001 is another");
    assert_eq!(lists.ids("q=10").await, ["10"]);
    assert_eq!(lists.ids("q=00").await, ["001"]);
    assert_eq!(lists.ids("q=sTORY").await, ["1"]);
    assert_eq!(lists.ids("q=タワー").await, ["001"]);
    assert_eq!(lists.ids("q=new").await, ["7"]);
    assert_eq!((lists.ids("q=%25").await, lists.ids("q=_").await), (vec!["001".to_owned()], vec!["7".to_owned()]));
    assert!(lists.ids("q=toy%25").await.is_empty() && lists.ids("q=nothing").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_pages_and_a_query_a_limit() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let project = project_of(&ann).await;
    let lists = Lists { caller: &ann, project };
    let rows: String = (0..120).map(|at| format!("u{at:03},i{at:03}\n")).collect();
    ann.upload(project, "a.csv", format!("user,item\n{rows}")).await.expect(201);
    let page = lists.get("items", "q=i0&page_size=30&page=2").await;
    assert_eq!(page["count"], 100);
    assert_eq!(page["results"][0]["item_id"], "i030");
    let next = page["next"].as_str().unwrap();
    assert!(next.ends_with("/items/?page=3&page_size=30&q=i0"), "{next}");
    assert_eq!(lists.users("page_size=1000").await.len(), 100);
    assert_eq!(lists.users("page=last&page_size=100").await.len(), 20);
    let of = |rest: &str| format!("project/{project}/{rest}");
    ann.get(&of("users/?page=7")).await.expect(404);

    assert!(lists.ids(&format!("q={}", "é".repeat(200))).await.is_empty());
    for list in ["items", "users"] {
        for length in [201, 10_000] {
            let refused = ann.get(&of(&format!("{list}/?q={}", "x".repeat(length)))).await.expect(400);
            assert_eq!(refused.fault("q"), "Look for at most 200 characters.");
        }
        ann.get(&of(&format!("{list}/?q=%00"))).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_file_counts_and_what_is_withdrawn_is_listed_no_more() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let project = project_of(&ann).await;
    let lists = Lists { caller: &ann, project };
    let first = ann.upload(project, "a.csv", "user,item\nu,a\n").await.expect(201).id();
    let long = "x".repeat(1_000_000);
    let second = ann.upload(project, "b.csv", format!("user,item\nu,b\nu,{long}\n{long},b\n")).await.expect(201).id();
    assert_eq!(lists.items("").await, rows(&[("b", 2)]), "an id of a megabyte is left out");
    assert_eq!(lists.users("").await, rows(&[("u", 2)]));
    ann.delete(&format!("training_data/{second}/")).await.expect(204);
    assert_eq!(lists.items("").await, rows(&[("a", 1)]));

    let titled = async |query: &str| lists.get("items", query).await["results"][0]["title"].clone();
    let older = ann.upload_items(project, "i.csv", "item,name\na,Old name\nz,Only here\n").await.expect(201).id();
    let newer = ann.upload_items(project, "i.csv", "item,name\na,New name\n").await.expect(201).id();
    assert_eq!((titled("").await, lists.ids("").await), (json!("New name"), vec!["a".to_owned()]));
    ann.delete(&format!("item_meta_data/{newer}/unlink_file/")).await.expect(200);
    assert_eq!((titled("q=old").await, lists.ids("q=only").await), (json!("Old name"), vec!["z".to_owned()]));
    ann.delete(&format!("item_meta_data/{older}/")).await.expect(204);
    assert_eq!((titled("").await, lists.ids("q=only").await), (Value::Null, vec![]));
    ann.delete(&format!("training_data/{first}/unlink_file/")).await.expect(200);
    assert!(lists.items("").await.is_empty() && lists.users("").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn single_rows_are_listed_once_they_are_merged_and_a_feature_set_names_the_title() {
    let app = TestApp::start_with_worker().await;
    let ann = app.user("ann").await;
    let project = project_of(&ann).await;
    let lists = Lists { caller: &ann, project };
    let merged = async |query: &str| {
        app.wake().await;
        lists.get("items", query).await["results"].clone()
    };
    ann.upload(project, "a.csv", INTERACTIONS).await.expect(201);
    ann.put(&format!("item/new/?project={project}"), json!({ "blurb": "A brass lamp", "kind": "lamp" })).await.expect(202);
    app.soon("the new item is listed", async || merged("q=new").await[0]["item_id"] == "new").await;
    assert_eq!(lists.get("items", "q=new").await["results"][0]["title"], Value::Null);

    let set =
        json!({ "project": project, "name": "S", "spec": { "version": 1, "fields": [{ "column": "blurb", "kind": "text" }] } });
    ann.post("feature_sets/", set).await.expect(201);
    assert_eq!(lists.get("items", "q=BRASS").await["results"][0]["title"], "A brass lamp");
    ann.put(&format!("item/new/?project={project}"), json!({ "blurb": "A tin lamp", "title": "Lamp" })).await.expect(202);
    app.soon("the title has changed", async || merged("q=new").await[0]["title"] == "Lamp").await;
    assert!(lists.ids("q=brass").await.is_empty());
    ann.delete(&format!("item/new/?project={project}")).await.expect(202);
    app.soon("the item is listed no more", async || merged("q=new").await == json!([])).await;
    assert_eq!(lists.ids("").await, ["1", "001", "10"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tenants_get_404_and_keys_their_own_project() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let (project, other) = (project_of(&ann).await, project_of(&bob).await);
    ann.upload(project, "a.csv", INTERACTIONS).await.expect(201);
    let body = json!({ "project": project, "name": "k", "scopes": ["read"] });
    let key = ann.post("api_keys/", body).await.expect(201).body["key"].as_str().unwrap().to_owned();
    let program = app.anonymous().with_key(&key);
    for list in ["items", "users"] {
        bob.get(&format!("project/{project}/{list}/")).await.expect(404);
        ann.get(&format!("project/{project}0/{list}/")).await.expect(404);
        app.anonymous().get(&format!("project/{project}/{list}/")).await.expect(401);
        assert_eq!(
            program.get(&format!("project/{project}/{list}/?q=1")).await.expect(200).body["count"].as_i64(),
            Some(if list == "items" { 2 } else { 1 })
        );
        program.get(&format!("project/{other}/{list}/")).await.expect(404);
    }
}
