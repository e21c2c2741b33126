//! Large numbers of events: many at the same time, more than are allowed, none while the database is away, and old ones that are
//! removed.

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use recotem::features::ab_tests::expire_events;
use recotem::features::events::make_ahead;
use recotem::platform::services::Services;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Caller;
use crate::support::events::{Stage, stage_with};
use crate::support::slots;

const BATCH: &str = "conversion_event/batch/";
const ALL: &str = "SELECT count(*) FROM conversion_events";

impl Stage {
    async fn another_slot(&self) -> i64 {
        slots::make(&self.prepared, self.model, json!({ "name": "another", "weight": 50 })).await.expect(201).id()
    }

    /// Sends all of them at the same moment; returns the statuses in their order.
    async fn at_once(&self, events: Vec<Value>) -> Vec<u16> {
        let calls = events.into_iter().map(|event| {
            let program = self.program.clone();
            tokio::spawn(async move { program.post("conversion_event/", event).await.status.as_u16() })
        });
        let mut statuses = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            statuses.push(call.await.unwrap());
        }
        statuses
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_arrive_together_are_all_stored_each_under_its_own_id() {
    let stage = stage_with(|_| {}).await;
    let call = async |number: i32| {
        let event = stage.event(json!({ "user_id": number, "event_id": format!("e{}", number % 60) }));
        let answer = stage.program.post("conversion_event/", event).await;
        (answer.status.as_u16(), answer.body)
    };
    let answers = futures_util::future::join_all((0..120).map(call)).await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == 201).count(), 60, "each id of the client once");
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 60);
    for (_, body) in &answers {
        assert_eq!(&stage.program.get(&format!("conversion_event/{}/", body["id"])).await.expect(200).body, body);
    }
    assert_eq!(stage.app.count(ALL).await, 60);
    let noted = "SELECT count(*) FROM api_keys WHERE last_used_at IS NOT NULL";
    assert_eq!(stage.app.count(noted).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_that_cannot_be_stored_does_not_take_others_along() {
    let stage = stage_with(|_| {}).await;
    stage.app.execute("ALTER TABLE conversion_events ADD CHECK (item_id <> 'cursed')").await;
    let cursed = stage.event(json!({ "item_id": "cursed" }));
    let events = (0..40).map(|number| if number % 20 == 7 { cursed.clone() } else { stage.event(json!({})) }).collect();
    let statuses = stage.at_once(events).await;
    let refused: Vec<usize> = (0..40).filter(|number| statuses[*number] != 201).collect();
    assert_eq!(refused, [7, 27], "{statuses:?}");
    assert_eq!(stage.app.count(ALL).await, 38);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_taken_away_end_reporting() {
    let stage = stage_with(|_| {}).await;
    let another = stage.another_slot().await;
    let event = stage.event(json!({ "deployment_slot": another }));
    stage.program.post("conversion_event/", event.clone()).await.expect(201);
    stage.prepared.user.delete(&format!("deployment_slot/{another}/")).await.expect(204);
    let refused = async |status: u16| stage.program.post("conversion_event/", event.clone()).await.status.as_u16() == status;
    stage.app.soon("the slot is gone", async || refused(403).await).await;
    let key =
        stage.prepared.user.get(&format!("api_keys/?project={}", stage.prepared.project)).await.body["results"][0]["id"].clone();
    stage.prepared.user.post(&format!("api_keys/{key}/revoke/"), json!({})).await.expect(200);
    stage.app.soon("the key is revoked", async || refused(401).await).await;
    stage.program.post(BATCH, json!({ "events": [event] })).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_have_an_allowance_of_their_own() {
    let stage = stage_with(|settings| settings.throttle.events.requests = 4).await;
    let program = &stage.program;
    program.post("conversion_event/", stage.event(json!({}))).await.expect(201);
    program.post(BATCH, json!({ "events": [stage.event(json!({})), stage.event(json!({}))] })).await.expect(201);
    program.post("/api/conversion_event/", stage.event(json!({}))).await.expect(201);
    assert_eq!(program.post("conversion_event/", stage.event(json!({}))).await.expect(429).header("retry-after"), "1");
    program.get("conversion_event/").await.expect(200);
    stage.app.services.clock.advance(TimeDelta::seconds(2));
    program.post("conversion_event/", stage.event(json!({}))).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_counts_as_many_reports_as_it_holds() {
    let stage = stage_with(|settings| settings.throttle.events.requests = 10).await;
    let program = &stage.program;
    let batch = json!({ "events": vec![stage.event(json!({})); 30] });
    program.post(BATCH, batch.clone()).await.expect(201);
    assert_eq!(program.post(BATCH, batch.clone()).await.expect(429).header("retry-after"), "1");
    program.post("conversion_event/", stage.event(json!({}))).await.expect(429);
    stage.app.services.clock.advance(TimeDelta::seconds(2));
    program.post("conversion_event/", stage.event(json!({}))).await.expect(201);
    program.post(BATCH, batch).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_events_count_as_many_reports() {
    let stage = stage_with(|settings| settings.throttle.events.requests = 10).await;
    let program = &stage.program;
    let large = || stage.event(json!({ "metadata_json": { "k": "x".repeat(6 << 10) } }));
    program.post("conversion_event/", large()).await.expect(201);
    program.post(BATCH, json!({ "events": [large()] })).await.expect(201);
    program.post("conversion_event/", stage.event(json!({}))).await.expect(429);
    stage.app.services.clock.advance(TimeDelta::seconds(2));
    program.post("conversion_event/", stage.event(json!({}))).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_events_are_refused_and_not_lost_silently() {
    let stage = stage_with(|_| {}).await;
    stage.program.post("conversion_event/", stage.event(json!({}))).await.expect(201);
    stage.app.services.db.close();
    let refused = stage.program.post("conversion_event/", stage.event(json!({}))).await.expect(503);
    assert_eq!((refused.header("retry-after").as_str(), &refused.body["code"]), ("5", &json!("temporarily_unavailable")));
    stage.program.post(BATCH, json!({ "events": [stage.event(json!({}))] })).await.expect(503);
}

/// Logs the user in again: no session is valid any more after the clock has moved.
async fn logged_in(stage: &Stage) -> Caller {
    Caller::log_in(&stage.app.base, "margarete", "a good long phrase").await
}

/// Moves the clock to where a few days more or less are in the same month.
fn to_the_middle_of_a_month(services: &Services) {
    let now: DateTime<Utc> = services.clock.now();
    services.clock.advance(TimeDelta::days(31 - i64::from(now.day()) + 10));
}

/// Creates two slots with a test between them that has impressions and clicks in both.
async fn tested(stage: &Stage, user: &Caller) -> (i64, i64) {
    let variant = json!({ "project": stage.prepared.project, "name": "another", "trained_model": stage.model, "weight": 50 });
    let variant = user.post("deployment_slot/", variant).await.expect(201).id();
    let test = json!({ "project": stage.prepared.project, "name": "T", "control_slot": stage.slot, "variant_slot": variant });
    let test = user.post("ab_test/", test).await.expect(201).id();
    user.post(&format!("ab_test/{test}/start/"), json!({})).await.expect(200);
    let event = |slot: i64, number: u128, kind: &str| {
        stage.event(
            json!({ "deployment_slot": slot, "event_type": kind, "user_id": number, "event_id": format!("{slot} {number} {kind}"),
            "recommendation_request_id": Uuid::from_u128((slot as u128) << 64 | number) }),
        )
    };
    let shown = (0..30).flat_map(|number| [event(stage.slot, number, "impression"), event(variant, number, "impression")]);
    let clicked = (0..9).map(|number| event(if number < 3 { stage.slot } else { variant }, number, "click"));
    let events: Vec<Value> = shown.chain(clicked).collect();
    user.post(BATCH, json!({ "events": events })).await.expect(201);
    (test, variant)
}

async fn days(caller: &Caller) -> Value {
    caller.get("conversion_event/daily_counts/?page_size=100").await.expect(200).body["results"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_become_daily_counts_and_a_test_that_ended_keeps_its_results() {
    let stage = stage_with(|settings| settings.event_retention_days = 30).await;
    let services = &stage.app.services;
    // Not at the edge of a day or a month, on any day.
    to_the_middle_of_a_month(services);
    make_ahead(services).await.unwrap();
    let user = logged_in(&stage).await;
    let (test, variant) = tested(&stage, &user).await;
    user.post(&format!("ab_test/{test}/stop/"), json!({})).await.expect(200);
    let (results, counted) = (user.get(&format!("ab_test/{test}/results/")).await.expect(200).body, days(&stage.program).await);
    assert_eq!((&results["control_impressions"], &results["variant_conversions"]), (&json!(30), &json!(6)));
    let first_day = services.clock.now().date_naive().to_string();
    let clicks = json!({ "project": stage.prepared.project, "deployment_slot": variant, "day": first_day, "event_type": "click",
        "events": 6 });
    assert!(counted.as_array().unwrap().contains(&clicks), "{counted}");

    services.clock.advance(TimeDelta::days(29));
    expire_events(services).await.unwrap();
    assert_eq!(stage.app.count(ALL).await, 69, "not old enough");
    services.clock.advance(TimeDelta::days(3));
    expire_events(services).await.unwrap();
    assert_eq!(stage.app.count(ALL).await, 0);
    assert_eq!(stage.app.count("SELECT count(*) FROM conversion_event_keys").await, 0);
    let user = logged_in(&stage).await;
    assert_eq!(user.get(&format!("ab_test/{test}/results/")).await.expect(200).body, results);
    assert_eq!(days(&stage.program).await, counted);
    assert_eq!(user.get("conversion_event/").await.expect(200).body["count"], 0);
    let of_clicks =
        stage.program.get(&format!("conversion_event/daily_counts/?event_type=click&deployment_slot={variant}")).await;
    assert_eq!(of_clicks.expect(200).body["results"], json!([clicks]));
    expire_events(services).await.unwrap();
    assert_eq!(days(&stage.program).await, counted, "nothing is counted twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_is_over_goes_as_a_whole_unless_a_test_still_needs_it() {
    let stage = stage_with(|settings| settings.event_retention_days = 30).await;
    let services = &stage.app.services;
    to_the_middle_of_a_month(services);
    make_ahead(services).await.unwrap();
    let user = logged_in(&stage).await;
    let idle = json!({ "project": stage.prepared.project, "name": "idle", "trained_model": stage.model });
    let idle = user.post("deployment_slot/", idle).await.expect(201).id();
    stage.program.post("conversion_event/", stage.event(json!({ "deployment_slot": idle, "event_id": "a" }))).await.expect(201);
    let (test, _) = tested(&stage, &user).await;
    let partition = format!("conversion_events_{}", services.clock.now().format("%Y_%m"));
    let there = format!("SELECT count(*) FROM pg_class WHERE relname = '{partition}'");
    services.clock.advance(TimeDelta::days(70));
    expire_events(services).await.unwrap();
    assert_eq!((stage.app.count(ALL).await, stage.app.count(&there).await), (69, 1), "the test still runs");
    let user = logged_in(&stage).await;
    let results = user.get(&format!("ab_test/{test}/results/")).await.expect(200).body;
    assert_eq!(results["control_impressions"], 30);
    user.post(&format!("ab_test/{test}/stop/"), json!({})).await.expect(200);
    let results = user.get(&format!("ab_test/{test}/results/")).await.expect(200).body;
    expire_events(services).await.unwrap();
    assert_eq!((stage.app.count(ALL).await, stage.app.count(&there).await), (0, 0));
    assert_eq!(user.get(&format!("ab_test/{test}/results/")).await.expect(200).body, results);
    let total: i64 = days(&user).await.as_array().unwrap().iter().map(|day| day["events"].as_i64().unwrap()).sum();
    assert_eq!(total, 70);
    // Removed events can be reported again; nothing else remembers them.
    stage.program.post("conversion_event/", stage.event(json!({ "event_id": "a" }))).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_of_the_counts_are_chosen_and_never_all_there_are() {
    let stage = stage_with(|settings| settings.event_retention_days = 200).await;
    let services = &stage.app.services;
    let first = services.clock.now().date_naive();
    let report = async || stage.program.post("conversion_event/", stage.event(json!({}))).await.expect(201);
    report().await;
    // One that is kept as it is, one that is a count by now, both more than ninety days ago.
    services.clock.advance(TimeDelta::days(150));
    report().await;
    services.clock.advance(TimeDelta::days(100));
    report().await;
    expire_events(services).await.unwrap();
    assert_eq!(stage.app.count(ALL).await, 2);
    let path = "conversion_event/daily_counts/";
    let counted = async |query: &str| {
        let rows = stage.program.get(&format!("{path}?{query}")).await.expect(200).body["results"].clone();
        let rows: Vec<(String, i64)> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["day"].as_str().unwrap().to_owned(), row["events"].as_i64().unwrap()))
            .collect();
        rows
    };
    let day = |after: i64| (first + TimeDelta::days(after)).to_string();
    assert_eq!(counted("").await, [(day(250), 1)]);
    assert_eq!(counted(&format!("from={}", day(160))).await, [(day(250), 1)]);
    assert_eq!(counted(&format!("from={}", day(0))).await, [(day(250), 1), (day(150), 1), (day(0), 1)]);
    assert_eq!(counted(&format!("from={}&to={}", day(0), day(150))).await, [(day(150), 1), (day(0), 1)]);
    assert_eq!(counted(&format!("to={}", day(150))).await, [(day(150), 1)], "ninety days up to the one given");
    assert_eq!(counted(&format!("to={}", day(89))).await, [(day(0), 1)]);
    assert_eq!(counted(&format!("to={}", day(90))).await, []);
    assert_eq!(counted(&format!("from={}&to={}", day(-149), day(250))).await.len(), 3);

    let fault = async |query: String, field: &str| {
        let refused = stage.program.get(&format!("{path}?{query}")).await;
        refused.fault(field).to_owned()
    };
    assert!(fault(format!("from={}&to={}", day(-150), day(250)), "from").await.contains("400 days"));
    assert!(fault(format!("from={}", day(251)), "from").await.contains("later"));
    for wrong in ["yesterday", "2026-02-30", "12026-01-01", "01.02.2026"] {
        assert!(fault(format!("to={wrong}"), "to").await.contains("2026-01-31"), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_setting_events_are_kept_for_ever() {
    let stage = stage_with(|_| {}).await;
    stage.program.post("conversion_event/", stage.event(json!({}))).await.expect(201);
    stage.app.services.clock.advance(TimeDelta::days(5_000));
    expire_events(&stage.app.services).await.unwrap();
    assert_eq!(stage.app.count(ALL).await, 1);
}
