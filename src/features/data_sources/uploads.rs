//! The uploads that runs bring: how they are called, put to use, and removed.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::model::SourceRun;
use super::windows;
use crate::connectors::{Query, Source};
use crate::features::datasets::{self, Origin, Standing};
use crate::features::item_metadata;
use crate::features::projects::{self, Kind};
use crate::platform::services::Services;

/// Characters of the name of a source in the names of files.
const LONGEST_NAME: usize = 60;

/// Returns the name of the file of a run. One of files whose columns are not chosen holds JSON lines.
pub fn file_name(source: &str, run: i64, query: &Query) -> String {
    let ending = if matches!(query.from, Source::Files(_)) && query.columns.is_empty() { "jsonl" } else { "csv" };
    let plain = |character: char| if character.is_alphanumeric() { character } else { '-' };
    let name: String = source.chars().map(plain).take(LONGEST_NAME).collect();
    format!("{}-{run}.{ending}.zst", name.trim_matches('-'))
}

/// Returns what the lineage says of the upload of a run.
pub fn origin(run: &SourceRun, files: Vec<String>) -> Origin {
    let text = |bound: i64| windows::text(run.cursor_kind, bound);
    Origin { source: run.data_source_id, run: run.id, from: run.window_lo.map(text), to: run.window_hi.map(text), files }
}

/// Sets whether the upload of a run is used.
pub async fn set_standing(connection: &mut AsyncPgConnection, run: &SourceRun, standing: Standing) -> QueryResult<()> {
    if let Some(data) = run.training_data_id {
        datasets::set_standing(connection, data, standing).await?;
    }
    if let Some(metadata) = run.item_meta_data_id {
        item_metadata::set_standing(connection, metadata, standing).await?;
    }
    Ok(())
}

/// Removes the uploads of runs. One that something depends on stays.
pub async fn remove(services: &Services, runs: &[SourceRun]) {
    let data = runs.iter().filter_map(|run| Some((Kind::TrainingData, run.training_data_id?)));
    let metadata = runs.iter().filter_map(|run| Some((Kind::ItemMetaData, run.item_meta_data_id?)));
    for (kind, id) in data.chain(metadata) {
        if let Err(error) = projects::remove(services, kind, id).await {
            tracing::info!(status = %error.status(), id, "an upload that a source has replaced stays: something depends on it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::Table;

    #[test]
    fn a_file_is_called_like_its_source() {
        let table = Query::of_table(Table { schema: "public".into(), table: "orders".into() });
        let file_name = |source: &str, run| file_name(source, run, &table);
        assert_eq!(file_name("Orders / shop ", 7), "Orders---shop-7.csv.zst");
        assert_eq!(file_name("注文", 7), "注文-7.csv.zst");
        assert_eq!(file_name(&"x".repeat(200), 7).chars().count(), LONGEST_NAME + "-7.csv.zst".len());
    }
}
