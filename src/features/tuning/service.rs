//! Decisions about searches: what a job may request, when it is over, and what it leads to.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use super::error::TuningError;
use super::model::{NewTuningJob, RunSearch, SearchStatus, Trial, TrialCounts, TrialResult, TrialStatus, TuningJob};
use super::store;
use crate::features::evaluation;
use crate::features::model_configs;
use crate::features::models;
use crate::features::projects::{self, Project, Topic};
use crate::features::task_logs::{self, Line};
use crate::ml::algorithms::NewItems;
use crate::ml::registry;
use crate::platform::http::ApiResult;
use crate::platform::nearest::nearest;
use crate::platform::queue::{self, EnqueueOptions};
use crate::platform::services::Services;

const CONTENT_KNN: &str = "ContentKNNRecommender";

/// The algorithms in a list of names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Algorithms {
    /// Class names, each once; the default set if the list has no known name.
    pub names: Vec<&'static str>,
    /// The unknown names, which are left out.
    pub unknown: Vec<String>,
    /// Algorithms that are left out because they cannot recommend new items.
    pub unable: Vec<&'static str>,
}

impl Algorithms {
    /// Reads a list as a client sent it.
    pub fn of(asked: Option<&Value>) -> Self {
        let mut found = Self::default();
        for name in asked.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            match registry::find_matrix(name) {
                Ok(info) if found.names.contains(&info.name) => {}
                Ok(info) => found.names.push(info.name),
                Err(_) => found.unknown.push(name.to_owned()),
            }
        }
        if found.names.is_empty() {
            found.names = model_configs::DEFAULT_ALGORITHMS.to_vec();
        }
        found
    }

    /// Leaves out algorithms that cannot recommend new items, if the split holds out items.
    pub fn suited(mut self, holds_out_items: bool) -> Self {
        let is_unable = |name: &mut &'static str| registry::find(name).is_ok_and(|info| info.new_items() == NewItems::Never);
        if holds_out_items {
            // Neighbours by content are often as good as anything else, so they are part of the default set here.
            if self.names == model_configs::DEFAULT_ALGORITHMS {
                self.names.push(CONTENT_KNN);
            }
            self.unable = self.names.extract_if(.., is_unable).collect();
        }
        self
    }

    /// Returns warnings for the client about the unknown names.
    pub fn warnings(&self) -> Vec<String> {
        let tried = self.names.join(", ");
        let warning = |name: &String| format!("There is no algorithm \"{name}\".{} This search tries {tried}.", suggestion(name));
        self.unknown.iter().map(warning).collect()
    }

    /// Returns lines of the log about the algorithms that are left out.
    pub fn log_lines(&self) -> impl Iterator<Item = String> {
        let unable = format!("Left out, since they cannot recommend new items: {}.", self.unable.join(", "));
        let unable = (!self.unable.is_empty()).then_some(unable);
        self.unknown_line().into_iter().chain(unable)
    }

    fn unknown_line(&self) -> Option<String> {
        let (unknown, tried) = (self.unknown.join(", "), self.names.join(", "));
        let suggestions: String = self.unknown.iter().map(|name| suggestion(name)).collect();
        let line = format!("Left out, since there are no such algorithms: {unknown}.{suggestions} Tried are {tried}.");
        (!self.unknown.is_empty()).then_some(line)
    }
}

/// Returns a sentence with the algorithm that was probably meant, if there is one.
fn suggestion(name: &str) -> String {
    let known = registry::matrix_algorithms().flat_map(|info| [info.name, info.short]);
    let meant = nearest(name, known).and_then(|meant| registry::find_matrix(meant).ok());
    meant.map(|info| format!(" Did you mean {}?", info.name)).unwrap_or_default()
}

/// Returns why a search may not have this number of trials, unless it may. `most` is the operator's limit; 0 sets none.
pub fn too_many_trials(n_trials: i32, most: u32) -> Option<String> {
    let is_too_many = most > 0 && i64::from(n_trials) > i64::from(most);
    is_too_many.then(|| format!("A search may have at most {most} trials (max_trials). Request fewer, or start another search."))
}

/// Stores a job and enqueues its tasks in one transaction.
pub async fn create(connection: &mut AsyncPgConnection, job: NewTuningJob) -> Result<TuningJob, TuningError> {
    connection
        .transaction(async move |connection| {
            let job = store::insert(connection, job).await?;
            let turn = projects::of_data(connection, job.fields.data_id).await?.turn(connection).await?;
            for task in 0..job.fields.n_tasks() {
                let (group_key, turn) = (Some(TuningJob::group(job.id)), turn.clone());
                let options = EnqueueOptions { group_key, turn, ..EnqueueOptions::default() };
                queue::enqueue(connection, &RunSearch { tuning_job_id: job.id, task }, options).await?;
            }
            Ok(job)
        })
        .await
}

