//! The database: concurrent migrations, and a listener that reconnects.

use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Text, Timestamptz};
use diesel::{QueryResult, sql_query};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::StreamExt;
use recotem::platform::db::{Database, Notification, Session, acting_as, without_statement_timeout};
use recotem::platform::embedded_postgres::EmbeddedPostgres;
use recotem::platform::http::ApiError;

use crate::support::{TestDatabase, new_cluster, test_clock};

#[derive(diesel::QueryableByName)]
struct Moment {
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
}

#[derive(diesel::QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
}

#[tokio::test]
async fn processes_that_migrate_at_once_wait_for_each_other() {
    let (_folder, options) = new_cluster();
    let postgres = EmbeddedPostgres::start(&options).unwrap();
    let db = Database::new(&postgres.database_url(), 2).unwrap();
    let runs = futures_util::future::join_all((0..4).map(|_| db.migrate())).await;
    let runs: Vec<usize> = runs.into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(runs.iter().filter(|&&migrations| migrations > 0).count(), 1, "{runs:?}");
}

#[tokio::test]
async fn a_listener_comes_back_and_says_so() {
    let test = TestDatabase::new().await;
    let mut heard = pin!(test.db.listen(&["greetings"]));
    assert_eq!(heard.next().await, Some(Notification::Connected));
    test.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE query LIKE 'LISTEN%' AND datname = current_database()",
    )
    .await;
    assert_eq!(heard.next().await, Some(Notification::Connected));
    test.execute("NOTIFY greetings, 'hello'").await;
    let hello = Notification::Message { channel: "greetings".into(), payload: "hello".into() };
    assert_eq!(heard.next().await, Some(hello));
}

#[tokio::test]
async fn listeners_share_a_connection_and_each_is_told_when_it_may_have_missed_something() {
    let test = TestDatabase::new().await;
    let clone = test.db.clone();
    let mut listeners = [test.db.listen(&["greetings"]).boxed(), clone.listen(&["farewells"]).boxed()];
    for listener in &mut listeners {
        assert_eq!(listener.next().await, Some(Notification::Connected));
    }
    let backends = "SELECT pid::text AS name FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    let mut connection = test.db.conn().await.unwrap();
    let listening: Vec<Column> = diesel_async::RunQueryDsl::load(sql_query(backends), &mut connection).await.unwrap();
    drop(connection);
    assert_eq!(listening.len(), 1, "one connection serves both");
    test.execute("NOTIFY greetings, 'hello'").await;
    test.execute("NOTIFY farewells, 'bye'").await;
    for (listener, (channel, payload)) in listeners.iter_mut().zip([("greetings", "hello"), ("farewells", "bye")]) {
        let message = Notification::Message { channel: channel.into(), payload: payload.into() };
        assert_eq!(listener.next().await, Some(message), "a listener gets what is sent on its own channels");
    }
    test.execute(&format!("SELECT pg_terminate_backend({})", listening[0].name)).await;
    for listener in &mut listeners {
        assert_eq!(listener.next().await, Some(Notification::Connected));
    }
}

#[tokio::test]
async fn sql_dates_rows_by_the_programs_clock() {
    let clock = test_clock();
    let test = TestDatabase::dated_by(clock.clone()).await;
    clock.advance(TimeDelta::days(400));
    test.execute("INSERT INTO organisations (name) VALUES ('later')").await;
    let mut connection = test.db.conn().await.unwrap();
    let later = sql_query("SELECT ins_datetime AS at FROM organisations WHERE name = 'later'");
    let made: Moment = diesel_async::RunQueryDsl::get_result(later, &mut connection).await.unwrap();
    assert_eq!(made.at, clock.now());
    let defaults = sql_query(
        "SELECT table_name || '.' || column_name AS name FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name <> '__diesel_schema_migrations'
           AND column_default ~ '(now\\(\\)|clock_timestamp|statement_timestamp|CURRENT_)' AND column_default <> 'program_now()'",
    );
    let by_the_server: Vec<Column> = diesel_async::RunQueryDsl::load(defaults, &mut connection).await.unwrap();
    let names: Vec<&str> = by_the_server.iter().map(|column| column.name.as_str()).collect();
    assert!(names.is_empty(), "DEFAULT program_now() instead: {names:?}");
}

async fn doze(connection: &mut AsyncPgConnection) -> QueryResult<usize> {
    diesel_async::RunQueryDsl::execute(sql_query("SELECT pg_sleep(0.4)"), connection).await
}

#[tokio::test]
async fn a_statement_of_a_request_is_stopped_in_time_and_one_of_the_program_is_not() {
    let test = TestDatabase::new().await;
    let db = test.db.clone().with_statement_timeout(Duration::from_millis(100));
    let stopped = acting_as(Session::default(), async { doze(&mut db.conn().await.unwrap()).await }).await.unwrap_err();
    let answer = ApiError::from(stopped);
    assert_eq!((answer.status().as_u16(), &answer.body()["code"]), (503, &"too_long".into()));
    doze(&mut db.conn().await.unwrap()).await.unwrap();
    let deletion = async {
        let mut connection = db.conn().await.unwrap();
        connection
            .transaction(async |connection| -> QueryResult<usize> {
                without_statement_timeout(connection).await?;
                doze(connection).await
            })
            .await
    };
    acting_as(Session::default(), deletion).await.unwrap();
}

