//! Decisions about feature sets: what is stored of them, and what is shown to those who write one.

use std::sync::Arc;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::encodings::{FeaturePreview, encodings};
use super::error::FeatureSetError;
use super::model::{FeatureSet, NewVersion, PreviewFields, SetFields, Target};
use super::{store, tables};
use crate::features::datasets::PREVIEWS;
use crate::features::item_metadata::{self, Subject};
use crate::features::projects;
use crate::ml::context::{Context, Interrupt, Lack};
use crate::ml::features::{ColumnSummary, FeatureSpec, FeatureTable, FieldKind, Guess, summarize};
use crate::platform::compute;
use crate::platform::db::QueryError;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::memory::Promise;
use crate::platform::services::Services;

/// The largest number of threads of a preview: others compute theirs at the same time.
const MOST_THREADS: usize = 4;

/// Stores the next version of a feature set, after the engine has accepted its spec.
pub async fn save(services: &Services, project: i64, maker: i64, wanted: SetFields) -> ApiResult<FeatureSet> {
    let SetFields { name, target, spec, is_current } = wanted;
    let mut connection = services.db.conn().await?;
    let party = projects::tenant_of(&mut connection, project).await?.party();
    // No connection is held while the expressions of a large spec are compiled.
    drop(connection);
    let check = move |_: &CancellationToken| spec.validate().map(|()| spec).map_err(FeatureSetError::from);
    let spec = PREVIEWS.run(Some(party), check).await??;
    let (spec, spec_sha256) = stored(&spec).map_err(|error| ApiError::internal(&error))?;
    let version = NewVersion { project_id: project, created_by: maker, name, target, spec, spec_sha256, is_current };
    Ok(store::insert(&mut *services.db.conn().await?, version).await?)
}

/// Stores a spec that the engine has accepted as the current set of a project, in the caller's transaction.
pub async fn add(
    connection: &mut AsyncPgConnection,
    project: i64,
    maker: i64,
    name: &str,
    spec: &FeatureSpec,
) -> QueryResult<FeatureSet> {
    let (spec, spec_sha256) = stored(spec).map_err(|error| QueryError::SerializationError(error.into()))?;
    let (name, target) = (name.to_owned(), Target::default());
    let version = NewVersion { project_id: project, created_by: maker, name, target, spec, spec_sha256, is_current: true };
    store::insert(connection, version).await
}

/// Returns a spec as it is stored, and its digest. Equal specs have the same digest however they were sent.
fn stored(spec: &FeatureSpec) -> serde_json::Result<(Value, String)> {
    let text = serde_json::to_string(spec)?;
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    // From the text: a weight of 0.1 converted to a value directly has the digits of its binary form.
    Ok((serde_json::from_str(&text)?, hex::encode(digest)))
}

/// What the newest item metadata of a project holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeatureColumns {
    /// The item metadata.
    item_meta_data: i64,
    n_items: usize,
    columns: Vec<FeatureColumn>,
    /// The spec that trainings and searches use where the project has no current feature set.
    #[schema(value_type = Object)]
    spec: FeatureSpec,
}

/// A column of item metadata.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeatureColumn {
    column: String,
    /// What its values probably are; null if it should be left out.
    #[schema(value_type = Option<String>)]
    kind: Option<FieldKind>,
    /// Why.
    reason: String,
    /// The share of items with a value.
    coverage: f32,
    /// The number of different values; lists count by their elements.
    n_distinct: u64,
    /// The first different values, at most 3.
    examples: Vec<String>,
}

impl From<ColumnSummary> for FeatureColumn {
    fn from(summary: ColumnSummary) -> Self {
        Self {
            column: summary.guess.column,
            kind: summary.guess.kind,
            reason: summary.why,
            coverage: summary.coverage,
            n_distinct: summary.distinct,
            examples: summary.examples,
        }
    }
}

/// Returns what the newest item metadata of a project holds.
pub async fn columns(services: &Services, project: i64) -> ApiResult<FeatureColumns> {
    with_table(services, project, |item_meta_data, table, _| {
        let summaries = summarize(table);
        let guesses: Vec<Guess> = summaries.iter().map(|summary| summary.guess.clone()).collect();
        let columns = summaries.into_iter().map(FeatureColumn::from).collect();
        Ok(FeatureColumns { item_meta_data, n_items: table.n_rows(), columns, spec: FeatureSpec::from_guesses(&guesses) })
    })
    .await
}

/// Returns what a spec makes of the newest item metadata of a project.
pub async fn preview(services: &Services, project: i64, wanted: PreviewFields) -> ApiResult<FeaturePreview> {
    let threads = compute::threads(&services.settings, 1).min(MOST_THREADS);
    let memory = services.memory().promise();
    with_table(services, project, move |_, table, stop| {
        let context = engine_context(threads, memory, stop.clone());
        encodings(&wanted.spec, table, wanted.item_id.as_deref(), &context)
    })
    .await
}

/// Runs work on the newest item metadata of a project, with its id.
async fn with_table<T: Send + 'static>(
    services: &Services,
    project: i64,
    work: impl FnOnce(i64, &FeatureTable, &CancellationToken) -> Result<T, FeatureSetError> + Send + 'static,
) -> ApiResult<T> {
    let mut connection = services.db.conn().await?;
    let party = projects::tenant_of(&mut connection, project).await?.party();
    let newest = item_metadata::newest_upload(&mut connection, project, Subject::Item).await?;
    drop(connection);
    let (id, key) = newest.ok_or(FeatureSetError::NoItems)?;
    let (blobs, memory) = (services.blobs.clone(), services.memory().promise());
    let run = move |stop: &CancellationToken| work(id, &*tables::table_of(&blobs, &key, &memory)?, stop);
    Ok(PREVIEWS.run(Some(party), run).await??)
}

/// Returns a context that stops with its request, and uses only memory reserved by `memory`.
fn engine_context(threads: usize, memory: Promise, stop: CancellationToken) -> Context {
    let interrupt = move || stop.is_cancelled().then_some(Interrupt::Cancel);
    let ask = move |bytes| {
        memory.raise_to(bytes).map_err(|shortage| Lack { available: shortage.available, is_passing: memory.waits_for_others() })
    };
    Context::new(0, threads).with_interrupt(Arc::new(interrupt)).with_memory_source(Arc::new(ask))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_specs_have_one_digest_and_keep_their_numbers() {
        let read = |spec: Value| stored(&serde_json::from_value(spec).unwrap()).unwrap();
        let field = json!({ "column": "a", "kind": "text", "weight": 0.1 });
        let (spec, digest) = read(json!({ "version": 1, "fields": [field] }));
        assert_eq!(spec["fields"][0]["weight"].to_string(), "0.1");
        let again = json!({ "fields": [{ "weight": 0.1, "options": {}, "kind": "text", "column": "a" }], "version": 1 });
        assert_eq!(read(again).1, digest);
        assert_ne!(read(json!({ "version": 1, "fields": [{ "column": "a", "kind": "text" }] })).1, digest);
    }
}
