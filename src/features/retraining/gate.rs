//! The quality gate: if a tolerance is set, a new model replaces a deployed one only if it is not notably worse. A background job
//! computes the scores of both, see [`super::judging`].

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::error::RetrainingError;
use super::judging::made_of;
use super::model::{JudgeRun, Run, Schedule, ScheduleFields};
use super::store;
use crate::features::accounts::Guarded;
use crate::features::deployments;
use crate::features::model_configs::ModelConfiguration;
use crate::features::projects::{self, Project};
use crate::ml::registry;
use crate::platform::queue::{self, EnqueueOptions};

/// The gate's decision about a new model.
#[derive(Debug)]
pub enum Verdict {
    Deploy,
    /// A sentence with both figures.
    Keep(String),
    /// The scores are being computed.
    Wait,
}

/// Decides whether a run's model may be deployed under a name. On the first call, and again whenever another model has been
/// deployed since, enqueues the job that computes the scores. Runs in the caller's transaction, which has locked the run.
pub async fn ask(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    run: &Run,
    model: i64,
    slot_name: &str,
) -> Result<Verdict, RetrainingError> {
    let Some(tolerance) = schedule.fields.gate_tolerance else { return Ok(Verdict::Deploy) };
    // The deployed model must not change between this decision and the deployment.
    deployments::lock_project(connection, schedule.project_id).await?;
    let replaced = deployments::replaced_by(connection, schedule.project_id, slot_name).await?;
    let Some(deployed) = replaced.map(|slot| slot.fields.trained_model_id).filter(|deployed| *deployed != model) else {
        return Ok(Verdict::Deploy);
    };
    if run.deployed_model_id != Some(deployed) {
        store::begin_gate(connection, run.id, model, deployed).await?;
        let of_sessions = made_of(connection, model).await?.is_some_and(|new| registry::learns_from_sessions(&new.algorithm));
        if let Some(reason) = unlike(connection, deployed, of_sessions).await? {
            return Ok(Verdict::Keep(reason));
        }
        begin(connection, schedule.project_id, run.id, deployed).await?;
        return Ok(Verdict::Wait);
    }
    let (Some(metric), Some(new_score), Some(old_score)) = (&run.gate_metric, run.new_score, run.deployed_score) else {
        return Ok(Verdict::Wait);
    };
    if new_score >= old_score * (1.0 - tolerance) {
        return Ok(Verdict::Deploy);
    }
    let judged = match (run.training_data_id, run.deployed_data_id) {
        (Some(new), Some(old)) => format!(
            "judged by what was held out of training data {new}, the new model scores {new_score:.4} ({metric}) and the deployed \
             model {deployed}, which has learnt from training data {old}, scores {old_score:.4}"
        ),
        _ => format!(
            "on the same data the new model scores {new_score:.4} ({metric}) and the deployed model {deployed} scores {old_score:.4}"
        ),
    };
    let loss = tolerance * 100.0;
    Ok(Verdict::Keep(format!(
        "Not deployed: {judged}; the schedule allows a loss of {loss:.1} % at most. The slot keeps its model."
    )))
}

/// Returns why a schedule with these fields could never pass the gate at present, with a sentence that says what to do.
pub async fn obstacle(
    connection: &mut AsyncPgConnection,
    project: &Project,
    wanted: &ScheduleFields,
) -> QueryResult<Option<String>> {
    if !wanted.is_enabled || wanted.gate_tolerance.is_none() || !wanted.auto_deploy {
        return Ok(None);
    }
    let searches = wanted.retune && wanted.split_config_id.is_some() && wanted.evaluation_config_id.is_some();
    let of_sessions = match wanted.model_configuration_id {
        // Searches do not try models of sessions.
        _ if searches => false,
        None => return Ok(None),
        Some(id) => {
            let configuration = ModelConfiguration::load(connection, id).await?;
            configuration
                .is_some_and(|(configuration, _)| registry::learns_from_sessions(&configuration.fields.recommender_class_name))
        }
    };
    match deployments::replaced_by(connection, project.id, &slot_name(project)).await? {
        Some(slot) => unlike(connection, slot.fields.trained_model_id, of_sessions).await,
        None => Ok(None),
    }
}

/// Returns why a new model cannot be compared with the deployed one: they are of different kinds.
async fn unlike(connection: &mut AsyncPgConnection, deployed: i64, new_of_sessions: bool) -> QueryResult<Option<String>> {
    let Some(old) = made_of(connection, deployed).await? else { return Ok(None) };
    let kind = |of_sessions: bool| if of_sessions { "sessions" } else { "users and items" };
    let old_of_sessions = registry::learns_from_sessions(&old.algorithm);
    Ok((old_of_sessions != new_of_sessions).then(|| {
        format!(
            "Model {deployed}, which is deployed, has learnt from {}, the new one learns from {}, and no split judges both alike. \
             Deploy the first model of the new kind by hand, or take the tolerance out of the schedule.",
            kind(old_of_sessions),
            kind(new_of_sessions)
        )
    }))
}

/// Returns the name of the slot that the runs of a project deploy to.
pub fn slot_name(project: &Project) -> String {
    format!("auto-deploy-{}", project.fields.name)
}

async fn begin(connection: &mut AsyncPgConnection, project: i64, run: i64, deployed: i64) -> Result<(), RetrainingError> {
    let options = EnqueueOptions {
        unique_key: Some(format!("retraining-gate:{run}:{deployed}")),
        group_key: Some(format!("retraining-run:{run}")),
        turn: projects::turn_of(connection, project).await?,
        ..EnqueueOptions::default()
    };
    queue::enqueue(connection, &JudgeRun { retraining_run_id: run, deployed_model_id: deployed }, options).await?;
    Ok(())
}
