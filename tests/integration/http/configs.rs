//! Split, evaluation and model configurations over HTTP, and the log of tasks.

use recotem::features::task_logs::{self, Line, Subject};
use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

async fn project_of(caller: &Caller, name: &str) -> i64 {
    caller.post("project/", json!({ "name": name, "user_column": "user", "item_column": "item" })).await.id()
}

#[tokio::test(flavor = "multi_thread")]
async fn split_and_evaluation_configs_have_1x_defaults_and_sensible_ranges() {
    let server = TestApp::start().await;
    let person = server.user("ada").await;
    let me = person.get("auth/user/").await.body["pk"].clone();
    let split = person.post("split_config/", json!({})).await.body;
    let expected = json!({ "name": null, "scheme": "RG", "heldout_ratio": 0.1, "n_heldout": null, "test_user_ratio": 1.0,
        "n_test_users": null, "random_seed": 42, "created_by": me });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&split[field], value, "{field}");
    }
    let wrong = [
        ("heldout_ratio", json!(0)),
        ("heldout_ratio", json!(1)),
        ("heldout_ratio", json!(-0.1)),
        ("heldout_ratio", json!(1.5)),
        ("heldout_ratio", json!("x")),
        ("test_user_ratio", json!(0)),
        ("test_user_ratio", json!(1.1)),
        ("n_heldout", json!(0)),
        ("n_test_users", json!(-1)),
        ("scheme", json!("XX")),
        ("heldout_item_ratio", json!(0)),
        ("heldout_item_ratio", json!(1)),
        ("random_seed", json!(null)),
        ("name", json!("")),
    ];
    for (field, value) in wrong {
        person.post("split_config/", json!({ field: value })).await.fault(field);
    }
    for scheme in ["CI", "TI"] {
        let changed = person.patch(&format!("split_config/{}/", split["id"]), json!({ "scheme": scheme })).await.expect(200);
        assert_eq!((&changed.body["scheme"], &changed.body["heldout_item_ratio"]), (&json!(scheme), &json!(0.2)));
    }
    let evaluation = person.post("evaluation_config/", json!({ "name": "e" })).await;
    assert_eq!((&evaluation.body["cutoff"], &evaluation.body["target_metric"]), (&json!(20), &json!("ndcg")));
    for (field, value) in
        [("cutoff", json!(0)), ("cutoff", json!(-5)), ("target_metric", json!("NDCG")), ("target_metric", json!("mrr"))]
    {
        person.post("evaluation_config/", json!({ field: value })).await.fault(field);
    }
    assert_eq!(person.get("evaluation_config/?unnamed=true").await.body["count"], 0);
    assert_eq!(person.get("evaluation_config/?unnamed=false&name=e").await.body["count"], 1);
    let path = format!("evaluation_config/{}/", evaluation.id());
    assert_eq!(person.put(&path, json!({ "cutoff": 3 })).await.body["name"], Value::Null);
    assert_eq!(person.delete(&path).await.status.as_u16(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn configs_are_shared_within_an_organisation_and_nowhere_else() {
    let server = TestApp::start().await;
    let (ada, bob, eve) = (server.user("ada").await, server.user("bob").await, server.user("eve").await);
    let path = format!("split_config/{}/", ada.post("split_config/", json!({})).await.id());
    server.join("bob", "ada", "viewer").await;
    assert_eq!(bob.get(&path).await.status.as_u16(), 200);
    assert_eq!(bob.get("split_config/").await.body["count"], 1);
    assert_eq!(bob.patch(&path, json!({ "random_seed": 1 })).await.status.as_u16(), 403);
    assert_eq!((eve.get(&path).await.status.as_u16(), eve.delete(&path).await.status.as_u16()), (404, 404));
    assert_eq!(eve.get("split_config/").await.body["count"], 0);
    assert_eq!(server.staff("root").await.get(&path).await.status.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_names_a_known_algorithm_and_parameters_it_has() {
    let server = TestApp::start().await;
    let person = server.user("ada").await;
    let project = project_of(&person, "p").await;
    let make = |name: &str, class: &str, parameters: Value| json!({ "project": project, "name": name, "recommender_class_name": class, "parameters_json": parameters });
    let made = person.post("model_configuration/", make("a", "IALS", json!({ "n_components": 8 }))).await;
    assert_eq!((made.status.as_u16(), &made.body["recommender_class_name"]), (201, &json!("IALSRecommender")));
    assert_eq!((&made.body["tuning_job"], &made.body["parameters_json"]), (&Value::Null, &json!({ "n_components": 8 })));
    let unknown = person.post("model_configuration/", make("b", "BPRRecommender", json!({}))).await;
    assert!(unknown.fault("recommender_class_name").contains("BPRRecommender"));
    let parameter = person.post("model_configuration/", make("b", "IALSRecommender", json!({ "depth": 3 }))).await;
    assert!(parameter.fault("parameters_json").contains("depth"));
    let value = person.post("model_configuration/", make("b", "IALSRecommender", json!({ "n_components": "many" }))).await;
    assert!(value.fault("parameters_json").contains("n_components"));
    person.post("model_configuration/", make("b", "IALSRecommender", json!([1]))).await.fault("parameters_json");
    person.post("model_configuration/", make("a", "IALSRecommender", json!({}))).await.fault("non_field_errors");
    let stranger = server.user("eve").await;
    stranger.post("model_configuration/", make("c", "IALSRecommender", json!({}))).await.fault("project");
    let path = format!("model_configuration/{}/", made.id());
    assert_eq!(stranger.get(&path).await.status.as_u16(), 404);
    let put = json!({ "project": project, "recommender_class_name": "TopPopRecommender" });
    assert_eq!(person.put(&path, put).await.body["name"], Value::Null);
    assert_eq!(person.get(&format!("model_configuration/?project={project}")).await.body["count"], 1);
    assert_eq!(person.delete(&path).await.status.as_u16(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_algorithms_tell_their_parameters() {
    let server = TestApp::start().await;
    let person = server.user("ada").await;
    let algorithms = person.get("algorithms/").await.body;
    let ials = algorithms.as_array().unwrap().iter().find(|one| one["name"] == "IALSRecommender").unwrap();
    assert_eq!(
        (&ials["short"], &ials["early_stopping"], &ials["default_in_tuning"]),
        (&json!("IALS"), &json!(true), &json!(true))
    );
    let parameter = ials["parameters"].as_array().unwrap().iter().find(|one| one["name"] == "n_components").unwrap();
    assert_eq!((&parameter["type"], &parameter["default"]), (&json!("int"), &json!(20)));
    for one in algorithms.as_array().unwrap() {
        let made =
            json!({ "project": project_of(&person, one["name"].as_str().unwrap()).await, "recommender_class_name": one["name"] });
        assert_eq!(person.post("model_configuration/", made).await.status.as_u16(), 201, "{one}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_the_log_are_seen_by_those_who_see_the_job() {
    let server = TestApp::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let project = project_of(&ada, "p").await;
    let data = ada.upload(project, "a.csv", "user,item\n1,2\n").await.id();
    let split = ada.post("split_config/", json!({})).await.id();
    let evaluation = ada.post("evaluation_config/", json!({})).await.id();
    let job = format!("INSERT INTO tuning_jobs (id, data_id, split_id, evaluation_id) VALUES (5, {data}, {split}, {evaluation})");
    server.execute(&job).await;
    let mut connection = server.services.db.conn().await.unwrap();
    let line = Line { tuning_job_id: Some(5), ..Line::default() };
    for contents in ["first", "sec\0ond", "third"] {
        task_logs::write(&mut connection, line, contents).await.unwrap();
    }
    let lines = ada.get("task_log/?tuning_job_id=5").await.body;
    let texts: Vec<&str> = lines["results"].as_array().unwrap().iter().filter_map(|line| line["contents"].as_str()).collect();
    assert_eq!(texts, ["third", "sec\u{fffd}ond", "first"]);
    let first = lines["results"][2]["id"].as_i64().unwrap();
    assert_eq!(ada.get(&format!("task_log/?id_gt={first}")).await.body["count"], 2);
    assert_eq!(ada.get(&format!("task_log/{first}/")).await.body["contents"], "first");
    assert_eq!(
        (eve.get("task_log/").await.body["count"].as_i64(), eve.get(&format!("task_log/{first}/")).await.status.as_u16()),
        (Some(0), 404)
    );
    assert_eq!(server.staff("root").await.get("task_log/?model_id=1").await.body["count"], 0);
    let newest = task_logs::newest(&mut connection, Subject::Tuning(5), 1).await.unwrap();
    assert_eq!(newest.iter().map(|line| line.contents.as_str()).collect::<Vec<_>>(), ["third"]);
}
