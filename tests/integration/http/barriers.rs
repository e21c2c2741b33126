//! The second barrier: PostgreSQL itself refuses queries that do not restrict their rows to the caller's.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use recotem::platform::db::{Database, Session, acting_as};
use serde_json::json;

use crate::support::TestApp;
use crate::support::world;

/// Tables that hold no data of a tenant, or that only the program's own steps read. Only the queue reads `jobs`, as
/// `only_the_queue_reads_its_table` in `tests/architecture/` checks; `crates/platform/src/queue/mod.rs` says why they are open.
const OF_NO_TENANT: [&str; 3] = ["__diesel_schema_migrations", "jobs", "audit_log"];

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn names(connection: &mut AsyncPgConnection, sql: &str) -> Vec<String> {
    let rows: Vec<Name> = diesel::sql_query(sql).load(connection).await.expect(sql);
    rows.into_iter().map(|row| row.name).collect()
}

async fn count(connection: &mut AsyncPgConnection, table: &str) -> i64 {
    let row: Count =
        diesel::sql_query(format!("SELECT count(*) AS count FROM {table}")).get_result(connection).await.expect(table);
    row.count
}

const TABLES: &str = "SELECT relname::text AS name FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition";

#[tokio::test(flavor = "multi_thread")]
async fn every_table_with_rows_of_a_tenant_is_guarded() {
    let app = TestApp::start().await;
    let mut connection = app.services.db.conn().await.expect("a connection");
    let open = names(&mut connection, &format!("{TABLES} AND NOT (relrowsecurity AND relforcerowsecurity)")).await;
    let open: Vec<_> = open.iter().filter(|table| !OF_NO_TENANT.contains(&table.as_str())).collect();
    assert!(open.is_empty(), "call guard_rows in the migrations of {open:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_forgets_its_filter_finds_nothing_of_another_tenant() {
    let app = TestApp::start_without_worker().await;
    let owner = app.user("owner").await;
    let ids = world::fill(&app, &owner).await;
    app.user("outsider").await;
    let outsider = app.count("SELECT id AS count FROM users WHERE username = 'outsider'").await;
    let home = app.count(&format!("SELECT organisation_id AS count FROM memberships WHERE user_id = {outsider}")).await;
    let session = Session { organisations: Some(vec![home]), user: Some(outsider), ..Session::default() };
    let project = ids["project"];
    acting_as(session, async {
        let mut connection = app.services.db.conn().await.expect("a connection");
        let tables = names(&mut connection, TABLES).await;
        for table in tables.iter().filter(|table| !OF_NO_TENANT.contains(&table.as_str())) {
            // the user, their own organisation, their membership in it, and their session
            let mine =
                i64::from(["users", "organisations", "memberships", "sessions", "refresh_tokens"].contains(&table.as_str()));
            assert_eq!(count(&mut connection, table).await, mine, "{table}");
        }
        let renamed = diesel::sql_query("UPDATE projects SET name = 'mine'").execute(&mut connection).await.expect("an update");
        let deleted = diesel::sql_query("DELETE FROM training_data").execute(&mut connection).await.expect("a deletion");
        assert_eq!((renamed, deleted), (0, 0));
        let planted = diesel::sql_query(format!(
            "INSERT INTO model_configurations (project_id, recommender_class_name) VALUES ({project}, 'TopPopRecommender')"
        ));
        let refused = planted.execute(&mut connection).await.expect_err("a row in somebody else's project");
        assert!(refused.to_string().contains("row-level security"), "{refused}");
    })
    .await;
    assert_eq!(app.count("SELECT count(*) AS count FROM projects WHERE name = 'mine'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reaches_nothing_beyond_its_project() {
    let app = TestApp::start_without_worker().await;
    let owner = app.user("owner").await;
    let ids = world::fill(&app, &owner).await;
    let other = json!({ "name": "other", "user_column": "u", "item_column": "i" });
    let other = owner.post("project/", other).await.expect(201).id();
    let session = Session { project: Some(other), ..Session::default() };
    acting_as(session, async {
        let mut connection = app.services.db.conn().await.expect("a connection");
        let projects = names(&mut connection, "SELECT id::text AS name FROM projects").await;
        assert_eq!(projects, [other.to_string()]);
        for table in [
            "training_data",
            "trained_models",
            "tuning_jobs",
            "task_logs",
            "model_configurations",
            "feature_sets",
            "feature_measurements",
            "studio_runs",
            "destinations",
            "deliveries",
            "api_keys",
            "split_configs",
            "evaluation_configs",
        ] {
            assert_eq!(count(&mut connection, table).await, 0, "{table}");
        }
    })
    .await;
    assert_ne!(ids["project"], other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lent_connection_forgets_whom_it_acted_for() {
    let app = TestApp::start_without_worker().await;
    let owner = app.user("owner").await;
    world::fill(&app, &owner).await;
    let nobody = || Session { organisations: Some(Vec::new()), ..Session::default() };
    for _ in 0..30 {
        let seen = acting_as(nobody(), async {
            let mut connection = app.services.db.conn().await.expect("a connection");
            count(&mut connection, "projects").await
        });
        assert_eq!(seen.await, 0);
        let mut connection = app.services.db.conn().await.expect("a connection");
        assert_eq!(count(&mut connection, "projects").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_barrier_holds_for_an_ordinary_database_user_too() {
    let app = TestApp::start().await;
    let name =
        format!("plain_{}", app.count("SELECT oid::bigint AS count FROM pg_database WHERE datname = current_database()").await);
    TestApp::execute(&app, &format!("CREATE ROLE {name} LOGIN")).await;
    TestApp::execute(&app, &format!("CREATE DATABASE {name} OWNER {name}")).await;
    let current = app.services.db.url().split('?').next().and_then(|url| url.rsplit('/').next()).unwrap_or_default().to_owned();
    let url = app
        .services
        .db
        .url()
        .replace(&format!("@/{current}?"), &format!("@/{name}?"))
        .replace("//recotem@", &format!("//{name}@"));
    let db = Database::new(&url, 2).expect("a pool");
    db.migrate().await.expect("an owner without further rights can migrate");
    let mut connection = db.conn().await.expect("a connection");
    connection
        .batch_execute(
            "INSERT INTO organisations (id, name) VALUES (1, 'a'), (2, 'b');
             INSERT INTO projects (organisation_id, name, user_column, item_column) VALUES (1, 'p', 'u', 'i'), (2, 'q', 'u', 'i')",
        )
        .await
        .expect("rows of two tenants");
    assert_eq!(count(&mut connection, "projects").await, 2);
    drop(connection);
    acting_as(Session { organisations: Some(vec![2]), ..Session::default() }, async {
        let mut connection = db.conn().await.expect("a connection");
        assert_eq!(names(&mut connection, "SELECT name FROM projects").await, ["q"]);
    })
    .await;
}
