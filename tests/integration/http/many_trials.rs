//! Searches with very many trials: how many there may be, and how they are listed.

use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::{Jobs, TestApp};

/// Returns the body of a search.
async fn search_of(prepared: &Prepared, n_trials: i64) -> Value {
    let config = async |kind: &str| prepared.user.post(kind, json!({ "project": prepared.project })).await.expect(201).id();
    json!({ "data": prepared.data, "split": config("split_config/").await, "evaluation": config("evaluation_config/").await,
        "n_trials": n_trials })
}

#[tokio::test(flavor = "multi_thread")]
async fn more_trials_than_the_operator_allows_are_refused_in_words() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.max_trials = 50).await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let mut search = search_of(&prepared, 51).await;
    let refused = prepared.user.post("parameter_tuning_job/", search.clone()).await;
    let fault = refused.fault("n_trials");
    assert!(fault.contains("at most 50 trials") && fault.contains("max_trials"), "{fault}");
    assert_eq!(app.count("SELECT count(*) FROM tuning_jobs").await, 0);
    search["n_trials"] = json!(50);
    prepared.user.post("parameter_tuning_job/", search).await.expect(201);

    // The default suits every search but one that is meant to fill the server.
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let refused = prepared.user.post("parameter_tuning_job/", search_of(&prepared, 10_001).await).await;
    assert!(refused.fault("n_trials").contains("10000"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_holds_a_thousand_trials_and_the_next_ones_follow_the_last() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let user = &prepared.user;
    let job = user.post("parameter_tuning_job/", search_of(&prepared, 3_000).await).await.expect(201).id();
    let trials = format!(
        "INSERT INTO trials (tuning_job_id, number, algorithm, parameters, state, run_by, started_at)
         SELECT {job}, number, 'TopPopRecommender', '{{}}', 'failed', 1, program_now() FROM generate_series(0, 2499) AS number"
    );
    app.execute(&trials).await;
    let path = format!("parameter_tuning_job/{job}/trials/");
    let numbers = async |query: &str| -> Vec<i64> {
        let answer = user.get(&format!("{path}{query}")).await.expect(200).body;
        answer.as_array().expect("trials").iter().map(|trial| trial["number"].as_i64().expect("a number")).collect()
    };
    assert_eq!(numbers("").await, (0..1_000).collect::<Vec<_>>());
    assert_eq!(numbers("?after=999").await, (1_000..2_000).collect::<Vec<_>>());
    assert_eq!(numbers("?after=1999").await, (2_000..2_500).collect::<Vec<_>>());
    assert_eq!(numbers("?after=2499").await, Vec::<i64>::new());
    for wrong in ["?after=-1", "?after=x", "?after=2147483648"] {
        assert!(!user.get(&format!("{path}{wrong}")).await.fault("after").is_empty(), "{wrong}");
    }
}
