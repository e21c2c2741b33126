//! One policy for each operation, for any spelling of its address.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use recotem::features::api_keys::KnownKeys;
use recotem::platform::http::ApiError;
use reqwest::Method;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::slots;
use crate::support::{Answer, Jobs, TestApp};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn post(app: &TestApp, path: &str) -> Answer {
    let body = json!({ "username": "x", "password": "y", "token": "z", "email": "a@b.example" }).to_string();
    app.anonymous().raw(Method::POST, path, &[JSON], body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_is_limited_however_its_address_is_spelled() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.throttle.login.requests = 5).await;
    for spelling in [
        "/api/v1/auth/%6cogin/",
        "/api/v1/auth/lo%67in/",
        "/api/v1/%61uth/login/",
        "/api/v1/auth/%6C%6F%67%69%6E",
        "/%61pi/auth/login.json",
    ] {
        post(&app, spelling).await.expect(400);
    }
    for spelling in [
        "/api/v1/auth/login/",
        "/api/auth/login",
        "/api/v1/auth/%6cogin/",
        "/api/%76%31/auth/login/",
        "/api/v1/auth/login.json",
        "/api/v1/auth/%%36cogin/",
        "/api/v1/auth/%6%63ogin/",
        "/api/v1/auth/sign%5Fup/",
        "/api/v1/%69nvitation/look_up/",
        "/api/v1/auth/password/rese%74/",
    ] {
        post(&app, spelling).await.expect(429);
    }
    // Other texts reach no operation.
    for other in
        ["/api/v1//auth/login/", "/api/v1/auth/login//", "/api/v1/auth/Login/", "/api/v1/auth/%256cogin/", "//api/v1/auth/login/"]
    {
        post(&app, other).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn predictions_are_limited_by_key_and_model_however_the_address_is_spelled() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.throttle.inference.requests = 6).await;
    let (prepared, _) = slots::with_model(&app, "margarete").await;
    let program = app.anonymous().with_key(&prepared.key("k", "predict").await);
    let other_key = app.anonymous().with_key(&prepared.key("l", "predict").await);
    let body = json!({ "user_id": "u" });
    for spelling in ["predict/77", "predict/077", "predict/+77", "predict/%37%37", "%70redict/77", "predict/%30%3077"] {
        program.post(&format!("/inference/{spelling}"), body.clone()).await.expect(404);
    }
    for spelling in ["predict/77", "predict/00077", "%70redict/%3077", "predic%74/+77"] {
        program.post(&format!("/inference/{spelling}"), body.clone()).await.expect(429);
    }
    other_key.post("/inference/predict/77", body.clone()).await.expect(404);
    program.post("/inference/predict/78", body.clone()).await.expect(404);
    // All texts that are not numbers are one target, too.
    for number in 0..6 {
        program.post(&format!("/inference/predict/x{number}"), body.clone()).await.expect(422);
    }
    program.post("/inference/predict/x6", body).await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_shares_an_allowance_of_each_key() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.throttle.inference.requests = 1).await;
    let (prepared, model) = slots::with_model(&app, "margarete").await;
    let program = app.anonymous().with_key(&prepared.key("k", "predict").await);
    let other_key = app.anonymous().with_key(&prepared.key("l", "predict").await);
    let body = json!({ "user_id": "u" });
    assert_ne!(program.post(&format!("/inference/predict/{model}"), body.clone()).await.status, 429);
    for missing in 0..9 {
        program.post(&format!("/inference/predict/{}", 1_000 + missing), body.clone()).await.expect(404);
    }
    // A key sees only its own project.
    program.post("/inference/predict/project/999", body.clone()).await.expect(403);
    assert!(program.post("/inference/predict/1009", body.clone()).await.expect(429).body["error"].is_string());
    program.post("/inference/predict/project/998", body.clone()).await.expect(429);
    // Valid requests continue.
    assert_ne!(program.post(&format!("/inference/next/{model}"), json!({ "session": [] })).await.status, 429);
    other_key.post("/inference/predict/1009", body).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_do_not_count_are_counted_by_address_and_good_ones_are_let_in() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.throttle.anon.requests = 3).await;
    let (prepared, _) = slots::with_model(&app, "margarete").await;
    let program = app.anonymous().with_key(&prepared.key("k", "predict").await);
    let body = json!({ "user_id": "u" });
    program.post("/inference/predict/77", body.clone()).await.expect(404);
    let guess = async |guess: usize| {
        let key = format!("rctm_{guess:043}");
        app.anonymous().with_key(&key).post("/inference/predict/77", body.clone()).await
    };
    for number in 0..3 {
        guess(number).await.expect(401);
    }
    assert!(!guess(3).await.expect(429).header("retry-after").is_empty());
    // A change at the wrong moment keeps a key out of memory until it has been read in the background.
    let is_let_in = async || program.post("/inference/predict/77", body.clone()).await.status == 404;
    app.soon("a valid key is let in", is_let_in).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_do_not_count_are_counted_wherever_they_are_sent() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.throttle.anon.requests = 3).await;
    let (prepared, _) = slots::with_model(&app, "margarete").await;
    let program = app.anonymous().with_key(&prepared.key("k", "predict").await);
    let body = json!({ "user_id": "u" });
    program.post("/inference/predict/77", body.clone()).await.expect(404);
    let stranger = |guess: usize| app.anonymous().with_key(&format!("rctm_{guess:043}"));
    stranger(0).get("project/").await.expect(401);
    stranger(1).post("conversion_event/", json!({})).await.expect(401);
    stranger(2).post("/inference/predict/77", body.clone()).await.expect(401);
    let refused = stranger(3).get("project/").await.expect(429);
    assert!(!refused.header("retry-after").is_empty() && refused.body["detail"].is_string(), "{}", refused.body);
    stranger(4).post("conversion_event/", json!({})).await.expect(429);
    assert!(stranger(5).post("/inference/predict/77", body.clone()).await.expect(429).body["error"].is_string());
    // Valid keys and logged-in users are still accepted from there.
    let is_let_in = async || program.post("/inference/predict/77", body.clone()).await.status == 404;
    app.soon("a valid key is let in", is_let_in).await;
    let of_program = program.get("project/").await.status.as_u16();
    assert!(![401, 429].contains(&of_program), "{of_program}");
    prepared.user.get("project/").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_keys_sent_at_once_that_do_not_count_only_a_few_are_looked_up() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.throttle.anon.requests = 3).await;
    let stop = CancellationToken::new();
    let keys = KnownKeys::start(&app.services, stop.clone());
    let _stops_when_dropped = stop.drop_guard();
    let looked_up = AtomicUsize::new(0);
    let guess = |number: usize| {
        let (keys, looked_up) = (&keys, &looked_up);
        async move {
            let look_up = async {
                looked_up.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Err::<(), ApiError>(ApiError::key_not_valid())
            };
            let refused = keys.counted(&format!("rctm_{number:043}"), "203.0.113.9", look_up).await;
            refused.expect_err("it is made up").status().as_u16()
        }
    };
    let statuses = join_all((0..40).map(guess)).await;
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    // The limit, and those that were on their way when it was reached.
    assert!(looked_up.load(Ordering::Relaxed) < 10, "{looked_up:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_that_takes_a_model_or_many_rows_shares_the_allowance_for_such() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.throttle.recommendation.requests = 5).await;
    let (prepared, model) = slots::with_model(&app, "margarete").await;
    let slot = slots::make(&prepared, model, json!({})).await.expect(201).id();
    let user = &prepared.user;
    let dear = [
        format!("trained_model/{model}/off_policy/"),
        format!("trained_model/{model}/similar/?item_id=1"),
        format!("deployment_slot/{slot}/comparison/"),
        "audit_log/export/".to_owned(),
        "conversion_event/daily_counts/".to_owned(),
    ];
    for path in &dear {
        assert_ne!(user.get(path).await.status, 429, "{path}");
    }
    for path in &dear {
        user.get(path).await.expect(429);
    }
    user.get(&format!("trained_model/{model}/")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_names_the_same_row_however_it_is_written() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let project = user.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    for spelling in [format!("0{project}"), format!("+{project}"), format!("%3{project}")] {
        assert_eq!(user.get(&format!("project/{spelling}/")).await.expect(200).id(), project, "{spelling}");
    }
    for other in ["1e0", "0x1", "1%20", "-1", "1%2F", "%00"] {
        user.get(&format!("project/{other}/")).await.expect(404);
    }
}
