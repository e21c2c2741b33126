//! Superusers and users for tests.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::commands::Install;
use crate::support::processes::PASSWORD;
use crate::support::{Caller, TestApp};

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