/// Creates a job as [`create`] does, on behalf of a user. Moves configs that nothing uses yet to the organisation of the project.
/// Fails if this would make more than `most_waiting` jobs of the organisation wait.
pub async fn create_asked(
    connection: &mut AsyncPgConnection,
    job: NewTuningJob,
    project: &Project,
    most_waiting: u32,
) -> ApiResult<TuningJob> {
    let (project, organisation, tasks) = (project.id, project.organisation_id, i64::from(job.fields.n_tasks()));
    connection
        .transaction(async move |connection| {
            evaluation::bring_split(connection, "split", job.fields.split_id, organisation).await?;
            evaluation::bring_evaluation(connection, "evaluation", job.fields.evaluation_id, organisation).await?;
            let job = create(connection, job).await?;
            projects::admit_jobs(connection, project, tasks, most_waiting).await??;
            Ok(job)
        })
        .await
}

/// Cancels a live job: its tasks stop at once, and its finished trials stay.
pub async fn cancel(services: &Services, job: &TuningJob) -> Result<TuningJob, TuningError> {
    let mut connection = services.db.conn().await?;
    let (id, now) = (job.id, services.clock.now());
    let ended = connection.transaction(async move |connection| cancel_in(connection, id, now).await).await?;
    if !ended {
        return Err(TuningError::Over(job.status));
    }
    store::find(&mut connection, id).await?.ok_or(TuningError::Database(diesel::result::Error::NotFound))
}

/// Cancels a job in the caller's transaction; false if it was over.
pub async fn cancel_in(connection: &mut AsyncPgConnection, id: i64, now: DateTime<Utc>) -> Result<bool, TuningError> {
    let ended = store::end(connection, id, SearchStatus::Cancelled, Some("Cancelled by a user."), now).await?;
    if ended {
        store::abandon_trials(connection, id, None, "The job was cancelled.", now).await?;
        queue::cancel_group(connection, &TuningJob::group(id)).await?;
        task_logs::write(connection, line(id, None), "The job was cancelled.").await?;
        store::announce(connection, id).await?;
    }
    Ok(ended)
}

/// Deletes a job that is over, with its trials and its log.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> Result<(), TuningError> {
    connection
        .transaction(async move |connection| {
            // The DELETE itself checks the state: the job may have been started a moment ago.
            if !store::delete(connection, id).await? {
                return Err(TuningError::Live);
            }
            Ok(store::announce(connection, id).await?)
        })
        .await
}

/// Returns the subject of a line of the log.
pub fn line(tuning_job_id: i64, job_id: Option<i64>) -> Line {
    Line { job_id, tuning_job_id: Some(tuning_job_id), trained_model_id: None }
}

/// Ends the job if no trial is running or left to run: the best trial becomes a configuration and, if requested, a model.
pub async fn finish_if_done(services: &Services, id: i64, queue_job: Option<i64>, out_of_time: bool) -> Result<(), TuningError> {
    let mut connection = services.db.conn().await?;
    let now = services.clock.now();
    connection
        .transaction(async move |connection| -> Result<(), TuningError> {
            let Some(job) = store::lock(connection, id).await?.filter(TuningJob::is_live) else { return Ok(()) };
            let trials = store::trials_of(connection, id).await?;
            let left = !out_of_time && (trials.len() as i64) < i64::from(job.fields.n_trials);
            if left || trials.iter().any(|trial| trial.state == TrialStatus::Running) {
                return Ok(());
            }
            let (status, error) = match best_of(&trials) {
                Some(best) => {
                    succeed(connection, &job, best, queue_job).await?;
                    (SearchStatus::Completed, None)
                }
                None => (SearchStatus::Failed, Some(nothing_found(&trials).to_string())),
            };
            if let Some(error) = &error {
                task_logs::write(connection, line(id, queue_job), error).await?;
            }
            store::end(connection, id, status, error.as_deref(), now).await?;
            tell_end(connection, id).await?;
            store::announce(connection, id).await?;
            Ok(())
        })
        .await
}

/// Records that a search has completed or failed, with its result.
pub async fn tell_end(connection: &mut AsyncPgConnection, id: i64) -> Result<(), TuningError> {
    let Some(job) = store::find(connection, id).await? else { return Ok(()) };
    let topic = match job.status {
        SearchStatus::Completed => Topic::TuningCompleted,
        SearchStatus::Failed => Topic::TuningFailed,
        SearchStatus::Pending | SearchStatus::Running | SearchStatus::Cancelled => return Ok(()),
    };
    let told = json!({
        "tuning_job": id,
        "best_score": job.best_score,
        "model_configuration": job.best_config_id,
        "model": job.tuned_model_id,
        "error": job.error,
    });
    let project = projects::of_data(connection, job.fields.data_id).await?;
    Ok(projects::record(connection, project.id, topic, told).await?)
}

