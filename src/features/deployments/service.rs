//! Decisions about slots. Every change is made with the project locked, so that two concurrent changes cannot lead to a state
//! that neither of them would have been allowed to create.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::SlotError;
use super::model::{DeploymentSlot, FULL_WEIGHT, NewSlotChange, SlotChange, SlotChangeAction, SlotFields, Snapshot};
use super::store;
use crate::features::models::ModelError;
use crate::features::projects::{self, Topic};

/// Adds a slot to a project.
pub async fn create(
    connection: &mut AsyncPgConnection,
    project_id: i64,
    fields: SlotFields,
    actor: i64,
) -> Result<DeploymentSlot, SlotError> {
    connection
        .transaction(async move |connection| {
            store::lock_project(connection, project_id).await?;
            require_file(connection, fields.trained_model_id).await?;
            let slot = store::insert(connection, project_id, fields).await?;
            check_weights(connection, project_id).await?;
            note(connection, project_id, SlotChangeAction::Created, Some(actor), &[], std::slice::from_ref(&slot)).await?;
            Ok(slot)
        })
        .await
}

/// Changes a slot.
pub async fn update(
    connection: &mut AsyncPgConnection,
    slot: &DeploymentSlot,
    fields: SlotFields,
    actor: i64,
    now: DateTime<Utc>,
) -> Result<DeploymentSlot, SlotError> {
    let (id, project_id) = (slot.id, slot.project_id);
    connection
        .transaction(async move |connection| {
            store::lock_project(connection, project_id).await?;
            let before = store::find(connection, id).await?.ok_or(SlotError::Gone)?;
            let begins_to_answer = fields.is_active && !before.fields.is_active;
            if begins_to_answer || fields.trained_model_id != before.fields.trained_model_id {
                require_file(connection, fields.trained_model_id).await?;
            }
            let after = store::update(connection, id, fields, now).await?;
            check_weights(connection, project_id).await?;
            note(connection, project_id, SlotChangeAction::Updated, Some(actor), &[before], std::slice::from_ref(&after)).await?;
            Ok(after)
        })
        .await
}

/// Deletes a slot unless a running test uses it.
pub async fn delete(connection: &mut AsyncPgConnection, slot: DeploymentSlot, actor: i64) -> Result<(), SlotError> {
    connection
        .transaction(async move |connection| {
            store::lock_project(connection, slot.project_id).await?;
            let tests = store::running_tests(connection, &[slot.id]).await?;
            if !tests.is_empty() {
                return Err(SlotError::InUse(tests));
            }
            store::delete(connection, slot.id).await?;
            check_weights(connection, slot.project_id).await?;
            Ok(note(connection, slot.project_id, SlotChangeAction::Deleted, Some(actor), &[slot], &[]).await?)
        })
        .await
}

/// The outcome of an A/B test: the slots that won and lost.
#[derive(Debug, Clone, Copy)]
pub struct Promotion {
    pub project_id: i64,
    pub ab_test_id: i64,
    pub winner: i64,
    pub loser: i64,
    /// The user who promotes.
    pub actor: i64,
}

/// Activates the winner with the full weight and deactivates the loser, in the caller's transaction.
pub async fn promote(connection: &mut AsyncPgConnection, promotion: Promotion, now: DateTime<Utc>) -> Result<(), SlotError> {
    store::lock_project(connection, promotion.project_id).await?;
    let winner = store::find(connection, promotion.winner).await?.ok_or(SlotError::Gone)?;
    let loser = store::find(connection, promotion.loser).await?.ok_or(SlotError::Gone)?;
    require_answer(connection, &winner.fields.name, winner.fields.trained_model_id).await?;
    let raised = SlotFields { weight: FULL_WEIGHT, is_active: true, ..winner.fields.clone() };
    let put_aside = SlotFields { is_active: false, ..loser.fields.clone() };
    let after =
        [store::update(connection, winner.id, raised, now).await?, store::update(connection, loser.id, put_aside, now).await?];
    let change = NewSlotChange {
        project_id: promotion.project_id,
        action: SlotChangeAction::Promoted,
        before: snapshots(&[winner, loser]),
        after: snapshots(&after),
        ab_test_id: Some(promotion.ab_test_id),
        reverts_id: None,
        changed_by: Some(promotion.actor),
    };
    record(connection, change).await?;
    Ok(())
}

