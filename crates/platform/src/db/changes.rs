//! Changes of rows that processes keep in memory, as announced by triggers.

use diesel::sql_types::Text;
use diesel::{QueryResult, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

use super::{Database, Notification};

const CHANNEL: &str = "recotem_serving";

/// A row that was created, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedRow {
    pub table: String,
    /// The id of the row; of a membership, that of its user.
    pub id: i64,
    /// The project of the row, if it has one.
    pub project_id: Option<i64>,
    /// Whether the project went to another organisation.
    #[serde(default)]
    pub is_moved: bool,
}

/// A changed row; `None` when any row may have changed.
pub type Change = Option<ChangedRow>;

impl Database {
    /// Returns the changes from now on. The stream never ends.
    pub fn changes(&self) -> impl Stream<Item = Change> + Send + Unpin + 'static {
        self.listen(&[CHANNEL]).map(|notification| match notification {
            Notification::Connected => None,
            Notification::Message { payload, .. } => serde_json::from_str(&payload).ok(),
        })
    }
}

/// Announces a change of a row whose table has no trigger for it.
pub async fn announce(connection: &mut AsyncPgConnection, row: &ChangedRow) -> QueryResult<()> {
    let payload = serde_json::to_string(row).unwrap_or_default();
    let notify = sql_query("SELECT pg_notify($1, $2)").bind::<Text, _>(CHANNEL).bind::<Text, _>(payload);
    notify.execute(connection).await.map(drop)
}
