//! The outbox: a recorded event reaches every subscriber once, in order, and only if its change was committed.

use chrono::TimeDelta;
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use recotem::platform::clock::Clock;
use recotem::platform::outbox::{self, Courier, Event, NewEvent, Round, Subscribers};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{TestDatabase, test_clock};

const TOLD: &str = "CREATE TABLE told (id BIGSERIAL PRIMARY KEY, line TEXT NOT NULL);
    CREATE TABLE broken (topic TEXT PRIMARY KEY);";
const BOTH: Subscribers<()> = &[first, second];

fn first<'a>((): &'a (), connection: &'a mut AsyncPgConnection, event: &'a Event) -> BoxFuture<'a, anyhow::Result<()>> {
    tell(connection, "first", event).boxed()
}

/// Fails for the topics in the table `broken`.
fn second<'a>((): &'a (), connection: &'a mut AsyncPgConnection, event: &'a Event) -> BoxFuture<'a, anyhow::Result<()>> {
    async move {
        let broken = format!("SELECT topic AS line FROM broken WHERE topic = '{}'", event.topic);
        anyhow::ensure!(lines_of(&broken, connection).await?.is_empty(), "it is broken");
        tell(connection, "second", event).await
    }
    .boxed()
}

async fn tell(connection: &mut AsyncPgConnection, subscriber: &str, event: &Event) -> anyhow::Result<()> {
    let line = format!("{subscriber} {} {}", event.topic, event.payload["n"]);
    let told = diesel::sql_query("INSERT INTO told (line) VALUES ($1)").bind::<Text, _>(line);
    diesel_async::RunQueryDsl::execute(told, connection).await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Returns the column `line` of a query.
async fn lines_of(sql: &str, connection: &mut AsyncPgConnection) -> diesel::QueryResult<Vec<String>> {
    let lines: Vec<Line> = diesel_async::RunQueryDsl::load(diesel::sql_query(sql.to_owned()), connection).await?;
    Ok(lines.into_iter().map(|line| line.line).collect())
}

struct Stage {
    test: TestDatabase,
    clock: Clock,
    stop: CancellationToken,
}

impl Stage {
    async fn new() -> Self {
        let clock = test_clock();
        let test = TestDatabase::dated_by(clock.clone()).await;
        test.execute(TOLD).await;
        Self { test, clock, stop: CancellationToken::new() }
    }

    fn courier(&self) -> Courier<()> {
        Courier { db: self.test.db.clone(), clock: self.clock.clone(), context: (), subscribers: BOTH }
    }

    fn start(&self) -> JoinHandle<()> {
        tokio::spawn(self.courier().run(self.stop.clone()))
    }

    async fn record(&self, topic: &str, n: i32) {
        let mut connection = self.test.db.conn().await.expect("a connection");
        outbox::record(&mut connection, &event(topic, n)).await.expect("a recorded event");
    }

    async fn told(&self) -> Vec<String> {
        let mut connection = self.test.db.conn().await.expect("a connection");
        lines_of("SELECT line FROM told ORDER BY id", &mut connection).await.expect("the lines")
    }

    async fn until_told(&self, count: usize) -> Vec<String> {
        for _ in 0..1_000 {
            let told = self.told().await;
            if told.len() >= count {
                return told;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{count} lines were expected, these came: {:?}", self.told().await);
    }
}

fn event(topic: &str, n: i32) -> NewEvent {
    NewEvent { topic: topic.to_owned(), organisation_id: None, project_id: None, payload: json!({ "n": n }) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subscriber_is_told_of_what_was_committed_and_of_nothing_else() {
    let stage = Stage::new().await;
    let mut connection = stage.test.db.conn().await.expect("a connection");
    let undone = connection
        .transaction(async |connection| {
            outbox::record(connection, &event("undone", 1)).await?;
            diesel::QueryResult::<()>::Err(diesel::result::Error::RollbackTransaction)
        })
        .await;
    assert!(undone.is_err());
    let couriers = [stage.start(), stage.start()];
    for n in 0..150 {
        stage.record("done", n).await;
    }
    let told = stage.until_told(300).await;
    let wanted: Vec<String> = (0..150).flat_map(|n| [format!("first done {n}"), format!("second done {n}")]).collect();
    assert_eq!(told, wanted);
    stage.stop.cancel();
    for courier in couriers {
        courier.await.expect("the courier ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_commits_late_is_neither_lost_nor_overtaken() {
    let stage = Stage::new().await;
    let courier = stage.courier();
    let mut late = stage.test.db.conn().await.expect("a connection");
    late.transaction(async |connection| {
        outbox::record(connection, &event("late", 1)).await?;
        stage.record("early", 2).await;
        stage.record("early", 3).await;
        assert_eq!(courier.deliver().await.expect("a round"), Round::HeldBack);
        assert_eq!(stage.told().await, Vec::<String>::new());
        diesel::QueryResult::Ok(())
    })
    .await
    .expect("a commit");
    stage.start();
    let told = stage.until_told(6).await;
    let first: Vec<&String> = told.iter().filter(|line| line.starts_with("first")).collect();
    assert_eq!(first, ["first late 1", "first early 2", "first early 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_subscriber_delays_its_event_alone() {
    let stage = Stage::new().await;
    stage.test.execute("INSERT INTO broken VALUES ('poison')").await;
    stage.start();
    stage.record("poison", 1).await;
    stage.record("good", 2).await;
    assert_eq!(stage.until_told(2).await, ["first good 2", "second good 2"]);

    stage.test.execute("DELETE FROM broken").await;
    stage.clock.advance(TimeDelta::seconds(2));
    stage.record("good", 3).await;
    let told = stage.until_told(6).await;
    assert_eq!(told[2..], ["first poison 1", "second poison 1", "first good 3", "second good 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sealed_column_is_in_the_audit_log() {
    let stage = Stage::new().await;
    stage
        .test
        .execute(
            "CREATE TABLE kept (id BIGSERIAL PRIMARY KEY, name TEXT, secret_sealed BYTEA, previous_secret_sealed BYTEA);
             CALL record_changes('kept', 'kept', 'NULL::bigint', 'NULL::bigint');
             INSERT INTO users (username, password_hash) VALUES ('editor', '');
             SELECT set_config('recotem.user', (SELECT id::text FROM users WHERE username = 'editor'), false);
             INSERT INTO kept (name, secret_sealed) VALUES ('a', '\\xfeedbeef');
             UPDATE kept SET name = 'b', secret_sealed = '\\xdeadbeef', previous_secret_sealed = '\\xfeedbeef';
             UPDATE kept SET secret_sealed = '\\xcafebabe';
             DELETE FROM kept;",
        )
        .await;
    let mut connection = stage.test.db.conn().await.expect("a connection");
    let rows = "SELECT action || ' ' || coalesce(before::text, '') || coalesce(after::text, '') AS line FROM audit_log
         WHERE resource = 'kept' ORDER BY id";
    let rows = lines_of(rows, &mut connection).await.expect("the log");
    let actions: Vec<&str> = rows.iter().filter_map(|row| row.split(' ').next()).collect();
    assert_eq!(actions, ["created", "updated", "deleted"]);
    for row in rows {
        assert!(!row.contains("sealed") && !row.contains("beef") && !row.contains("babe"), "{row}");
    }
}
