//! The role `infer`: predictions and nothing else, below `/inference` and, behind a proxy that removes the prefix, without it.

use serde_json::json;

use crate::support::TestApp;
use crate::support::prepared::prepare;
use crate::support::slots;

#[tokio::test(flavor = "multi_thread")]
async fn predictions_are_answered_with_the_prefix_and_without_and_nothing_else_is() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let model = prepared.train().await["id"].as_i64().expect("a model");
    slots::make(&prepared, model, json!({})).await.expect(201);
    let key = prepared.key("program", "predict").await;
    let infer = app.infer();
    let program = infer.with_key(&key);
    for base in ["/inference", ""] {
        for path in [format!("{base}/predict/{model}"), format!("{base}/predict/project/{}", prepared.project)] {
            let answers = async || program.post(&path, json!({ "user_id": "007" })).await.status.as_u16() == 200;
            app.soon(&path, answers).await;
            infer.post(&path, json!({ "user_id": "007" })).await.expect(401);
            infer.get(&path).await.expect(405);
        }
        assert_eq!(infer.get(&format!("{base}/health")).await.expect(200).body["status"], "healthy");
        let ready = async || infer.get(&format!("{base}/ready")).await.status.as_u16() == 200;
        app.soon("it is ready", ready).await;
    }
    for unknown in ["/", "/predict", "/inference/nothing", "/api/v1/project/", "/login", "/static/x.css"] {
        assert_eq!(infer.get(unknown).await.expect(404).body, json!({ "detail": "Not found." }), "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_predictions_and_its_page_are_where_those_of_1x_were() {
    let app = TestApp::start().await;
    let (serve, infer) = (app.anonymous(), app.infer());
    for (process, base) in [(&serve, "/inference"), (&infer, "/inference"), (&infer, "")] {
        let document = process.get(&format!("{base}/openapi.json")).await.expect(200);
        assert_eq!(document.header("content-type"), "application/json");
        assert!(document.body["paths"]["/predict/{model_id}"]["post"].is_object(), "{}", document.body["paths"]);
        assert!(document.body["paths"].as_object().is_some_and(|paths| paths.keys().all(|path| !path.contains("project/{id}"))));
        assert!(document.body["components"]["schemas"].get("Detail").is_some());
        let page = process.get(&format!("{base}/docs")).await.expect(307);
        assert_eq!(page.header("location"), "docs/");
        let html = process.get(&format!("{base}/docs/")).await.expect(200);
        assert!(html.header("content-type").starts_with("text/html"));
        let initializer = process.get(&format!("{base}/docs/swagger-initializer.js")).await.expect(200);
        assert!(String::from_utf8(initializer.bytes).unwrap().contains("../openapi.json"));
    }
}
