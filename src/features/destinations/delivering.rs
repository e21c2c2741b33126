//! Computing and writing the lists of a delivery, part by part.

use std::sync::atomic::Ordering;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::files::{Encoded, Entries, ListEncoder, ListFile, ListKind, Naming, WriteError, Written, join};
use super::model::Delivery;
use super::parts::{self, Part};
use crate::features::models::{self, ModelError, Patience, ReadyModel};
use crate::ml::artifact::{BATCH_BYTES_PER_THREAD, ListBlock, Subjects, in_blocks};
use crate::ml::context::Context;
use crate::ml::error::MlError;
use crate::platform::blobs::Incoming;
use crate::platform::memory;
use crate::platform::queue::{JobContext, JobError};
use crate::platform::services::Services;

/// Lists that are computed, of all.
pub type Progress = (i64, i64);

/// What a delivery is computed from, and how.
pub struct Work {
    pub job: JobContext<Services>,
    pub delivery: Delivery,
    pub model: models::TrainedModel,
    pub engine: Context,
    pub progress: watch::Sender<Progress>,
}

/// The whole file of a delivery, not stored yet.
pub struct Whole {
    pub file: Incoming,
    pub written: Written,
}

/// Computes the lists that are missing, and joins all parts. Blocks.
pub fn deliver(work: &Work) -> Result<Whole, JobError> {
    let (services, delivery) = (&work.job.app, &work.delivery);
    let model = open(work)?;
    let (naming, numbers) = subjects(delivery.lists, &model)?;
    let length = usize::try_from(delivery.part_lists).unwrap_or(usize::MAX).max(1);
    let mut complete = parts::complete(&services.blobs, delivery.id).map_err(unwritten)?;
    let tell = |done: usize| {
        work.progress.send_replace((done as i64, numbers.len() as i64));
    };
    tell(numbers.len().min(complete.len() * length));
    for (number, part) in numbers.chunks(length).enumerate().skip(complete.len()) {
        check_turn(work)?;
        let before = number * length;
        complete.push(write_part(work, &model, naming, number as u64, part, &|done| tell(before + done))?);
    }
    join_parts(work, &model, naming, &complete, numbers.len() as u64)
}

/// Fails if the disk is nearly full, or if the job should stop between two parts.
fn check_turn(work: &Work) -> Result<(), JobError> {
    if work.job.shutdown.is_cancelled() || work.job.cancel.flag().load(Ordering::Relaxed) {
        return Err(JobError::Cancelled);
    }
    work.job.app.disk().check().map_err(|shortage| JobError::Retry { reason: shortage.to_string() })
}

/// Reads the model with the new items of its project, and reserves the memory for lists beside it.
fn open(work: &Work) -> Result<ReadyModel, JobError> {
    let items = work.delivery.items_key.as_deref();
    let opened = models::open_with_items(&work.job.app, &work.model, items, Patience::Long, &CancellationToken::new());
    let opened = opened.map_err(|error| match error {
        ModelError::NoMemory => JobError::Retry { reason: error.to_string() },
        error => JobError::Fail { reason: error.to_string() },
    })?;
    let beside = BATCH_BYTES_PER_THREAD.saturating_mul(work.engine.threads as u64);
    work.engine.require_memory("The lists", opened.bytes.saturating_add(beside)).map_err(ended)?;
    Ok(opened.model)
}

/// Returns the names in the file, and the numbers of the users or items that lists are for.
fn subjects(kind: ListKind, model: &ReadyModel) -> Result<(Naming<'_>, Vec<u32>), JobError> {
    let (subjects, items) = match (kind, model) {
        (ListKind::Users, ReadyModel::Matrix(model)) => (&model.users, &model.items),
        (ListKind::Users, ReadyModel::Sessions(_)) => {
            return Err(JobError::Fail { reason: ModelError::KnowsNoUsers.to_string() });
        }
        (ListKind::Items, model) => (model.items(), model.items()),
    };
    Ok((Naming { kind, subjects, items }, (0..subjects.len() as u32).collect()))
}

