//! Migrations: each can be undone and repeated, rows of an older database are converted, and no deletion scans a whole table.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use recotem::features::models::TrainModel;
use recotem::features::retraining::{CombineData, JudgeRun, RunRetraining};
use recotem::platform::queue::Job;

use crate::support::TestApp;
use crate::support::world;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// The number of the migration that makes configs belong to organisations, as in its folder.
const OF_TENANTS: &str = "20261129000018";

/// The number of the migration that keeps the founders of organisations.
const OF_FOUNDERS: &str = "20261129000023";

/// The number of the migration that names the kinds of jobs alike.
const OF_KINDS: &str = "20261129000032";

/// The number of the migration that notes the projects of log lines.
const OF_LINES: &str = "20261130000034";

type Harness = AsyncMigrationHarness<AsyncPgConnection>;

async fn harness(app: &TestApp) -> Harness {
    AsyncMigrationHarness::new(AsyncPgConnection::establish(app.services.db.url()).await.expect("a connection"))
}

type Migrated<T> = diesel::migration::Result<T>;

/// Migrates until nothing else has locked the same tables in another order: the server of the test still runs. A migration that
/// does not get its locks changes nothing.
fn patiently<T>(harness: &mut Harness, migrate: impl Fn(&mut Harness) -> Migrated<T>) -> T {
    loop {
        match migrate(harness) {
            Ok(migrated) => return migrated,
            Err(error) if error.to_string().contains("deadlock detected") => {}
            Err(error) => panic!("a migration that does not work: {error}"),
        }
    }
}

/// Reverts the last migration and returns its number.
fn revert_last(harness: &mut Harness) -> String {
    patiently(harness, |harness| harness.revert_last_migration(MIGRATIONS).map(|version| version.to_string()))
}

/// Runs all migrations that are pending, and returns how many these were.
fn upgrade(harness: &mut Harness) -> usize {
    let mut done = 0;
    while harness.has_pending_migration(MIGRATIONS).expect("the list of migrations") {
        patiently(harness, |harness| harness.run_next_migration(MIGRATIONS).map(drop));
        done += 1;
    }
    done
}

