//! SQL of A/B tests.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{AbTest, TestFields, TestStatus};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::events::SlotCounts;
use crate::features::projects::page_of_project;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::ab_tests;

impl Guarded for AbTest {
    load_of_project!(ab_tests);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        Ok(filters.id_is("project", self.project_id)? && filters.choice_is("status", self.status))
    }
}

/// Returns one page of the tests that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    status: Option<TestStatus>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<AbTest>)> {
    page_of_project!(ab_tests as AbTest, by ins_datetime, connection, principal, project, page, {
        status => ab_tests::status.eq(status),
    })
}

pub async fn insert(connection: &mut AsyncPgConnection, project_id: i64, fields: TestFields) -> QueryResult<AbTest> {
    diesel::insert_into(ab_tests::table)
        .values((fields, ab_tests::project_id.eq(project_id)))
        .returning(AbTest::as_returning())
        .get_result(connection)
        .await
}

pub async fn update(connection: &mut AsyncPgConnection, id: i64, fields: TestFields, at: DateTime<Utc>) -> QueryResult<AbTest> {
    diesel::update(ab_tests::table.find(id))
        .set((fields, ab_tests::updated_at.eq(at)))
        .returning(AbTest::as_returning())
        .get_result(connection)
        .await
}

pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(ab_tests::table.find(id)).execute(connection).await?;
    Ok(())
}

/// Lists the running tests that were not significant when they were looked at last.
pub async fn running_undecided(connection: &mut AsyncPgConnection) -> QueryResult<Vec<AbTest>> {
    ab_tests::table
        .filter(ab_tests::status.eq(TestStatus::Running).and(ab_tests::significant_at.is_null()))
        .order(ab_tests::id)
        .select(AbTest::as_select())
        .load(connection)
        .await
}

/// Notes when a test was significant for the first time. Returns false if that is noted already.
pub async fn note_significant(connection: &mut AsyncPgConnection, id: i64, at: DateTime<Utc>) -> QueryResult<bool> {
    let undecided = ab_tests::table.find(id).filter(ab_tests::significant_at.is_null());
    Ok(diesel::update(undecided).set(ab_tests::significant_at.eq(at)).execute(connection).await? == 1)
}

/// Returns a test and locks it until the end of the transaction.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<AbTest>> {
    ab_tests::table.find(id).select(AbTest::as_select()).for_no_key_update().first(connection).await.optional()
}

/// Returns the name of a running test that uses one of these slots.
pub async fn running_on(connection: &mut AsyncPgConnection, slots: [i64; 2]) -> QueryResult<Option<String>> {
    let of_slots = ab_tests::control_slot_id.eq_any(slots).or(ab_tests::variant_slot_id.eq_any(slots));
    ab_tests::table
        .filter(ab_tests::status.eq(TestStatus::Running).and(of_slots))
        .order(ab_tests::id)
        .select(ab_tests::name)
        .first(connection)
        .await
        .optional()
}

/// Changes DRAFT to RUNNING and records the present weights of control and variant.
pub async fn start(
    connection: &mut AsyncPgConnection,
    id: i64,
    (control_weight, variant_weight): (f64, f64),
    at: DateTime<Utc>,
) -> QueryResult<AbTest> {
    diesel::update(ab_tests::table.find(id))
        .set((
            ab_tests::status.eq(TestStatus::Running),
            ab_tests::started_at.eq(at),
            ab_tests::updated_at.eq(at),
            ab_tests::control_weight.eq(control_weight),
            ab_tests::variant_weight.eq(variant_weight),
        ))
        .returning(AbTest::as_returning())
        .get_result(connection)
        .await
}

/// Changes RUNNING to COMPLETED.
pub async fn stop(connection: &mut AsyncPgConnection, id: i64, at: DateTime<Utc>) -> QueryResult<AbTest> {
    diesel::update(ab_tests::table.find(id))
        .set((ab_tests::status.eq(TestStatus::Completed), ab_tests::ended_at.eq(at), ab_tests::updated_at.eq(at)))
        .returning(AbTest::as_returning())
        .get_result(connection)
        .await
}

pub async fn set_winner(connection: &mut AsyncPgConnection, id: i64, slot: i64, at: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(ab_tests::table.find(id))
        .set((ab_tests::winner_slot_id.eq(slot), ab_tests::updated_at.eq(at)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Lists the tests that have ended, were started before a time, and whose counts have not been stored.
pub async fn ended_uncounted(connection: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<Vec<AbTest>> {
    ab_tests::table
        .filter(ab_tests::status.eq_any([TestStatus::Completed, TestStatus::Cancelled]).and(ab_tests::kept_counts.is_null()))
        .filter(ab_tests::started_at.lt(before))
        .order(ab_tests::id)
        .select(AbTest::as_select())
        .load(connection)
        .await
}

/// Lists the running tests of all projects.
pub async fn running(connection: &mut AsyncPgConnection) -> QueryResult<Vec<AbTest>> {
    ab_tests::table.filter(ab_tests::status.eq(TestStatus::Running)).select(AbTest::as_select()).load(connection).await
}

/// Stores the counts of a test.
pub async fn keep_counts(connection: &mut AsyncPgConnection, id: i64, counts: &[SlotCounts]) -> QueryResult<()> {
    let counts = serde_json::to_value(counts).unwrap_or_default();
    diesel::update(ab_tests::table.find(id)).set(ab_tests::kept_counts.eq(counts)).execute(connection).await?;
    Ok(())
}
