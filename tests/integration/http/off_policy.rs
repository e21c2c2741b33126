//! What a model without traffic would have earned on past traffic.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::lists::{close, items};
use crate::support::{Caller, TestApp};

const CUTOFF: usize = 3;

/// Returns interactions of two kinds of users, each with items of their own kind, in a ring. There are twice as many of the first
/// kind, so popular items are theirs.
fn data() -> String {
    let mut lines = vec!["user,item".to_owned()];
    for user in 0..60 {
        let kind = if user % 3 == 2 { "b" } else { "a" };
        lines.extend((0..4).map(|step| format!("u{user},{kind}{}", (user / 3 + step) % 8)));
    }
    lines.join("\n")
}

fn users() -> impl Iterator<Item = String> {
    (0..60).map(|user| format!("u{user}"))
}

struct Shop {
    owner: Caller,
    program: Caller,
    project: i64,
    data: i64,
    /// The lists of two models for each user: one by similarity, the other by popularity.
    lists: [BTreeMap<String, Vec<String>>; 2],
    models: [i64; 2],
}

impl Shop {
    /// Creates a project with only data, and a key for programs.
    async fn with_data(app: &TestApp, time_column: Option<&str>, data: String) -> Self {
        let owner = app.user("margarete").await;
        let project = json!({ "name": "P", "user_column": "user", "item_column": "item", "time_column": time_column });
        let project = owner.post("project/", project).await.expect(201).id();
        let data = owner.upload(project, "data.csv", data).await.expect(201).id();
        let key = json!({ "project": project, "name": "program", "scopes": ["predict"] });
        let key = owner.post("api_keys/", key).await.expect(201).body["key"].as_str().expect("a key").to_owned();
        let program = app.anonymous().with_key(&key);
        Self { owner, program, project, data, lists: Default::default(), models: [0; 2] }
    }

    /// Creates a project with two models, before any traffic.
    async fn open(app: &TestApp) -> Self {
        let mut shop = Self::with_data(app, None, data()).await;
        for (place, algorithm) in ["CosineKNN", "TopPop"].into_iter().enumerate() {
            shop.models[place] = shop.train(algorithm).await;
            shop.lists[place] = shop.all_lists(shop.models[place]).await;
        }
        assert_ne!(shop.lists[0], shop.lists[1]);
        // Later than all data that the models have learnt from.
        app.services.clock.advance(TimeDelta::minutes(1));
        shop
    }

    async fn train(&self, algorithm: &str) -> i64 {
        let body = json!({ "project": self.project, "recommender_class_name": algorithm, "parameters_json": {} });
        let configuration = self.owner.post("model_configuration/", body).await.expect(201).id();
        let body = json!({ "configuration": configuration, "data_loc": self.data });
        let model = self.owner.post("trained_model/", body).await.expect(201).id();
        let ended = |model: &Value| matches!(model["status"].as_str(), Some("COMPLETED" | "FAILED"));
        let ended = self.owner.wait_for(&format!("trained_model/{model}/"), ended).await;
        assert_eq!(ended["status"], "COMPLETED", "{ended}");
        model
    }

    /// Returns the lists of one model, by user.
    async fn all_lists(&self, model: i64) -> BTreeMap<String, Vec<String>> {
        let body = json!({ "user_ids": users().collect::<Vec<_>>(), "cutoff": CUTOFF });
        let answers = self.program.post(&format!("/inference/predict/{model}/batch"), body).await.expect(200).body;
        users().zip(answers["results"].as_array().expect("answers").iter().map(items)).collect()
    }

    async fn slot(&self, model: i64) -> i64 {
        let body = json!({ "project": self.project, "name": "slot", "trained_model": model, "weight": 50 });
        self.owner.post("deployment_slot/", body).await.expect(201).id()
    }

