//! Decisions about runs: what starts one, what ends it, and how its endpoint is tried.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::deciding::{Decided, decide};
use super::error::StudioError;
use super::guess::{Guesses, Heads, guess, read_head};
use super::mapping::{Mapping, Part, Role};
use super::model::{Changes, Goal, NewRun, Run, RunFields, RunStudio, StudioState};
use super::stages::{StageState, Stages};
use super::store;
use crate::features::accounts::{Scope, tenant_of};
use crate::features::api_keys;
use crate::features::datasets::{self, DataError, KeptUpload, PREVIEWS, Upload};
use crate::features::feature_sets;
use crate::features::item_metadata::{self, KeptMetadata, Subject};
use crate::features::models;
use crate::features::projects::{self, ProjectFields};
use crate::features::tuning;
use crate::ml::features::FeatureSpec;
use crate::platform::db::finishing;
use crate::platform::http::{ApiResult, Body, FieldReader, Write};
use crate::platform::queue::{self, EnqueueOptions};
use crate::platform::services::Services;
use crate::platform::tabular::Stop;

/// The largest number of predictions in a minute of a key for trying an endpoint.
const DEMO_PREDICTIONS: i32 = 60;

/// How long such a key is valid.
const DEMO_DAYS: TimeDelta = TimeDelta::days(30);

/// The files of a call.
#[derive(Debug, Default)]
pub struct Files {
    pub interactions: Option<Upload>,
    pub items: Option<Upload>,
    pub users: Option<Upload>,
    /// Whether only the start of each was sent.
    pub are_starts: bool,
}

impl Files {
    /// Returns a file.
    pub fn of(&self, part: Part) -> Option<&Upload> {
        match part {
            Part::Interactions => self.interactions.as_ref(),
            Part::Items => self.items.as_ref(),
            Part::Users => self.users.as_ref(),
        }
    }

    /// Returns the place of a file.
    pub fn of_mut(&mut self, part: Part) -> &mut Option<Upload> {
        match part {
            Part::Interactions => &mut self.interactions,
            Part::Items => &mut self.items,
            Part::Users => &mut self.users,
        }
    }
}

/// Adds a fault if the files that a goal needs are missing.
pub fn require_for_goal(fields: &mut FieldReader, goal: Goal, files: &Files) {
    let needs = |part: Part| match part {
        Part::Interactions => matches!(goal, Goal::Collaborative | Goal::Hybrid),
        Part::Items => matches!(goal, Goal::Content | Goal::Hybrid),
        Part::Users => false,
    };
    for part in Part::ALL.iter().filter(|part| needs(**part)) {
        if files.of(*part).is_none() && !fields.is_faulty(part.wire()) {
            fields.fault(part.wire(), format!("The goal \"{goal}\" needs this file."));
        }
    }
}

/// Guesses what the columns of files mean, for a caller of this organisation. Returns the files as well.
pub async fn guessed(services: &Services, organisation: i64, files: Files) -> ApiResult<(Files, Heads, Guesses)> {
    let party = tenant_of(&mut *services.db.conn().await?, organisation).await?.party();
    let memory = services.memory().promise();
    let stop = Stop::default();
    let _stops_when_dropped = stop.on_drop();
    PREVIEWS
        .run(Some(party), move |_| {
            let head = |part: Part| -> Result<Option<_>, DataError> {
                let Some(file) = files.of(part) else { return Ok(None) };
                match read_head(file.received.file.path(), &file.name, files.are_starts, (&memory, &stop)) {
                    Ok(head) => Ok(Some(Ok(head))),
                    Err(error @ (DataError::Unreadable(_) | DataError::Inflated { .. })) => {
                        Ok(Some(Err((file.name.clone(), error.to_string()))))
                    }
                    Err(error) => Err(error),
                }
            };
            let heads = Heads { interactions: head(Part::Interactions)?, items: head(Part::Items)?, users: head(Part::Users)? };
            let guesses = guess(&heads, &stop)?;
            Ok::<_, DataError>((files, heads, guesses))
        })
        .await?
        .map_err(Into::into)
}

