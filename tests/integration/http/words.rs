//! Words of state: those of the program are those of the tables, and a row with a word of another version is not read.

use std::collections::BTreeMap;

use diesel::QueryableByName;
use diesel::sql_types::Text;
use recotem::connectors::{ConnectionKind, CursorKind};
use recotem::features::ab_tests::{TestMetric, TestStatus};
use recotem::features::accounts::{Guarded, Role};
use recotem::features::audit::Action;
use recotem::features::data_sources::{Cause, FollowUp, Mode, NullCursor, RunState, Target};
use recotem::features::datasets::{Standing, TrainingDataStatus};
use recotem::features::deployments::SlotChangeAction;
use recotem::features::destinations::{DeliveryCause, DeliveryStage, DeliveryState, ListFormat, ListKind};
use recotem::features::evaluation::{Scheme, TargetMetric};
use recotem::features::events::EventType;
use recotem::features::feature_measurements::MeasurementStatus;
use recotem::features::item_metadata::Subject;
use recotem::features::models::{ModelStatus, TrainedModel};
use recotem::features::projects::UnknownUsers;
use recotem::features::retraining::{CatchUp, DataSource, RunCause, RunStatus};
use recotem::features::studio::{Goal, Stage, StudioState};
use recotem::features::tuning::{SearchStatus, TrialStatus};
use recotem::features::webhooks::{DisabledReason, MessageState};
use recotem::platform::db::in_full;
use recotem::platform::queue::JobState;
use recotem::platform::words::Word;

use crate::support::TestApp;
use crate::support::prepared::prepare;

/// Returns the words of each column that is limited to them.
fn words_of_columns() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut columns = BTreeMap::from([
        ("ab_tests.status", TestStatus::words()),
        ("ab_tests.target_metric_name", TestMetric::words()),
        ("audit_log.action", Action::words()),
        ("conversion_events.event_type", EventType::words()),
        ("data_connections.kind", ConnectionKind::words()),
        ("data_sources.cursor_kind", CursorKind::words()),
        ("data_sources.follow_up", FollowUp::words()),
        ("data_sources.mode", Mode::words()),
        ("data_sources.null_cursor", NullCursor::words()),
        ("data_sources.target", Target::words()),
        ("deliveries.cause", DeliveryCause::words()),
        ("deliveries.format", ListFormat::words()),
        ("deliveries.lists", ListKind::words()),
        ("deliveries.stage", DeliveryStage::words()),
        ("deliveries.state", DeliveryState::words()),
        ("destinations.format", ListFormat::words()),
        ("destinations.lists", ListKind::words()),
        ("evaluation_configs.target_metric", TargetMetric::words()),
        ("feature_measurements.status", MeasurementStatus::words()),
        ("event_daily_counts.event_type", EventType::words()),
        ("invitations.role", Role::words()),
        ("item_meta_data.standing", Standing::words()),
        ("item_meta_data.status", TrainingDataStatus::words()),
        ("item_meta_data.subject", Subject::words()),
        ("jobs.state", JobState::words()),
        ("memberships.role", Role::words()),
        ("projects.unknown_user", UnknownUsers::words()),
        ("retraining_runs.cause", RunCause::words()),
        ("retraining_runs.status", RunStatus::words()),
        ("retraining_schedules.catch_up", CatchUp::words()),
        ("retraining_schedules.data_source", DataSource::words()),
        ("slot_changes.action", SlotChangeAction::words()),
        ("source_runs.cause", Cause::words()),
        ("source_runs.cursor_kind", CursorKind::words()),
        ("source_runs.state", RunState::words()),
        ("split_configs.scheme", Scheme::words()),
        ("studio_runs.goal", Goal::words()),
        ("studio_runs.stage", Stage::words()),
        ("studio_runs.state", StudioState::words()),
        ("trained_models.status", ModelStatus::words()),
        ("training_data.standing", Standing::words()),
        ("training_data.status", TrainingDataStatus::words()),
        ("trials.state", TrialStatus::words()),
        ("tuning_jobs.status", SearchStatus::words()),
        ("webhook_endpoints.disabled_reason", DisabledReason::words()),
        ("webhook_messages.state", MessageState::words()),
    ]);
    columns.values_mut().for_each(|words| words.sort_unstable());
    columns
}

#[derive(QueryableByName)]
struct Check {
    #[diesel(sql_type = Text)]
    table: String,
    /// Such as `CHECK ((status = ANY (ARRAY['preparing'::text, 'ready'::text])))`.
    #[diesel(sql_type = Text)]
    definition: String,
}

/// Returns the column and the words of a check that limits one to the other; `None` for any other check.
fn column_and_words(check: &Check) -> Option<(String, Vec<&str>)> {
    let (column, words) = check.definition.strip_prefix("CHECK ((")?.split_once(" = ANY (ARRAY[")?;
    let words = words.strip_suffix("])))")?.split(", ");
    let mut words: Vec<&str> = words.map(|word| word.trim_end_matches("::text").trim_matches('\'')).collect();
    words.sort_unstable();
    column.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_').then(|| (format!("{}.{column}", check.table), words))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_accept_the_words_that_the_program_knows_and_no_others() {
    let app = TestApp::start().await;
    let mut connection = app.services.db.conn().await.expect("a connection");
    // Partitions have the checks of their table.
    let sql = "SELECT conrelid::regclass::text AS table, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND coninhcount = 0";
    let checks: Vec<Check> = diesel_async::RunQueryDsl::load(diesel::sql_query(sql), &mut connection).await.expect(sql);
    let of_tables: BTreeMap<String, Vec<&str>> = checks.iter().filter_map(column_and_words).collect();
    let of_program: BTreeMap<String, Vec<&str>> =
        words_of_columns().into_iter().map(|(column, words)| (column.to_owned(), words)).collect();
    assert_eq!(of_tables, of_program);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_of_another_version_fails_the_request_for_its_row_and_no_other() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("ann").await, "Shop", "TopPopRecommender").await;
    let body = serde_json::json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    let [known, unknown] =
        [prepared.user.post("trained_model/", body.clone()).await.id(), prepared.user.post("trained_model/", body).await.id()];
    app.execute(&format!(
        "ALTER TABLE trained_models DROP CONSTRAINT trained_models_status_check;
         UPDATE trained_models SET status = 'PAUSED' WHERE id = {unknown}"
    ))
    .await;
    let answer = prepared.user.get(&format!("trained_model/{unknown}/")).await.expect(500);
    assert_eq!(answer.body["code"], "internal_error");
    assert_eq!(prepared.user.get(&format!("trained_model/{known}/")).await.expect(200).body["status"], "PENDING");

    let mut connection = app.services.db.conn().await.expect("a connection");
    let loaded = <TrainedModel as Guarded>::load;
    let error = loaded(&mut connection, unknown).await.map(drop).expect_err("a word that is not known");
    assert_eq!(
        in_full(&error),
        "Error deserializing field 'status': \"PAUSED\" is no ModelStatus that this version knows; \
         it knows PENDING, RUNNING, COMPLETED, FAILED"
    );
}
