//! The private PostgreSQL: it starts, survives being killed, and is closed to other processes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use recotem::platform::db::Database;
use recotem::platform::embedded_postgres::{EmbeddedPostgres, EmbeddedPostgresError};

use crate::support::new_cluster;

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

async fn execute(url: &str, sql: &str) {
    let mut connection = AsyncPgConnection::establish(url).await.unwrap();
    diesel::sql_query(sql).execute(&mut connection).await.unwrap();
}

async fn rows(url: &str) -> i64 {
    let mut connection = AsyncPgConnection::establish(url).await.unwrap();
    let count: Count = diesel::sql_query("SELECT count(*) AS n FROM kept").get_result(&mut connection).await.unwrap();
    count.n
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn data_outlives_a_stop() {
    let (_folder, options) = new_cluster();
    let postgres = EmbeddedPostgres::start(&options).unwrap();
    execute(&postgres.database_url(), "CREATE TABLE kept AS SELECT 1").await;
    postgres.stop();
    assert_eq!(postgres.server_pid(), None);
    let again = EmbeddedPostgres::start(&options).unwrap();
    assert_eq!(rows(&again.database_url()).await, 1);
}

#[tokio::test]
async fn a_killed_server_is_started_again() {
    let (_folder, options) = new_cluster();
    let postgres = EmbeddedPostgres::start(&options).unwrap();
    let url = postgres.database_url();
    execute(&url, "CREATE TABLE kept AS SELECT 1").await;
    let database = Database::new(&url, 2).unwrap();
    drop(database.conn().await.unwrap());
    let first = postgres.server_pid().unwrap();
    kill(first);
    while postgres.server_pid().is_none_or(|pid| pid == first) {
        tokio::task::yield_now().await;
    }
    database.wait(Duration::from_secs(60)).await.unwrap();
    assert_eq!(rows(&url).await, 1);
}

#[tokio::test]
async fn a_second_instance_is_refused_and_the_first_goes_on() {
    let (_folder, options) = new_cluster();
    let postgres = EmbeddedPostgres::start(&options).unwrap();
    let refused = EmbeddedPostgres::start(&options);
    assert!(matches!(refused, Err(EmbeddedPostgresError::AlreadyRunning { .. })));
    execute(&postgres.database_url(), "CREATE TABLE kept AS SELECT 1").await;
    assert_eq!(rows(&postgres.database_url()).await, 1);
}

#[tokio::test]
async fn folders_out_of_reach_and_long_ones_work() {
    let (folder, mut options) = new_cluster();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    options.data_dir = folder.path().join(format!("it's \"a\" ü-{}", "x".repeat(100))).join("data");
    let postgres = EmbeddedPostgres::start(&options).unwrap();
    execute(&postgres.database_url(), "CREATE TABLE kept AS SELECT 1").await;
    postgres.stop();
    let again = EmbeddedPostgres::start(&options).unwrap();
    assert_eq!(rows(&again.database_url()).await, 1);
    let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "what is not ours keeps its mode");
}

#[test]
fn a_stale_lock_that_names_a_living_process_does_not_matter() {
    let (_folder, options) = new_cluster();
    EmbeddedPostgres::start(&options).unwrap().stop();
    let lock = options.data_dir.join("postgres/cluster/postmaster.pid");
    fs::write(&lock, format!("{}\n/nowhere\n0\n5432\n\n\n\nready\n", std::process::id())).unwrap();
    EmbeddedPostgres::start(&options).unwrap();
}

#[test]
fn a_cluster_of_another_version_is_refused_untouched() {
    let (_folder, options) = new_cluster();
    let cluster = options.data_dir.join("postgres/cluster");
    fs::create_dir_all(&cluster).unwrap();
    fs::write(cluster.join("PG_VERSION"), "9\n").unwrap();
    let Err(refused) = EmbeddedPostgres::start(&options) else {
        panic!("it must not start");
    };
    assert!(matches!(refused, EmbeddedPostgresError::VersionMismatch { .. }), "{refused}");
    assert!(refused.to_string().contains("apt-get install postgresql-9"), "{refused}");
    assert_eq!(fs::read_dir(&cluster).unwrap().count(), 1);
}

#[test]
fn a_cluster_that_does_not_say_its_version_is_refused_in_plain_words() {
    for unreadable in [Some(""), Some("garbage\n"), None] {
        let (_folder, options) = new_cluster();
        let cluster = options.data_dir.join("postgres/cluster");
        fs::create_dir_all(&cluster).unwrap();
        fs::write(cluster.join("base"), "of somebody").unwrap();
        if let Some(text) = unreadable {
            fs::write(cluster.join("PG_VERSION"), text).unwrap();
        }
        let Err(refused) = EmbeddedPostgres::start(&options) else {
            panic!("it must not start");
        };
        let words = refused.to_string();
        assert!(words.contains("PG_VERSION cannot be read, or does not say which version"), "{words}");
        assert!(!words.contains("apt-get"), "{words}");
        assert_eq!(fs::read_to_string(cluster.join("base")).unwrap(), "of somebody");
    }
}

#[test]
fn an_interrupted_first_start_begins_anew() {
    let (_folder, options) = new_cluster();
    let unfinished = options.data_dir.join("postgres/cluster.new");
    fs::create_dir_all(&unfinished).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "half").unwrap();
    EmbeddedPostgres::start(&options).unwrap();
    assert!(!unfinished.exists());
}
