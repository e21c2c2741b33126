//! SQL of what serving keeps in memory.

use std::sync::Arc;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::Serving;
use crate::features::datasets;
use crate::schema::{deployment_slots, projects};

/// A share of a project's traffic and the model that answers it.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = deployment_slots)]
pub struct Slot {
    pub id: i64,
    pub name: String,
    pub trained_model_id: i64,
    /// Beside the weights of the others.
    pub weight: f64,
}

/// What somebody gets whom the model does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownUsers {
    /// The best that can be said of them.
    #[default]
    Fallback,
    /// 404, and no items in a batch, as from Recotem 1.x.
    NotFound,
}

/// The projects with an active slot, those that have had it longest first.
pub async fn deployed_projects(connection: &mut AsyncPgConnection) -> QueryResult<Vec<i64>> {
    deployment_slots::table
        .filter(deployment_slots::is_active.and(diesel::dsl::not(deployment_slots::is_shadow)))
        .group_by(deployment_slots::project_id)
        .order(diesel::dsl::min(deployment_slots::id))
        .select(deployment_slots::project_id)
        .load(connection)
        .await
}

/// The active slots and the settings of a project, and what it knows about items.
pub async fn serving(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Serving> {
    let slots = deployment_slots::table
        .filter(deployment_slots::project_id.eq(project))
        .filter(deployment_slots::is_active.and(diesel::dsl::not(deployment_slots::is_shadow)))
        .order(deployment_slots::id)
        .select(Slot::as_select())
        .load(connection)
        .await?;
    let word: Option<String> = projects::table.find(project).select(projects::unknown_user).first(connection).await.optional()?;
    let unknown_users = if word.as_deref() == Some("not_found") { UnknownUsers::NotFound } else { UnknownUsers::Fallback };
    let items = datasets::newest_item_metadata(connection, project).await?.map(Arc::from);
    Ok(Serving { slots, unknown_users, items })
}
