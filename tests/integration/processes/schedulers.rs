//! Schedulers as processes of their own.

use serde_json::json;

use crate::support::processes::{PASSWORD, Process, folder};
use crate::support::{Caller, TestDatabase};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_schedulers_each_firing_makes_one_run_and_one_goes_on_alone() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let url = Some(database.db.url());
    let (_server, address) = Process::serve(&["--no-worker", "--no-scheduler"], folder.path(), url);
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let project = json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" });
    let project = admin.post("project/", project).await.expect(201).id();
    let schedule = json!({ "project": project, "is_enabled": true, "cron_expression": "0 0 1 1 *" });
    admin.post("retraining_schedule/", schedule).await.expect(201);
    let [first, second] = [(); 2].map(|()| Process::start(&["scheduler"], folder.path(), url));
    let due = "UPDATE retraining_schedules SET next_run_at = now() - interval '1 second'";
    let count = async |n: u64| {
        let runs = admin.wait_for("retraining_run/", |runs| runs["count"].as_u64() >= Some(n)).await;
        assert_eq!(runs["count"], n, "{runs}");
        // No worker runs it.
        database.execute("UPDATE retraining_runs SET status = 'SKIPPED'").await;
    };
    database.execute(due).await;
    count(1).await;
    first.kill();
    database.execute(due).await;
    count(2).await;
    assert_eq!(second.stop().await, Some(0));
}