/// Reverts a change as a whole: each slot that it touched is again as it was before. A slot that it created is deactivated
/// instead of deleted, since events may belong to it.
pub async fn revert(
    connection: &mut AsyncPgConnection,
    change: SlotChange,
    actor: i64,
    now: DateTime<Utc>,
) -> Result<SlotChange, SlotError> {
    connection
        .transaction(async move |connection| {
            let project_id = change.project_id;
            store::lock_project(connection, project_id).await?;
            let (was, became) = (slots_of(&change.before), slots_of(&change.after));
            let touched: Vec<i64> = was.iter().chain(&became).map(|slot| slot.id).collect();
            let tests = store::running_tests(connection, &touched).await?;
            if !tests.is_empty() {
                return Err(SlotError::InUse(tests));
            }
            let present = store::slots_by_id(connection, &touched).await?;
            let is_there = |id: i64| present.iter().find(|slot| slot.id == id);
            let mut after = Vec::new();
            for slot in &was {
                if slot.fields.is_active {
                    require_answer(connection, &slot.fields.name, slot.fields.trained_model_id).await?;
                } else if store::hold_model(connection, slot.fields.trained_model_id).await?.is_none() {
                    return Err(SlotError::ModelGone);
                }
                after.push(match is_there(slot.id) {
                    Some(_) => store::update(connection, slot.id, slot.fields.clone(), now).await?,
                    None => store::restore(connection, slot.id, project_id, slot.fields.clone()).await?,
                });
            }
            let made = became.iter().filter(|slot| was.iter().all(|before| before.id != slot.id));
            for slot in made.filter_map(|slot| is_there(slot.id)) {
                let off = SlotFields { is_active: false, ..slot.fields.clone() };
                after.push(store::update(connection, slot.id, off, now).await?);
            }
            check_weights(connection, project_id).await?;
            if let (SlotChangeAction::Promoted, Some(test)) = (change.action, change.ab_test_id) {
                store::forget_winner(connection, test, now).await?;
            }
            let reverted = NewSlotChange {
                project_id,
                action: SlotChangeAction::Reverted,
                before: snapshots(&present),
                after: snapshots(&after),
                ab_test_id: change.ab_test_id,
                reverts_id: Some(change.id),
                changed_by: Some(actor),
            };
            Ok(record(connection, reverted).await?)
        })
        .await
}

/// Refuses to give a slot a model without a file: one that is still being trained, or whose file was removed.
async fn require_file(connection: &mut AsyncPgConnection, model: i64) -> Result<(), SlotError> {
    let model = store::hold_model(connection, model).await?.ok_or(SlotError::ModelGone)?;
    if model.has_file() { Ok(()) } else { Err(SlotError::ModelWithoutFile(ModelError::without_file(&model))) }
}

/// Refuses to activate a slot whose model has no file.
async fn require_answer(connection: &mut AsyncPgConnection, slot: &str, model: i64) -> Result<(), SlotError> {
    require_file(connection, model).await.map_err(|error| match error {
        SlotError::ModelWithoutFile(cause) => SlotError::CannotAnswer { slot: slot.to_owned(), cause },
        other => other,
    })
}

fn slots_of(recorded: &Value) -> Vec<Snapshot> {
    Vec::deserialize(recorded).unwrap_or_default()
}