/// The statements that the server runs for a pool, beside the one that asks.
async fn in_progress(test: &TestDatabase) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let mut other = AsyncPgConnection::establish(test.db.url()).await.unwrap();
    let statements = sql_query(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%pg_sleep(600)%'
            AND pid <> pg_backend_pid()",
    );
    diesel_async::RunQueryDsl::get_result::<Row>(statements, &mut other).await.unwrap().count
}

/// Leaves a connection at work, as a request does whose client goes away.
async fn leave_at_work(test: &TestDatabase, connection: &mut AsyncPgConnection) {
    let statement = diesel_async::RunQueryDsl::execute(sql_query("SELECT pg_sleep(600)"), connection);
    let begun = async {
        while in_progress(test).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = statement => panic!("it takes ten minutes"),
        () = begun => {}
    }
}

async fn until_cancelled(test: &TestDatabase) {
    let ended = async {
        while in_progress(test).await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the statement is cancelled");
}

#[tokio::test]
async fn a_connection_that_was_left_at_work_keeps_nobody_waiting() {
    let test = TestDatabase::new().await;
    let db = Database::new(test.db.url(), 1).unwrap();
    leave_at_work(&test, &mut db.conn().await.unwrap()).await;
    db.ping().await.unwrap();
    until_cancelled(&test).await;
}

#[tokio::test]
async fn a_statement_that_was_left_is_cancelled_before_the_next_caller_needs_its_connection() {
    let test = TestDatabase::new().await;
    let db = Database::new(test.db.url(), 1).unwrap();
    leave_at_work(&test, &mut db.conn().await.unwrap()).await;
    assert_eq!(db.usage(), (1, 1), "it is in use until the statement has ended");
    until_cancelled(&test).await;
    db.ping().await.unwrap();
    assert_eq!(db.usage(), (0, 1), "a connection at rest returns at once");
}

#[tokio::test]
async fn an_answer_whose_rows_still_arrive_is_cancelled_when_its_request_is_left() {
    let test = TestDatabase::new().await;
    let db = Database::new(test.db.url(), 1).unwrap();
    // The first rows fill the server's buffer and are sent; the last one takes ten minutes.
    let rows = "SELECT CASE WHEN n < 2000 THEN repeat('x', 100) ELSE (SELECT 'late' FROM pg_sleep(600)) END AS name
         FROM generate_series(1, 2000) AS n";
    let (arrived, arrives) = tokio::sync::oneshot::channel();
    let reading = acting_as(Session::default(), async {
        let mut connection = db.conn().await.unwrap();
        let answer = diesel_async::RunQueryDsl::load_stream::<Column>(sql_query(rows), &mut connection).await.unwrap();
        arrived.send(()).unwrap();
        answer.count().await
    });
    tokio::select! {
        _ = reading => panic!("it takes ten minutes"),
        arrived = arrives => arrived.unwrap(),
    }
    until_cancelled(&test).await;
}

#[tokio::test]
async fn a_transaction_that_was_left_ends() {
    let test = TestDatabase::new().await;
    let mut connection = test.db.conn().await.unwrap();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let transaction = connection.transaction(async |connection| -> QueryResult<()> {
        diesel_async::RunQueryDsl::execute(sql_query("LOCK TABLE organisations"), connection).await?;
        begun.send(()).unwrap();
        std::future::pending().await
    });
    tokio::select! {
        _ = transaction => panic!("it waits forever"),
        begun = begins => begun.unwrap(),
    }
    drop(connection);
    let mut other = AsyncPgConnection::establish(test.db.url()).await.unwrap();
    let writes = sql_query("INSERT INTO organisations (name) VALUES ('free')");
    let written = tokio::time::timeout(Duration::from_secs(60), diesel_async::RunQueryDsl::execute(writes, &mut other));
    assert_eq!(written.await.expect("the lock is released").unwrap(), 1);
}

#[tokio::test]
async fn a_long_read_that_was_left_is_cancelled_and_keeps_its_place_until_then() {
    let test = TestDatabase::new().await;
    let db = Database::new(test.db.url(), 4).unwrap();
    let mut read = db.conn_for_long_read().await.unwrap();
    leave_at_work(&test, &mut read).await;
    drop(read);
    let mut next = db.conn_for_long_read().await.unwrap();
    assert_eq!(in_progress(&test).await, 0);
    diesel_async::RunQueryDsl::execute(sql_query("SELECT 1"), &mut *next).await.unwrap();
}

#[tokio::test]
async fn an_unreachable_server_is_reported_after_the_patience() {
    let db = Database::new("postgresql://nobody@127.0.0.1:1/none", 1).unwrap();
    let error = db.wait(Duration::from_millis(1)).await.unwrap_err();
    assert!(error.to_string().contains("not available"), "{error}");
}
