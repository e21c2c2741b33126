//! From new rows to delivered lists, told as pipeline runs.

use chrono::TimeDelta;
use recotem::features::data_sources::fire_due;
use recotem::features::destinations::FollowRetraining;
use recotem::platform::queue::{self, EnqueueOptions};
use serde_json::{Value, json};

use crate::support::shop::Shop;
use crate::support::tastes::halves;

/// Waits until everything has happened that follows from what was started, and returns the newest of `count` pipeline runs.
async fn over(shop: &Shop, count: usize) -> Value {
    shop.app.idle().await;
    shop.app.tell().await;
    shop.app.idle().await;
    let runs = runs(shop).await;
    assert_eq!(runs.len(), count, "{runs:?}");
    runs[0].clone()
}

async fn runs(shop: &Shop) -> Vec<Value> {
    let body = shop.owner.get(&format!("pipeline_run/?project={}", shop.project)).await.expect(200).body;
    body["results"].as_array().expect("runs").clone()
}

/// Returns the stages of a run with their states.
fn stages(run: &Value) -> Vec<(&str, &str)> {
    let stages = run["stages"].as_array().expect("stages");
    stages.iter().map(|stage| (stage["name"].as_str().expect("a name"), stage["state"].as_str().expect("a state"))).collect()
}

/// Creates a schedule that trains on all data and deploys, behind the gate.
async fn schedule(shop: &Shop) -> i64 {
    let configuration = json!({ "project": shop.project, "name": "c", "recommender_class_name": "CosineKNNRecommender",
        "parameters_json": {} });
    let configuration = shop.owner.post("model_configuration/", configuration).await.expect(201).id();
    let schedule = json!({ "project": shop.project, "is_enabled": true, "data_source": "all", "auto_deploy": true,
        "model_configuration": configuration, "gate_tolerance": 0.9, "split_config": halves(&shop.owner).await });
    shop.owner.post("retraining_schedule/", schedule).await.expect(201).id()
}

/// Returns customers and items of eighty orders: of twenty customers, four of each.
fn many_orders() -> Vec<[String; 2]> {
    (0..80).map(|n| [format!("customer {}", n / 4), format!("item {}", (n / 4 + n % 4) % 8)]).collect()
}

