//! The log of the answered lists, and the lists that a shadow slot would have answered instead.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use recotem::features::recommendation_log;
use serde_json::{Value, json};

use crate::support::lists::{close, items};
use crate::support::prepared::{Prepared, prepare};
use crate::support::{Caller, TestApp};

const USERS: [&str; 5] = ["007", "7", "Sigur Rós", "a/b c", "a newcomer"];

struct Shop {
    prepared: Prepared,
    program: Caller,
    model: i64,
}

impl Shop {
    /// Creates a project with a trained model, and a key.
    async fn open(app: &TestApp) -> Self {
        let prepared = prepare(app.user("margarete").await, "P", "CosineKNN").await;
        let model = prepared.train().await["id"].as_i64().expect("a model");
        let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
        Self { prepared, program, model }
    }

    /// Trains another model on the same data.
    async fn another_model(&self) -> i64 {
        let body = json!({ "project": self.prepared.project, "name": "other", "recommender_class_name": "TopPop", "parameters_json": {} });
        let configuration = self.prepared.user.post("model_configuration/", body).await.expect(201).id();
        let body = json!({ "configuration": configuration, "data_loc": self.prepared.data });
        let model = self.prepared.user.post("trained_model/", body).await.expect(201).id();
        let ended = |model: &Value| model["status"] == "COMPLETED";
        self.prepared.user.wait_for(&format!("trained_model/{model}/"), ended).await;
        model
    }

    async fn slot(&self, model: i64, more: Value) -> i64 {
        let mut body = json!({ "project": self.prepared.project, "name": "slot", "trained_model": model });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.prepared.user.post("deployment_slot/", body).await.expect(201).id()
    }

    /// Creates a shadow slot and waits until the servers know it. A slot takes part once its model has been loaded.
    async fn shadow(&self, app: &TestApp, model: i64) -> i64 {
        let shadow = self.slot(model, json!({ "name": "shadow", "is_shadow": true })).await;
        self.until_logged(app, "is_shadow").await;
        shadow
    }

    /// Asks until a list with this property is logged, and empties the log.
    async fn until_logged(&self, app: &TestApp, property: &str) {
        let logged = async || {
            self.ask("the first").await;
            // Lists gather before they are written; each is written before the next request.
            tokio::time::sleep(Duration::from_millis(100)).await;
            app.count(&format!("SELECT count(*) FROM recommendation_log WHERE {property}")).await > 0
        };
        app.soon(property, logged).await;
        app.execute("DELETE FROM recommendation_log").await;
    }

    async fn ask(&self, user: &str) -> Value {
        let path = format!("/inference/predict/project/{}", self.prepared.project);
        self.program.post(&path, json!({ "user_id": user, "cutoff": 3 })).await.expect(200).body
    }

    /// Returns the list of one model.
    async fn list(&self, model: i64, user: &str) -> Vec<String> {
        let body = json!({ "user_id": user, "cutoff": 3 });
        items(&self.program.post(&format!("/inference/predict/{model}"), body).await.expect(200).body)
    }

    async fn click(&self, answer: &Value, event: &str, item: &str) {
        let body = json!({ "project": self.prepared.project, "deployment_slot": answer["slot_id"], "user_id": "somebody",
            "item_id": item, "event_type": event, "recommendation_request_id": answer["request_id"] });
        self.program.post("conversion_event/", body).await.expect(201);
    }

