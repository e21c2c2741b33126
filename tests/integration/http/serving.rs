//! Guarantees that a shop relies on: never an empty list, users who stay in their slot, changes that take effect at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use diesel_async::SimpleAsyncConnection;
use recotem::platform::config::Settings;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::slots;
use crate::support::{Caller, TestApp};

struct Shop {
    prepared: Prepared,
    program: Caller,
    path: String,
}

impl Shop {
    /// Creates a project with one trained model in one slot, and a key.
    async fn open(app: &TestApp) -> (Self, i64) {
        let prepared = prepare(app.user("margarete").await, "P", "CosineKNN").await;
        let model = prepared.train().await["id"].as_i64().expect("a model");
        let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
        let path = format!("/inference/predict/project/{}", prepared.project);
        (Self { prepared, program, path }, model)
    }

    async fn slot(&self, app: &TestApp, model: i64, name: &str, weight: f64) -> i64 {
        let project = self.prepared.project;
        app.execute(&format!(
            "INSERT INTO deployment_slots (project_id, name, trained_model_id, weight) VALUES ({project}, '{name}', {model}, {weight})"
        ))
        .await;
        app.count(&format!("SELECT id AS count FROM deployment_slots WHERE name = '{name}'")).await
    }

    async fn ask(&self, body: Value) -> Value {
        self.program.post(&self.path, body).await.expect(200).body
    }
}

/// Returns the slots of two hundred visitors.
async fn assigned(program: &Caller, path: &str) -> BTreeMap<u32, String> {
    let mut slots = BTreeMap::new();
    for user in 0..200 {
        let body = json!({ "user_id": format!("visitor {user}"), "cutoff": 1 });
        let answer = program.post(path, body).await.expect(200).body;
        slots.insert(user, answer["slot_name"].as_str().expect("a slot").to_owned());
    }
    slots
}

