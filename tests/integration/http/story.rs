//! The whole story over HTTP: two models, a test of both on users, the better one promoted, and a retraining that may not undo it.

use chrono::{DateTime, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use recotem::features::retraining::fire_due;
use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::retraining::{finish, plan};
use crate::support::slots;
use crate::support::tastes::{configure, halves, tastes};
use crate::support::{Caller, TestApp};

const USERS: usize = 400;
/// Click rate of a list, by the slot that served it: the true lift is 200 %.
const CLICKED: [f64; 2] = [0.1, 0.3];
const TRUE_LIFT: f64 = 200.0;

struct Shop {
    app: TestApp,
    prepared: Prepared,
    /// The caller of programs.
    program: Caller,
    poor_configuration: i64,
    /// The slots of the poor and of the good model.
    slots: [i64; 2],
    good_model: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_better_model_wins_on_users_and_stays_until_something_as_good_comes() {
    let shop = open().await;
    let test = shop.test_on_users().await;
    shop.promote_and_take_back(test).await;
    shop.retrain_behind_the_gate().await;
}

async fn open() -> Shop {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "Shop", "CosineKNN").await;
    let data = prepared.user.upload(prepared.project, "tastes.csv", tastes(USERS)).await.expect(201).id();
    let prepared = Prepared { data, ..prepared };
    let poor_configuration = configure(&prepared, "TopPop", json!({})).await;
    let good = prepared.train().await;
    let poor = Prepared { configuration: poor_configuration, user: prepared.user.clone(), ..prepared }.train().await;
    let mut made = Vec::new();
    for (model, name) in [(&poor, "today"), (&good, "new")] {
        assert_eq!(model["status"], "COMPLETED", "{model}");
        let model = model["id"].as_i64().unwrap();
        made.push(slots::make(&prepared, model, json!({ "name": name, "weight": 50 })).await.expect(201).id());
    }
    // Who gets which slot hangs on this, and one draw in a thousand is suspicious.
    app.execute("UPDATE projects SET assignment_salt = '00000000-0000-4000-8000-000000000001'").await;
    let program = app.anonymous().with_key(&prepared.key("shop front", "predict").await);
    Shop { app, program, poor_configuration, slots: [made[0], made[1]], good_model: good["id"].clone(), prepared }
}

impl Shop {
    fn user(&self) -> &Caller {
        &self.prepared.user
    }

    async fn ask(&self, user: usize) -> Value {
        let path = format!("/inference/predict/project/{}", self.prepared.project);
        self.program.post(&path, json!({ "user_id": format!("u{user}"), "cutoff": 3 })).await.expect(200).body
    }

    async fn slot(&self, at: usize) -> Value {
        self.user().get(&format!("deployment_slot/{}/", self.slots[at])).await.expect(200).body
    }

    /// Returns whether each slot is active, and with which weight.
    async fn weights(&self) -> [(bool, f64); 2] {
        let state = |slot: Value| (slot["is_active"].as_bool().unwrap(), slot["weight"].as_f64().unwrap());
        [state(self.slot(0).await), state(self.slot(1).await)]
    }

    /// Shows lists of both slots to users who click, and returns the test, whose results name the better slot.
    async fn test_on_users(&self) -> i64 {
        let test = json!({ "project": self.prepared.project, "name": "New against today", "control_slot": self.slots[0],
            "variant_slot": self.slots[1], "min_sample_size": USERS });
        let test = self.user().post("ab_test/", test).await.expect(201).id();
        self.user().post(&format!("ab_test/{test}/start/"), json!({})).await.expect(200);
        for slot in self.slots {
            slots::answers(&self.app, &self.program, self.prepared.project, slot).await;
        }
        let events = self.simulate().await;
        for batch in events.chunks(200) {
            let sent = || self.program.post("conversion_event/batch/", json!({ "events": batch }));
            assert_eq!(sent().await.expect(201).body["created"], batch.len());
            // The response was lost, and the program sends the batch again.
            assert_eq!(sent().await.expect(201).body["created"], 0);
        }
        self.user().post(&format!("ab_test/{test}/stop/"), json!({})).await.expect(200);
        let results = self.user().get(&format!("ab_test/{test}/results/")).await.expect(200).body;
        check_results(&results, &events, self.slots);
        test
    }

    /// Makes one request for every user; returns the events of the lists shown and the items clicked.
    async fn simulate(&self) -> Vec<Value> {
        let mut random = ChaCha8Rng::seed_from_u64(20_261_121);
        let mut events = Vec::new();
        for user in 0..USERS {
            let answer = self.ask(user).await;
            let arm = self.slots.iter().position(|slot| answer["slot_id"] == *slot).unwrap();
            let item = answer["items"][0]["item_id"].as_str().unwrap();
            if arm == 1 {
                assert!(item.starts_with(&format!("t{}-", user % 4)), "the good model knows the taste of user {user}: {item}");
            }
            let event = |kind: &str| {
                json!({ "project": self.prepared.project, "deployment_slot": self.slots[arm], "user_id": format!("u{user}"),
                    "item_id": item, "event_type": kind, "recommendation_request_id": answer["request_id"],
                    "event_id": format!("{kind} {user}") })
            };
            events.push(event("impression"));
            if random.random_bool(CLICKED[arm]) {
                events.push(event("click"));
            }
        }
        events
    }

    async fn promote_and_take_back(&self, test: i64) {
        let path = format!("ab_test/{test}/promote_winner/");
        let promote = async || self.user().post(&path, json!({ "slot_id": self.slots[1] })).await.expect(200);
        promote().await;
        assert_eq!(self.weights().await, [(false, 50.0), (true, 100.0)]);
        let all_by_the_winner = async || {
            let mut answers = Vec::new();
            for user in 0..10 {
                answers.push(self.ask(user).await["slot_id"] == self.slots[1]);
            }
            answers.into_iter().all(|by_winner| by_winner)
        };
        self.app.soon("the winner answers everybody", all_by_the_winner).await;

        let changes = format!("slot_change/?project={}", self.prepared.project);
        let promotion = self.user().get(&changes).await.expect(200).body["results"][0].clone();
        assert_eq!((&promotion["action"], &promotion["ab_test"]), (&json!("promoted"), &json!(test)));
        self.user().post(&format!("slot_change/{}/revert/", promotion["id"]), json!({})).await.expect(200);
        assert_eq!(self.weights().await, [(true, 50.0), (true, 50.0)]);
        assert_eq!(self.user().get(&format!("ab_test/{test}/")).await.body["winner_slot"], Value::Null);
        promote().await;
        assert_eq!(self.weights().await, [(false, 50.0), (true, 100.0)]);
    }

    /// Checks that of two scheduled runs the one with the poor configuration changes nothing, and the one with the good one takes
    /// over.
    async fn retrain_behind_the_gate(&self) {
        let wanted = json!({ "is_enabled": true, "model_configuration": self.poor_configuration, "auto_deploy": true,
            "gate_tolerance": 0.05, "split_config": halves(self.user()).await, "cron_expression": "0 * * * *" });
        let schedule = plan(&self.prepared, wanted).await.expect(201).id();
        let (user, blocked) = self.fall_due(schedule, 1).await;
        assert_eq!((&blocked["status"], &blocked["cause"]), (&json!("SKIPPED"), &json!("schedule")), "{blocked}");
        assert!(blocked["new_score"].as_f64() < blocked["deployed_score"].as_f64(), "{blocked}");
        assert_eq!(blocked["deployed_model"], self.good_model);
        assert_eq!(self.ask(1).await["model_id"], self.good_model);

        let change = json!({ "model_configuration": self.prepared.configuration });
        user.patch(&format!("retraining_schedule/{schedule}/"), change).await.expect(200);
        let (_, deployed) = self.fall_due(schedule, 2).await;
        assert_eq!(deployed["status"], "COMPLETED", "{deployed}");
        let answers = async || self.ask(1).await["model_id"] == deployed["trained_model"];
        self.app.soon("the new model answers", answers).await;
    }

    /// Moves the clock to the next run and waits for its end. Sessions have expired by then, so users have to log in again.
    async fn fall_due(&self, schedule: i64, count: usize) -> (Caller, Value) {
        let log_in = async || Caller::log_in(&self.app.base, "margarete", "a good long phrase").await;
        let path = format!("retraining_schedule/{schedule}/");
        let due = log_in().await.get(&path).await.expect(200).body["next_run_at"].as_str().unwrap().to_owned();
        let clock = &self.app.services.clock;
        clock.advance(due.parse::<DateTime<Utc>>().unwrap() - clock.now());
        assert_eq!(fire_due(&self.app.services).await.unwrap(), 1);
        let user = log_in().await;
        let run = finish(&self.app, &user, schedule, count).await;
        (user, run)
    }
}

/// Checks that the figures are those of the events, and the verdict is true.
fn check_results(results: &Value, events: &[Value], slots: [i64; 2]) {
    let count = |slot: i64, kind: &str| {
        events.iter().filter(|event| event["deployment_slot"] == slot && event["event_type"] == kind).count()
    };
    for (arm, slot) in [("control", slots[0]), ("variant", slots[1])] {
        assert_eq!(results[format!("{arm}_impressions")], count(slot, "impression"));
        assert_eq!(results[format!("{arm}_conversions")], count(slot, "click"));
        assert_eq!(results[format!("{arm}_attributed_conversions")], count(slot, "click"));
        assert_eq!(results["sample_ratio"][format!("{arm}_users")], count(slot, "impression"));
    }
    assert_eq!((&results["advice"], &results["sample_ratio"]["suspicious"]), (&json!("variant_wins"), &json!(false)));
    let bounds = [0_usize, 1].map(|end| results["sequential"]["lift_interval"][end].as_f64().unwrap());
    assert!(bounds[0] > 0.0 && bounds[0] < TRUE_LIFT && TRUE_LIFT < bounds[1], "{results}");
}