/// Deploys a newly trained model in the slot of this name. A slot that is in use only changes its model. A new or deactivated one
/// takes over: the other slots stay with weight 0, except those that a running test compares. Runs in the caller's transaction.
pub async fn deploy(
    connection: &mut AsyncPgConnection,
    project_id: i64,
    name: &str,
    trained_model_id: i64,
    now: DateTime<Utc>,
) -> Result<DeploymentSlot, SlotError> {
    store::lock_project(connection, project_id).await?;
    require_file(connection, trained_model_id).await?;
    let slots = store::of_project(connection, project_id).await?;
    // Names may repeat; the newest slot is used, as in the list.
    let current = slots.iter().rev().find(|slot| slot.fields.name == name);
    let in_use = current.is_some_and(|slot| slot.fields.is_active && slot.fields.weight > 0.0);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    if !in_use {
        let under_test = store::slots_under_test(connection, project_id).await?;
        for slot in slots.iter().filter(|slot| slot.fields.name != name && slot.has_traffic()) {
            if !under_test.contains(&slot.id) {
                before.push(slot.clone());
                after.push(store::update(connection, slot.id, SlotFields { weight: 0.0, ..slot.fields.clone() }, now).await?);
            }
        }
    }
    let deployed = match current {
        Some(slot) => {
            let weight = if in_use { slot.fields.weight } else { FULL_WEIGHT };
            let fields = SlotFields { trained_model_id, weight, is_active: true, is_shadow: false, ..slot.fields.clone() };
            before.push(slot.clone());
            store::update(connection, slot.id, fields, now).await?
        }
        None => {
            let name = name.to_owned();
            let fields = SlotFields { name, trained_model_id, weight: FULL_WEIGHT, is_active: true, is_shadow: false };
            store::insert(connection, project_id, fields).await?
        }
    };
    after.push(deployed.clone());
    note(connection, project_id, SlotChangeAction::Deployed, None, &before, &after).await?;
    Ok(deployed)
}

/// Returns the slot whose model would be replaced by deploying under this name: the slot of that name if it is in use, otherwise
/// the one with the largest share of the traffic. `None` if no slot is in use.
pub async fn replaced_by(connection: &mut AsyncPgConnection, project_id: i64, name: &str) -> QueryResult<Option<DeploymentSlot>> {
    let mut answering = store::of_project(connection, project_id).await?;
    answering.retain(DeploymentSlot::has_traffic);
    if let Some(at) = answering.iter().rposition(|slot| slot.fields.name == name) {
        return Ok(Some(answering.swap_remove(at)));
    }
    Ok(answering.into_iter().max_by(|a, b| a.fields.weight.total_cmp(&b.fields.weight)))
}

/// Fails if there are active slots and all their weights are 0.
async fn check_weights(connection: &mut AsyncPgConnection, project_id: i64) -> Result<(), SlotError> {
    let slots = store::of_project(connection, project_id).await?;
    let mut answering = slots.iter().filter(|slot| slot.answers()).peekable();
    if answering.peek().is_some() && answering.all(|slot| slot.fields.weight == 0.0) {
        return Err(SlotError::AllWeightsZero);
    }
    Ok(())
}

async fn note(
    connection: &mut AsyncPgConnection,
    project_id: i64,
    action: SlotChangeAction,
    changed_by: Option<i64>,
    before: &[DeploymentSlot],
    after: &[DeploymentSlot],
) -> QueryResult<()> {
    let (before, after) = (snapshots(before), snapshots(after));
    let change = NewSlotChange { project_id, action, before, after, ab_test_id: None, reverts_id: None, changed_by };
    record(connection, change).await.map(drop)
}

/// Keeps a change, and records it for others.
async fn record(connection: &mut AsyncPgConnection, change: NewSlotChange) -> QueryResult<SlotChange> {
    let change = store::record(connection, change).await?;
    let told = json!({
        "slot_change": change.id,
        "action": change.action,
        "ab_test": change.ab_test_id,
        "before": change.before,
        "after": change.after,
    });
    projects::record(connection, change.project_id, Topic::SlotChanged, told).await?;
    Ok(change)
}

fn snapshots(slots: &[DeploymentSlot]) -> Value {
    slots.iter().map(DeploymentSlot::snapshot).collect()
}
