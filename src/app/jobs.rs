//! All kinds of background jobs.

use crate::features::{
    data_sources, datasets, destinations, feature_measurements, item_metadata, models, retraining, studio, tuning,
};
use crate::platform::queue::Registry;
use crate::platform::services::Services;

/// Returns the registry of all jobs that a worker can run.
pub fn registry() -> Registry<Services> {
    Registry::new()
        .register::<datasets::PrepareData>()
        .register::<item_metadata::PrepareItemMetadata>()
        .register::<item_metadata::MergeItemChanges>()
        .register::<models::TrainModel>()
        .register::<feature_measurements::MeasureFeatures>()
        .register::<tuning::RunSearch>()
        .register::<retraining::RunRetraining>()
        .register::<retraining::JudgeRun>()
        .register::<retraining::CombineData>()
        .register::<data_sources::PullSource>()
        .register::<data_sources::RecheckWindows>()
        .register::<destinations::FollowRetraining>()
        .register::<destinations::DeliverLists>()
        .register::<studio::RunStudio>()
}
