//! Retraining schedules and their runs.

use std::time::Duration;

use serde_json::{Value, json};

use super::prepared::Prepared;
use super::waiting::pauses;
use super::{Answer, Caller, TestApp};

/// Creates a schedule for a project.
pub async fn plan(prepared: &Prepared, more: Value) -> Answer {
    let mut schedule = json!({ "project": prepared.project });
    schedule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    prepared.user.post("retraining_schedule/", schedule).await
}

fn over(run: &Value) -> bool {
    matches!(run["status"].as_str(), Some("COMPLETED" | "FAILED" | "SKIPPED"))
}

/// Triggers a schedule and waits until the run is over. The clock stands still, so snoozed jobs are woken by hand.
pub async fn run(app: &TestApp, user: &Caller, schedule: i64) -> Value {
    let before = runs(user, schedule).await.len();
    user.post(&format!("retraining_schedule/{schedule}/trigger/"), json!({})).await.expect(202);
    finish(app, user, schedule, before + 1).await
}

/// Waits until the newest of `count` runs is over.
pub async fn finish(app: &TestApp, user: &Caller, schedule: i64, count: usize) -> Value {
    for pause in pauses(Duration::from_secs(120)) {
        let runs = runs(user, schedule).await;
        assert!(runs.len() <= count, "{runs:?}");
        if runs.len() == count && over(&runs[0]) {
            return runs[0].clone();
        }
        app.wake().await;
        tokio::time::sleep(pause).await;
    }
    panic!("no run in time: {:?}", runs(user, schedule).await);
}

/// Returns the runs of a schedule, the newest first.
pub async fn runs(user: &Caller, schedule: i64) -> Vec<Value> {
    let body = user.get(&format!("retraining_run/?schedule={schedule}")).await.expect(200).body;
    body["results"].as_array().unwrap().clone()
}