fn best_of(trials: &[Trial]) -> Option<&Trial> {
    let is_scored = |trial: &&Trial| trial.state == TrialStatus::Completed && trial.score.is_some_and(|score| score > 0.0);
    let scored = trials.iter().filter(is_scored);
    // Of equal scores the earlier trial wins.
    scored.rev().max_by(|a, b| a.score.partial_cmp(&b.score).unwrap_or(std::cmp::Ordering::Equal))
}

async fn succeed(
    connection: &mut AsyncPgConnection,
    job: &TuningJob,
    best: &Trial,
    queue_job: Option<i64>,
) -> Result<(), TuningError> {
    let name = format!("Tuning Result of job {}", job.id);
    let parameters = best.parameters.as_object().cloned().unwrap_or_default();
    let configuration =
        model_configs::create_for_data(connection, job.fields.data_id, &name, &best.algorithm, parameters).await?;
    let score = best.score.unwrap_or_default();
    let text = format!("Job {} complete: best score {score:.6} by trial {}.", job.id, best.number);
    task_logs::write(connection, line(job.id, queue_job), &text).await?;
    let found = format!("Found best configuration: {} / {}", best.algorithm, best.parameters);
    task_logs::write(connection, line(job.id, queue_job), &found).await?;
    let model = match job.fields.train_after_tuning {
        true => Some(models::create(connection, configuration, job.fields.data_id).await?.id),
        false => None,
    };
    Ok(store::set_result(connection, job.id, score, configuration, model).await?)
}

fn nothing_found(trials: &[Trial]) -> TuningError {
    if trials.is_empty() {
        return TuningError::NoTrial;
    }
    let last = trials.iter().rev().find_map(|trial| trial.note.clone());
    let hint = last.map_or_else(
        || "Check that the held-out part of the data is not empty.".to_owned(),
        |note| format!("The last one said: {note}"),
    );
    TuningError::NothingFound { trials: trials.len() as i64, hint }
}

/// Returns the state of a job for its subscribers.
pub async fn snapshot(connection: &mut AsyncPgConnection, id: i64) -> Result<Option<(TuningJob, TrialCounts)>, TuningError> {
    let Some(job) = store::find(connection, id).await? else { return Ok(None) };
    let counts = store::counts(connection, &[id]).await?.into_iter().next().map(|(_, counts)| counts).unwrap_or_default();
    Ok(Some((job, counts)))
}

/// Returns the line of the log for a finished trial, in the format that 1.x clients parse.
pub fn trial_line(trial: &Trial, result: &TrialResult, metric: &str, cutoff: i32) -> String {
    let state = match result.state {
        TrialStatus::Running => "RUNNING",
        TrialStatus::Completed => "COMPLETE",
        TrialStatus::Pruned => "PRUNED",
        TrialStatus::Failed => "FAILED",
    };
    let mut text = format!("Trial {} with {} / {}: {state}.", trial.number, trial.algorithm, result.parameters);
    if let Some(score) = result.score {
        text.push_str(&format!("\n{metric}@{cutoff}={score}"));
    }
    if let Some(note) = &result.note {
        text.push_str(&format!("\n{note}"));
    }
    text
}

/// Converts intermediate scores into the JSON that is stored.
pub fn intermediate_json(scores: &[(u32, f64)]) -> Value {
    scores.iter().map(|(step, score)| json!([step, score])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_have_three_names_and_unknown_ones_are_left_out() {
        let asked = json!(["IALS", "IALSOptimizer", "Nonsense", "TopPopRecommender", "IALSRecommender"]);
        let found = Algorithms::of(Some(&asked));
        assert_eq!(
            found,
            Algorithms {
                names: vec!["IALSRecommender", "TopPopRecommender"],
                unknown: vec!["Nonsense".into()],
                unable: Vec::new(),
            }
        );
        let tried = "This search tries IALSRecommender, TopPopRecommender.";
        assert_eq!(found.warnings(), [format!("There is no algorithm \"Nonsense\". {tried}")]);
        let suited = Algorithms::of(Some(&asked)).suited(true);
        assert_eq!((suited.names, suited.unable), (vec!["IALSRecommender"], vec!["TopPopRecommender"]));
        let slip = Algorithms::of(Some(&json!(["IALSRecomender"]))).warnings();
        assert!(slip[0].contains("Did you mean IALSRecommender? This search tries IALSRecommender, CosineKNN"), "{slip:?}");
    }

    #[test]
    fn only_more_trials_than_the_operator_allows_are_too_many() {
        assert_eq!([too_many_trials(10, 10), too_many_trials(i32::MAX, 0)], [None, None]);
        let refused = too_many_trials(11, 10).unwrap();
        assert!(refused.contains("at most 10 trials (max_trials)"), "{refused}");
    }

    #[test]
    fn without_a_known_algorithm_the_default_ones_are_tried() {
        for asked in [None, Some(json!(null)), Some(json!([])), Some(json!(["Nonsense"]))] {
            assert_eq!(Algorithms::of(asked.as_ref()).names, model_configs::DEFAULT_ALGORITHMS, "{asked:?}");
        }
    }
}