/// Starts a run: one transaction creates its project, its uploads, its feature set and its job. Nothing is stored if it cannot
/// start.
pub async fn create(
    services: &Services,
    user: i64,
    organisation: i64,
    wanted: RunFields,
    files: Files,
    sent: Option<Mapping>,
) -> Result<Run, StudioError> {
    let (files, heads, guesses) = guessed(services, organisation, files).await?;
    let Decided { mapping, spec, warnings } = decide(&heads, guesses, sent, (wanted.goal, wanted.budget_seconds))?;
    let plan = Plan { organisation, user, project: project_fields(&wanted.name, &mapping)?, wanted, mapping, spec, warnings };
    let services = services.clone();
    finishing(async move {
        let kept = keep(&services, files, &plan).await?;
        let stored = kept.files();
        let started = start(&services, plan, kept).await;
        if started.is_err() {
            datasets::remove_files(&services, stored).await;
        }
        started
    })
    .await?
}

/// What a run starts with.
struct Plan {
    organisation: i64,
    user: i64,
    project: ProjectFields,
    wanted: RunFields,
    mapping: Mapping,
    spec: Option<FeatureSpec>,
    warnings: Vec<String>,
}

/// The stored files of a run.
#[derive(Default)]
struct Kept {
    interactions: Option<KeptUpload>,
    items: Option<KeptMetadata>,
    users: Option<KeptMetadata>,
}

impl Kept {
    fn files(&self) -> Vec<String> {
        let metadata = self.items.iter().chain(&self.users).flat_map(KeptMetadata::files);
        self.interactions.iter().flat_map(KeptUpload::files).chain(metadata).collect()
    }
}

async fn keep(services: &Services, files: Files, plan: &Plan) -> Result<Kept, StudioError> {
    let mut kept = Kept::default();
    let done = async {
        if let Some(file) = files.interactions {
            kept.interactions = Some(datasets::keep_upload(services, file).await?);
        }
        if let Some(file) = files.items {
            let column = other_than(plan.mapping.column(Part::Items, Role::ItemId), &plan.project.item_column);
            kept.items = Some(item_metadata::keep_metadata(services, Subject::Item, file, column).await?);
        }
        if let Some(file) = files.users {
            let column = other_than(plan.mapping.column(Part::Users, Role::UserId), &plan.project.user_column);
            kept.users = Some(item_metadata::keep_metadata(services, Subject::User, file, column).await?);
        }
        Ok::<_, DataError>(())
    };
    let done = done.await;
    if let Err(error) = done {
        datasets::remove_files(services, kept.files()).await;
        return Err(error.into());
    }
    Ok(kept)
}

fn other_than(column: Option<&str>, of_project: &str) -> Option<String> {
    column.filter(|column| *column != of_project).map(str::to_owned)
}

/// Returns the fields of the project: the columns of its interactions, or those that interactions would have.
fn project_fields(name: &str, mapping: &Mapping) -> ApiResult<ProjectFields> {
    let of_interactions = |role| mapping.column(Part::Interactions, role);
    let item = of_interactions(Role::ItemId).or_else(|| mapping.column(Part::Items, Role::ItemId)).unwrap_or("item_id");
    let user = of_interactions(Role::UserId).or_else(|| mapping.column(Part::Users, Role::UserId));
    let user = user.filter(|user| *user != item).unwrap_or(if item == "user_id" { "user" } else { "user_id" });
    let body = json!({
        "name": name,
        "user_column": user,
        "item_column": item,
        "time_column": of_interactions(Role::Time),
        "event_column": of_interactions(Role::EventType),
        "title_column": mapping.column(Part::Items, Role::Title),
        "image_column": mapping.column(Part::Items, Role::ImageUrl),
    });
    let body: Map<String, Value> = body.as_object().cloned().unwrap_or_default();
    let mut fields = Body::of(body).reader();
    let read = ProjectFields::read(&mut fields, Write::Create);
    fields.finish().map(|()| read)
}

