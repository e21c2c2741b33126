//! Checking: whether recommendations can be learnt from the data, and how the files fit together.

use super::Progress;
use super::record::{Found, begin, pass};
use super::tables::items_of;
use crate::features::datasets;
use crate::features::feature_sets;
use crate::features::studio::error::StudioError;
use crate::features::studio::mapping::{Mapping, Part, Role};
use crate::features::studio::model::{Goal, Run, Stage};
use crate::features::studio::plan::Facts;
use crate::features::studio::stages::{StageDetail, Stages};
use crate::platform::services::Services;

/// Share of described items below which the user is told.
const FEW: f64 = 0.9;

/// Checks the data of a run.
pub async fn run(services: &Services, run: &Run) -> Result<Progress, StudioError> {
    if !begin(services, run).await? {
        return Ok(Progress::Over);
    }
    let described = described(services, run).await?;
    let mut detail = Stages::of(&run.stages).detail(Stage::Reading);
    detail.described = described;
    (detail.rejected, detail.item_rows) = (None, None);
    let facts = facts(services, run, &detail).await?;
    facts.plan(run.goal, run.budget_seconds).map_err(StudioError::Failed)?;
    let warnings = warnings(run, &facts, described);
    pass(services, run, Found { detail, warnings, ..Found::default() }).await
}

/// Returns what is known of the data of a run, as far as it has been checked.
pub async fn facts(services: &Services, run: &Run, checked: &StageDetail) -> Result<Facts, StudioError> {
    let mut connection = services.db.conn().await?;
    let has_features = feature_sets::current(&mut connection, run.project_id).await?.is_some();
    Ok(Facts {
        rows: checked.rows.unwrap_or(0),
        users: checked.users.unwrap_or(0),
        items: checked.items.unwrap_or(0),
        has_times: Mapping::of(&run.mapping).column(Part::Interactions, Role::Time).is_some(),
        described: checked.described.filter(|_| has_features).unwrap_or(0.0),
    })
}

/// Returns the share of the items of the training data that the item file describes; `None` without an item file.
async fn described(services: &Services, run: &Run) -> Result<Option<f64>, StudioError> {
    let Some(items) = items_of(services, run).await? else { return Ok(None) };
    let data = match run.training_data_id {
        Some(id) => datasets::find(&mut *services.db.conn().await?, id).await?,
        None => None,
    };
    let data = data.ok_or_else(|| StudioError::Failed("The training data of this run has been deleted.".to_owned()))?;
    let log = datasets::load_log(services, &data).await?;
    let known = log.items.iter().filter(|item| items.items().find(item).is_some()).count();
    Ok(Some(known as f64 / log.n_items().max(1) as f64))
}

fn warnings(run: &Run, facts: &Facts, described: Option<f64>) -> Vec<String> {
    let mut warnings = Vec::new();
    let mapping = Mapping::of(&run.mapping);
    if let Some(column) = mapping.column(Part::Interactions, Role::Rating) {
        warnings.push(format!("Column \"{column}\" is not used: each row counts as one interaction, whatever its rating is."));
    }
    match described {
        Some(0.0) => warnings.push(
            "No item of the interactions is in the item file, so recommendations do not use it. Check which columns have the item ids."
                .to_owned(),
        ),
        Some(share) if share < FEW => {
            let missing = (1.0 - share) * 100.0;
            warnings.push(format!("{missing:.0} % of the items with interactions have no row in the item file."));
        }
        _ => {}
    }
    if described.is_some_and(|share| share > 0.0) && facts.described == 0.0 && run.goal != Goal::Collaborative {
        warnings.push("No column of the item file describes items, so recommendations do not use it.".to_owned());
    }
    if run.goal == Goal::Auto
        && facts.users > 0
        && facts.described > 0.0
        && let Some(lack) = facts.lack()
    {
        warnings.push(format!("{lack} Items are compared by what they have in common instead."));
    }
    warnings
}
