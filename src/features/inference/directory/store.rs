//! SQL of the data that serving keeps in memory.

use std::sync::Arc;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::super::assignment::Assigner;
use super::super::model::{Serving, Slot};
use crate::features::item_metadata::{self, Subject};
use crate::features::projects::UnknownUsers;
use crate::schema::{deployment_slots, projects};

/// Returns the projects with an active slot, ordered by the age of their oldest one.
pub async fn deployed_projects(connection: &mut AsyncPgConnection) -> QueryResult<Vec<i64>> {
    deployment_slots::table
        .filter(deployment_slots::is_active.and(diesel::dsl::not(deployment_slots::is_shadow)))
        .group_by(deployment_slots::project_id)
        .order(diesel::dsl::min(deployment_slots::id))
        .select(deployment_slots::project_id)
        .load(connection)
        .await
}

/// Reads the active slots and settings of a project, and its newest metadata.
pub async fn serving(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Serving> {
    let active: Vec<(Slot, bool)> = deployment_slots::table
        .filter(deployment_slots::project_id.eq(project))
        .filter(deployment_slots::is_active)
        .order(deployment_slots::id)
        .select((Slot::as_select(), deployment_slots::is_shadow))
        .load(connection)
        .await?;
    let (shadows, slots): (Vec<_>, Vec<_>) = active.into_iter().partition(|(_, is_shadow)| *is_shadow);
    let (slots, shadows) = [slots, shadows].map(|pairs| pairs.into_iter().map(|(slot, _)| slot).collect()).into();
    let settings: Option<(UnknownUsers, Option<f64>, f64, Uuid)> = projects::table
        .find(project)
        .select((projects::unknown_user, projects::logged_share, projects::new_item_share, projects::assignment_salt))
        .first(connection)
        .await
        .optional()?;
    let (unknown_users, logged_share, new_item_share, salt) = settings.unwrap_or_default();
    let items = item_metadata::newest(connection, project, Subject::Item).await?.map(Arc::from);
    let users = item_metadata::newest(connection, project, Subject::User).await?.map(Arc::from);
    let assigner = Assigner::new(salt);
    Ok(Serving { slots, shadows, logged_share, new_item_share, unknown_users, items, users, assigner })
}
