//! Runs of the studio whose worker is killed.

use std::fmt::Write as _;

use recotem::platform::queue;
use reqwest::{Method, multipart};
use serde_json::Value;

use crate::support::processes::{PASSWORD, Process, folder};
use crate::support::{Caller, TestDatabase};

/// The stages at which a worker can be caught.
const STAGES: [&str; 3] = ["reading", "searching", "training"];

/// Returns interactions that take a while to read, to search and to train on.
fn interactions() -> String {
    let mut csv = "user_id,item_id,timestamp\n".to_owned();
    for at in 0..200_000_u64 {
        let (user, item) = (at % 4_000, at.wrapping_mul(2_654_435_761) % 1_501);
        let _ = writeln!(csv, "u{user},i{},{}", item % (300 + user % 1_200), 1_700_000_000 + at);
    }
    csv
}

async fn start(admin: &Caller, name: &str) -> Value {
    let file = multipart::Part::bytes(interactions().into_bytes()).file_name("data.csv");
    let form = multipart::Form::new().text("name", name.to_owned()).text("budget_seconds", "20").part("interactions", file);
    admin.send_form(Method::POST, "studio/", form).await.expect(201).body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_workers_that_are_killed_at_any_stage() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let url = Some(database.db.url());
    let (_server, address) = Process::serve(&["--no-worker"], folder.path(), url);
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    for stage in STAGES {
        let run = start(&admin, stage).await;
        let path = format!("studio/{}/", run["id"]);
        let worker = Process::start(&["worker"], folder.path(), url);
        let rank = |stage: &Value| {
            let order = ["reading", "checking", "encoding", "searching", "training", "deploying", "ready"];
            order.iter().position(|one| *stage == *one)
        };
        let reached = |run: &Value| {
            let begun = run["stages"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["stage"] == stage && one["state"] != "waiting"));
            begun || rank(&run["stage"]) > rank(&Value::from(stage)) || run["state"] != "running"
        };
        admin.wait_for(&path, reached).await;
        worker.kill();
        // The leases of the dead worker expire: in production after 30 seconds, here at once.
        let mut connection = database.db.conn().await.expect("a connection");
        queue::give_up_leases(&mut connection, None).await.expect("the queue answers");
        drop(connection);
        let next = Process::start(&["worker"], folder.path(), url);
        let ended = admin.wait_for(&path, |run| run["state"] != "running").await;
        assert_eq!((&ended["state"], &ended["error"]), (&Value::from("ready"), &Value::Null), "{stage}: {ended}");
        let of_project = format!("?project={}", ended["project"]);
        for (list, many) in [("training_data/", 1), ("deployment_slot/", 1)] {
            let found = admin.get(&format!("{list}{of_project}")).await.expect(200).body;
            assert_eq!(found["count"], many, "{stage}: {list}");
        }
        assert_eq!(next.stop().await, Some(0));
    }
}