    /// Logs every list, and waits until servers know this and `slots` slots share the traffic.
    async fn log_all(&self, app: &TestApp, slots: usize) {
        self.owner.patch(&format!("project/{}/", self.project), json!({ "logged_share": 1 })).await.expect(200);
        let logged = async || {
            let path = format!("/inference/predict/project/{}", self.project);
            self.program.post(&path, json!({ "user_id": "nobody" })).await;
            let shared = format!("SELECT count(*) FROM recommendation_log WHERE propensity = 1.0 / {slots}");
            app.count(&shared).await > 0
        };
        app.soon("lists are logged", logged).await;
        self.forget(app).await;
    }

    /// Empties the log once all lists have been written.
    async fn forget(&self, app: &TestApp) {
        self.ask("the last", json!({})).await;
        self.logged(app, "user_id = 'the last'", 1).await;
        app.execute("DELETE FROM recommendation_log").await;
    }

    async fn logged(&self, app: &TestApp, which: &str, count: i64) {
        let query = format!("SELECT count(*) FROM recommendation_log WHERE {which}");
        let all = async || app.count(&query).await == count;
        app.soon(&format!("{count} lists are logged: {which}"), all).await;
    }

    async fn ask(&self, user: &str, more: Value) -> Value {
        let mut body = json!({ "user_id": user, "cutoff": CUTOFF });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.program.post(&format!("/inference/predict/project/{}", self.project), body).await.expect(200).body
    }

    async fn click(&self, answer: &Value, user: &str, item: &str) {
        let body = json!({ "project": self.project, "deployment_slot": answer["slot_id"], "user_id": user, "item_id": item,
            "event_type": "click", "recommendation_request_id": answer["request_id"] });
        self.program.post("conversion_event/", body).await.expect(201);
    }

