//! The quality gate of retraining.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::prepared::prepare;
use crate::support::retraining::{plan, run};
use crate::support::tastes::{configure, halves, tastes};

/// SQL that fails the first write of the figures, as if the worker had been lost.
const FAIL_ONCE: &str = "
    CREATE SEQUENCE figures_stored;
    GRANT USAGE ON SEQUENCE figures_stored TO PUBLIC;
    CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('figures_stored') = 1 THEN RAISE EXCEPTION 'lost'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER fail_once BEFORE UPDATE OF new_score ON retraining_runs
        FOR EACH ROW WHEN (NEW.new_score IS NOT NULL) EXECUTE FUNCTION fail_once();";

#[tokio::test(flavor = "multi_thread")]
async fn a_worse_model_is_not_deployed_and_a_good_one_is() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "CosineKNN").await;
    let user = &prepared.user;
    user.upload(prepared.project, "tastes.csv", tastes(80)).await.expect(201);
    let poor = configure(&prepared, "TopPop", json!({})).await;
    let wanted = json!({ "is_enabled": true, "model_configuration": prepared.configuration, "auto_deploy": true,
        "gate_tolerance": 0.05, "split_config": halves(user).await });
    let schedule = plan(&prepared, wanted).await.expect(201).id();
    let path = format!("retraining_schedule/{schedule}/");

    // Where no model serves there is nothing to compare with.
    let first = run(&app, user, schedule).await;
    assert_eq!((&first["status"], &first["gate_metric"], &first["new_score"]), (&json!("COMPLETED"), &Value::Null, &Value::Null));
    let slot = format!("deployment_slot/{}/", first["deployed_slot"]);
    let answering = async || user.get(&slot).await.expect(200).body["trained_model"].clone();
    assert_eq!(answering().await, first["trained_model"]);

    app.execute(FAIL_ONCE).await;
    user.patch(&path, json!({ "model_configuration": poor })).await.expect(200);
    let blocked = run(&app, user, schedule).await;
    assert_eq!((&blocked["status"], &blocked["gate_metric"]), (&json!("SKIPPED"), &json!("ndcg@20")), "{blocked}");
    let (new, deployed) = (blocked["new_score"].as_f64().unwrap(), blocked["deployed_score"].as_f64().unwrap());
    assert!(new < 0.7 * deployed, "{blocked}");
    let reason = blocked["error_message"].as_str().unwrap();
    assert!(reason.contains(&format!("{new:.4}")) && reason.contains(&format!("{deployed:.4}")), "{reason}");
    assert_eq!((&blocked["deployed_model"], &blocked["deployed_slot"]), (&first["trained_model"], &Value::Null));
    assert_eq!(answering().await, first["trained_model"]);
    assert_eq!(user.get(&path).await.body["last_run_status"], "SKIPPED");
    // The model exists, so that a user can deploy it by hand.
    let model = user.get(&format!("trained_model/{}/", blocked["trained_model"])).await.expect(200).body;
    assert_eq!(model["status"], "COMPLETED");
    assert_eq!(app.count("SELECT count(*) FROM jobs WHERE kind = 'judge_run' AND attempt = 2").await, 1);

    let evaluation = user.post("evaluation_config/", json!({ "cutoff": 5, "target_metric": "recall" })).await.expect(201).id();
    let change = json!({ "model_configuration": prepared.configuration, "evaluation_config": evaluation });
    user.patch(&path, change).await.expect(200);
    let good = run(&app, user, schedule).await;
    assert_eq!((&good["status"], &good["gate_metric"]), (&json!("COMPLETED"), &json!("recall@5")), "{good}");
    assert_eq!(good["new_score"], good["deployed_score"]);
    assert_eq!(answering().await, good["trained_model"]);

    user.patch(&path, json!({ "model_configuration": poor, "gate_tolerance": 1.0 })).await.expect(200);
    let tolerated = run(&app, user, schedule).await;
    assert_eq!(tolerated["status"], "COMPLETED", "{tolerated}");
    assert_eq!(answering().await, tolerated["trained_model"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_worse_because_its_data_are_is_not_deployed_either() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "CosineKNN").await;
    let user = &prepared.user;
    let whole = user.upload(prepared.project, "tastes.csv", tastes(80)).await.expect(201).id();
    let wanted = json!({ "is_enabled": true, "model_configuration": prepared.configuration, "auto_deploy": true,
        "gate_tolerance": 0.05, "split_config": halves(user).await });
    let schedule = plan(&prepared, wanted).await.expect(201).id();
    let first = run(&app, user, schedule).await;
    assert_eq!(first["status"], "COMPLETED", "{first}");
    let slot = format!("deployment_slot/{}/", first["deployed_slot"]);
    let answering = async || user.get(&slot).await.expect(200).body["trained_model"].clone();

    // An upload that was cut off after eight users, and one in which the columns were shifted against each other.
    let whole_text = tastes(80);
    let lines: Vec<&str> = whole_text.lines().collect();
    let broken_off = lines[..1 + 8 * 8].join("\n") + "\n";
    let item = |at: usize| lines[at].split_once(',').map(|(_, item)| item).unwrap_or_default();
    let slip = |(at, line): (usize, &&str)| match line.split_once(',') {
        Some((user, _)) if at > 0 && at % 8 < 5 => format!("{user},{}\n", item(1 + (at * 37 + 11) % (lines.len() - 1))),
        _ => format!("{line}\n"),
    };
    let slipped: String = lines.iter().enumerate().map(slip).collect();
    for (name, spoilt) in [("broken off.csv", broken_off), ("slipped.csv", slipped)] {
        let spoilt = user.upload(prepared.project, name, spoilt).await.expect(201).id();
        let blocked = run(&app, user, schedule).await;
        assert_eq!((&blocked["status"], &blocked["training_data"]), (&json!("SKIPPED"), &json!(spoilt)), "{name}: {blocked}");
        assert_eq!((&blocked["deployed_model"], &blocked["deployed_data"]), (&first["trained_model"], &json!(whole)));
        let (new, deployed) = (blocked["new_score"].as_f64().unwrap(), blocked["deployed_score"].as_f64().unwrap());
        assert!(new < 0.95 * deployed, "{name}: {blocked}");
        let reason = blocked["error_message"].as_str().unwrap();
        for part in [format!("{new:.4}"), format!("{deployed:.4}"), format!("data {spoilt}"), format!("data {whole}")] {
            assert!(reason.contains(&part), "{part}: {reason}");
        }
        assert_eq!(answering().await, first["trained_model"]);
    }

    let more = user.upload(prepared.project, "more.csv", tastes(120)).await.expect(201).id();
    let good = run(&app, user, schedule).await;
    assert_eq!(
        (&good["status"], &good["training_data"], &good["deployed_data"]),
        (&json!("COMPLETED"), &json!(more), &json!(whole))
    );
    assert!(good["new_score"].as_f64() > Some(0.0) && good["deployed_score"].as_f64() > Some(0.0), "{good}");
    assert_eq!(answering().await, good["trained_model"]);

    // If the training data of the deployed model are gone, both learn from the data of the run.
    user.delete(&format!("training_data/{more}/unlink_file/")).await.expect(200);
    user.upload(prepared.project, "fewer.csv", tastes(60)).await.expect(201);
    let alike = run(&app, user, schedule).await;
    assert_eq!((&alike["status"], &alike["deployed_data"]), (&json!("COMPLETED"), &Value::Null), "{alike}");
    assert_eq!(alike["new_score"], alike["deployed_score"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_was_trained_with_counts_and_not_what_its_configuration_says_by_now() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "CosineKNN").await;
    let user = &prepared.user;
    let tastes = user.upload(prepared.project, "tastes.csv", tastes(80)).await.expect(201).id();
    let wanted = json!({ "is_enabled": true, "model_configuration": prepared.configuration, "auto_deploy": true,
        "gate_tolerance": 0.0, "training_data": tastes, "split_config": halves(user).await });
    let schedule = plan(&prepared, wanted).await.expect(201).id();
    let first = run(&app, user, schedule).await;
    assert_eq!(first["status"], "COMPLETED", "{first}");
    let edited = json!({ "recommender_class_name": "TopPop" });
    user.patch(&format!("model_configuration/{}/", prepared.configuration), edited).await.expect(200);
    let blocked = run(&app, user, schedule).await;
    assert_eq!(blocked["status"], "SKIPPED", "{blocked}");

    // Hiding a tenth of eight interactions hides nothing: a model that cannot be evaluated is not deployed either.
    user.patch(&format!("retraining_schedule/{schedule}/"), json!({ "split_config": null })).await.expect(200);
    let failed = run(&app, user, schedule).await;
    assert_eq!(failed["status"], "FAILED", "{failed}");
    assert!(failed["error_message"].as_str().unwrap().contains("could not be compared"), "{failed}");
    let slot = user.get(&format!("deployment_slot/{}/", first["deployed_slot"])).await.expect(200).body;
    assert_eq!(slot["trained_model"], first["trained_model"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_begins_with_the_model_of_the_last_run_when_that_is_asked() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let user = &prepared.user;
    user.upload(prepared.project, "tastes.csv", tastes(40)).await.expect(201);
    let ials = |k: u32| json!({ "n_components": k, "alpha0": 0.1, "train_epochs": 8 });
    let first = configure(&prepared, "IALS", ials(4)).await;
    let schedule = plan(&prepared, json!({ "is_enabled": true, "model_configuration": first })).await.expect(201);
    assert_eq!(schedule.body["warm_start"], false);
    let path = format!("retraining_schedule/{}/", schedule.id());
    let lineage = async |run: &Value| user.get(&format!("trained_model/{}/", run["trained_model"])).await.body["lineage"].clone();
    let again = async || {
        let ended = run(&app, user, schedule.id()).await;
        assert_eq!(ended["status"], "COMPLETED", "{ended}");
        ended
    };

    let cold = again().await;
    assert_eq!((&cold["was_warm_start"], &lineage(&cold).await["warm_start_from"]), (&json!(false), &Value::Null));
    user.patch(&path, json!({ "warm_start": true })).await.expect(200);
    user.upload(prepared.project, "more.csv", tastes(60)).await.expect(201);
    let warm = again().await;
    assert_eq!(warm["was_warm_start"], true, "{warm}");
    assert_eq!(lineage(&warm).await["warm_start_from"], cold["trained_model"]);
    assert_eq!(lineage(&warm).await["n_users"], 60);

    // Another shape, another algorithm, a missing file: each starts without an earlier model and succeeds.
    let other = configure(&prepared, "IALSRecommender", ials(5)).await;
    let neighbours = configure(&prepared, "CosineKNN", json!({})).await;
    for configuration in [other, neighbours, first] {
        user.patch(&path, json!({ "model_configuration": configuration })).await.expect(200);
        assert_eq!(again().await["was_warm_start"], false);
    }
    let last = app.count("SELECT max(id) AS count FROM trained_models").await;
    app.services.blobs.remove(&format!("models/{last}.safetensors")).unwrap();
    assert_eq!(again().await["was_warm_start"], false);
}
