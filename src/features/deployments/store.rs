//! SQL of slots and their history.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{DeploymentSlot, NewSlotChange, SlotChange, SlotFields};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::models::TrainedModel;
use crate::features::projects::page_of_project;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{ab_tests, deployment_slots, projects, slot_changes, trained_models};

impl Guarded for DeploymentSlot {
    load_of_project!(deployment_slots);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        let as_active = filters.flag("is_active").is_none_or(|wanted| wanted == self.fields.is_active);
        Ok(filters.id_is("project", self.project_id)? && as_active)
    }
}

impl Guarded for SlotChange {
    load_of_project!(slot_changes);
}

/// Returns one page of the changes that a caller may see, newest first.
pub async fn list_changes(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<SlotChange>)> {
    page_of_project!(slot_changes as SlotChange, by id, connection, principal, project, page)
}

/// Returns one page of the slots that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    is_active: Option<bool>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<DeploymentSlot>)> {
    page_of_project!(deployment_slots as DeploymentSlot, by ins_datetime, connection, principal, project, page, {
        is_active => deployment_slots::is_active.eq(is_active),
    })
}

/// Locks a project until the end of the transaction, so that changes of its slots are serialised.
pub async fn lock_project(connection: &mut AsyncPgConnection, project_id: i64) -> QueryResult<()> {
    // Not FOR UPDATE, which would block every event that refers to the project.
    projects::table.find(project_id).select(projects::id).for_no_key_update().first::<i64>(connection).await.map(drop)
}

/// Returns a model and locks it, so that it keeps its file until the end of the transaction.
pub async fn hold_model(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<TrainedModel>> {
    trained_models::table.find(id).select(TrainedModel::as_select()).for_share().first(connection).await.optional()
}

pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<DeploymentSlot>> {
    deployment_slots::table.find(id).select(DeploymentSlot::as_select()).first(connection).await.optional()
}

/// Returns the slots of these ids, in no particular order.
pub async fn slots_by_id(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<DeploymentSlot>> {
    deployment_slots::table.filter(deployment_slots::id.eq_any(ids)).select(DeploymentSlot::as_select()).load(connection).await
}

/// Lists all slots of a project, oldest first.
pub async fn of_project(connection: &mut AsyncPgConnection, project_id: i64) -> QueryResult<Vec<DeploymentSlot>> {
    deployment_slots::table
        .filter(deployment_slots::project_id.eq(project_id))
        .order(deployment_slots::id)
        .select(DeploymentSlot::as_select())
        .load(connection)
        .await
}

pub async fn insert(connection: &mut AsyncPgConnection, project_id: i64, fields: SlotFields) -> QueryResult<DeploymentSlot> {
    diesel::insert_into(deployment_slots::table)
        .values((fields, deployment_slots::project_id.eq(project_id)))
        .returning(DeploymentSlot::as_returning())
        .get_result(connection)
        .await
}

pub async fn update(
    connection: &mut AsyncPgConnection,
    id: i64,
    fields: SlotFields,
    at: DateTime<Utc>,
) -> QueryResult<DeploymentSlot> {
    diesel::update(deployment_slots::table.find(id))
        .set((fields, deployment_slots::updated_at.eq(at)))
        .returning(DeploymentSlot::as_returning())
        .get_result(connection)
        .await
}

pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(deployment_slots::table.find(id)).execute(connection).await?;
    Ok(())
}

/// Inserts a deleted slot again under its former id.
pub async fn restore(
    connection: &mut AsyncPgConnection,
    id: i64,
    project_id: i64,
    fields: SlotFields,
) -> QueryResult<DeploymentSlot> {
    diesel::insert_into(deployment_slots::table)
        .values((deployment_slots::id.eq(id), fields, deployment_slots::project_id.eq(project_id)))
        .returning(DeploymentSlot::as_returning())
        .get_result(connection)
        .await
}

pub async fn record(connection: &mut AsyncPgConnection, change: NewSlotChange) -> QueryResult<SlotChange> {
    diesel::insert_into(slot_changes::table).values(change).returning(SlotChange::as_returning()).get_result(connection).await
}

/// Clears the winner of a test.
pub async fn forget_winner(connection: &mut AsyncPgConnection, test: i64, at: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(ab_tests::table.find(test))
        .set((ab_tests::winner_slot_id.eq(None::<i64>), ab_tests::updated_at.eq(at)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Lists the running tests of these slots, as pairs of id and name.
pub async fn running_tests(connection: &mut AsyncPgConnection, slots: &[i64]) -> QueryResult<Vec<(i64, String)>> {
    let of_slots = ab_tests::control_slot_id.eq_any(slots).or(ab_tests::variant_slot_id.eq_any(slots));
    ab_tests::table
        .filter(ab_tests::status.eq("RUNNING").and(of_slots))
        .order(ab_tests::id)
        .select((ab_tests::id, ab_tests::name))
        .load(connection)
        .await
}

/// Lists the slots of a project that running tests compare.
pub async fn slots_under_test(connection: &mut AsyncPgConnection, project_id: i64) -> QueryResult<Vec<i64>> {
    let pairs: Vec<(i64, i64)> = ab_tests::table
        .filter(ab_tests::project_id.eq(project_id).and(ab_tests::status.eq("RUNNING")))
        .select((ab_tests::control_slot_id, ab_tests::variant_slot_id))
        .load(connection)
        .await?;
    Ok(pairs.into_iter().flat_map(|(control, variant)| [control, variant]).collect())
}