    async fn off_policy(&self, model: i64) -> Value {
        self.owner.get(&format!("trained_model/{model}/off_policy/?cutoff={CUTOFF}")).await.expect(200).body
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_never_had_traffic_is_judged_by_that_of_two_slots() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let slots = [shop.slot(shop.models[0]).await, shop.slot(shop.models[1]).await];
    let (twin, fresh) = (shop.train("CosineKNN").await, shop.train("TruncatedSVD").await);
    let fresh_lists = shop.all_lists(fresh).await;
    let empty = shop.off_policy(twin).await;
    assert_eq!((&empty["requests"], &empty["click_estimates"], &empty["warnings"]), (&json!(0), &Value::Null, &json!([])));
    shop.log_all(&app, 2).await;

    let mut answers = Vec::new();
    for user in users() {
        let answer = shop.ask(&user, json!({})).await;
        let slot = usize::from(answer["slot_id"] == slots[1]);
        assert_eq!(items(&answer), shop.lists[slot][&user]);
        answers.push((user, slot, answer));
    }
    shop.logged(&app, "NOT is_shadow AND item_propensities IS NOT NULL", 60).await;
    // Items of a user's own kind are clicked, at any place.
    let mut answered = Vec::new();
    for (number, (user, slot, answer)) in answers.into_iter().enumerate() {
        let kind = if number % 3 == 2 { 'b' } else { 'a' };
        let clicked: Vec<String> = items(&answer).into_iter().filter(|item| item.starts_with(kind)).collect();
        for item in &clicked {
            shop.click(&answer, &user, item).await;
        }
        answered.push((user, slot, clicked));
    }
    // Where a model lists what a slot showed, a click counts as one over the share of the slots that show it there.
    let by_hand = |lists: &BTreeMap<String, Vec<String>>| {
        let mut sum = 0.0;
        for (user, slot, clicked) in &answered {
            let shown = &shop.lists[*slot][user];
            for (at, item) in shown.iter().enumerate().filter(|(at, item)| lists[user].get(*at) == Some(*item)) {
                let shares = [0, 1].map(|slot| f64::from(u8::from(shop.lists[slot][user].get(at) == Some(item))) / 2.0);
                sum += f64::from(u8::from(clicked.contains(item))) / shares.iter().sum::<f64>();
            }
        }
        sum / answered.len() as f64
    };

    // A model with the same lists as one of the slots: half of its traffic is known, and counts twice.
    let found = shop.off_policy(twin).await;
    assert_eq!((&found["requests"], &found["trained_model"], &found["is_partial"]), (&json!(60), &json!(twin), &json!(false)));
    assert_eq!((&found["left_out"], &found["warnings"]), (&json!({ "learnt": 0, "special": 0 }), &json!([])));
    let estimates = &found["click_estimates"];
    close(&estimates["ips"]["value"], by_hand(&shop.lists[0]));
    assert_eq!(estimates["requests"], 60);
    let earned: Vec<f64> =
        answered.iter().filter(|(_, slot, _)| *slot == 0).map(|(_, _, clicked)| clicked.len() as f64).collect();
    let truth = earned.iter().sum::<f64>() / earned.len() as f64;
    let told = estimates["doubly_robust"]["value"].as_f64().expect("a value");
    assert!((told - truth).abs() < 0.35, "{told} instead of about {truth}: {estimates}");
    assert!(estimates["support"].as_f64() > Some(0.7), "{estimates}");
    assert!(estimates["warnings"].as_array().expect("warnings").contains(&json!("small_sample")), "{estimates}");
    // A model in a slot can be evaluated as well, with the same result.
    let same = shop.off_policy(shop.models[0]).await;
    assert_eq!((&same["click_estimates"], &same["agreement"]), (&found["click_estimates"], &found["agreement"]));

    // Another one is evaluated by what it shares with them.
    let other = shop.off_policy(fresh).await;
    assert_eq!(other["requests"], 60);
    close(&other["click_estimates"]["ips"]["value"], by_hand(&fresh_lists));
    for wrong in ["?days=0", "?days=366", "?cutoff=101", "?cutoff=x"] {
        shop.owner.get(&format!("trained_model/{fresh}/off_policy/{wrong}")).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_asked_only_what_it_cannot_know_and_what_can_be_asked_again() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.slot(shop.models[0]).await;
    shop.log_all(&app, 1).await;
    for (user, more) in [
        ("u1", json!({})),
        ("u2", json!({ "deny": ["a1"] })),
        ("u3", json!({ "allow": ["a1", "a2"] })),
        ("u4", json!({ "interactions": ["a1"] })),
        ("u5", json!({ "exclude_seen": false })),
        ("u6", json!({ "diversity": 0.5 })),
        ("a newcomer", json!({ "explain": true })),
    ] {
        shop.ask(user, more).await;
    }
    shop.logged(&app, "user_id <> 'nobody'", 7).await;
    let found = shop.off_policy(shop.models[0]).await;
    // Unknown users get from the model what serving gives them, and reasons do not change a list.
    assert_eq!((&found["requests"], &found["agreement"]["identical"]), (&json!(2), &json!(1.0)));
    assert_eq!(found["left_out"], json!({ "learnt": 0, "special": 5 }));
    // With one slot the answer is certain: its lists are known without asking other models, and nothing else is.
    assert_eq!(found["warnings"], json!(["nothing_varied", "mostly_left_out"]));
    close(&found["click_estimates"]["support"], 1.0);

    // Data uploaded after the requests may contain their outcome.
    app.services.clock.advance(TimeDelta::minutes(1));
    let until = app.services.clock.now().to_rfc3339();
    app.execute(&format!("UPDATE training_data SET stored_at = '{until}' WHERE id = {}", shop.data)).await;
    app.execute(&format!("UPDATE trained_models SET started_at = '{until}'")).await;
    let found = shop.off_policy(shop.models[1]).await;
    assert_eq!((&found["requests"], &found["since"]), (&json!(0), &found["learnt_until"]));
    assert_eq!(found["left_out"], json!({ "learnt": 7, "special": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_asked_with_what_the_user_had_clicked_by_then() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.slot(shop.models[0]).await;
    shop.log_all(&app, 1).await;
    let first = shop.ask("u1", json!({})).await;
    shop.click(&first, "u1", &items(&first)[0]).await;
    app.services.clock.advance(TimeDelta::minutes(1));
    let followed = async || shop.ask("u1", json!({})).await["strategy"] == "fold_in";
    app.soon("the click is followed", followed).await;
    shop.forget(&app).await;
    let second = shop.ask("u1", json!({})).await;
    assert!(!items(&second).contains(&items(&first)[0]), "what was clicked is listed again");
    shop.click(&second, "u1", &items(&second)[0]).await;
    shop.logged(&app, "user_id = 'u1'", 1).await;
    // The outcome of the second list is no reason to leave it out of that one.
    let found = shop.off_policy(shop.models[0]).await;
    assert_eq!((&found["requests"], &found["agreement"]["identical"]), (&json!(1), &json!(1.0)));
    close(&found["click_estimates"]["ips"]["value"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_a_model_learns_nothing_and_a_bad_file_says_so() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    shop.slot(shop.models[0]).await;
    shop.log_all(&app, 1).await;
    shop.ask("u1", json!({})).await;
    shop.logged(&app, "user_id = 'u1'", 1).await;
    let address = |model: i64| format!("trained_model/{model}/off_policy/");
    app.user("outsider").await.get(&address(shop.models[1])).await.expect(404);
    app.anonymous().get(&address(shop.models[1])).await.expect(401);
    let guest = app.user("guest").await;
    app.join("guest", "margarete", "viewer").await;
    assert_eq!(guest.get(&address(shop.models[1])).await.expect(200).body["requests"], 1);

    // A model of another project of the same user learns nothing of this one's traffic.
    let project = json!({ "name": "Q", "user_column": "user", "item_column": "item" });
    let project = shop.owner.post("project/", project).await.expect(201).id();
    let data = shop.owner.upload(project, "data.csv", data()).await.expect(201).id();
    let elsewhere = Shop { project, data, owner: shop.owner.clone(), program: shop.program.clone(), ..shop };
    let stranger = elsewhere.train("TopPop").await;
    assert_eq!(elsewhere.off_policy(stranger).await["requests"], 0);

    let bad = elsewhere.train("TopPop").await;
    app.execute(&format!("UPDATE trained_models SET storage_key = 'models/gone' WHERE id = {bad}")).await;
    let answer = elsewhere.owner.get(&address(bad)).await.expect(503);
    assert_eq!(answer.body["code"], "model_file_missing");
    elsewhere.owner.delete(&format!("trained_model/{bad}/unlink_file/")).await.expect(200);
    let answer = elsewhere.owner.get(&address(bad)).await.expect(409);
    assert_eq!(answer.body["code"], "model_file_removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_sessions_is_judged_by_requests_later_than_its_last_interaction() {
    let app = TestApp::start_with_worker().await;
    let day = |user: usize| 1 + user % 9;
    let line = |user: usize, step: usize| format!("s{user},a{},2020-01-0{}T10:00:0{step}Z", (user + step) % 8, day(user));
    let lines = (0..24).flat_map(|user| (0..3).map(move |step| line(user, step)));
    let data = ["user,item,time".to_owned()].into_iter().chain(lines).collect::<Vec<_>>().join("\n");
    let shop = Shop::with_data(&app, Some("time"), data).await;
    let live = shop.train("CosineKNN").await;
    let sessions = shop.train("VMISKNN").await;
    shop.slot(live).await;
    shop.log_all(&app, 1).await;
    let first = shop.ask("somebody", json!({})).await;
    shop.click(&first, "somebody", "a1").await;
    app.services.clock.advance(TimeDelta::minutes(1));
    shop.ask("somebody", json!({})).await;
    shop.logged(&app, "user_id = 'somebody'", 2).await;
    // The first list can only consist of popular items. The second follows the click, after which a visitor of the data
    // continued.
    let found = shop.off_policy(sessions).await;
    assert_eq!((&found["requests"], &found["left_out"]["learnt"]), (&json!(2), &json!(0)));
    assert_eq!(found["learnt_until"], "2020-01-10T10:00:02Z");
    assert!(found["shadow"]["items"].as_i64() > Some(CUTOFF as i64), "both lists are the same: {found}");
}
