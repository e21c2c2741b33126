//! Apps: their keys, how much they are used, and the web pages that may use them.

use recotem::features::webhooks::{refresh_told, store_all, tidy};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::receiver::{Receiver, Reply};
use crate::support::slots;
use crate::support::told::allow_receivers;
use crate::support::{Caller, Jobs, TestApp};

const SHOP: &str = "https://shop.example.com";
const JSON: (&str, &str) = ("content-type", "application/json");

/// An app of a project with a trained model.
struct Shop {
    app: TestApp,
    prepared: Prepared,
    model: i64,
    id: i64,
    program: Caller,
}

async fn shop(more: Value) -> Shop {
    let app = TestApp::start_with(Jobs::Run, allow_receivers).await;
    let prepared = prepare(app.user("ann").await, "Shop", "TopPopRecommender").await;
    let model = prepared.train().await["id"].as_i64().expect("a model");
    let mut body = json!({ "project": prepared.project, "name": "shop" });
    body.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
    let created = prepared.user.post("app/", body).await.expect(201);
    let program = app.anonymous().with_key(created.body["key"].as_str().expect("a key"));
    Shop { id: created.id(), app, prepared, model, program }
}

impl Shop {
    async fn predict(&self, caller: &Caller, status: u16) -> Value {
        let body = json!({ "user_id": "007", "cutoff": 3 });
        caller.post(&format!("/inference/predict/{}", self.model), body).await.expect(status).body
    }

    async fn store(&self) {
        store_all(&self.app.services, &self.app.traffic).await.expect("stored");
    }

