//! Comparison of configurations outside of a search: on the same split of the same training data, as trials are, even if one of
//! them learns from other data. Models of sessions are evaluated by the last item of each session.

use super::error::TuningError;
use super::{search, split_cache};
use crate::features::datasets::TrainingData;
use crate::features::models;
use crate::features::projects;
use crate::ml::context::Context;
use crate::ml::error::MlResult;
use crate::ml::interactions::InteractionLog;
use crate::ml::metrics::Metric;
use crate::ml::other_data::{self, Exam};
use crate::ml::registry;
use crate::ml::sessions::{self, Sessions, VmisKnn};
use crate::ml::splits::SplitConfig;
use crate::ml::trials;
use crate::ml::tuning::Suggestion;
use crate::ml::weights::Weights;
use crate::platform::compute;
use crate::platform::queue::JobContext;
use crate::platform::services::Services;

/// The seed of all configurations that are compared.
const SEED: u64 = 42;

/// Why models of different data cannot be compared by what they recommend of new items.
const SAME_DATA_NEEDED: &str = "A split that holds out items compares only models that learn from the same data. Choose a split with \
     scheme RG, TG or TU.";

/// The data, split and metric by which configurations are compared.
#[derive(Debug)]
pub struct Contest {
    pub data: TrainingData,
    pub split: SplitConfig,
    pub metric: Metric,
    pub cutoff: usize,
}

/// A configuration that is compared.
#[derive(Debug)]
pub struct Entrant {
    pub made_of: Suggestion,
    /// The data that it learns from, if not the rest of the data that it is evaluated on.
    pub own_data: Option<TrainingData>,
}

/// A configuration with the interactions that it learns from.
type Learner = (Suggestion, Option<InteractionLog>);

/// Returns the score of each configuration, in the given order, if it were trained today: with the present weights of its
/// project, on the rest of the contest's data, or on all of its own data except what the contest holds out (see
/// [`crate::ml::other_data`]). Fails with `MlError::Cancelled` if the job is cancelled.
pub async fn scores(context: &JobContext<Services>, contest: &Contest, entrants: Vec<Entrant>) -> Result<Vec<f64>, TuningError> {
    let weights = projects::of_data(&mut *context.app.db.conn().await?, contest.data.id).await?.weights();
    let of_sessions = entrants.iter().filter(|one| registry::learns_from_sessions(&one.made_of.algorithm)).count();
    let (all, mut learners) = (entrants.len(), Vec::with_capacity(entrants.len()));
    for Entrant { made_of, own_data } in entrants {
        let own = match own_data {
            Some(data) => Some(split_cache::log_of(&context.app, &data).await?),
            None => None,
        };
        learners.push((made_of, own));
    }
    match of_sessions {
        0 => scores_of_users(context, contest, learners, weights).await,
        some if some == all => scores_of_sessions(context, contest, learners, weights).await,
        _ => Err(TuningError::Data("Models of sessions cannot be compared with models of other kinds.".to_owned())),
    }
}

/// Scores models of sessions: they learn from the sessions that ended first and predict the last item of the others, regardless
/// of the scheme of the split, since sessions can only be divided by time.
async fn scores_of_sessions(
    context: &JobContext<Services>,
    contest: &Contest,
    learners: Vec<Learner>,
    weights: Weights,
) -> Result<Vec<f64>, TuningError> {
    let log = split_cache::log_of(&context.app, &contest.data).await?;
    let (metric, cutoff, share, engine) = (contest.metric, contest.cutoff, contest.split.heldout_ratio, engine_context(context));
    let unmeasured = move || {
        let message = format!("{metric} is not measured of sessions. Choose another metric in the evaluation config.");
        TuningError::Data(message)
    };
    let judge = move || -> Result<Vec<f64>, TuningError> {
        let log = weights.counted(&log);
        let score = |(one, own): &Learner| {
            let (known, later) = match own {
                None => Sessions::from_log(&log)?.split_latest(share)?,
                Some(own) => {
                    let [log, own] = other_data::over_same_ids(&log, &weights.counted(own))?;
                    let (earlier, later) = Sessions::from_log(&log)?.split_latest(share)?;
                    (Sessions::from_log(&own)?.ended_by(earlier.last_end().unwrap_or(i64::MIN)), later)
                }
            };
            let model = VmisKnn::fit(&one.params, &known, &engine)?;
            sessions::evaluate(&model, &later, cutoff, &engine)?.metric(metric).ok_or_else(unmeasured)
        };
        learners.iter().map(score).collect()
    };
    search::blocking(judge).await?
}

async fn scores_of_users(
    context: &JobContext<Services>,
    contest: &Contest,
    mut learners: Vec<Learner>,
    weights: Weights,
) -> Result<Vec<f64>, TuningError> {
    let services = &context.app;
    let mut weighed = false;
    for (configuration, _) in &mut learners {
        weights.complete(&mut configuration.params);
        weighed |= !Weights::default().overridden(&configuration.params)?.0.is_neutral();
    }
    let cold = contest.split.scheme.holds_out_items();
    if cold && learners.iter().any(|(_, own)| own.is_some()) {
        return Err(TuningError::Data(SAME_DATA_NEEDED.to_owned()));
    }
    let learns_from_features =
        |one: &Suggestion| registry::find(&one.algorithm).is_ok_and(|info| info.learns_from_features(&one.params));
    let described = cold || learners.iter().any(|(one, _)| learns_from_features(one));
    let split = split_cache::split_of(context, &contest.data, &contest.split, weighed.then_some(&weights), described).await?;
    let (users, items) = match learners.iter().any(|(_, own)| own.is_some()) {
        true => split_cache::log_of(services, &contest.data).await.map(|log| (log.users, log.items))?,
        false => Default::default(),
    };
    let (metric, cutoff, engine) = (contest.metric, contest.cutoff, engine_context(context));
    let judge = move || -> MlResult<Vec<f64>> {
        let exam = Exam { split: &split, users: &users, items: &items, metric, cutoff };
        let score = |(one, own): &Learner| match own {
            None => trials::judge(one, &split, metric, cutoff, &engine),
            Some(own) => other_data::judge(one, &exam, own, &engine),
        };
        learners.iter().map(score).collect()
    };
    Ok(search::blocking(judge).await??)
}

fn engine_context(context: &JobContext<Services>) -> Context {
    let threads = compute::threads(&context.app.settings, 1);
    let deadline = models::training_deadline(&context.app);
    models::engine_context(context, SEED, threads, deadline, context.app.memory().promise())
}
