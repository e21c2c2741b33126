//! Deliveries to tables of other servers.

use serde_json::{Value, json};

use crate::support::Jobs;
use crate::support::prepared::{Prepared, prepare};
use crate::support::shop::Shop;

/// A shop, and a project of another organisation with a model whose connection may create tables there.
struct Delivered {
    shop: Shop,
    prepared: Prepared,
    model: i64,
    connection: i64,
}

impl Delivered {
    async fn start() -> Self {
        let shop = Shop::start_with(Jobs::Run, |_| {}).await;
        let prepared = prepare(shop.app.user("ann").await, "P", "IALS").await;
        let model = prepared.train().await["id"].as_i64().unwrap();
        let theirs = shop.owner.get(&format!("data_connection/{}/", shop.connection)).await.expect(200).body;
        let project = prepared.user.get(&format!("project/{}/", prepared.project)).await.expect(200).body;
        let connection = json!({ "organisation": project["organisation"], "name": "shop", "kind": "postgresql",
            "settings": theirs["settings"], "secret": "the password of the shop" });
        let connection = prepared.user.post("data_connection/", connection).await.expect(201).id();
        shop.app.execute(&format!("GRANT CREATE ON SCHEMA shop TO {}", shop.role)).await;
        Self { shop, prepared, model, connection }
    }

    fn fields(&self, table: &str) -> Value {
        json!({ "project": self.prepared.project, "name": table, "model": self.model, "cutoff": 3,
            "connection": self.connection, "target": { "table": table } })
    }

    async fn destination(&self, table: &str) -> i64 {
        self.prepared.user.post("destination/", self.fields(table)).await.expect(201).id()
    }

    /// Runs a destination until the delivery has ended.
    async fn run(&self, destination: i64) -> Value {
        let id = self.prepared.user.post(&format!("destination/{destination}/run/"), json!({})).await.expect(201).id();
        let ended = |delivery: &Value| !matches!(delivery["state"].as_str(), Some("queued" | "running"));
        self.prepared.user.wait_for(&format!("delivery/{id}/"), ended).await
    }

