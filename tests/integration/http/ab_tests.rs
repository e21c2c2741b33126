//! A/B tests.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::prepared::Prepared;
use crate::support::slots;
use crate::support::{Answer, Caller, TestApp};

struct Stage {
    app: TestApp,
    prepared: Prepared,
    model: i64,
    control: i64,
    variant: i64,
}

async fn stage() -> Stage {
    let app = TestApp::start_without_worker().await;
    let (prepared, model) = slots::with_model(&app, "margarete").await;
    let control = slots::make(&prepared, model, json!({ "name": "control", "weight": 50 })).await.expect(201).id();
    let variant = slots::make(&prepared, model, json!({ "name": "variant", "weight": 50 })).await.expect(201).id();
    Stage { app, prepared, model, control, variant }
}

impl Stage {
    fn user(&self) -> &Caller {
        &self.prepared.user
    }

    async fn plan(&self, more: Value) -> Answer {
        let mut test = json!({ "project": self.prepared.project, "name": "T", "control_slot": self.control,
            "variant_slot": self.variant });
        test.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.user().post("ab_test/", test).await
    }

    async fn act(&self, test: i64, action: &str, body: Value) -> Answer {
        self.user().post(&format!("ab_test/{test}/{action}/"), body).await
    }

    async fn results(&self, test: i64) -> Value {
        self.user().get(&format!("ab_test/{test}/results/")).await.expect(200).body
    }

    /// Returns the fields that 1.x had.
    async fn figures(&self, test: i64) -> Value {
        let mut results = self.results(test).await;
        let added = [
            "control_attributed_conversions",
            "variant_attributed_conversions",
            "sample_ratio",
            "sequential",
            "lift_interval",
            "advice",
            "needed_sample_size",
        ];
        for field in added {
            assert!(results.as_object_mut().unwrap().remove(field).is_some(), "{field}");
        }
        results
    }

    /// Reports `count` events of a slot, each under a request of its own if asked for.
    async fn report(&self, slot: i64, kind: &str, count: usize, requests: bool) {
        let event = |number: usize| {
            let request = requests.then(|| Uuid::from_u128((slot as u128) << 64 | number as u128));
            json!({ "project": self.prepared.project, "deployment_slot": slot, "user_id": number, "event_type": kind,
                "recommendation_request_id": request })
        };
        let events: Vec<Value> = (0..count).map(event).collect();
        let created =
            self.user().post("conversion_event/batch/", json!({ "events": events })).await.expect(201).body["created"].clone();
        assert_eq!(created, count);
    }
}

