//! Decisions about measurements: what can be measured, and when one ends early.

use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::model::{FeatureMeasurement, MeasureFeatures, NewMeasurement};
use super::store;
use crate::features::datasets::sentence;
use crate::features::projects;
use crate::ml::algorithms::NewItems;
use crate::ml::registry;
use crate::platform::http::ApiResult;
use crate::platform::queue::{self, EnqueueOptions};

/// Returns the class name of an algorithm with which fields can be measured. Fails with a sentence.
pub fn measurable(algorithm: &str) -> Result<&'static str, String> {
    let info = registry::find_matrix(algorithm).map_err(|error| sentence(&error.to_string()))?;
    match info.new_items() {
        NewItems::Never => Err(format!("{} cannot recommend new items. Choose another algorithm.", info.name)),
        _ => Ok(info.name),
    }
}

/// Stores a measurement and enqueues its job in one transaction. Fails if the organisation of the project has `most_waiting` jobs
/// already.
pub async fn create(
    connection: &mut AsyncPgConnection,
    measurement: NewMeasurement,
    most_waiting: u32,
) -> ApiResult<FeatureMeasurement> {
    connection
        .transaction(async move |connection| {
            let measurement = store::insert(connection, measurement).await?;
            let (id, project) = (measurement.id, measurement.project_id);
            let turn = projects::turn_of(connection, project).await?;
            let options = EnqueueOptions { group_key: Some(FeatureMeasurement::group(id)), turn, ..EnqueueOptions::default() };
            queue::enqueue(connection, &MeasureFeatures { feature_measurement_id: id }, options).await?;
            projects::admit_jobs(connection, project, 1, most_waiting).await??;
            Ok(measurement)
        })
        .await
}

/// Deletes a measurement, and cancels its job if that waits or runs.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    connection
        .transaction(async move |connection| {
            store::delete(connection, id).await?;
            queue::cancel_group(connection, &FeatureMeasurement::group(id)).await?;
            Ok(())
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_algorithms_that_recommend_new_items_are_measured_with() {
        assert_eq!(measurable("IALS"), Ok("IALSRecommender"));
        assert!(measurable("TopPop").unwrap_err().contains("cannot recommend new items"));
        assert!(measurable("Nonsense").unwrap_err().starts_with("There is no algorithm"));
    }
}
