//! Databases that are waited for, migrated, and shared with a running server.

use crate::support::commands::Install;
use crate::support::processes::{PASSWORD, Process, folder};
use crate::support::{Caller, TestDatabase};

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_is_waited_for_and_migrated() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    let install = Install { data_dir: folder.path(), database: Some(database.db.url().to_owned()), variables: Vec::new() };
    assert_eq!(install.run(&["wait_db"]).done(), "Database available.\n");
    let migrated = install.run(&["migrate"]).done();
    assert!(migrated.starts_with("Migrations run: ") && !migrated.ends_with(" 0\n"), "{migrated}");
    assert_eq!(install.run(&["migrate"]).done(), "Migrations run: 0\n");
    database.execute("SELECT id FROM users").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_at_once_without_a_database_and_in_time_without_an_answer() {
    let folder = folder();
    let without = Install { data_dir: folder.path(), database: None, variables: Vec::new() };
    assert!(without.run(&["wait-db"]).done().starts_with("There is no database to wait for"));
    assert!(!folder.path().join("postgres").exists(), "none was made for it");
    let silent = Install { database: Some("postgres://x@127.0.0.1:1/x".to_owned()), ..without };
    assert!(silent.run(&["wait-db", "--timeout", "0"]).refused().contains("The database is not available"));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_work_beside_a_server_that_runs_its_private_postgres() {
    let folder = folder();
    let (server, address) = Process::serve(&[], folder.path(), None);
    let install = Install { data_dir: folder.path(), database: None, variables: Vec::new() };
    assert_eq!(install.run(&["wait-db"]).done(), "Database available.\n");
    install.run(&["create_test_users", "--user", "carol:pw"]).done();
    Caller::log_in(&address, "carol", "pw").await;
    assert!(install.run(&["resign_models", "--dry-run"]).done().contains("Dry run complete. No changes made."));
    for lasting in ["serve", "worker", "infer"] {
        assert!(install.run(&[lasting]).refused().contains("Another process already runs the database"), "{lasting}");
    }
    Caller::log_in(&address, "admin", PASSWORD).await;
    assert_eq!(server.stop().await, Some(0));
    assert!(install.run(&["wait-db"]).done().starts_with("There is no database to wait for"));
    install.run(&["create_test_users", "--user", "dave:pw"]).done();
}
