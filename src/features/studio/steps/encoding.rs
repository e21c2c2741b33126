//! Encoding: the columns that describe items become features, as every training will encode them.

use super::Progress;
use super::record::{Found, begin, pass};
use super::tables::items_of;
use crate::features::feature_sets;
use crate::features::studio::error::StudioError;
use crate::features::studio::model::Run;
use crate::features::studio::stages::StageDetail;
use crate::ml::context::Context;
use crate::ml::features::Encoder;
use crate::platform::compute;
use crate::platform::services::Services;

/// Encodes the items of a run.
pub async fn run(services: &Services, run: &Run) -> Result<Progress, StudioError> {
    if !begin(services, run).await? {
        return Ok(Progress::Over);
    }
    let set = feature_sets::current(&mut *services.db.conn().await?, run.project_id).await?;
    let (Some(items), Some(set)) = (items_of(services, run).await?, set) else {
        return pass(services, run, Found { skipped: true, ..Found::default() }).await;
    };
    let threads = compute::threads(&services.settings, 1);
    let fields = set.spec.fields.len() as u64;
    let features = compute::blocking(move || {
        let table = items.into_features();
        let rows: Vec<Option<u32>> = (0..table.n_rows() as u32).map(Some).collect();
        Encoder::fit_readable(&set.spec, &table, &rows, None, &Context::new(0, threads)).map(|encoder| encoder.n_columns() as u64)
    })
    .await?
    .map_err(|error| StudioError::Failed(format!("The items cannot be encoded: {error}.")))?;
    let detail = StageDetail { fields: Some(fields), features: Some(features), ..StageDetail::default() };
    pass(services, run, Found { detail, ..Found::default() }).await
}