fn write_part(
    work: &Work,
    model: &ReadyModel,
    naming: Naming<'_>,
    number: u64,
    subjects: &[u32],
    tell: &(dyn Fn(usize) + Sync),
) -> Result<Part, JobError> {
    let (blobs, delivery) = (&work.job.app.blobs, &work.delivery);
    let mut incoming = blobs.incoming().map_err(unwritten)?;
    let (encoder, mut file) = ListFile::create(delivery.format, naming, number == 0, &mut incoming.file).map_err(failed)?;
    let mut done = 0;
    let take = |block: Encoded| {
        done += block.entries.lists as usize;
        file.write(block)?;
        tell(done);
        Ok(())
    };
    list(work, model, subjects, &encoder, take).map_err(failed)?;
    let written = file.finish().map_err(failed)?;
    parts::keep(blobs, delivery.id, number, written.entries.rows, incoming).map_err(unwritten)
}

/// Computes the lists of some users or items, as a single prediction with the same options has them.
fn list(
    work: &Work,
    model: &ReadyModel,
    subjects: &[u32],
    encoder: &ListEncoder<'_>,
    take: impl FnMut(Encoded) -> Result<(), WriteError> + Send,
) -> Result<(), WriteError> {
    let wanted = work.delivery.wanted();
    match model {
        ReadyModel::Matrix(model) => {
            let subjects = match work.delivery.lists {
                ListKind::Users => Subjects::Users(subjects),
                ListKind::Items => Subjects::Items(subjects),
            };
            model.list_in_blocks(subjects, &wanted, &work.engine, |block| encoder.encode(&block), take)
        }
        ReadyModel::Sessions(model) => {
            let related = |item: &u32| {
                work.engine.check()?;
                let item = model.items.get(*item).to_owned();
                Ok(model.rank_related(&[item], &wanted).unwrap_or_default())
            };
            let block = |range: std::ops::Range<usize>| {
                let subjects = subjects.get(range).unwrap_or_default();
                let lists = subjects.iter().map(related).collect::<Result<_, MlError>>()?;
                encoder.encode(&ListBlock { subjects, lists })
            };
            in_blocks(subjects.len(), wanted.cutoff, &work.engine, block, take)
        }
    }
}

fn join_parts(work: &Work, model: &ReadyModel, naming: Naming<'_>, parts: &[Part], lists: u64) -> Result<Whole, JobError> {
    let (blobs, format) = (&work.job.app.blobs, work.delivery.format);
    let mut file = blobs.incoming().map_err(unwritten)?;
    if parts.is_empty() {
        tracing::debug!(items = model.items().len(), "a delivery has no lists");
        let empty = ListFile::create(format, naming, true, &mut file.file).and_then(|(_, file)| file.finish());
        return Ok(Whole { written: empty.map_err(failed)?, file });
    }
    let rows = parts.iter().map(|part| part.rows).sum();
    let bytes = join(format, parts.iter().map(|part| part.open(blobs)), &mut file.file).map_err(failed)?;
    Ok(Whole { file, written: Written { entries: Entries { lists, rows }, bytes } })
}

fn unwritten(error: std::io::Error) -> JobError {
    failed(error.into())
}

/// Converts an error of writing into that of the job: a disk may have room again later.
fn failed(error: WriteError) -> JobError {
    match error {
        WriteError::Engine(error) => ended(error),
        error => JobError::Retry { reason: format!("The lists could not be stored: {error}.") },
    }
}

/// Converts an error of the engine into that of the job.
fn ended(error: MlError) -> JobError {
    match error {
        MlError::Cancelled => JobError::Cancelled,
        MlError::MemoryInUse { .. } => JobError::Snooze(memory::PAUSE),
        error => JobError::Fail { reason: format!("The lists could not be computed: {error}.") },
    }
}
