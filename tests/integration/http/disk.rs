//! A disk that is nearly full: operations that would fill it are refused with a message.

use std::sync::Arc;

use recotem::app::roles;
use recotem::platform::config::Settings;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Jobs, TestApp, slots};

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_refused_while_less_of_the_disk_is_free_than_its_reserve() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.min_free_disk_bytes = u64::MAX).await;
    let user = app.user("margarete").await;
    let project = json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" });
    let project = user.post("project/", project).await.expect(201).id();
    let refused = user.upload(project, "data.csv", "user_id,item_id\na,1\n").await.expect(507);
    assert_eq!(refused.body["code"], "disk_full");
    assert!(refused.body["detail"].as_str().unwrap().contains("min_free_disk_bytes"), "{}", refused.body);
    assert_eq!(app.files(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_says_that_the_disk_is_full_instead_of_filling_it() {
    let app = TestApp::start_without_worker().await;
    slots::with_waiting_model(&app, "margarete").await;
    let mut services = app.services.clone();
    services.settings = Arc::new(Settings { min_free_disk_bytes: u64::MAX, ..Settings::clone(&services.settings) });
    let stop = CancellationToken::new();
    tokio::spawn(roles::work(services, stop.clone()));
    let refused = "SELECT count(*) FROM jobs WHERE last_error LIKE '%min_free_disk_bytes%'";
    app.soon("the training is put off", async || app.count(refused).await == 1).await;
    stop.cancel();
}
