//! The database: concurrent migrations, and a listener that comes back.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use recotem::platform::db::{Database, Notification};
use recotem::platform::embedded_postgres::EmbeddedPostgres;

use crate::support::{TestDatabase, new_cluster};

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
async fn an_unreachable_server_is_reported_after_the_patience() {
    let db = Database::new("postgresql://nobody@127.0.0.1:1/none", 1).unwrap();
    let error = db.wait(Duration::from_millis(1)).await.unwrap_err();
    assert!(error.to_string().contains("not available"), "{error}");
}