async fn add_many_orders(shop: &Shop) {
    let names = many_orders();
    let orders: Vec<(&str, &str)> = names.iter().map(|[customer, item]| (customer.as_str(), item.as_str())).collect();
    shop.orders(0, &orders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_is_one_run_from_the_rows_to_the_lists_and_a_broken_night_is_held() {
    let shop = Shop::start().await;
    let schedule = schedule(&shop).await;
    let source = json!({ "cron_expression": "0 3 * * *", "then": "retrain", "retraining_schedule": schedule,
        "guards": { "min_rows": 2 } });
    shop.source(source).await;

    add_many_orders(&shop).await;
    shop.advance(TimeDelta::days(1)).await;
    assert_eq!(fire_due(&shop.app.services).await.unwrap(), 1);
    let first = over(&shop, 1).await;
    assert_eq!(
        stages(&first),
        [("pull", "succeeded"), ("prepare", "succeeded"), ("train", "succeeded"), ("deploy", "succeeded")],
        "{first}"
    );
    assert_eq!((&first["state"], &first["cause"]), (&json!("succeeded"), &json!("schedule")), "{first}");
    assert_eq!((&first["stages"][0]["rows"], &first["stages"][2]["rows"]), (&json!(80), &json!(80)), "{first}");
    assert_eq!(first["source_runs"][0]["name"], "Orders");

    let destination = json!({ "project": shop.project, "name": "Mail", "slot": first["deployed_slot"], "cutoff": 2,
        "format": "csv", "after_retraining": true });
    shop.owner.post("destination/", destination).await.expect(201);
    shop.orders(0, &[("ida", "lamp"), ("ida", "chair")]).await;
    shop.advance(TimeDelta::days(1)).await;
    assert_eq!(fire_due(&shop.app.services).await.unwrap(), 1);
    let second = over(&shop, 2).await;
    let names: Vec<&str> = stages(&second).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["pull", "prepare", "train", "gate", "deploy", "deliver"], "{second}");
    assert_eq!((&second["state"], &second["deliveries"][0]["name"]), (&json!("succeeded"), &json!("Mail")), "{second}");
    let delivery = shop.owner.get(&format!("delivery/{}/", second["deliveries"][0]["id"])).await.expect(200).body;
    assert_eq!((&delivery["cause"], &delivery["retraining_run"]), (&json!("retraining"), &second["retraining_run"]));
    assert_eq!((&delivery["model"], &delivery["lists"]), (&second["trained_model"], &json!(21)), "{delivery}");

    // A job may run twice, and another round of the same retraining starts nothing.
    let again = FollowRetraining { project_id: shop.project, retraining_run_id: second["retraining_run"].as_i64().unwrap() };
    let mut connection = shop.app.services.db.conn().await.unwrap();
    queue::enqueue(&mut connection, &again, EnqueueOptions::default()).await.unwrap();
    drop(connection);
    shop.app.idle().await;
    assert_eq!(shop.app.count("SELECT count(*) FROM deliveries").await, 1);

    // One row is fewer than the source accepts.
    shop.orders(0, &[("ida", "desk")]).await;
    shop.advance(TimeDelta::days(1)).await;
    assert_eq!(fire_due(&shop.app.services).await.unwrap(), 1);
    let broken = over(&shop, 3).await;
    assert_eq!((&broken["state"], stages(&broken)), (&json!("held"), vec![("pull", "succeeded"), ("prepare", "held")]));
    let message = broken["stages"][1]["message"].as_str().unwrap();
    assert!(message.contains("min_rows"), "{message}");
    assert_eq!((&broken["retraining_run"], &broken["trained_model"]), (&Value::Null, &Value::Null));
    let slot = shop.owner.get(&format!("deployment_slot/{}/", second["deployed_slot"])).await.expect(200).body;
    assert_eq!(slot["trained_model"], second["trained_model"], "what was deployed before still serves");

    // A user accepts it: the same run goes on to the lists.
    let held = &broken["source_runs"][0]["id"];
    shop.owner.post(&format!("source_run/{held}/accept/"), json!({})).await.expect(200);
    let accepted = over(&shop, 3).await;
    assert_eq!((&accepted["state"], &accepted["source_runs"][0]["id"]), (&json!("succeeded"), held), "{accepted}");
    assert_eq!(stages(&accepted).last(), Some(&("deliver", "succeeded")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_where_it_has_nothing_to_do_or_fails_and_says_why() {
    let shop = Shop::start().await;
    let schedule = schedule(&shop).await;
    let source = shop.source(json!({ "then": "retrain", "retraining_schedule": schedule })).await;
    shop.run(source).await;
    let nothing = over(&shop, 1).await;
    assert_eq!((&nothing["state"], stages(&nothing)), (&json!("skipped"), vec![("pull", "skipped")]), "{nothing}");

    add_many_orders(&shop).await;
    shop.advance(TimeDelta::hours(1)).await;
    shop.open(false);
    shop.run(source).await;
    let failed = over(&shop, 2).await;
    assert_eq!((&failed["state"], stages(&failed)), (&json!("failed"), vec![("pull", "failed")]), "{failed}");
    assert!(failed["stages"][0]["message"].as_str().is_some_and(|text| !text.is_empty()), "{failed}");
    assert!(failed["finished_at"].is_string(), "{failed}");

    // Retraining by hand has no source before it, and a destination whose model is gone says so.
    shop.open(true);
    let retried = &failed["source_runs"][0]["id"];
    shop.owner.post(&format!("source_run/{retried}/retry/"), json!({})).await.expect(200);
    let retried = over(&shop, 2).await;
    assert_eq!((&retried["state"], stages(&retried).last()), (&json!("succeeded"), Some(&("deploy", "succeeded"))), "{retried}");
    let destination =
        json!({ "project": shop.project, "name": "Mail", "model": retried["trained_model"], "after_retraining": true });
    let destination = shop.owner.post("destination/", destination).await.expect(201).id();
    shop.app.execute(&format!("UPDATE destinations SET model_id = NULL WHERE id = {destination}")).await;
    shop.owner.post(&format!("retraining_schedule/{schedule}/trigger/"), json!({})).await.expect(202);
    let by_hand = over(&shop, 3).await;
    assert_eq!((&by_hand["cause"], &by_hand["source_runs"]), (&json!("manual"), &json!([])), "{by_hand}");
    assert_eq!((&by_hand["state"], stages(&by_hand).last()), (&json!("failed"), Some(&("deliver", "failed"))), "{by_hand}");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_paged_newest_first_and_only_seen_by_members() {
    let shop = Shop::start().await;
    let source = shop.source(json!({})).await;
    for _ in 0..3 {
        shop.run(source).await;
        shop.advance(TimeDelta::hours(1)).await;
    }
    let page = shop.owner.get("pipeline_run/?page_size=2").await.expect(200).body;
    assert_eq!((&page["count"], page["results"].as_array().map(Vec::len)), (&json!(3), Some(2)));
    let last = shop.owner.get("pipeline_run/?page_size=2&page=2").await.expect(200).body;
    assert!(last["results"][0]["started_at"].as_str() < page["results"][1]["started_at"].as_str(), "{page} {last}");
    let stranger = shop.app.user("stranger").await;
    assert_eq!(stranger.get("pipeline_run/").await.expect(200).body["count"], 0);
}

/// A MariaDB that `scripts/check-sources` has started: its port, and the socket on which `root` needs no password.
struct Mariadb {
    port: u16,
    socket: String,
}

impl Mariadb {
    fn started() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run make test-sources"));
        Self {
            port: variable("RECOTEM_TEST_MARIADB_PORT").parse().expect("a port"),
            socket: variable("RECOTEM_TEST_MARIADB_SOCKET"),
        }
    }

    fn execute(&self, sql: &str) {
        let client = std::process::Command::new("mariadb")
            .args(["--no-defaults", "-u", "root", "--socket", &self.socket, "shop", "-e", sql])
            .output()
            .expect("the client of MariaDB");
        assert!(client.status.success(), "{}", String::from_utf8_lossy(&client.stderr));
    }

    fn orders(&self, orders: &[[String; 2]]) {
        let rows: Vec<String> = orders.iter().map(|[customer, item]| format!("('{customer}', '{item}')")).collect();
        self.execute(&format!("INSERT INTO night_orders (customer, sku) VALUES {}", rows.join(", ")));
    }

    /// Creates the connection and the source, which is read at three each night.
    async fn source(&self, shop: &Shop, schedule: i64) -> i64 {
        self.execute(
            "CREATE OR REPLACE TABLE night_orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer VARCHAR(50), sku VARCHAR(50),
                 written TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), INDEX (written));
             GRANT SELECT ON shop.night_orders TO reader@'127.0.0.1', reader@localhost",
        );
        let project = shop.owner.get(&format!("project/{}/", shop.project)).await.expect(200).body;
        let settings = json!({ "host": "127.0.0.1", "port": self.port, "database": "shop", "username": "reader", "tls": "off" });
        let connection = json!({ "organisation": project["organisation"], "name": "MariaDB", "kind": "mysql",
            "settings": settings, "secret": "the password of a reader" });
        let connection = shop.owner.post("data_connection/", connection).await.expect(201).id();
        let query = json!({ "table": "shop.night_orders", "columns": { "user": "customer", "item": "sku" } });
        shop.source(json!({ "connection": connection, "query": query, "settle_seconds": 0, "cron_expression": "0 3 * * *",
            "guards": { "min_rows": 2 }, "then": "retrain", "retraining_schedule": schedule }))
            .await
    }
}

/// The clock of the program is that of the test; the windows follow the clock of the MariaDB.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a MariaDB: make test-sources"]
async fn rows_of_a_mariadb_become_lists_in_a_postgresql_and_a_broken_night_changes_neither() {
    let (shop, mariadb) = (Shop::start().await, Mariadb::started());
    shop.app.execute(&format!("GRANT CREATE ON SCHEMA shop TO {}", shop.role)).await;
    let schedule = schedule(&shop).await;
    mariadb.source(&shop, schedule).await;
    let night = async |count| {
        shop.advance(TimeDelta::days(1)).await;
        assert_eq!(fire_due(&shop.app.services).await.unwrap(), 1);
        over(&shop, count).await
    };
    mariadb.orders(&many_orders());
    let first = night(1).await;
    assert_eq!((&first["state"], stages(&first).last()), (&json!("succeeded"), Some(&("deploy", "succeeded"))), "{first}");

    let destination = json!({ "project": shop.project, "name": "Lists", "slot": first["deployed_slot"], "cutoff": 2,
        "connection": shop.connection, "target": { "table": "shop.lists" }, "after_retraining": true });
    shop.owner.post("destination/", destination).await.expect(201);
    mariadb.orders(&[["new one".to_owned(), "item 1".to_owned()], ["new one".to_owned(), "item 2".to_owned()]]);
    let second = night(2).await;
    let names: Vec<&str> = stages(&second).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["pull", "prepare", "train", "gate", "deploy", "deliver"], "{second}");
    assert_eq!((&second["state"], &second["stages"][0]["rows"]), (&json!("succeeded"), &json!(2)), "{second}");
    let of_new = "SELECT count(*) FROM shop.lists WHERE user_id = 'new one'";
    let all = "SELECT count(DISTINCT user_id) FROM shop.lists";
    assert_eq!((shop.app.count(of_new).await, shop.app.count(all).await), (2, 21));

    mariadb.orders(&[["last one".to_owned(), "item 1".to_owned()]]);
    let broken = night(3).await;
    assert_eq!((&broken["state"], stages(&broken)), (&json!("held"), vec![("pull", "succeeded"), ("prepare", "held")]));
    let slot = shop.owner.get(&format!("deployment_slot/{}/", second["deployed_slot"])).await.expect(200).body;
    assert_eq!((&slot["trained_model"], shop.app.count(all).await), (&second["trained_model"], 21));
}
