//! Sections 3.3, 3.8 and 7 of the contract over HTTP: training data, algorithms, and the answers of a model.

use serde_json::{Value, json};

use crate::support::prepared::{DATA, Prepared, prepare};
use crate::support::slots;
use crate::support::{Caller, TestApp};

fn keys(body: &Value) -> Vec<&str> {
    body.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Returns the constructor parameters of each algorithm of 1.x with their defaults.
fn algorithms_of_1x() -> Vec<(&'static str, Value)> {
    let weighting = json!({ "feature_weighting": "NONE", "bm25_k1": 1.2, "bm25_b": 0.75 });
    let near = |own: Value| {
        let mut all = json!({ "shrinkage": 0, "top_k": 100, "n_threads": null });
        all.as_object_mut().expect("an object").extend(own.as_object().expect("an object").clone());
        all
    };
    let weighted = |own: Value| {
        let mut all = near(own);
        all.as_object_mut().expect("an object").extend(weighting.as_object().expect("an object").clone());
        all
    };
    vec![
        ("TopPopRecommender", json!({})),
        (
            "IALSRecommender",
            json!({ "n_components": 20, "alpha0": 0.0, "reg": 0.001, "nu": 1.0, "confidence_scaling": "none", "epsilon": 1.0,
                "init_std": 0.1, "solver_type": "CG", "max_cg_steps": 3, "ialspp_subspace_dimension": 64, "loss_type": "IALSPP",
                "nu_star": null, "random_seed": 42, "n_threads": null, "train_epochs": 16, "prediction_time_max_cg_steps": 5,
                "prediction_time_ialspp_iteration": 7 }),
        ),
        ("CosineKNNRecommender", weighted(json!({ "normalize": false }))),
        ("CosineUserKNNRecommender", weighted(json!({ "normalize": true }))),
        ("AsymmetricCosineKNNRecommender", weighted(json!({ "alpha": 0.5 }))),
        ("AsymmetricCosineUserKNNRecommender", weighted(json!({ "alpha": 0.5 }))),
        ("JaccardKNNRecommender", near(json!({}))),
        ("TverskyIndexKNNRecommender", near(json!({ "alpha": 0.5, "beta": 0.5 }))),
        ("DenseSLIMRecommender", json!({ "reg": 1 })),
        ("EDLAERecommender", json!({ "reg": 1, "dropout_p": 0.1 })),
        (
            "SLIMRecommender",
            json!({ "alpha": 0.05, "l1_ratio": 0.01, "positive_only": true, "n_iter": 100, "tol": 1e-4, "top_k": null,
                "n_threads": null }),
        ),
        ("P3alphaRecommender", json!({ "alpha": 1, "top_k": null, "normalize_weight": false, "n_threads": null })),
        ("RP3betaRecommender", json!({ "alpha": 1, "beta": 0.6, "top_k": null, "normalize_weight": false, "n_threads": null })),
        ("TruncatedSVDRecommender", json!({ "n_components": 4, "random_seed": 0 })),
        (
            "NMFRecommender",
            json!({ "n_components": 64, "alpha": 0.01, "l1_ratio": 0.01, "beta_loss": "frobenius", "init": null }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_algorithms_of_1x_take_their_parameters_and_have_the_same_defaults() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = json!({ "name": "P", "user_column": "u", "item_column": "i" });
    let project = user.post("project/", project).await.expect(201).id();
    let offered = user.get("algorithms/").await.expect(200).body;
    for (class, parameters) in algorithms_of_1x() {
        let configuration =
            json!({ "project": project, "name": class, "recommender_class_name": class, "parameters_json": parameters });
        let made = user.post("model_configuration/", configuration).await.expect(201).body;
        assert_eq!((&made["recommender_class_name"], &made["parameters_json"]), (&json!(class), &parameters));
        let algorithm = offered.as_array().expect("a list").iter().find(|one| one["name"] == class).expect(class);
        for (name, default) in parameters.as_object().expect("an object") {
            let offered = algorithm["parameters"].as_array().expect("a list").iter().find(|one| one["name"] == *name);
            let ours = &offered.unwrap_or_else(|| panic!("{class} has no {name}"))["default"];
            assert!(ours == default || ours.as_f64().is_some() && ours.as_f64() == default.as_f64(), "{class} {name}: {ours}");
        }
    }
    // The classes that 1.x calls base classes cannot be trained.
    for base in ["BaseRecommender", "BaseKNNRecommender", "BaseRecommenderWithEarlyStopping"] {
        let configuration = json!({ "project": project, "recommender_class_name": base });
        user.post("model_configuration/", configuration).await.fault("recommender_class_name");
    }
}

async fn program(app: &TestApp, prepared: &Prepared) -> Caller {
    app.anonymous().with_key(&prepared.key("program", "predict").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_a_file_says_why_it_predicts_nothing() {
    let app = TestApp::start_without_worker().await;
    let (prepared, model) = slots::with_waiting_model(&app, "ada").await;
    // As clients of 1.x could create it.
    let slot = format!("(project_id, name, trained_model_id, weight) VALUES ({}, 'A', {model}, 100)", prepared.project);
    app.execute(&format!("INSERT INTO deployment_slots {slot}")).await;
    let program = program(&app, &prepared).await;
    let one = json!({ "user_id": "007" });
    let calls = [
        (format!("/inference/predict/{model}"), one.clone()),
        (format!("/inference/predict/{model}/batch"), json!({ "user_ids": ["007"] })),
        (format!("/inference/predict/project/{}", prepared.project), one),
    ];
    for (path, body) in &calls {
        let refused = program.post(path, body.clone()).await.expect(409).body;
        assert_eq!((&refused["code"], refused["detail"].is_string()), (&json!("model_not_ready"), true), "{path}");
    }
    app.work();
    let path = format!("trained_model/{model}/");
    prepared.user.wait_for(&path, |model| model["status"] == "COMPLETED").await;
    for (path, body) in &calls {
        let answers = async || program.post(path, body.clone()).await.status.as_u16() == 200;
        app.soon("a trained model answers", answers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_data_leaves_the_list_and_its_models_stay() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("ada").await, "P", "TopPop").await;
    let user = &prepared.user;
    let model = prepared.train().await;
    app.idle().await;
    user.delete(&format!("training_data/{}/unlink_file/", prepared.data)).await.expect(200);
    assert_eq!(user.get("training_data/").await.expect(200).body["count"], 0);
    assert_eq!(user.get(&format!("trained_model/?data_loc={}", prepared.data)).await.expect(200).body["count"], 1);
    assert_eq!(user.get(&format!("trained_model/?id={}", model["id"])).await.expect(200).body["count"], 1);
    assert_eq!(user.get("trained_model/?id=999").await.expect(200).body["count"], 0);
    let path = format!("trained_model/{}/recommendation/?user_id=007", model["id"]);
    assert!(!user.get(&path).await.expect(200).body.as_array().expect("a bare list").is_empty());
    let body = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    user.post("trained_model/", body).await.fault("data_loc");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_best_first_and_columns_nobody_named_do_not_count() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("ada").await, "P", "TopPop").await;
    let user = &prepared.user;
    // 1.x counts a pair as often as it occurs in the file, here once.
    let rows = "rating,user,item,note\n5,a,x,\n1,a,x,\n1,a,x,\n1,a,x,\n100,b,x,\n1,b,y,\n1,c,y,\n1,d,y,\n100,d,z,\n";
    let data = user.upload(prepared.project, "rated.csv", rows).await.expect(201).id();
    let model = Prepared { data, user: user.clone(), ..prepared }.train().await;
    let path = format!("trained_model/{}/", model["id"]);
    let nobody = json!({ "item_ids": [], "cutoff": 10 });
    let list = user.post(&format!("{path}recommend_using_profile_interaction/"), nobody).await.expect(200).body;
    let expected = [("y", 3.0), ("x", 2.0), ("z", 1.0)].map(|(item, score)| json!({ "item_id": item, "score": score }));
    assert_eq!(list["recommendations"], json!(expected));
    let list = user.get(&format!("{path}recommendation/?user_id=a")).await.expect(200).body;
    assert_eq!(list, json!([expected[0], expected[2]]), "without what is known, and fewer than asked for");
    let raw = user.get(&format!("{path}sample_recommendation_raw/")).await.expect(200).body;
    assert_eq!(keys(&raw), ["user_id", "user_profile", "recommendations"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_may_be_numbers_or_texts_of_several_kinds() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = json!({ "name": "P", "user_column": "user", "item_column": "item", "time_column": "at" });
    let project = user.post("project/", project).await.expect(201).id();
    let file = |times: &[&str]| {
        let rows = times.iter().enumerate().map(|(row, time)| format!("u{row},i,{time}\n"));
        format!("user,item,at\n{}", rows.collect::<String>())
    };
    // 1.x reads any whole number as nanoseconds, and refuses a column that mixes dates with moments.
    let mixed = file(&["2024-01-01", "2024-01-01 12:00:00", "2024-01-01T12:00:00+09:00", "1704067200", "1704067200000000000"]);
    let made = user.upload(project, "a.csv", mixed).await.expect(201).body;
    assert_eq!(made["report"]["rows_kept"], 5, "{made}");
    assert_eq!(made["report"]["time_max"], "2024-01-01T12:00:00Z");
    user.upload(project, "b.csv", file(&["soon", "later"])).await.fault("file");
    user.upload(project, "c.csv", DATA).await.fault("file");
}