fn ids(body: &Value) -> BTreeSet<&str> {
    body["items"].as_array().expect("items").iter().filter_map(|item| item["item_id"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_a_list_and_hears_how_it_came_about() {
    let app = TestApp::start_with_worker().await;
    let (shop, model) = Shop::open(&app).await;
    shop.program.post(&shop.path, json!({ "user_id": "007" })).await.expect(404);
    let slot = shop.slot(&app, model, "main", 100.0).await;
    let deployed = async || shop.program.post(&shop.path, json!({ "user_id": "007" })).await.status.as_u16() == 200;
    app.soon("a new slot answers", deployed).await;

    let known = shop.ask(json!({ "user_id": "007", "cutoff": 2 })).await;
    assert_eq!((&known["strategy"], &known["slot_id"], &known["slot_name"]), (&json!("personal"), &json!(slot), &json!("main")));
    assert_eq!(known["model_id"], model);
    let popular = shop.ask(json!({ "user_id": "nobody", "cutoff": 1 })).await;
    assert_eq!((&popular["strategy"], ids(&popular)), (&json!("popular"), BTreeSet::from(["x"])));
    let folded = shop.ask(json!({ "interactions": ["Ágætis byrjun"], "cutoff": 1 })).await;
    assert_eq!((&folded["strategy"], ids(&folded)), (&json!("fold_in"), BTreeSet::from(["x"])));
    let fresh = shop.ask(json!({ "user_id": "007", "interactions": ["Ágætis byrjun"] })).await;
    assert_eq!(fresh["strategy"], "fold_in");
    assert!(ids(&fresh).is_disjoint(&BTreeSet::from(["x", "a/b c", "Ágætis byrjun"])), "{fresh}");
    let unheard = shop.ask(json!({ "user_id": "nobody", "interactions": ["unheard of"] })).await;
    assert_eq!(unheard["strategy"], "popular");
    shop.program.post(&shop.path, json!({})).await.expect(422);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_come_before_the_cut() {
    let app = TestApp::start_with_worker().await;
    let (shop, model) = Shop::open(&app).await;
    shop.slot(&app, model, "main", 100.0).await;
    let all = shop.ask(json!({ "user_id": "nobody" })).await;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(4), "{all}");
    let denied = shop.ask(json!({ "user_id": "nobody", "deny": ["x"], "cutoff": 3 })).await;
    assert_eq!(ids(&denied), BTreeSet::from(["007", "a/b c", "Ágætis byrjun"]));
    let allowed = shop.ask(json!({ "user_id": "007", "allow": ["x", "Ágætis byrjun", "unheard of"], "cutoff": 5 })).await;
    assert_eq!(ids(&allowed), BTreeSet::from(["Ágætis byrjun"]));
    let seen = shop.ask(json!({ "user_id": "007", "allow": ["x"], "exclude_seen": false })).await;
    assert_eq!(ids(&seen), BTreeSet::from(["x"]));
    for wrong in [json!({ "deny": "x" }), json!({ "allow": [1] }), json!({ "diversity": 2 }), json!({ "exclude_seen": "no" })] {
        let mut body = json!({ "user_id": "007" });
        body.as_object_mut().expect("an object").extend(wrong.as_object().expect("an object").clone());
        shop.program.post(&shop.path, body).await.expect(422);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_stay_in_their_slot_and_weights_share_them_out() {
    let app = TestApp::start_with_worker().await;
    let (shop, model) = Shop::open(&app).await;
    let other = shop.prepared.train().await["id"].as_i64().expect("a model");
    shop.slot(&app, model, "a", 75.0).await;
    let b = shop.slot(&app, other, "b", 25.0).await;
    slots::answers(&app, &shop.program, shop.prepared.project, b).await;
    let first = assigned(&shop.program, &shop.path).await;
    assert_eq!(first, assigned(&shop.program, &shop.path).await);
    let of_b = first.values().filter(|slot| *slot == "b").count();
    assert!((25..=75).contains(&of_b), "{of_b} of 200");

    // Neither a new secret nor another process moves any user; another project assigns users independently.
    let elsewhere = app.replica(|services| {
        let previous = SecretString::clone(&services.secret);
        services.secret = Arc::new(SecretString::from("a new secret, as long as the one before it was"));
        services.settings = Arc::new(Settings { previous_secret_keys: vec![previous], ..Settings::clone(&services.settings) });
    });
    let program = elsewhere.with_key(shop.program.key());
    assert_eq!(first, assigned(&program, &shop.path).await);
    app.execute(&format!("UPDATE projects SET assignment_salt = gen_random_uuid() WHERE id = {}", shop.prepared.project)).await;
    let fresh = app.replica(|_| {}).with_key(shop.program.key());
    assert_ne!(first, assigned(&fresh, &shop.path).await, "another salt, another assignment");
    let another = json!({ "name": "Q", "user_column": "user", "item_column": "item" });
    let another = shop.prepared.user.post("project/", another).await.expect(201).body;
    assert!(!another.to_string().contains("salt"));
    assert_eq!(app.count("SELECT count(DISTINCT assignment_salt) FROM projects").await, 2);

    app.execute("UPDATE deployment_slots SET weight = 0").await;
    let refused = async || shop.program.post(&shop.path, json!({ "user_id": "007" })).await.status.as_u16() == 409;
    app.soon("all weights are zero", refused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_takes_effect_within_a_moment_and_without_the_database_all_goes_on() {
    let app = TestApp::start_with_worker().await;
    let (shop, model) = Shop::open(&app).await;
    let successor = shop.prepared.train().await["id"].as_i64().expect("a model");
    shop.slot(&app, model, "main", 100.0).await;
    assert_eq!(shop.ask(json!({ "user_id": "007" })).await["model_id"], model);
    app.execute(&format!("UPDATE deployment_slots SET trained_model_id = {successor}")).await;
    let swapped = async || shop.ask(json!({ "user_id": "007" })).await["model_id"] == successor;
    app.soon("the slot's new model answers", swapped).await;

    let revoked = shop.prepared.key("revoked", "predict").await;
    let program = app.anonymous().with_key(&revoked);
    program.post(&shop.path, json!({ "user_id": "007" })).await.expect(200);
    let keys = shop.prepared.user.get("api_keys/").await.expect(200).body["results"].clone();
    let id = keys.as_array().expect("keys").iter().find(|key| key["name"] == "revoked").expect("it is listed")["id"].clone();
    shop.prepared.user.post(&format!("api_keys/{id}/revoke/"), json!({})).await.expect(200);
    let refused = async || program.post(&shop.path, json!({ "user_id": "007" })).await.status.as_u16() == 401;
    app.soon("a revoked key is refused", refused).await;

    shop.ask(json!({ "user_id": "007" })).await;
    app.services.db.close();
    for _ in 0..3 {
        shop.ask(json!({ "user_id": "007" })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_without_traffic_is_loaded_when_it_gets_some() {
    let app = TestApp::start_with_worker().await;
    let (shop, model) = Shop::open(&app).await;
    let idle = shop.prepared.train().await["id"].as_i64().expect("a model");
    shop.slot(&app, idle, "idle", 0.0).await;
    shop.slot(&app, model, "main", 100.0).await;
    let anonymous = app.anonymous();
    let loaded = async || anonymous.get("/inference/models").await.expect(200).body["models"].clone();
    app.soon("what answers is loaded", async || loaded().await == json!([model])).await;
    app.execute("UPDATE deployment_slots SET weight = 50 WHERE name = 'idle'").await;
    app.soon("both are loaded", async || loaded().await == json!([model, idle])).await;
    app.execute("UPDATE deployment_slots SET is_active = false WHERE name = 'main'").await;
    let left = async || shop.ask(json!({ "user_id": "007" })).await["model_id"] == idle;
    app.soon("the other slot answers alone", left).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_has_just_done_changes_their_list() {
    let app = TestApp::start_with_worker().await;
    let (shop, model) = Shop::open(&app).await;
    let slot = shop.slot(&app, model, "main", 100.0).await;
    assert_eq!(shop.ask(json!({ "user_id": "a newcomer" })).await["strategy"], "popular");
    let project = shop.prepared.project;
    let happens = async |event: &str, item: &str| {
        app.execute(&format!(
            "INSERT INTO conversion_events (project_id, deployment_slot_id, user_id, item_id, event_type, timestamp)
             VALUES ({project}, {slot}, 'a newcomer', '{item}', '{event}', program_now())"
        ))
        .await;
    };
    happens("impression", "007").await;
    happens("click", "Ágætis byrjun").await;
    let followed = async || shop.ask(json!({ "user_id": "a newcomer" })).await["strategy"] == "fold_in";
    app.soon("a click is known", followed).await;
    let list = shop.ask(json!({ "user_id": "a newcomer" })).await;
    assert!(ids(&list).contains("007") && !ids(&list).contains("Ágætis byrjun"), "{list}");
    happens("purchase", "x").await;
    let gone = async || !ids(&shop.ask(json!({ "user_id": "a newcomer" })).await).contains("x");
    app.soon("what was bought does not come back", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_takes_long_to_store_is_heard_of_in_the_end() {
    let app = TestApp::start_with_worker().await;
    let (shop, model) = Shop::open(&app).await;
    let slot = shop.slot(&app, model, "main", 100.0).await;
    let project = shop.prepared.project;
    let buys = |user: &str, item: &str, times: usize| {
        format!(
            "INSERT INTO conversion_events (project_id, deployment_slot_id, user_id, item_id, event_type, timestamp)
             SELECT {project}, {slot}, '{user}', '{item}', 'purchase', program_now() FROM generate_series(1, {times});"
        )
    };
    let follows = async |user: &str| {
        let known = async || shop.ask(json!({ "user_id": user })).await["strategy"] == "fold_in";
        app.soon("a purchase is known", known).await;
    };
    // The first of thousands of events, in a transaction that is still open when later ones have long been received.
    let mut batch = app.services.db.conn().await.expect("a connection");
    batch.batch_execute(&format!("BEGIN; {}{}", buys("early", "x", 1), buys("many", "007", 9_999))).await.expect("a batch");
    let mut small = app.services.db.conn().await.expect("a connection");
    small.batch_execute(&format!("BEGIN; {}", buys("late", "x", 1))).await.expect("an event");
    for visitor in ["first visitor", "second visitor", "third visitor", "fourth visitor"] {
        app.execute(&buys(visitor, "Ágætis byrjun", 1)).await;
        follows(visitor).await;
        assert!(ids(&shop.ask(json!({ "user_id": "early" })).await).contains("x"), "nobody knows of it yet");
    }
    batch.batch_execute("COMMIT").await.expect("it ends");
    for user in ["early", "many"] {
        follows(user).await;
    }
    assert!(!ids(&shop.ask(json!({ "user_id": "early" })).await).contains("x"));
    // The other one is still running, and all that arrived meanwhile is as unsettled as it is.
    small.batch_execute("COMMIT").await.expect("it ends");
    follows("late").await;
    app.execute(&buys("last visitor", "x", 1)).await;
    follows("last visitor").await;
}
