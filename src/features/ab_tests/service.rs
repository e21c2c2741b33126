//! Decisions about tests: start, stop, results and winner.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::error::TestError;
use super::model::{AbTest, TestFields, TestMetric, TestStatus};
use super::statistics::{Arm, Plan, Results, Side, judge};
use super::store;
use crate::features::deployments::{self, Promotion};
use crate::features::events::{self, SlotCounts};
use crate::features::projects::{self, Topic};

/// Changes a test. Its slots and its metric can change only before it is started.
pub async fn update(
    connection: &mut AsyncPgConnection,
    id: i64,
    fields: TestFields,
    now: DateTime<Utc>,
) -> Result<AbTest, TestError> {
    connection
        .transaction(async move |connection| {
            let current = store::lock(connection, id).await?.ok_or(TestError::Gone)?;
            if current.status != TestStatus::Draft {
                check_settled(&current, &fields)?;
            }
            Ok(store::update(connection, id, fields, now).await?)
        })
        .await
}

fn check_settled(current: &AbTest, wanted: &TestFields) -> Result<(), TestError> {
    let slots = current.fields.slots() != wanted.slots();
    let metric = current.fields.target_metric_name != wanted.target_metric_name;
    match (slots, metric) {
        (true, _) => Err(TestError::Settled(current.status, "its slots")),
        (_, true) => Err(TestError::Settled(current.status, "its metric")),
        _ => Ok(()),
    }
}

/// Deletes a test that is not running.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> Result<(), TestError> {
    connection
        .transaction(async move |connection| {
            let test = store::lock(connection, id).await?.ok_or(TestError::Gone)?;
            if test.status == TestStatus::Running {
                return Err(TestError::Running);
            }
            Ok(store::delete(connection, id).await?)
        })
        .await
}

/// Starts a draft. The project is locked, so that of two tests that share a slot only one can run.
pub async fn start(connection: &mut AsyncPgConnection, test: &AbTest, now: DateTime<Utc>) -> Result<AbTest, TestError> {
    let (id, project_id) = (test.id, test.project_id);
    connection
        .transaction(async move |connection| {
            deployments::lock_project(connection, project_id).await?;
            let test = store::lock(connection, id).await?.ok_or(TestError::Gone)?;
            if test.status != TestStatus::Draft {
                return Err(TestError::NotDraft(test.status));
            }
            let ids = test.fields.slots();
            if let Some(name) = store::running_on(connection, ids).await? {
                return Err(TestError::Overlap(name));
            }
            let slots = deployments::slots_by_id(connection, &ids).await?;
            if slots.iter().any(|slot| slot.fields.is_shadow) {
                return Err(TestError::Shadow);
            }
            let weight = |id: i64| slots.iter().find(|slot| slot.id == id).map_or(0.0, |slot| slot.fields.weight);
            Ok(store::start(connection, id, (weight(ids[0]), weight(ids[1])), now).await?)
        })
        .await
}

/// Stops a running test.
pub async fn stop(connection: &mut AsyncPgConnection, test: &AbTest, now: DateTime<Utc>) -> Result<AbTest, TestError> {
    let id = test.id;
    connection
        .transaction(async move |connection| {
            let test = store::lock(connection, id).await?.ok_or(TestError::Gone)?;
            if test.status != TestStatus::Running {
                return Err(TestError::NotRunning(test.status));
            }
            let stopped = store::stop(connection, id, now).await?;
            let told = json!({ "ab_test": id, "name": stopped.fields.name });
            projects::record(connection, stopped.project_id, Topic::AbTestEnded, told).await?;
            Ok(stopped)
        })
        .await
}

/// Promotes the winner: it gets the full weight, the loser is deactivated, and the test records the winner, in one transaction.
pub async fn promote(
    connection: &mut AsyncPgConnection,
    test: &AbTest,
    winner: i64,
    actor: i64,
    now: DateTime<Utc>,
) -> Result<(), TestError> {
    let id = test.id;
    connection
        .transaction(async move |connection| {
            let test = store::lock(connection, id).await?.ok_or(TestError::Gone)?;
            if test.status != TestStatus::Completed {
                return Err(TestError::NotCompleted(test.status));
            }
            let [control, variant] = test.fields.slots();
            let loser = match winner {
                winner if winner == control => variant,
                winner if winner == variant => control,
                _ => return Err(TestError::NotASlotOfTheTest),
            };
            let promotion = Promotion { project_id: test.project_id, ab_test_id: id, winner, loser, actor };
            deployments::promote(connection, promotion, now).await?;
            Ok(store::set_winner(connection, id, winner, now).await?)
        })
        .await
}

/// Returns the results of a test so far. Events of a type are counted once per recommendation request; events without a request
/// are counted one by one, as all events were in 1.x, so that reports without repetitions give the figures of 1.x.
pub async fn results(connection: &mut AsyncPgConnection, test: &AbTest) -> QueryResult<Results> {
    let slots = test.fields.slots();
    let kept = test.kept_counts.as_ref().and_then(|kept| serde_json::from_value::<Vec<SlotCounts>>(kept.clone()).ok());
    let counts = match kept {
        Some(kept) => kept,
        None => events::counts(connection, test.project_id, &slots, test.started_at, test.ended_at).await?,
    };
    let side = |slot: i64, weight: Option<f64>| {
        let counts = counts.iter().find(|counts| counts.slot == slot).copied().unwrap_or_default();
        side_of(counts, test.fields.target_metric_name, weight)
    };
    let TestFields { min_sample_size, confidence_level, .. } = test.fields;
    let plan = Plan { min_sample_size, confidence_level };
    Ok(judge(side(slots[0], test.control_weight), side(slots[1], test.variant_weight), plan, test.status.is_over()))
}

fn side_of(counts: SlotCounts, metric: TestMetric, weight: Option<f64>) -> Side {
    let (conversions, attributed_conversions) = match metric {
        TestMetric::Ctr => (counts.clicks, counts.attributed_clicks),
        TestMetric::PurchaseRate => (counts.purchases, counts.attributed_purchases),
        TestMetric::ConversionRate => (counts.clicks + counts.purchases, counts.attributed),
    };
    let arm = Arm { impressions: counts.impressions, conversions };
    Side { arm, attributed_conversions, users: counts.users, weight }
}