fn revert_from(harness: &mut Harness, version: &str) {
    while revert_last(harness) != version {}
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

async fn lines(app: &TestApp, sql: &str) -> Vec<String> {
    let mut connection = app.services.db.conn().await.expect("a connection");
    let rows: Vec<Line> = diesel_async::RunQueryDsl::load(diesel::sql_query(sql), &mut connection).await.expect(sql);
    rows.into_iter().map(|row| row.line).collect()
}

/// SQL that lists everything in a schema, a line each.
const SCHEMA: &str = "
    SELECT line FROM (
        SELECT format('%s.%s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull,
            (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)) AS line
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT format('%s %s %s %s', tablename, policyname, qual, with_check) FROM pg_policies
        UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT format('%s %s %s', relname, relrowsecurity, relforcerowsecurity) FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    ) AS everything WHERE line NOT LIKE '%__diesel_schema_migrations%' ORDER BY line";

#[tokio::test(flavor = "multi_thread")]
async fn every_migration_can_be_undone_and_done_again() {
    let app = TestApp::start_without_worker().await;
    let owner = app.user("owner").await;
    world::fill(&app, &owner).await;
    app.execute("DROP FUNCTION same_salt CASCADE").await; // the fixture's own
    let before = lines(&app, SCHEMA).await;
    let mut harness = harness(&app).await;
    let undone = harness.applied_migrations().expect("migrations").len();
    (0..undone).for_each(|_| drop(revert_last(&mut harness)));
    // Months of events are tables, too, and are dropped with theirs.
    assert_eq!(lines(&app, SCHEMA).await, Vec::<String>::new());
    let done = upgrade(&mut harness);
    assert_eq!(undone, done);
    let months = |line: &&String| !line.contains("events_20") && !line.contains("log_20");
    let after = lines(&app, SCHEMA).await;
    assert_eq!(after.iter().filter(months).collect::<Vec<_>>(), before.iter().filter(months).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn configs_of_an_older_database_go_to_the_organisations_that_use_them() {
    let app = TestApp::start().await;
    let mut harness = harness(&app).await;
    revert_from(&mut harness, OF_TENANTS);
    // ada and bob have an organisation each and share one; of ada's configs the first is used in all three, the third in the
    // shared one. The last two are from before rows had creators.
    TestApp::execute(
        &app,
        "SELECT set_config('recotem.organisations', '*', false);
         INSERT INTO organisations (id, name, is_personal) VALUES (1, 'ada', true), (2, 'bob', true), (3, 'team', false);
         INSERT INTO users (id, username, password_hash) VALUES (1, 'ada', ''), (2, 'bob', '');
         INSERT INTO memberships VALUES (1, 1, 'owner'), (2, 2, 'owner'), (3, 1, 'owner'), (3, 2, 'editor');
         INSERT INTO projects (id, organisation_id, name, user_column, item_column)
             VALUES (1, 1, 'A', 'u', 'i'), (2, 2, 'B', 'u', 'i'), (3, 3, 'T', 'u', 'i');
         INSERT INTO training_data (id, project_id) VALUES (1, 1), (2, 2), (3, 3);
         INSERT INTO split_configs (id, created_by, random_seed) VALUES (1, 1, 7), (2, 1, 8), (3, 1, 9), (4, NULL, 10), (5, NULL, 11);
         INSERT INTO evaluation_configs (id, created_by) VALUES (1, 1);
         SELECT setval(pg_get_serial_sequence('split_configs', 'id'), 5), setval(pg_get_serial_sequence('evaluation_configs', 'id'), 1);
         INSERT INTO tuning_jobs (data_id, split_id, evaluation_id, status)
             VALUES (1, 1, 1, 'COMPLETED'), (2, 1, 1, 'COMPLETED'), (3, 1, 1, 'FAILED'), (3, 3, 1, 'COMPLETED'), (2, 5, 1, 'COMPLETED');
         INSERT INTO retraining_schedules (id, project_id, split_config_id, evaluation_config_id) VALUES (1, 3, 1, 1);
         INSERT INTO retraining_runs (schedule_id, cause, status) VALUES (1, 'manual', 'COMPLETED')",
    )
    .await;
    upgrade(&mut harness);
    let configs = "SELECT format('%s of %s', random_seed, organisation_id) AS line FROM split_configs ORDER BY random_seed, organisation_id";
    assert_eq!(lines(&app, configs).await, ["7 of 1", "7 of 2", "7 of 3", "8 of 1", "9 of 3", "11 of 2"]);
    assert_eq!(app.count("SELECT organisation_id AS count FROM split_configs WHERE id = 1").await, 1, "ada keeps hers");
    let used = "SELECT format('%s in %s by %s', s.random_seed, p.organisation_id, s.organisation_id = p.organisation_id
            AND e.organisation_id = p.organisation_id) AS line
        FROM tuning_jobs j JOIN training_data d ON d.id = j.data_id JOIN projects p ON p.id = d.project_id
            JOIN split_configs s ON s.id = j.split_id JOIN evaluation_configs e ON e.id = j.evaluation_id ORDER BY j.id";
    assert_eq!(lines(&app, used).await, ["7 in 1 by t", "7 in 2 by t", "7 in 3 by t", "9 in 3 by t", "11 in 2 by t"]);
    let scheduled =
        "SELECT s.organisation_id AS count FROM retraining_schedules r JOIN split_configs s ON s.id = r.split_config_id";
    assert_eq!(app.count(scheduled).await, 3);
    assert_eq!(app.count("SELECT project_id AS count FROM retraining_runs").await, 3);

    // A project that changes its organisation, as by `assign-owners`, takes the configs it uses along.
    TestApp::execute(&app, "UPDATE projects SET organisation_id = 3 WHERE id = 2").await;
    let torn =
        "SELECT count(*) FROM tuning_jobs j JOIN training_data d ON d.id = j.data_id JOIN projects p ON p.id = d.project_id
        JOIN split_configs s ON s.id = j.split_id JOIN evaluation_configs e ON e.id = j.evaluation_id
        WHERE p.organisation_id <> ALL (ARRAY[s.organisation_id, e.organisation_id])";
    assert_eq!(app.count(torn).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_of_an_older_database_were_founded_by_their_first_owner_unless_that_is_staff() {
    let app = TestApp::start_without_worker().await;
    let mut harness = harness(&app).await;
    revert_from(&mut harness, OF_FOUNDERS);
    TestApp::execute(
        &app,
        "SELECT set_config('recotem.organisations', '*', false);
         INSERT INTO users (id, username, password_hash, is_staff) VALUES (1, 'ada', '', false), (2, 'bob', '', false), (3, 'staff', '', true);
         INSERT INTO organisations (id, name, is_personal)
             VALUES (1, 'ada', true), (2, 'team', false), (3, 'staff', true), (4, 'customer', false), (5, 'nobody', false);
         INSERT INTO memberships (organisation_id, user_id, role, ins_datetime)
             VALUES (1, 1, 'owner', 'epoch'), (2, 1, 'owner', '2020-01-02'), (2, 2, 'owner', '2020-01-03'), (2, 3, 'admin', '2020-01-01'),
                    (3, 3, 'owner', 'epoch'), (4, 3, 'owner', '2020-01-01'), (4, 2, 'owner', '2020-01-02');
         INSERT INTO projects (id, organisation_id, name, user_column, item_column) VALUES (1, 2, 'T', 'u', 'i'), (2, 4, 'C', 'u', 'i');
         INSERT INTO jobs (kind, payload, max_attempts, timeout_seconds, tenant_key, lane_key)
             VALUES ('k', '{}', 1, 60, 'owner:2', 'project:1'), ('k', '{}', 1, 60, 'owner:3', 'project:2')",
    )
    .await;
    let recorded = app.count("SELECT count(*) FROM audit_log").await;
    upgrade(&mut harness);
    let founders = "SELECT format('%s by %s', name, coalesce(founder_id::text, 'none')) AS line FROM organisations ORDER BY id";
    assert_eq!(lines(&app, founders).await, ["ada by 1", "team by 1", "staff by 3", "customer by none", "nobody by none"]);
    let turns = "SELECT format('%s, %s', tenant_key, organisation_key) AS line FROM jobs ORDER BY id";
    assert_eq!(lines(&app, turns).await, ["founder:1, organisation:2", "organisation:4, organisation:4"]);
    assert_eq!(app.count("SELECT count(*) FROM audit_log").await, recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_jobs_of_an_older_database_are_kinds_that_this_program_runs() {
    let app = TestApp::start_without_worker().await;
    let mut harness = harness(&app).await;
    revert_from(&mut harness, OF_KINDS);
    TestApp::execute(
        &app,
        "INSERT INTO jobs (kind, payload, max_attempts, timeout_seconds) VALUES ('retraining.run', '{}', 1, 60),
             ('retraining.combine', '{}', 1, 60), ('retraining.judge', '{}', 1, 60), ('train_model', '{}', 1, 60)",
    )
    .await;
    upgrade(&mut harness);
    let kinds = lines(&app, "SELECT kind AS line FROM jobs ORDER BY id").await;
    assert_eq!(kinds, [RunRetraining::KIND, CombineData::KIND, JudgeRun::KIND, TrainModel::KIND]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_an_older_database_are_listed_for_those_who_see_their_project() {
    let app = TestApp::start_without_worker().await;
    let (owner, stranger) = (app.user("owner").await, app.user("stranger").await);
    let ids = world::fill(&app, &owner).await;
    let mut harness = harness(&app).await;
    revert_from(&mut harness, OF_LINES);
    let model = ids["trained_model"];
    app.execute(&format!("INSERT INTO task_logs (trained_model_id, contents) VALUES ({model}, 'of the model')")).await;
    upgrade(&mut harness);
    app.execute(&format!("INSERT INTO task_logs (trained_model_id, contents) VALUES ({model}, 'new')")).await;
    let lines = owner.get("task_log/").await.expect(200).body;
    let lines: Vec<_> = lines["results"].as_array().expect("lines").iter().map(|line| line["contents"].clone()).collect();
    assert_eq!(lines, ["new", "of the model", "secret"]);
    assert_eq!(stranger.get("task_log/").await.expect(200).body["count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reference_has_an_index_but_those_to_people() {
    let app = TestApp::start().await;
    // Accounts are deactivated, never deleted.
    let bare = "SELECT format('%s.%s', c.conrelid::regclass, a.attname) AS line
        FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid <> 'users'::regclass
            AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])";
    assert_eq!(lines(&app, bare).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finished_goes_with_its_project_only() {
    let app = TestApp::start().await;
    // Tables of measurements and events, and what a deletion in another table removes from them.
    let kept = [
        "tuning_jobs",
        "trained_models",
        "retraining_runs",
        "ab_tests",
        "conversion_events",
        "event_daily_counts",
        "recommendation_log",
        "conversion_event_keys",
    ];
    let cascades = "SELECT format('%s with %s', c.conrelid::regclass, c.confrelid::regclass) AS line
        FROM pg_constraint c WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confdeltype = 'c' AND c.confrelid <> 'projects'::regclass";
    let found = lines(&app, cascades).await;
    let lost: Vec<_> = found.iter().filter(|line| kept.iter().any(|table| line.starts_with(&format!("{table} with")))).collect();
    assert!(lost.is_empty(), "refuse the deletion, or keep the rows without a reference: {lost:?}");
}
