//! Configurations judged side by side, outside of any search: on the same split of the same upload, as trials are.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::TuningError;
use super::{search, split_cache};
use crate::features::datasets::TrainingData;
use crate::features::projects;
use crate::ml::context::{Context, Interrupt};
use crate::ml::error::MlResult;
use crate::ml::metrics::Metric;
use crate::ml::splits::SplitConfig;
use crate::ml::trials;
use crate::ml::tuning::Suggestion;
use crate::ml::weights::Weights;
use crate::platform::queue::JobContext;
use crate::platform::services::Services;

/// Of whatever in an algorithm is random; the same for all that are compared.
const SEED: u64 = 42;

/// On what configurations are judged, and by what.
#[derive(Debug)]
pub struct Contest {
    pub data: TrainingData,
    pub split: SplitConfig,
    pub metric: Metric,
    pub cutoff: usize,
}

/// What each configuration scores, in the order given, if it were trained today: with the weights its project has now.
/// Stops with `MlError::Cancelled` when the job has to.
pub async fn scores(
    context: &JobContext<Services>,
    contest: &Contest,
    mut configurations: Vec<Suggestion>,
) -> Result<Vec<f64>, TuningError> {
    let services = &context.app;
    let weights = projects::of_data(&mut *services.db.conn().await?, contest.data.id).await?.weights();
    let mut weighed = false;
    for configuration in &mut configurations {
        weights.complete(&mut configuration.params);
        weighed |= !Weights::default().overridden(&configuration.params)?.0.is_neutral();
    }
    let split = split_cache::split_of(services, &contest.data, &contest.split, weighed.then_some(&weights)).await?;
    let (metric, cutoff, engine) = (contest.metric, contest.cutoff, engine_context(context));
    let judge = move || -> MlResult<Vec<f64>> {
        configurations.iter().map(|one| trials::judge(one, &split, metric, cutoff, &engine)).collect()
    };
    Ok(search::blocking(judge).await??)
}

fn engine_context(context: &JobContext<Services>) -> Context {
    let threads = match context.app.settings.threads_per_job {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        set => set,
    };
    let flag = context.cancel.flag();
    let interrupt = move || flag.load(Ordering::Relaxed).then_some(Interrupt::Cancel);
    Context::new(SEED, threads).with_interrupt(Arc::new(interrupt))
}
