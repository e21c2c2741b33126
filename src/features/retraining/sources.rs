//! The data of a run: one unchanged upload, or several sources combined.

use diesel_async::AsyncPgConnection;

use super::error::RetrainingError;
use super::model::{DataSource, Schedule};
use super::store;
use crate::features::datasets::{self, Source, TrainingData};
use crate::features::events::{self, EventType, Recorded};

/// The data to train on, or why there is none.
pub enum Choice {
    Of(Chosen),
    /// Some of the data is still being prepared.
    Wait,
    /// Why there is no usable data, as a sentence.
    None(String),
}

/// The data to train on.
pub enum Chosen {
    /// An unchanged upload.
    One(Box<TrainingData>),
    /// Sources to be combined.
    Several(Vec<Source>),
}

impl Chosen {
    /// Returns a checksum of the data, in hexadecimal, by which a run recognises unchanged data.
    pub fn checksum(&self) -> Option<String> {
        match self {
            Self::One(upload) => upload.sha256.clone(),
            Self::Several(sources) => {
                let text = serde_json::to_vec(sources).unwrap_or_default();
                Some(hex::encode(ring::digest::digest(&ring::digest::SHA256, &text)))
            }
        }
    }
}

/// Returns the current data for a schedule.
pub async fn choose(connection: &mut AsyncPgConnection, schedule: &Schedule) -> Result<Choice, RetrainingError> {
    let uploads = uploads_of(connection, schedule).await?;
    let Some(oldest) = uploads.iter().map(|upload| upload.ins_datetime).min() else {
        return Ok(Choice::None("This project has no training data to learn from. Upload some first.".to_owned()));
    };
    if uploads.iter().any(TrainingData::is_coming) {
        return Ok(Choice::Wait);
    }
    if let Some(problem) = uploads.iter().find_map(TrainingData::problem) {
        return Ok(Choice::None(problem));
    }
    let mut sources: Vec<Source> = uploads.iter().map(whole).collect();
    let event_types = schedule.learnt_events();
    if !event_types.is_empty() {
        let recorded = Recorded { project: schedule.project_id, event_types, after: oldest };
        let found = events::extent(connection, &recorded).await?;
        sources.extend((found.rows > 0).then_some(Source::Events {
            event_types: recorded.event_types.iter().map(EventType::to_string).collect(),
            after: oldest,
            first_id: found.first_id,
            last_id: found.last_id,
            rows: found.rows,
            sha256: None,
        }));
    }
    Ok(Choice::Of(match (sources.len(), uploads.into_iter().next()) {
        (1, Some(upload)) => Chosen::One(Box::new(upload)),
        _ => Chosen::Several(sources),
    }))
}

async fn uploads_of(connection: &mut AsyncPgConnection, schedule: &Schedule) -> Result<Vec<TrainingData>, RetrainingError> {
    Ok(match (schedule.fields.data_source, schedule.fields.training_data_id) {
        (DataSource::All, _) => store::all_uploads(connection, schedule.project_id).await?,
        (DataSource::Newest, Some(named)) => datasets::find(connection, named).await?.into_iter().collect(),
        (DataSource::Newest, None) => store::newest_data(connection, schedule.project_id).await?.into_iter().collect(),
    })
}

fn whole(upload: &TrainingData) -> Source {
    Source::Upload {
        training_data: upload.id,
        basename: upload.basename.clone(),
        sha256: upload.sha256.clone(),
        rows: upload.report.as_ref().and_then(|report| report["rows_kept"].as_i64()).unwrap_or_default(),
    }
}