    async fn comparison(&self, slot: i64, query: &str) -> Value {
        self.prepared.user.get(&format!("deployment_slot/{slot}/comparison/{query}")).await.expect(200).body
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_answers_nobody_and_its_lists_are_compared_with_those_that_users_got() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let other = shop.another_model().await;
    let live = shop.slot(shop.model, json!({ "name": "live" })).await;
    let shadow = shop.shadow(&app, other).await;
    let empty = shop.comparison(shadow, "").await;
    assert_eq!((&empty["requests"], &empty["agreement"], &empty["trained_model"]), (&json!(0), &Value::Null, &json!(other)));
    assert_eq!(empty["click_estimates"], Value::Null);

    let (mut overlap, mut identical, mut seen) = (0.0, 0, BTreeSet::new());
    for user in USERS {
        let answer = shop.ask(user).await;
        assert_eq!(answer["slot_id"], live, "a shadow answered");
        let (shown, unseen) = (items(&answer), shop.list(other, user).await);
        let common = unseen.iter().filter(|item| shown.contains(item)).count();
        overlap += common as f64 / shown.len().max(unseen.len()) as f64 / USERS.len() as f64;
        identical += usize::from(shown == unseen);
        shop.click(&answer, "click", &shown[0]).await;
        if user == "007" {
            shop.click(&answer, "purchase", "bought elsewhere").await;
        }
        seen.extend(unseen);
    }
    let all = async || shop.comparison(shadow, "").await["requests"] == USERS.len();
    app.soon("all requests are logged", all).await;

    let found = shop.comparison(shadow, "?days=7&cutoff=3").await;
    close(&found["agreement"]["overlap"], overlap);
    close(&found["agreement"]["identical"], identical as f64 / USERS.len() as f64);
    assert_eq!(found["agreement"]["overlap_by_depth"].as_array().map(Vec::len), Some(3));
    assert_eq!((&found["users"], &found["shadow"]["items"]), (&json!(USERS.len()), &json!(seen.len())));
    close(&found["shadow"]["coverage"], seen.len() as f64 / 4.0);
    assert_eq!((&found["clicked"]["items"], &found["clicked"]["live"]), (&json!(USERS.len()), &json!(1.0)));
    assert_eq!(found["purchased"], json!({ "items": 1, "live": 0.0, "shadow": 0.0 }));
    // One slot has all the traffic: its earnings per list are known, and where the shadow agrees they count unchanged.
    let estimates = &found["click_estimates"];
    close(&estimates["live"]["value"], 1.0);
    assert!(estimates["ips"]["value"].as_f64() <= Some(1.0) && estimates["support"].as_f64() <= Some(1.0), "{estimates}");
    assert!(estimates["warnings"].as_array().expect("warnings").contains(&json!("small_sample")), "{estimates}");

    // The past of another model does not count for the one that the slot has now.
    shop.prepared.user.patch(&format!("deployment_slot/{shadow}/"), json!({ "trained_model": shop.model })).await.expect(200);
    assert_eq!(shop.comparison(shadow, "").await["requests"], 0);
    assert_eq!(shop.comparison(live, "").await["requests"], 0);
    for wrong in ["?days=0", "?days=366", "?cutoff=101", "?cutoff=x"] {
        shop.prepared.user.get(&format!("deployment_slot/{live}/comparison/{wrong}")).await.expect(400);
    }
    // The log of a slot outlives it.
    let logged = app.count("SELECT count(*) FROM recommendation_log").await;
    shop.prepared.user.delete(&format!("deployment_slot/{shadow}/")).await.expect(204);
    assert_eq!(app.count("SELECT count(*) FROM recommendation_log").await, logged);
}

#[tokio::test(flavor = "multi_thread")]
async fn propensities_are_the_shares_of_all_slots_that_would_show_the_item_there() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let other = shop.another_model().await;
    shop.slot(shop.model, json!({ "weight": 50 })).await;
    shop.slot(shop.model, json!({ "weight": 25 })).await;
    shop.slot(other, json!({ "weight": 25 })).await;
    let shadow = shop.shadow(&app, other).await;
    // A slot gets traffic once its model is loaded.
    shop.until_logged(&app, "propensity IN (0.5, 0.25)").await;
    for user in USERS {
        shop.ask(user).await;
    }
    let all = async || shop.comparison(shadow, "").await["requests"] == USERS.len();
    app.soon("all requests are logged", all).await;
    let shares = "SELECT count(*) FROM recommendation_log WHERE NOT is_shadow AND propensity IN (0.5, 0.25)";
    assert_eq!(app.count(shares).await, USERS.len() as i64);
    let (mut checked, mut agreeing) = (0, 0);
    for user in USERS {
        let lists = (shop.list(shop.model, user).await, shop.list(other, user).await);
        for ((place, item), other) in (1_i64..).zip(&lists.0).zip(&lists.1) {
            let expected = if item == other { "1" } else { "0.75, 0.25" };
            let query = format!(
                "SELECT count(*) FROM recommendation_log WHERE NOT is_shadow AND user_id = '{user}'
                 AND item_propensities[{place}] IN ({expected})"
            );
            checked += 1;
            agreeing += app.count(&query).await;
        }
    }
    assert_eq!(agreeing, checked);
    assert!(checked > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_logged_only_where_a_project_wants_it_and_the_last_ones_too() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let slot = shop.slot(shop.model, json!({})).await;
    let project = format!("project/{}/", shop.prepared.project);
    assert_eq!(shop.prepared.user.get(&project).await.expect(200).body["logged_share"], Value::Null);
    for user in USERS {
        shop.ask(user).await;
    }
    shop.prepared.user.patch(&project, json!({ "logged_share": 1.5 })).await.fault("logged_share");
    let saved = shop.prepared.user.patch(&project, json!({ "logged_share": 1 })).await.expect(200);
    assert_eq!(saved.body["logged_share"], 1.0);
    let logged = async || {
        shop.ask("wanted").await;
        app.count("SELECT count(*) FROM recommendation_log WHERE user_id = 'wanted'").await > 0
    };
    app.soon("lists are logged", logged).await;
    let right = format!(
        "SELECT count(*) FROM recommendation_log WHERE user_id = 'wanted' AND deployment_slot_id = {slot} AND trained_model_id = {}
         AND propensity = 1 AND item_propensities IS NULL AND NOT is_shadow AND strategy = 'popular' AND cardinality(items) = 3",
        shop.model
    );
    assert!(app.count(&right).await > 0);
    assert_eq!(app.count("SELECT count(*) FROM recommendation_log WHERE user_id <> 'wanted'").await, 0);

    for number in 0..50 {
        shop.ask(&format!("the last {number}")).await;
    }
    app.shut_down();
    let written = async || app.count("SELECT count(*) FROM recommendation_log WHERE user_id LIKE 'the last %'").await == 50;
    app.soon("the last lists are logged", written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_stops_no_answer() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.slot(shop.model, json!({})).await;
    let shadow = shop.shadow(&app, shop.another_model().await).await;
    shop.ask("007").await;
    let logged = async || shop.comparison(shadow, "").await["requests"] == 1;
    app.soon("a request is logged", logged).await;
    app.execute("ALTER TABLE recommendation_log RENAME TO elsewhere").await;
    for user in USERS {
        shop.ask(user).await;
    }
    // Lists gather for a moment before they are written.
    tokio::time::sleep(Duration::from_millis(100)).await;
    app.execute("ALTER TABLE elsewhere RENAME TO recommendation_log").await;
    let logged_again = async || {
        shop.ask("007").await;
        shop.comparison(shadow, "").await["requests"].as_i64() > Some(1)
    };
    app.soon("requests are logged again", logged_again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_months_of_the_log_are_dropped() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.slot(shop.model, json!({})).await;
    let shadow = shop.shadow(&app, shop.another_model().await).await;
    recommendation_log::tidy(&app.services).await.expect("tidied");
    shop.ask("007").await;
    let logged = async || shop.comparison(shadow, "").await["requests"] == 1;
    app.soon("a request is logged", logged).await;
    assert_eq!(app.count("SELECT count(*) FROM recommendation_log_default").await, 0);

    app.services.clock.advance(TimeDelta::days(89));
    assert_eq!(recommendation_log::tidy(&app.services).await.expect("tidied"), 0);
    assert_eq!(app.count("SELECT count(*) FROM recommendation_log").await, 2);
    app.services.clock.advance(TimeDelta::days(40));
    assert!(recommendation_log::tidy(&app.services).await.expect("tidied") > 0);
    assert_eq!(app.count("SELECT count(*) FROM recommendation_log").await, 0);
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'recommendation_log'::regclass";
    assert!((5..=9).contains(&app.count(partitions).await));
}
