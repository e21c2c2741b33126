//! Asks a model what it would have answered to past requests, and has its lists compared with those that were answered.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::replay::{LeftOut, Replay, Warning};
use crate::features::datasets::{self, PREVIEWS};
use crate::features::inference::{PastRequest, PastUsers, past_lists};
use crate::features::models::{Items, ModelCache, TrainedModel};
use crate::features::projects::{self, Project};
use crate::features::recommendation_log::{self, AnsweredList, Comparison, Past};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// The largest number of requests that are replayed; the newest are used.
const MOST_REQUESTS: i64 = 20_000;
/// Requests replayed in one batch; other work gets its turn between two batches.
const AT_ONCE: usize = 250;
/// The time after which a slow model gets no more requests; those answered by then are compared.
const PATIENCE: TimeDelta = TimeDelta::seconds(6);

/// Bytes held for each item of each request of a batch: its score, and its rank among the others.
const SCORE_BYTES: u64 = 16;

/// A comparison with its period and warnings.
pub struct Found {
    pub since: DateTime<Utc>,
    pub learnt_until: DateTime<Utc>,
    /// Whether there were more requests than were compared.
    pub is_partial: bool,
    pub left_out: LeftOut,
    pub warnings: Vec<Warning>,
    pub comparison: Comparison,
}

/// Estimates how the model would have answered the requests of the last days that it was not trained on.
pub async fn estimate(
    services: &Services,
    cache: &Arc<ModelCache>,
    model: &TrainedModel,
    days: i32,
    cutoff: i32,
) -> ApiResult<Found> {
    // A bad file is reported whether or not there is any traffic.
    let tenant = projects::tenant_of_data(&mut *services.db.conn().await?, model.data_id).await?;
    let ready = cache.get(services, (model, tenant), Items::Any, || PREVIEWS.admit(Some(tenant.party()))).await?;
    let memory = services.memory().promise();
    let n_items = u64::from(model.n_items.unwrap_or_default().unsigned_abs());
    memory.raise_to(n_items * AT_ONCE as u64 * SCORE_BYTES)?;
    let began = services.clock.now();
    let Traffic { project, since, learnt_until, learnt, answered } = read(services, model, days, cutoff).await?;
    let users = PastUsers::read(services, &ready, (&project, tenant)).await?;
    let mut is_partial = answered.len() as i64 >= MOST_REQUESTS;
    let all = answered.len();
    let plain: Vec<(AnsweredList, PastRequest, usize)> = answered.into_iter().filter_map(|list| askable(list, cutoff)).collect();
    let left_out = LeftOut { learnt, special: all - plain.len() };
    let (mut replay, mut plain) = (Replay::default(), plain.into_iter().peekable());
    while plain.peek().is_some() {
        if services.clock.now() - began > PATIENCE {
            is_partial = true;
            break;
        }
        let handful: Vec<_> = plain.by_ref().take(AT_ONCE).collect();
        let asked = handful.iter().map(|(_, request, _)| request.clone()).collect();
        let model = (Arc::clone(&ready), users.clone());
        let lists = past_lists(services, model, (&project, tenant), asked, cutoff.unsigned_abs() as usize).await?;
        for ((answered, _, wanted), mut list) in handful.into_iter().zip(lists) {
            list.truncate(wanted);
            replay.add(answered, list);
        }
    }
    let warnings = replay.warnings(left_out);
    let comparison = replay.compare(tenant, cutoff, model.n_items).await?;
    Ok(Found { since, learnt_until, is_partial, left_out, warnings, comparison })
}

/// The past requests of a model's project.
struct Traffic {
    project: Project,
    since: DateTime<Utc>,
    learnt_until: DateTime<Utc>,
    /// The number of requests that the model may have been trained on.
    learnt: usize,
    /// The other requests, newest first.
    answered: Vec<AnsweredList>,
}

async fn read(services: &Services, model: &TrainedModel, days: i32, cutoff: i32) -> ApiResult<Traffic> {
    let from = services.clock.now() - TimeDelta::days(days.into());
    let mut connection = services.db.conn_for_long_read().await?;
    let data = datasets::find(&mut connection, model.data_id).await?.ok_or_else(ApiError::not_found)?;
    let project = projects::of_data(&mut connection, data.id).await?;
    let learnt_until = model.learnt_until(&data);
    let since = learnt_until.max(from);
    let learnt = recommendation_log::count_answered(&mut connection, project.id, from..since, MOST_REQUESTS).await?;
    let past = Past { project: project.id, since, cutoff, most: MOST_REQUESTS };
    let answered = recommendation_log::answered(&mut connection, past).await?;
    Ok(Traffic { project, since, learnt_until, learnt, answered })
}

/// Returns a request that can be replayed, with the length of its list; `None` if it had options that are not logged.
fn askable(list: AnsweredList, cutoff: i32) -> Option<(AnsweredList, PastRequest, usize)> {
    let wanted = list.plain_cutoff?.min(cutoff).unsigned_abs() as usize;
    let request = PastRequest { user: list.user_id.clone()?, at: list.timestamp };
    Some((list, request, wanted))
}
