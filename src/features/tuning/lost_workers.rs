//! Recovery of a task whose worker died: its running trial is run once more, and is given up if another worker dies of it. The
//! search continues with the next trial.

use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::error::TuningError;
use super::model::{RunSearch, Trial, TrialResult, TuningJob};
use super::{service, store};
use crate::features::task_logs;
use crate::platform::queue::{JobContext, LOST_TOO_OFTEN};
use crate::platform::services::Services;

/// The workers that may die of one trial, or of a task before its first trial.
const MOST: i32 = 2;

/// Finds out of what the previous workers of this task died. Fails if it was no trial: the next worker would then die of it, too.
pub async fn account(task: &RunSearch, context: &JobContext<Services>) -> Result<(), TuningError> {
    if context.lost_workers == 0 {
        return Ok(());
    }
    let (id, run_by, lost, now) = (task.tuning_job_id, context.job_id, context.lost_workers, context.app.clock.now());
    let mut connection = context.app.db.conn().await?;
    connection
        .transaction(async move |connection| {
            let Some(_) = store::lock(connection, id).await?.filter(TuningJob::is_live) else { return Ok(()) };
            let trial = store::interrupted(connection, id, run_by).await?;
            if let Some(trial) = trial {
                let lost = lost - trial.lost_before;
                store::set_lost_workers(connection, trial.id, lost).await?;
                if lost >= MOST {
                    give_up(connection, &trial, now).await?;
                }
                return Ok(());
            }
            match lost - store::lost_with_trials(connection, id, run_by).await? {
                MOST.. => Err(TuningError::Data(LOST_TOO_OFTEN.to_owned())),
                _ => Ok(()),
            }
        })
        .await
}

async fn give_up(
    connection: &mut AsyncPgConnection,
    trial: &Trial,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), TuningError> {
    let result = TrialResult::failed(trial, LOST_TOO_OFTEN, now);
    if store::end_trial(connection, trial.id, &result).await? {
        let text = service::trial_line(trial, &result, "", 0);
        task_logs::write(connection, service::line(trial.tuning_job_id, Some(trial.run_by)), &text).await?;
        store::announce(connection, trial.tuning_job_id).await?;
    }
    Ok(())
}