async fn start(services: &Services, plan: Plan, kept: Kept) -> Result<Run, StudioError> {
    let allowed = services.settings.max_stored_bytes_per_organisation;
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> Result<Run, StudioError> {
            let Plan { organisation, user, project, wanted, mapping, spec, warnings } = plan;
            let project = projects::create(connection, organisation, user, project).await.map_err(projects::not_saved)?.id;
            let mut bytes = 0;
            let data = match kept.interactions {
                Some(kept) => Some(datasets::add_kept(connection, project, user, kept).await?),
                None => None,
            };
            bytes += data.as_ref().map_or(0, |data| data.stored_bytes);
            let items = add_metadata(connection, project, user, kept.items, &mut bytes).await?;
            let users = add_metadata(connection, project, user, kept.users, &mut bytes).await?;
            if let Some(spec) = &spec {
                feature_sets::add(connection, project, user, &wanted.name, spec).await?;
            }
            let run = NewRun {
                project_id: project,
                created_by: user,
                name: wanted.name,
                goal: wanted.goal,
                budget_seconds: wanted.budget_seconds,
                mapping: json!(mapping),
                stages: Stages::new().stored(),
                warnings: json!(warnings),
                training_data_id: data.map(|data| data.id),
                item_meta_data_id: items,
                user_meta_data_id: users,
            };
            let run = store::insert(connection, run).await?;
            let turn = projects::turn_of(connection, project).await?;
            let options = EnqueueOptions { group_key: Some(Run::group(run.id)), turn, ..EnqueueOptions::default() };
            queue::enqueue(connection, &RunStudio { studio_run_id: run.id }, options).await?;
            projects::admit_jobs(connection, project, 1, most_waiting).await??;
            projects::refuse_excess(connection, project, bytes.unsigned_abs(), allowed).await??;
            Ok(run)
        })
        .await
}

async fn add_metadata(
    connection: &mut AsyncPgConnection,
    project: i64,
    user: i64,
    kept: Option<KeptMetadata>,
    bytes: &mut i64,
) -> Result<Option<i64>, StudioError> {
    let Some(kept) = kept else { return Ok(None) };
    let metadata = item_metadata::add_kept(connection, project, user, kept).await?;
    *bytes += metadata.stored_bytes;
    Ok(Some(metadata.id))
}

/// Cancels a run with its search and its training. What it has made so far stays.
pub async fn cancel(services: &Services, id: i64) -> Result<Run, StudioError> {
    let (mut connection, now) = (services.db.conn().await?, services.clock.now());
    connection
        .transaction(async move |connection| -> Result<Run, StudioError> {
            let run = store::lock(connection, id).await?.ok_or(diesel::result::Error::NotFound)?;
            if !run.is_live() {
                return Err(StudioError::Over(run.state));
            }
            if let Some(search) = run.tuning_job_id {
                tuning::cancel_in(connection, search, now).await?;
            }
            if let Some(model) = run.trained_model_id {
                models::cancel(connection, model, now).await?;
            }
            queue::cancel_group(connection, &Run::group(id)).await?;
            leave_uploads(connection, &run).await?;
            let mut stages = Stages::of(&run.stages);
            stages.stop(run.stage, StageState::Skipped, now);
            let changes = Changes {
                state: Some(StudioState::Cancelled),
                stages: Some(stages.stored()),
                finished_at: Some(now),
                ..Changes::default()
            };
            Ok(store::change(connection, id, changes).await?)
        })
        .await
}

/// Leaves uploads that the run would have prepared to jobs of their own.
async fn leave_uploads(connection: &mut AsyncPgConnection, run: &Run) -> QueryResult<()> {
    if let Some(data) = run.training_data_id {
        datasets::leave_kept(connection, data).await?;
    }
    for metadata in [run.item_meta_data_id, run.user_meta_data_id].into_iter().flatten() {
        item_metadata::leave_kept(connection, metadata).await?;
    }
    Ok(())
}

/// A key for trying an endpoint, shown once.
pub struct DemoKey {
    pub key: SecretString,
    pub expires_at: DateTime<Utc>,
}

/// Creates a key that may only predict, and deletes the one before it.
pub async fn demo_key(services: &Services, id: i64, user: i64) -> Result<DemoKey, StudioError> {
    let (mut connection, now) = (services.db.conn().await?, services.clock.now());
    let most = services.settings.max_api_keys_per_project;
    connection
        .transaction(async move |connection| -> Result<DemoKey, StudioError> {
            let run = store::lock(connection, id).await?.ok_or(diesel::result::Error::NotFound)?;
            if run.state != StudioState::Ready {
                return Err(StudioError::NotReady(run.state));
            }
            if let Some(former) = run.demo_key_id {
                api_keys::delete(connection, former).await?;
            }
            let (name, expires_at) = (format!("demo of run {id}"), now + DEMO_DAYS);
            let (row, key) =
                api_keys::create_for(connection, run.project_id, user, name, &[Scope::Predict], Some(expires_at), most).await?;
            api_keys::set_requests_per_minute(connection, row.id, DEMO_PREDICTIONS).await?;
            store::set_demo_key(connection, id, row.id).await?;
            Ok(DemoKey { key, expires_at })
        })
        .await
}
