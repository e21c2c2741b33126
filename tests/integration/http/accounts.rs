//! Logging in, tokens, passwords.

use serde_json::json;

use crate::support::{Jobs, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_sets_strict_cookies_and_keeps_the_refresh_token_out_of_the_body() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    let credentials = json!({ "username": "margarete", "password": "a good long phrase" });
    let answer = app.anonymous().post("auth/login/", credentials).await.expect(200);
    assert_eq!(answer.body["refresh"], "");
    assert_eq!(answer.body["user"]["username"], "margarete");
    let cookies: Vec<&str> = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()).collect();
    assert_eq!(cookies.len(), 2);
    for cookie in cookies {
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_an_unknown_name_and_a_deactivated_user_are_answered_alike() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    app.user("gone").await;
    app.execute("UPDATE users SET is_active = FALSE WHERE username = 'gone'").await;
    let mut answers = Vec::new();
    for (name, password) in [("margarete", "wrong"), ("nobody", "wrong"), ("gone", "a good long phrase")] {
        answers
            .push(app.anonymous().post("auth/login/", json!({ "username": name, "password": password })).await.expect(400).body);
    }
    assert!(answers[0]["non_field_errors"].is_array());
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    app.anonymous().post("auth/login/", json!({ "username": "x" })).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_or_foreign_token_is_refused_but_never_blocks_logging_in() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    let http = reqwest::Client::new();
    let bad = "jwt-access=eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiMSJ9.AAAA";
    let url = |path: &str| format!("{}/api/v1/{path}", app.base);
    let refused = http.get(url("auth/user/")).header("cookie", bad).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "token_not_valid");
    let credentials = json!({ "username": "margarete", "password": "a good long phrase" });
    let login = http.post(url("auth/login/")).header("cookie", bad).json(&credentials).send().await.unwrap();
    assert_eq!(login.status(), 200);
    assert_eq!(http.post(url("auth/logout/")).header("cookie", bad).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn deactivation_and_a_new_password_end_sessions_at_once() {
    let app = TestApp::start().await;
    let margarete = app.user("margarete").await;
    let gone = app.user("gone").await;
    app.execute("UPDATE users SET is_active = FALSE WHERE username = 'gone'").await;
    assert_eq!(gone.get("auth/user/").await.expect(401).body["code"], "user_inactive");
    let wrong = json!({ "old_password": "not it", "new_password": "another good phrase" });
    assert!(margarete.post("users/change_password/", wrong).await.expect(400).body["old_password"].is_array());
    let weak = json!({ "old_password": "a good long phrase", "new_password": "1234567" });
    assert!(margarete.post("users/change_password/", weak).await.expect(400).body["new_password"].is_array());
    let right = json!({ "old_password": "a good long phrase", "new_password": "another good phrase" });
    margarete.post("users/change_password/", right).await.expect(200);
    margarete.get("auth/user/").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_attempts_to_log_in_are_throttled() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.throttle.login.requests = 3).await;
    let attempt = || async { app.anonymous().post("auth/login/", json!({ "username": "x", "password": "y" })).await };
    for _ in 0..3 {
        attempt().await.expect(400);
    }
    let refused = attempt().await.expect(429);
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_answered_in_json_with_or_without_a_slash() {
    let app = TestApp::start().await;
    let anyone = app.anonymous();
    assert_eq!(anyone.get("/api/ping/").await.expect(200).body["success"], true);
    assert_eq!(anyone.get("/api/v1/ping").await.expect(301).headers["location"], "/api/v1/ping/");
    assert!(anyone.get("nowhere/").await.expect(404).body["detail"].is_string());
    assert!(anyone.post("nowhere", json!({})).await.expect(404).body["detail"].is_string());
    let schema = anyone.get("schema/?format=json").await.expect(200);
    assert!(schema.body["paths"]["/api/v1/project/"]["get"]["operationId"].is_string());
}
