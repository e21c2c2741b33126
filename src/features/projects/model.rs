//! A project's row.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::schema::projects;

/// One catalogue and the columns its interactions are found in.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = projects)]
pub struct Project {
    pub id: i64,
    pub organisation_id: i64,
    pub owner_id: Option<i64>,
    pub name: String,
    pub user_column: String,
    pub item_column: String,
    /// None when the interactions carry no time.
    pub time_column: Option<String>,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The fields a caller decides.
#[derive(Debug, AsChangeset, Insertable)]
#[diesel(table_name = projects, treat_none_as_null = true)]
pub struct ProjectFields {
    pub name: String,
    pub user_column: String,
    pub item_column: String,
    pub time_column: Option<String>,
}