    async fn rows(&self) -> Vec<String> {
        self.shop.app.texts("SELECT concat_ws('|', user_id, rank, item_id) AS text FROM shop.lists ORDER BY user_id, rank").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_replace_the_rows_of_a_table_and_others_keep_their_rights() {
    let delivered = Delivered::start().await;
    let destination = delivered.destination("shop.lists").await;
    let first = delivered.run(destination).await;
    assert_eq!(first["state"], "succeeded", "{first}");
    assert_eq!((&first["target"], &first["has_file"]), (&json!({ "table": "shop.lists" }), &json!(false)));
    assert_eq!((&first["stage"], &first["progress"]), (&json!("sending"), &json!(1.0)));
    let rows = delivered.rows().await;
    assert_eq!(Some(rows.len() as u64), first["rows"].as_u64());
    let address = format!("trained_model/{}/recommendation/?user_id=007&cutoff=3", delivered.model);
    let single = delivered.prepared.user.get(&address).await.expect(200).body;
    let single: Vec<String> = (1..)
        .zip(single.as_array().unwrap())
        .map(|(rank, item)| format!("007|{rank}|{}", item["item_id"].as_str().unwrap()))
        .collect();
    assert_eq!(rows.iter().filter(|row| row.starts_with("007|")).cloned().collect::<Vec<_>>(), single);

    let app = &delivered.shop.app;
    app.execute("CREATE ROLE page_of_lists; GRANT SELECT ON shop.lists TO page_of_lists").await;
    app.execute("DELETE FROM shop.lists; INSERT INTO shop.lists VALUES ('old', 1, 'old', 0)").await;
    let second = delivered.run(destination).await;
    assert_eq!(second["state"], "succeeded", "{second}");
    assert_eq!(delivered.rows().await, rows);
    let may_read = "SELECT has_table_privilege('page_of_lists', 'shop.lists', 'SELECT')::text AS text";
    assert_eq!(app.texts(may_read).await, ["true"]);
    let said = app.texts("SELECT obj_description('shop.lists'::regclass) AS text").await;
    assert!(said[0].starts_with(&format!("Recotem: lists of model {}, delivered ", delivered.model)), "{said:?}");
    let indexes = app.count("SELECT count(*) FROM pg_indexes WHERE schemaname = 'shop' AND tablename = 'lists'").await;
    let tables = app.count("SELECT count(*) FROM pg_tables WHERE schemaname = 'shop' AND tablename LIKE 'lists%'").await;
    assert_eq!((indexes, tables), (1, 1));
    let refused = delivered.prepared.user.delete(&format!("data_connection/{}/", delivered.connection)).await.expect(409);
    assert!(refused.body.to_string().contains("Destinations use this connection"), "{}", refused.body);
    app.execute("DROP OWNED BY page_of_lists; DROP ROLE page_of_lists").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_table_of_lists_or_may_not_be_written_stays_as_it_is() {
    let delivered = Delivered::start().await;
    let app = &delivered.shop.app;
    let orders = delivered.run(delivered.destination("shop.orders").await).await;
    assert_eq!(orders["state"], "failed");
    assert!(
        orders["error"].as_str().unwrap().contains("is not a table with the columns user_id, rank, item_id, score"),
        "{orders}"
    );

    app.execute("CREATE TABLE shop.lists (user_id text, rank integer, item_id text, score real)").await;
    app.execute("INSERT INTO shop.lists VALUES ('kept', 1, 'kept', 0)").await;
    let destination = delivered.destination("shop.lists").await;
    let foreign = delivered.run(destination).await;
    assert!(foreign["error"].as_str().unwrap().contains("has to own a table that is replaced"), "{foreign}");
    app.execute(&format!("ALTER TABLE shop.lists OWNER TO {0}; REVOKE CREATE ON SCHEMA shop FROM {0}", delivered.shop.role))
        .await;
    let no_rights = delivered.run(destination).await;
    assert!(no_rights["error"].as_str().unwrap().contains("needs USAGE and CREATE on the schema"), "{no_rights}");
    app.execute(&format!(
        "GRANT CREATE ON SCHEMA shop TO {}; CREATE VIEW shop.seen AS SELECT * FROM shop.lists",
        delivered.shop.role
    ))
    .await;
    let seen = delivered.run(destination).await;
    assert!(seen["error"].as_str().unwrap().contains("Drop what depends on it"), "{seen}");
    assert_eq!(delivered.rows().await, ["kept|1|kept"]);
    let missing = delivered.run(delivered.destination("nowhere.lists").await).await;
    assert!(missing["error"].as_str().unwrap().contains("does not exist"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_gets_its_rows_later() {
    let delivered = Delivered::start().await;
    let destination = delivered.destination("shop.lists").await;
    delivered.shop.open(false);
    let run = format!("destination/{destination}/run/");
    let id = delivered.prepared.user.post(&run, json!({})).await.expect(201).id();
    let path = format!("delivery/{id}/");
    delivered.prepared.user.wait_for(&path, |delivery| delivery["stage"] == "sending").await;
    delivered.shop.open(true);
    let pauses = crate::support::waiting::pauses(std::time::Duration::from_secs(60));
    for pause in pauses {
        delivered.shop.app.wake().await;
        if delivered.prepared.user.get(&path).await.expect(200).body["state"] == "succeeded" {
            break;
        }
        tokio::time::sleep(pause).await;
    }
    assert!(!delivered.rows().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_needs_a_connection_of_the_same_organisation() {
    let delivered = Delivered::start().await;
    let user = &delivered.prepared.user;
    let wrong = [
        (json!({ "target": null }), "target"),
        (json!({ "connection": null }), "target"),
        (json!({ "target": { "table": "lists" } }), "target"),
        (json!({ "target": { "table": "a.b", "more": 1 } }), "target"),
        (json!({ "connection": delivered.shop.connection }), "connection"),
    ];
    for (fields, field) in wrong {
        let mut body = delivered.fields("shop.lists");
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        user.post("destination/", body).await.expect(400).fault(field);
    }
    let download = json!({ "project": delivered.prepared.project, "name": "file", "model": delivered.model });
    let created = user.post("destination/", download).await.expect(201);
    assert_eq!((&created.body["connection"], &created.body["target"]), (&Value::Null, &Value::Null));
    let path = format!("destination/{}/", created.id());
    let sent = json!({ "connection": delivered.connection, "target": { "table": "shop.lists" } });
    let changed = user.patch(&path, sent).await.expect(200).body;
    assert_eq!(changed["target"], json!({ "table": "shop.lists" }));
}