/// Checks both names of the one message of a refused action.
fn refused(answer: Answer) {
    let body = answer.expect(400).body;
    assert!(body["error"].is_string() && body["error"] == body["detail"], "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_planned_started_stopped_and_its_winner_promoted() {
    let stage = stage().await;
    let test = stage.plan(json!({})).await.expect(201);
    let id = test.id();
    let path = format!("ab_test/{id}/");
    for (field, expected) in [
        ("status", json!("DRAFT")),
        ("target_metric_name", json!("ctr")),
        ("min_sample_size", json!(1000)),
        ("confidence_level", json!(0.95)),
        ("started_at", Value::Null),
        ("ended_at", Value::Null),
        ("winner_slot", Value::Null),
    ] {
        assert_eq!(test.body[field], expected, "{field}");
    }
    assert_eq!(stage.user().get("ab_test/?status=DRAFT").await.body["results"], json!([test.body]));
    assert_eq!(stage.user().get("ab_test/?status=RUNNING").await.body["count"], 0);
    stage.user().get("ab_test/?status=GOING").await.expect(400);

    refused(stage.act(id, "stop", json!({})).await);
    refused(stage.act(id, "promote_winner", json!({ "slot_id": stage.variant })).await);
    let running = stage.act(id, "start", json!({})).await.expect(200).body;
    assert_eq!(running["status"], "RUNNING");
    assert!(running["started_at"].is_string() && running["ended_at"].is_null());
    refused(stage.act(id, "start", json!({})).await);
    let completed = stage.act(id, "stop", json!({})).await.expect(200).body;
    assert_eq!(completed["status"], "COMPLETED");
    assert!(completed["ended_at"].is_string());

    for wrong in [json!({}), json!({ "slot_id": 999 }), json!({ "slot_id": "x" }), json!({ "slot_id": null })] {
        refused(stage.act(id, "promote_winner", wrong).await);
    }
    let promoted = stage.act(id, "promote_winner", json!({ "slot_id": stage.variant })).await.expect(200).body;
    assert_eq!(promoted, json!({ "status": "promoted", "winner_slot_id": stage.variant }));
    assert_eq!(stage.user().get(&path).await.body["winner_slot"], stage.variant);
    stage.user().delete(&path).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn promoting_the_one_and_then_the_other_leaves_the_last_one_active() {
    let stage = stage().await;
    let id = stage.plan(json!({})).await.expect(201).id();
    stage.act(id, "start", json!({})).await.expect(200);
    stage.act(id, "stop", json!({})).await.expect(200);
    let slot = async |id: i64| stage.user().get(&format!("deployment_slot/{id}/")).await.expect(200).body;
    // A slot id may be sent as a text.
    for (winner, loser) in [(stage.variant, stage.control), (stage.control, stage.variant)] {
        let answer = stage.act(id, "promote_winner", json!({ "slot_id": winner.to_string() })).await.expect(200).body;
        assert_eq!(answer["winner_slot_id"], winner);
        let (winner, loser) = (slot(winner).await, slot(loser).await);
        assert_eq!((&winner["is_active"], &winner["weight"]), (&json!(true), &json!(100.0)));
        assert_eq!(loser["is_active"], false);
    }
    let promotions = format!(
        "SELECT count(*) FROM slot_changes WHERE action = 'promoted' AND ab_test_id = {id} \
        AND jsonb_array_length(before) = 2 AND jsonb_array_length(after) = 2"
    );
    assert_eq!(stage.app.count(&promotions).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_those_of_1_x_to_the_digit() {
    let stage = stage().await;
    let id = stage.plan(json!({ "target_metric_name": "click_through_rate" })).await.expect(201);
    assert_eq!(id.body["target_metric_name"], "ctr");
    let id = id.id();
    stage.act(id, "start", json!({})).await.expect(200);
    let empty = stage.results(id).await;
    assert_eq!((&empty["p_value"], &empty["confidence_interval"]), (&json!(1.0), &json!([0.0, 0.0])));
    stage.report(stage.control, "impression", 503, true).await;
    stage.report(stage.control, "click", 40, false).await;
    stage.report(stage.variant, "impression", 400, true).await;
    stage.report(stage.variant, "impression", 200, false).await;
    stage.report(stage.variant, "click", 90, true).await;
    let expected = json!({
        "control_impressions": 503, "control_conversions": 40, "control_rate": 0.079523,
        "variant_impressions": 600, "variant_conversions": 90, "variant_rate": 0.15,
        "z_score": 3.6155, "p_value": 0.0003, "significant": true, "lift": 88.62,
        "confidence_interval": [0.033392, 0.107563], "min_sample_size": 1000, "sufficient_data": true,
    });
    assert_eq!(stage.figures(id).await, expected);
    // Repeated impressions and clicks of the same lists change nothing.
    stage.report(stage.variant, "impression", 400, true).await;
    stage.report(stage.variant, "click", 90, true).await;
    assert_eq!(stage.figures(id).await, expected);
    // Events after the end do not count.
    stage.act(id, "stop", json!({})).await.expect(200);
    stage.app.services.clock.advance(TimeDelta::seconds(1));
    stage.report(stage.control, "click", 300, false).await;
    assert_eq!(stage.figures(id).await, expected);
    let purchases =
        stage.plan(json!({ "target_metric_name": "purchase_rate", "min_sample_size": 10_000 })).await.expect(201).id();
    let draft = stage.results(purchases).await;
    assert_eq!((&draft["control_conversions"], &draft["sufficient_data"]), (&json!(0), &json!(false)));
    let both = stage.plan(json!({ "target_metric_name": "conversion_rate" })).await.expect(201).id();
    assert_eq!(stage.results(both).await["control_conversions"], 340);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_conversions_than_impressions_are_an_answer_and_not_a_500() {
    let stage = stage().await;
    let id = stage.plan(json!({ "min_sample_size": 1 })).await.expect(201).id();
    stage.report(stage.control, "impression", 3, false).await;
    stage.report(stage.control, "click", 10, false).await;
    stage.report(stage.variant, "impression", 4, false).await;
    stage.report(stage.variant, "click", 1, false).await;
    let results = stage.results(id).await;
    assert_eq!((&results["control_conversions"], &results["variant_rate"]), (&json!(10), &json!(0.25)));
    assert!(results["confidence_interval"][0].is_f64(), "{results}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_not_called_significant_before_the_sample_is_complete() {
    let stage = stage().await;
    let id = stage.plan(json!({ "min_sample_size": 201 })).await.expect(201).id();
    stage.report(stage.control, "impression", 100, true).await;
    stage.report(stage.variant, "impression", 100, true).await;
    stage.report(stage.variant, "click", 50, true).await;
    let early = stage.results(id).await;
    assert_eq!(
        (&early["p_value"], &early["significant"], &early["sufficient_data"]),
        (&json!(0.0), &json!(false), &json!(false))
    );
    stage.user().patch(&format!("ab_test/{id}/"), json!({ "min_sample_size": 200 })).await.expect(200);
    assert_eq!(stage.results(id).await["significant"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_that_may_be_looked_at_any_time_stands_beside_the_figures_of_1_x() {
    let stage = stage().await;
    let id = stage.plan(json!({})).await.expect(201).id();
    let draft = stage.results(id).await;
    assert_eq!((&draft["sample_ratio"], &draft["advice"]), (&Value::Null, &json!("keep_running")));
    assert_eq!(draft["needed_sample_size"], json!({ "control": 970, "variant": 970 }));
    stage.act(id, "start", json!({})).await.expect(200);
    stage.report(stage.control, "impression", 520, true).await;
    stage.report(stage.control, "click", 40, true).await;
    stage.report(stage.variant, "impression", 500, true).await;
    // Two of the clicks are of no list, and purchases from lists that were never shown are attributed to none.
    stage.report(stage.variant, "click", 70, true).await;
    stage.report(stage.variant, "click", 2, false).await;
    stage.report(stage.variant, "purchase", 600, true).await;
    let results = stage.results(id).await;
    let ratio = json!({ "control_users": 520, "variant_users": 500, "expected_control_share": 0.5, "p_value": 0.531168,
        "suspicious": false });
    assert_eq!(results["sample_ratio"], ratio);
    assert_eq!((&results["significant"], &results["sequential"]["significant"]), (&json!(true), &json!(true)), "{results}");
    assert_eq!((&results["advice"], &results["variant_conversions"]), (&json!("variant_wins"), &json!(72)));
    let attributed = (&results["control_attributed_conversions"], &results["variant_attributed_conversions"]);
    assert_eq!(attributed, (&json!(40), &json!(70)));
    let (once, always) = (&results["lift_interval"], &results["sequential"]["lift_interval"]);
    assert!(once[0].as_f64() > always[0].as_f64() && once[1].as_f64() < always[1].as_f64(), "{once} {always}");

    // Users missing in one arm make every comparison worthless.
    stage.report(stage.control, "impression", 900, true).await;
    let uneven = stage.results(id).await;
    assert_eq!((&uneven["sample_ratio"]["suspicious"], &uneven["advice"]), (&json!(true), &json!("check_assignment")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_on_its_field() {
    let stage = stage().await;
    let (foreign, foreign_model) = slots::with_model(&stage.app, "friedrich").await;
    let foreign_slot = slots::make(&foreign, foreign_model, json!({})).await.expect(201).id();
    for (wrong, field) in [
        (json!({ "variant_slot": stage.control }), "variant_slot"),
        (json!({ "control_slot": foreign_slot }), "control_slot"),
        (json!({ "variant_slot": 999_999 }), "variant_slot"),
        (json!({ "project": foreign.project }), "project"),
        (json!({ "min_sample_size": 0 }), "min_sample_size"),
        (json!({ "min_sample_size": -5 }), "min_sample_size"),
        (json!({ "confidence_level": 0.999 }), "confidence_level"),
        (json!({ "confidence_level": 0.4 }), "confidence_level"),
        (json!({ "target_metric_name": "revenue" }), "target_metric_name"),
        (json!({ "name": " " }), "name"),
    ] {
        stage.plan(wrong).await.fault(field);
    }
    let id = stage.plan(json!({})).await.expect(201).id();
    let path = format!("ab_test/{id}/");
    stage.user().patch(&path, json!({ "variant_slot": stage.control })).await.fault("variant_slot");
    let renamed =
        stage.user().patch(&path, json!({ "name": "U", "status": "RUNNING", "winner_slot": stage.control })).await.expect(200);
    assert_eq!(
        (&renamed.body["name"], &renamed.body["status"], &renamed.body["winner_slot"]),
        (&json!("U"), &json!("DRAFT"), &Value::Null)
    );
    foreign.user.get(&format!("{path}results/")).await.expect(404);
    let viewer = stage.app.user("viewer").await;
    stage.app.join("viewer", "margarete", "viewer").await;
    viewer.get(&format!("{path}results/")).await.expect(200);
    viewer.post(&format!("{path}start/"), json!({})).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_test_keeps_its_slots_and_its_metric() {
    let stage = stage().await;
    let third = slots::make(&stage.prepared, stage.model, json!({ "name": "third" })).await.expect(201).id();
    let fourth = slots::make(&stage.prepared, stage.model, json!({ "name": "fourth" })).await.expect(201).id();
    let shadow = slots::make(&stage.prepared, stage.model, json!({ "is_shadow": true })).await.expect(201).id();
    let id = stage.plan(json!({})).await.expect(201).id();
    let path = format!("ab_test/{id}/");
    let overlapping = stage.plan(json!({ "variant_slot": third })).await.expect(201).id();
    let apart = stage.plan(json!({ "control_slot": third, "variant_slot": fourth })).await.expect(201).id();
    let on_nobody = stage.plan(json!({ "control_slot": shadow, "variant_slot": fourth })).await.expect(201).id();
    stage.act(id, "start", json!({})).await.expect(200);
    refused(stage.act(overlapping, "start", json!({})).await);
    refused(stage.act(on_nobody, "start", json!({})).await);
    stage.act(apart, "start", json!({})).await.expect(200);

    for change in [json!({ "variant_slot": fourth }), json!({ "target_metric_name": "purchase_rate" })] {
        assert!(stage.user().patch(&path, change).await.expect(409).body["detail"].is_string());
    }
    stage.user().patch(&path, json!({ "name": "U", "target_metric_name": "ctr" })).await.expect(200);
    stage.user().delete(&path).await.expect(409);
    let conflict = stage.user().delete(&format!("deployment_slot/{}/", stage.variant)).await.expect(409).body;
    assert_eq!(conflict["dependents"], json!([{ "resource": "ab_test", "id": id, "name": "U" }]));
    stage.act(id, "stop", json!({})).await.expect(200);
    stage.user().delete(&format!("deployment_slot/{}/", stage.variant)).await.expect(204);
    stage.user().get(&path).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tests_on_one_slot_started_at_once_one_runs() {
    let stage = stage().await;
    let first = stage.plan(json!({})).await.expect(201).id();
    let second = stage.plan(json!({})).await.expect(201).id();
    let (one, other) = tokio::join!(stage.act(first, "start", json!({})), stage.act(second, "start", json!({})));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}
