//! The commands beside `serve`, run as an operator runs them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::processes::{PASSWORD, Process, folder};
use crate::support::{Caller, TestApp, TestDatabase};

/// The output of a command, and how it ended.
struct Said {
    code: Option<i32>,
    output: String,
    errors: String,
}

impl Said {
    /// Fails the test unless the command succeeded.
    #[track_caller]
    fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.output, self.errors);
        self.output
    }

    /// Fails the test unless the command was refused; returns its output.
    #[track_caller]
    fn refused(self) -> String {
        assert_eq!(self.code, Some(1), "{}{}", self.output, self.errors);
        self.errors
    }
}

/// An install whose commands are run.
struct Install<'a> {
    data_dir: &'a Path,
    database: Option<String>,
    variables: Vec<(&'static str, &'static str)>,
}

impl<'a> Install<'a> {
    /// Returns the install of a server in this process.
    fn of(app: &'a TestApp) -> Self {
        let settings = &app.services.settings;
        let database = settings.database_url.as_ref().map(|url| url.expose_secret().to_owned());
        Self { data_dir: &settings.data_dir, database, variables: Vec::new() }
    }

    /// Adds variables to the environment of its commands.
    fn with(self, variables: &[(&'static str, &'static str)]) -> Self {
        Self { variables: variables.to_vec(), ..self }
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recotem"));
        command.args(arguments).arg("--data-dir").arg(self.data_dir);
        for variable in ["DATABASE_URL", "DEFAULT_ADMIN_PASSWORD"] {
            command.env_remove(variable);
        }
        command.env("SECRET_KEY", "one secret for all processes of a test").envs(self.variables.iter().copied());
        command.envs(self.database.iter().map(|url| ("DATABASE_URL", url)));
        let output = command.output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Said { code: output.status.code(), output: text(output.stdout), errors: text(output.stderr) }
    }
}

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
async fn the_first_superuser_is_made_once_and_others_by_name() {
    let app = TestApp::start().await;
    let install = Install::of(&app).with(&[("DEFAULT_ADMIN_PASSWORD", PASSWORD)]);
    assert!(install.run(&["create_superuser"]).done().contains("Created the superuser \"admin\"."));
    assert!(install.run(&["create-superuser"]).done().contains("Users exist already"));
    let admin = Caller::log_in(&app.base, "admin", PASSWORD).await;
    assert_eq!(admin.get("auth/user/").await.expect(200).body["is_superuser"], true);

    let named = ["create-superuser", "--username", "root", "--email", "root@example.com"];
    assert!(install.run(&named).refused().contains("RECOTEM_SUPERUSER_PASSWORD"));
    let install = install.with(&[("RECOTEM_SUPERUSER_PASSWORD", "another good long phrase")]);
    install.run(&named).done();
    let root = Caller::log_in(&app.base, "root", "another good long phrase").await;
    assert_eq!(root.get("auth/user/").await.expect(200).body["email"], "root@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_made_up_is_kept_from_the_output_in_a_file_until_it_is_changed() {
    let app = TestApp::start().await;
    let install = Install::of(&app);
    let file = app.services.settings.data_dir.join("first-password");
    let said = install.run(&["create-superuser"]);
    let (output, errors) = (said.output.clone(), said.errors.clone());
    said.done();
    let password = std::fs::read_to_string(&file).expect("the file").trim().to_owned();
    assert_eq!(password.chars().count(), 12);
    assert!(!output.contains(&password) && !errors.contains(&password), "{output}{errors}");
    assert!(output.contains(file.to_str().expect("text")), "{output}");
    assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);

    let admin = Caller::log_in(&app.base, "admin", &password).await;
    install.run(&["create-superuser"]).done();
    assert!(file.exists(), "it is still the password");
    let change = json!({ "old_password": password, "new_password": PASSWORD });
    admin.post("users/change_password/", change).await.expect(200);
    assert!(!file.exists());

    // Changed on a server that has another data directory.
    std::fs::write(&file, &password).expect("the file");
    install.run(&["create-superuser"]).done();
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn test_users_need_a_name_and_a_password() {
    let app = TestApp::start().await;
    let install = Install::of(&app);
    for wrong in [":hush", " :hush", "name:"] {
        let said = install.run(&["create_test_users", "--user", "good:pw", "--user", wrong]).refused();
        assert!(said.contains("Username and password are required.") && !said.contains("hush"), "{said}");
    }
    assert!(install.run(&["create-test-users", "--user", "name"]).refused().contains("Expected format"));
    assert_eq!(app.count("SELECT count(*) AS count FROM users").await, 0);
    install.run(&["create_test_users", "--user", " carol : pass:word", "--user", "dave:pw"]).done();
    Caller::log_in(&app.base, "carol", " pass:word").await;
    Caller::log_in(&app.base, "dave", "pw").await;
    let production = Install::of(&app).with(&[("RECOTEM_PRODUCTION", "true")]);
    assert!(production.run(&["create-test-users", "--user", "eve:pw"]).refused().contains("production"));
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_shown_by_a_dry_run_and_then_assigned() {
    let app = TestApp::start().await;
    let install = Install::of(&app);
    let (owner, heir) = (app.user("owner").await, app.user("heir").await);
    let fields = |name: &str| json!({ "name": name, "user_column": "u", "item_column": "i" });
    let shop = owner.post("project/", fields("Shop")).await.expect(201).id();
    owner.post("project/", fields("Both")).await.expect(201);
    heir.post("project/", fields("Both")).await.expect(201);
    app.execute("UPDATE projects SET owner_id = NULL WHERE owner_id = (SELECT id FROM users WHERE username = 'owner')").await;

    assert!(install.run(&["assign_owners", "--user", "ghost"]).refused().contains("User \"ghost\" does not exist."));
    let said = install.run(&["assign_owners", "--user", "heir", "--dry-run"]);
    assert!(
        said.output.contains("Project: 1 record(s) would be assigned to \"heir\".")
            && said.output.contains("Dry run complete. No changes made.")
    );
    assert!(said.refused().contains("Both"));
    heir.get(&format!("project/{shop}/")).await.expect(404);
    let said = install.run(&["assign-owners", "--owner", "heir"]);
    assert!(said.output.contains("Project: 1 record(s) assigned to \"heir\"."), "{}", said.output);
    said.refused();
    heir.get(&format!("project/{shop}/")).await.expect(200);
    app.execute(
        "UPDATE projects SET name = 'Third', owner_id = (SELECT id FROM users WHERE username = 'heir') WHERE owner_id IS NULL",
    )
    .await;
    assert!(install.run(&["assign_owners", "--user", "heir"]).done().contains("no unowned records"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_for_an_owner_who_is_in_the_project() {
    let app = TestApp::start().await;
    let install = Install::of(&app);
    let owner = app.user("owner").await;
    app.user("other").await;
    let project = json!({ "name": "Shop", "user_column": "u", "item_column": "i" });
    let project = owner.post("project/", project).await.expect(201).id().to_string();
    let make = |more: &[&str]| install.run(&[&["create_api_key", "--project-id", &project, "--name", "k"], more].concat());

    assert!(make(&["--owner", "other"]).refused().contains("does not match project owner"));
    assert!(make(&["--owner", "ghost"]).refused().contains("not found"));
    assert!(make(&["--owner", "owner", "--scopes", "predict,badscope"]).refused().contains("Invalid scope \"badscope\""));
    let missing = ["create-api-key", "--project-id", "99999", "--name", "k"];
    assert!(install.run(&missing).refused().contains("Project 99999 not found."));

    let key = make(&["--owner", "owner", "--scopes", "read, predict", "--expires-in-days", "30"]).done();
    let shown = owner.with_key(key.trim()).get("project/").await.expect(200);
    assert_eq!(shown.body["results"][0]["name"], "Shop");
    let stored = owner.get("api_keys/").await.expect(200).body["results"][0].clone();
    assert_eq!(stored["scopes"], json!(["read", "predict"]));
    assert!(!stored["expires_at"].is_null());
    let again = make(&["--owner", "owner"]).refused();
    assert!(again.contains("already exists") && !again.contains('{'), "{again}");
}

#[test]
fn the_api_document_is_printed_without_any_database() {
    let output = Command::new(env!("CARGO_BIN_EXE_recotem")).arg("openapi").output().expect("the program starts");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(document["paths"]["/api/v1/project/"].is_object());
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
    assert_eq!(tokio::task::spawn_blocking(move || server.stop()).await.expect("it ends"), Some(0));
    assert!(install.run(&["wait-db"]).done().starts_with("There is no database to wait for"));
    install.run(&["create_test_users", "--user", "dave:pw"]).done();
}

#[test]
fn the_environment_is_warned_about_passed_over_or_refused() {
    let folder = folder();
    let run =
        |variables| Install { data_dir: folder.path(), database: None, variables: Vec::new() }.with(variables).run(&["wait-db"]);
    let injected =
        run(&[("RECOTEM_SERVICE_HOST", "10.0.0.1"), ("RECOTEM_PORT", "tcp://10.0.0.1:8000"), ("RECOTEM_STORAGE_TYPE", "")]);
    assert_eq!(injected.errors, "");
    injected.done();
    let mistyped = run(&[("RECOTEM_WORKER_CONCURENCY", "4")]);
    assert_eq!(mistyped.errors.matches("Did you mean RECOTEM_WORKER_CONCURRENCY?").count(), 1, "{}", mistyped.errors);
    mistyped.done();
    let wrong = run(&[("RECOTEM_WORKER_CONCURRENCY", "many")]).refused();
    let told = "recotem: The variable RECOTEM_WORKER_CONCURRENCY is \"many\", and takes a whole number of 0 or more.\n";
    assert_eq!(wrong, told);
    let bucket = run(&[("RECOTEM_STORAGE_TYPE", "S3")]).refused();
    assert_eq!(bucket.matches("object storage is not available yet").count(), 1, "{bucket}");
}
