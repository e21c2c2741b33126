//! Combining the sources of a run into training data of their own, which records exactly which rows were used.

use diesel_async::AsyncPgConnection;

use super::model::CombineData;
use crate::features::accounts::Guarded;
use crate::features::datasets::{self, CombinedFile, DataError, Source, TrainingData, TrainingDataStatus};
use crate::features::events::{self, EventType, Recorded, RecordedEvent};
use crate::features::projects::{self, Project};
use crate::platform::compute;
use crate::platform::queue::{self, EnqueueOptions};
use crate::platform::services::Services;

/// Adds a row for combined data and enqueues the job that fills it, in one transaction. Returns the row's id.
pub async fn begin(
    connection: &mut AsyncPgConnection,
    project: i64,
    maker: Option<i64>,
    sources: &[Source],
) -> diesel::QueryResult<i64> {
    let data = datasets::add_combined(connection, project, maker, sources).await?;
    let (group_key, turn) = (Some(format!("training_data:{}", data.id)), projects::turn_of(connection, project).await?);
    let options = EnqueueOptions { group_key, turn, ..EnqueueOptions::default() };
    queue::enqueue(connection, &CombineData { training_data_id: data.id }, options).await?;
    Ok(data.id)
}

/// Fills combined data from its sources; does nothing if it is no longer being prepared.
pub async fn combine(services: &Services, id: i64) -> Result<(), DataError> {
    let mut connection = services.db.conn().await?;
    let Some(data) = datasets::find(&mut connection, id).await?.filter(|data| data.status == TrainingDataStatus::Preparing)
    else {
        return Ok(());
    };
    let Some((project, _)) = Project::load(&mut connection, data.project_id).await? else { return Ok(()) };
    drop(connection);
    let planned: Vec<Source> =
        serde_json::from_value(data.sources.clone().unwrap_or_default()).map_err(|error| unreadable(&error))?;
    let blobs = services.blobs.clone();
    let columns = project.clone();
    let mut file = blocking(move || CombinedFile::start(&blobs, &columns)).await?;
    let mut sources = Vec::with_capacity(planned.len());
    for source in planned {
        services.disk().check()?;
        let added = add(services, &data, file, source).await?;
        file = added.0;
        sources.push(added.1);
    }
    let file = blocking(move || file.finish()).await?;
    datasets::complete_combined(services, &data, file, &sources).await
}

fn unreadable(error: &dyn std::fmt::Display) -> DataError {
    DataError::NotUsable(format!("The sources of this data cannot be read: {error}."))
}

/// Adds one source to the file, and returns it as it was read.
async fn add(
    services: &Services,
    data: &TrainingData,
    mut file: CombinedFile,
    source: Source,
) -> Result<(CombinedFile, Source), DataError> {
    match source {
        Source::Upload { training_data, ref sha256, .. } => {
            let upload = datasets::find(&mut *services.db.conn().await?, training_data).await?;
            let upload = upload.filter(|upload| upload.sha256 == *sha256).ok_or_else(|| {
                DataError::NotUsable(format!("Training data {training_data} was replaced or deleted before it could be used."))
            })?;
            let log = datasets::load_log(services, &upload).await?;
            let file = blocking(move || file.append(&log).map(|()| file)).await?;
            Ok((file, source))
        }
        Source::Events { event_types, after, last_id, .. } => {
            let types = event_types.iter().map(|word| word.parse::<EventType>()).collect::<Result<_, _>>();
            let event_types = types.map_err(|error| unreadable(&error))?;
            let recorded = Recorded { project: data.project_id, event_types, after };
            add_events(services, file, recorded, last_id.unwrap_or(i64::MAX)).await
        }
    }
}

/// The number, ids and digest of the events read so far.
struct Tally {
    rows: i64,
    first_id: Option<i64>,
    last_id: Option<i64>,
    digest: ring::digest::Context,
}

impl Tally {
    fn count(&mut self, event: &RecordedEvent) {
        self.rows += 1;
        self.first_id = Some(self.first_id.map_or(event.id, |first| first.min(event.id)));
        self.last_id = self.last_id.max(Some(event.id));
        let micros = event.timestamp.timestamp_micros();
        let line = format!("{},{},{},{},{micros}\n", event.id, event.user_id, event.item_id, event.event_type);
        self.digest.update(line.as_bytes());
    }
}

/// Adds the events up to an id. Some events counted when the run began may have been deleted since, and some that were in transit
/// then may have arrived: what is recorded is what was read.
async fn add_events(
    services: &Services,
    mut file: CombinedFile,
    recorded: Recorded,
    up_to: i64,
) -> Result<(CombinedFile, Source), DataError> {
    let digest = ring::digest::Context::new(&ring::digest::SHA256);
    let mut tally = Tally { rows: 0, first_id: None, last_id: None, digest };
    let mut from = (recorded.after, i64::MAX);
    loop {
        let page = events::page(&mut *services.db.conn().await?, &recorded, from, up_to).await?;
        let Some(last) = page.last() else { break };
        services.disk().check()?;
        from = (last.timestamp, last.id);
        (file, tally) = blocking(move || {
            for event in &page {
                let time = Some(event.timestamp.timestamp_micros());
                file.push(&event.user_id, &event.item_id, time, event.event_type.wire())?;
                tally.count(event);
            }
            Ok((file, tally))
        })
        .await?;
    }
    let source = Source::Events {
        event_types: recorded.event_types.iter().map(EventType::to_string).collect(),
        after: recorded.after,
        first_id: tally.first_id,
        last_id: tally.last_id,
        rows: tally.rows,
        sha256: Some(hex::encode(tally.digest.finish())),
    };
    Ok((file, source))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, DataError> + Send + 'static) -> Result<T, DataError> {
    compute::blocking(work).await?
}