    async fn usage(&self) -> Value {
        self.prepared.user.get(&format!("app/{}/usage/?days=3", self.id)).await.expect(200).body
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_has_a_key_until_it_is_switched_off_or_deleted() {
    let shop = shop(json!({})).await;
    let user = &shop.prepared.user;
    let path = format!("app/{}/", shop.id);
    let taken = user.post("app/", json!({ "project": shop.prepared.project, "name": "shop" })).await.expect(400).body;
    assert_eq!(taken["name"][0], "This project already has an app with this name.");
    let first = user.get(&path).await.expect(200).body;
    assert_eq!(first["key_prefix"].as_str(), shop.program.key().get(5..13));
    assert!(!first.to_string().contains(shop.program.key()));
    shop.predict(&shop.program, 200).await;

    let renewed = user.post(&format!("{path}new_key/"), json!({})).await.expect(200).body;
    let second = shop.app.anonymous().with_key(renewed["key"].as_str().expect("a key"));
    shop.predict(&second, 200).await;
    shop.app
        .soon("the first key is refused", async || {
            let body = json!({ "user_id": "007" });
            shop.program.post(&format!("/inference/predict/{}", shop.model), body).await.status.as_u16() == 401
        })
        .await;

    user.patch(&path, json!({ "is_active": false })).await.expect(200);
    shop.app
        .soon("the second key is refused", async || {
            second.post(&format!("/inference/predict/{}", shop.model), json!({ "user_id": "007" })).await.status.as_u16() == 401
        })
        .await;
    assert_eq!(user.post(&format!("{path}new_key/"), json!({})).await.expect(409).body["code"], "app_is_off");
    user.patch(&path, json!({ "is_active": true })).await.expect(200);
    user.post(&format!("{path}new_key/"), json!({})).await.expect(200);
    user.delete(&path).await.expect(204);
    assert_eq!(user.get("api_keys/").await.expect(200).body["count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_unique_and_origins_are_origins() {
    let shop = shop(json!({ "allowed_origins": ["https://Shop.example.com/", SHOP] })).await;
    let user = &shop.prepared.user;
    let path = format!("app/{}/", shop.id);
    assert_eq!(user.get(&path).await.body["allowed_origins"], json!([SHOP]));
    let again = user.post("app/", json!({ "project": shop.prepared.project, "name": "shop" })).await;
    assert_eq!(again.status.as_u16(), 400, "{}", again.body);
    let wrong = user.patch(&path, json!({ "allowed_origins": ["shop.example.com"] })).await;
    assert!(wrong.fault("allowed_origins").starts_with("\"shop.example.com\" is not the origin of a web page."));
    let off = json!({ "project": shop.prepared.project, "name": "later", "is_active": false });
    let off = user.post("app/", off).await.expect(201).body;
    assert_eq!((&off["key"], &off["api_key"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_counted_by_day() {
    let shop = shop(json!({})).await;
    for _ in 0..3 {
        shop.predict(&shop.program, 200).await;
    }
    shop.program.post("/inference/predict/999999", json!({ "user_id": "007" })).await.expect(404);
    let batch = json!({ "user_ids": ["007", "7"], "cutoff": 1 });
    shop.program.post(&format!("/inference/predict/{}/batch", shop.model), batch).await.expect(200);
    assert_eq!(shop.usage().await["requests"], 0, "nothing is written by a request");
    shop.store().await;
    let lists = shop.predict(&shop.program, 200).await["items"].as_array().map_or(0, Vec::len);
    let used = shop.usage().await;
    assert_eq!((&used["requests"], &used["errors"]), (&json!(5), &json!(1)));
    assert_eq!(used["items"], json!(3 * lists + 2));
    assert_eq!(used["days"].as_array().map(Vec::len), Some(3));
    assert_eq!(used["days"][2]["requests"], 5);
    shop.app.services.clock.advance(chrono::TimeDelta::days(1));
    shop.store().await;
    let used = shop.usage().await;
    assert_eq!((&used["days"][1]["requests"], &used["days"][2]["requests"]), (&json!(5), &json!(1)));
    assert_eq!(shop.prepared.user.get(&format!("app/{}/", shop.id)).await.body["requests_30_days"], 6);
    for (days, status) in [("0", 400), ("367", 400), ("366", 200), ("x", 400)] {
        shop.prepared.user.get(&format!("app/{}/usage/?days={days}", shop.id)).await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_told_in_batches_to_the_endpoints_that_want_them() {
    let shop = shop(json!({})).await;
    let (of_app, of_all, others) = (
        Receiver::start(Reply::status(200)).await,
        Receiver::start(Reply::status(200)).await,
        Receiver::start(Reply::status(200)).await,
    );
    let second = shop.prepared.user.post("app/", json!({ "project": shop.prepared.project, "name": "other" })).await.expect(201);
    let create = async |receiver: &Receiver, app: Value, topics: Value| {
        let body = json!({ "project": shop.prepared.project, "url": receiver.url(), "app": app, "topics": topics });
        shop.prepared.user.post("webhook_endpoint/", body).await.expect(201);
    };
    create(&of_app, json!(shop.id), json!(["recommendation.served"])).await;
    create(&of_all, Value::Null, json!(["recommendation.served"])).await;
    create(&others, json!(second.id()), json!(["recommendation.served"])).await;
    create(&others, Value::Null, json!([])).await;
    refresh_told(&shop.app.services, &shop.app.traffic).await.expect("read");
    let first = shop.predict(&shop.program, 200).await;
    let path = format!("/inference/predict/{}", shop.model);
    let of = async |user: String| shop.program.post(&path, json!({ "user_id": user, "cutoff": 3 })).await.expect(200);
    of("u".repeat(256)).await;
    of("u".repeat(257)).await;
    shop.store().await;
    let deliverer = std::sync::Arc::new(recotem::features::webhooks::Deliverer::new(&shop.app.services).expect("a vault"));
    // The server collects answers each second as well, so there may be more than one message.
    let told = |receiver: &Receiver| -> Vec<Value> {
        let messages = receiver.received().into_iter().map(|message| message.body()["data"].clone());
        messages
            .flat_map(|data| {
                assert_eq!((&data["app"], &data["dropped"]), (&json!(shop.id), &json!(0)));
                data["answers"].as_array().expect("answers").clone()
            })
            .collect()
    };
    let all_are_told = async || {
        deliverer.deliver_due().await.expect("deliveries");
        [&of_app, &of_all].iter().all(|receiver| told(receiver).len() == 3)
    };
    shop.app.soon("each list is told", all_are_told).await;
    assert!(others.received().is_empty());
    for receiver in [&of_app, &of_all] {
        let answers = told(receiver);
        let mut users: Vec<Option<usize>> = answers.iter().map(|answer| answer["user_id"].as_str().map(str::len)).collect();
        users.sort_unstable();
        assert_eq!(users, [None, Some(3), Some(256)], "no event can name a longer one");
        let answer = answers.iter().find(|answer| answer["request_id"] == first["request_id"]).expect("the first answer");
        assert_eq!((&answer["user_id"], &answer["model"]), (&json!("007"), &json!(shop.model)));
        let ids: Vec<&Value> = first["items"].as_array().expect("items").iter().map(|item| &item["item_id"]).collect();
        assert_eq!(answer["items"].as_array().expect("items").iter().collect::<Vec<_>>(), ids);
    }
    assert_eq!(shop.prepared.user.get("notification/?project=0").await.body["count"], 0);
    let patched = json!({ "app": 999_999 });
    let endpoint = shop.prepared.user.get("webhook_endpoint/").await.body["results"][0]["id"].clone();
    let refused = shop.prepared.user.patch(&format!("webhook_endpoint/{endpoint}/"), patched).await;
    assert!(refused.fault("app").contains("object does not exist"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_of_all_apps_is_told_of_one_that_is_made_later() {
    let shop = shop(json!({})).await;
    let (user, receiver) = (&shop.prepared.user, Receiver::start(Reply::status(200)).await);
    let body = json!({ "project": shop.prepared.project, "url": receiver.url(), "topics": ["recommendation.served"] });
    user.post("webhook_endpoint/", body).await.expect(201);
    let later = user.post("app/", json!({ "project": shop.prepared.project, "name": "later" })).await.expect(201);
    let program = shop.app.anonymous().with_key(later.body["key"].as_str().expect("a key"));
    let stored = format!("SELECT count(*) FROM webhook_messages WHERE body LIKE '%\"app\":{},%'", later.id());
    let told = async || {
        shop.predict(&program, 200).await;
        shop.app.count(&stored).await > 0
    };
    shop.app.soon("an answer to the later app is told", told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_take_a_bounded_part_of_the_database() {
    let shop = shop(json!({})).await;
    let (user, receiver) = (&shop.prepared.user, Receiver::start(Reply::status(200)).await);
    let body = json!({ "project": shop.prepared.project, "url": receiver.url(), "topics": ["recommendation.served"] });
    let mut endpoints = Vec::new();
    for _ in 0..5 {
        endpoints.push(user.post("webhook_endpoint/", body.clone()).await.expect(201).id());
    }
    let sixth = user.post("webhook_endpoint/", body).await;
    assert!(sixth.fault("topics").starts_with("This project has 5 endpoints with the topic recommendation.served"));
    let plain = json!({ "project": shop.prepared.project, "url": receiver.url() });
    let plain = user.post("webhook_endpoint/", plain).await.expect(201).id();
    let topics = json!({ "topics": ["recommendation.served"] });
    assert!(!user.patch(&format!("webhook_endpoint/{plain}/"), topics.clone()).await.fault("topics").is_empty());
    user.patch(&format!("webhook_endpoint/{}/", endpoints[0]), topics).await.expect(200);

    let insert = |endpoint: i64, count: i64| {
        format!(
            "INSERT INTO webhook_messages (id, endpoint_id, topic, body)
             SELECT (lpad(to_hex((extract(epoch FROM program_now()) * 1000)::bigint), 12, '0') || lpad((n + 10000 * {endpoint})::text, 20, '0'))::uuid,
                 {endpoint}, 'recommendation.served', '{{}}' FROM generate_series(1, {count}) AS n"
        )
    };
    shop.app.execute(&insert(endpoints[0], 1_000)).await;
    shop.app.execute(&insert(endpoints[1], 999)).await;
    refresh_told(&shop.app.services, &shop.app.traffic).await.expect("read");
    shop.predict(&shop.program, 200).await;
    shop.store().await;
    let count = async |endpoint: i64| {
        shop.app.count(&format!("SELECT count(*) FROM webhook_messages WHERE endpoint_id = {endpoint}")).await
    };
    let mut stored = Vec::new();
    for endpoint in &endpoints {
        stored.push(count(*endpoint).await);
    }
    assert_eq!(stored, [1_000, 1_000, 1, 1, 1], "while 1,000 wait, no more are stored");

    let (first, second) = (endpoints[0], endpoints[1]);
    shop.app.execute(&format!("UPDATE webhook_messages SET state = 'delivered' WHERE endpoint_id = {second}")).await;
    shop.app.execute(&format!("DELETE FROM webhook_messages WHERE endpoint_id = {first}")).await;
    tidy(&shop.app.services).await.expect("tidied");
    assert!(count(second).await > 0, "delivered answers are kept for an hour");
    shop.app.services.clock.advance(chrono::TimeDelta::minutes(61));
    tidy(&shop.app.services).await.expect("tidied");
    assert_eq!((count(second).await, count(endpoints[2]).await), (0, 1), "what waits stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_told_how_many_lists_it_was_not_told_of() {
    let shop = shop(json!({})).await;
    let (user, receiver) = (&shop.prepared.user, Receiver::start(Reply::status(200)).await);
    let body = json!({ "project": shop.prepared.project, "url": receiver.url(), "topics": ["recommendation.served"] });
    let mut endpoints = Vec::new();
    for waiting in [1_000, 999, 0] {
        let endpoint = user.post("webhook_endpoint/", body.clone()).await.expect(201).id();
        let insert = format!(
            "INSERT INTO webhook_messages (id, endpoint_id, topic, body)
             SELECT gen_random_uuid(), {endpoint}, 'recommendation.served', '{{}}' FROM generate_series(1, {waiting})"
        );
        shop.app.execute(&insert).await;
        endpoints.push(endpoint);
    }
    refresh_told(&shop.app.services, &shop.app.traffic).await.expect("read");
    let sums = async |value: &str| {
        let sum = |endpoint: &i64| {
            format!(
                "SELECT coalesce(sum({value}), 0)::bigint AS count FROM webhook_messages WHERE endpoint_id = {endpoint} AND body <> '{{}}'"
            )
        };
        let mut sums = Vec::new();
        for endpoint in &endpoints {
            sums.push(shop.app.count(&sum(endpoint)).await);
        }
        sums
    };
    let (dropped, answers) = ("(body::jsonb #>> '{data,dropped}')::int", "jsonb_array_length(body::jsonb #> '{data,answers}')");
    for lists in 1..=2 {
        shop.predict(&shop.program, 200).await;
        shop.store().await;
        shop.app.soon("a list is stored", async || sums(answers).await == [0, 1, lists]).await;
    }
    assert_eq!(sums(dropped).await, [0, 0, 0]);
    shop.app.execute("UPDATE webhook_messages SET state = 'delivered'").await;
    let all_told = async || {
        shop.predict(&shop.program, 200).await;
        shop.store().await;
        sums(dropped).await == [2, 1, 0]
    };
    shop.app.soon("each is told what it missed", all_told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_may_not_use_the_key() {
    let shop = shop(json!({ "allowed_origins": [SHOP] })).await;
    let path = format!("/inference/predict/{}", shop.model);
    let body = json!({ "user_id": "007" }).to_string();
    let ask = async |origin: &str| shop.program.raw(Method::POST, &path, &[JSON, ("origin", origin)], body.clone()).await;
    let shown = ask(SHOP).await.expect(200);
    assert_eq!(shown.header("access-control-allow-origin"), SHOP);
    assert!(shown.header("vary").to_lowercase().contains("origin"));
    let refused = ask("https://evil.example").await.expect(403);
    assert!(refused.body.to_string().contains("https://evil.example"), "{}", refused.body);
    assert_eq!(refused.header("access-control-allow-origin"), "");
    // A server names no origin.
    shop.predict(&shop.program, 200).await;

    let slot = slots::make(&shop.prepared, shop.model, json!({})).await.expect(201).id();
    let event = json!({ "project": shop.prepared.project, "deployment_slot": slot, "user_id": "007", "item_id": "x",
        "event_type": "click" });
    let report = async |origin: &str| {
        shop.program.raw(Method::POST, "conversion_event/", &[JSON, ("origin", origin)], event.to_string()).await
    };
    assert_eq!(report(SHOP).await.expect(201).header("access-control-allow-origin"), SHOP);
    assert_eq!(report("https://evil.example").await.expect(403).body["code"], "origin_not_allowed");

    // An app that allows no page is not for browsers: the answer is there, and they do not show it.
    shop.prepared.user.patch(&format!("app/{}/", shop.id), json!({ "allowed_origins": [] })).await.expect(200);
    shop.app.soon("the origins are read", async || ask("https://evil.example").await.status.as_u16() == 200).await;
    assert_eq!(ask(SHOP).await.expect(200).header("access-control-allow-origin"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_ask_before_it_sends_a_key() {
    let app = TestApp::start().await;
    let asks = [("origin", SHOP), ("access-control-request-method", "POST"), ("access-control-request-headers", "x-api-key")];
    for path in ["/inference/predict/7", "/inference/predict/project/7", "conversion_event/", "conversion_event/batch/"] {
        let answer = app.anonymous().raw(Method::OPTIONS, path, &asks, "").await.expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), SHOP, "{path}");
        assert!(answer.header("access-control-allow-headers").contains("x-api-key"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "", "{path}");
    }
    let answer = app.anonymous().raw(Method::OPTIONS, "project/", &asks, "").await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    let of_operator = TestApp::start_with(Jobs::None, |settings| settings.cors_allowed_origins = vec![SHOP.to_owned()]).await;
    let answer = of_operator.anonymous().raw(Method::OPTIONS, "/inference/predict/7", &asks, "").await.expect(200);
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
}
