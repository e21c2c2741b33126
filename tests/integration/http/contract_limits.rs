//! Sections 1.5 and 1.6 of the contract over HTTP: throttles, proxies, hosts, other origins.

use chrono::Duration;
use recotem::platform::config::Settings;
use reqwest::Method;
use serde_json::json;

use crate::support::slots;
use crate::support::{Answer, Caller, Jobs, TestApp};

async fn app(change: impl FnOnce(&mut Settings)) -> TestApp {
    TestApp::start_with(Jobs::Stay, change).await
}

async fn ask(caller: &Caller, headers: &[(&str, &str)]) -> Answer {
    caller.raw(Method::GET, "schema/?format=json", headers, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_slides_and_says_when_to_come_back() {
    let app = app(|settings| settings.throttle.user.requests = 3).await;
    let user = app.user("margarete").await;
    let first = user.get("project/").await.expect(200);
    assert_eq!((first.header("ratelimit-limit").as_str(), first.header("ratelimit-remaining").as_str()), ("3", "2"));
    app.services.clock.advance(Duration::seconds(40));
    user.get("project/").await.expect(200);
    user.get("/api/project/").await.expect(200);
    let refused = user.get("project/").await.expect(429);
    assert_eq!(refused.header("retry-after"), "20");
    assert!(refused.body["detail"].is_string());
    assert_eq!(refused.header("x-frame-options"), "DENY");
    app.services.clock.advance(Duration::seconds(21));
    user.get("project/").await.expect(200);
    user.get("project/").await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_user_share_the_users_allowance() {
    let app = app(|settings| settings.throttle.user.requests = 4).await;
    let user = app.user("margarete").await;
    let other = app.user("other").await;
    let project = user.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let key = user.post("api_keys/", json!({ "project": project, "name": "k", "scopes": ["read"] })).await.expect(201);
    let program = user.with_key(key.body["key"].as_str().unwrap());
    program.get("project/").await.expect(200);
    user.get("project/").await.expect(200);
    program.get("project/").await.expect(429);
    other.get("project/").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_beyond_the_allowance_of_its_user_is_refused_without_the_database() {
    let app = app(|settings| settings.throttle.user.requests = 3).await;
    let user = app.user("margarete").await;
    let project = user.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let key = user.post("api_keys/", json!({ "project": project, "name": "k", "scopes": ["read"] })).await.expect(201);
    let program = app.anonymous().with_key(key.body["key"].as_str().unwrap());
    program.get("project/").await.expect(200);
    let is_known = async || app.anonymous().get("/inference/ready").await.body["known_keys"] == 1;
    app.soon("the key is in memory", is_known).await;
    app.database().vanish().await;
    program.get("project/").await.expect(429);
    app.database().come_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_has_expired_is_refused_and_counted_without_the_database() {
    let app = app(|settings| settings.throttle.anon.requests = 4).await;
    let user = app.user("margarete").await;
    let project = user.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let end = (app.services.clock.now() + Duration::hours(1)).to_rfc3339();
    let fields = json!({ "project": project, "name": "k", "scopes": ["read", "predict"], "expires_at": end });
    let key = user.post("api_keys/", fields).await.expect(201);
    let program = app.anonymous().with_key(key.body["key"].as_str().unwrap());
    let is_known = async || app.anonymous().get("/inference/ready").await.body["known_keys"] == 1;
    app.soon("the key is in memory", is_known).await;
    app.services.clock.advance(Duration::hours(2));
    app.database().vanish().await;
    app.soon("it is refused", async || program.get("project/").await.status.as_u16() == 401).await;
    let body = json!({ "user_id": "u" });
    program.post("/inference/predict/1", body.clone()).await.expect(401);
    program.get("project/").await.expect(401);
    program.get("project/").await.expect(401);
    program.get("project/").await.expect(429);
    program.post("/inference/predict/1", body).await.expect(429);
    app.database().come_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_end_is_put_off_is_accepted_again() {
    let app = app(|_| {}).await;
    let user = app.user("margarete").await;
    let project = user.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let end = (app.services.clock.now() + Duration::minutes(1)).to_rfc3339();
    let fields = json!({ "project": project, "name": "k", "scopes": ["read"], "expires_at": end });
    let key = user.post("api_keys/", fields).await.expect(201);
    let program = app.anonymous().with_key(key.body["key"].as_str().unwrap());
    app.services.clock.advance(Duration::minutes(2));
    app.soon("it is refused", async || program.get("project/").await.status.as_u16() == 401).await;
    user.patch(&format!("api_keys/{}/", key.id()), json!({ "expires_at": "2999-01-01" })).await.expect(200);
    app.soon("it is accepted", async || program.get("project/").await.status.as_u16() == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_checks_and_renewals_do_not_use_up_the_allowance_of_an_address() {
    let app = app(|settings| settings.throttle.anon.requests = 2).await;
    let anyone = app.anonymous();
    for _ in 0..10 {
        anyone.get("ping/").await.expect(200);
        anyone.post("auth/token/refresh/", json!({})).await.expect(401);
        anyone.get("project/").await.expect(401);
    }
    ask(&anyone, &[]).await.expect(200);
    anyone.post("auth/token/verify/", json!({ "token": "x" })).await.expect(401);
    ask(&anyone, &[]).await.expect(429);
    anyone.get("ping/").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invented_address_does_not_get_around_the_limit() {
    let app = app(|settings| settings.throttle.anon.requests = 2).await;
    let anyone = app.anonymous();
    // 1.x counts by any value of X-Forwarded-For.
    ask(&anyone, &[("x-forwarded-for", "1.1.1.1")]).await.expect(200);
    ask(&anyone, &[("forwarded", "for=2.2.2.2")]).await.expect(200);
    ask(&anyone, &[("x-forwarded-for", "3.3.3.3")]).await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_clients_are_told_apart_by_what_it_says() {
    let app = app(|settings| {
        settings.throttle.anon.requests = 1;
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let anyone = app.anonymous();
    ask(&anyone, &[("x-forwarded-for", "198.51.100.1")]).await.expect(200);
    ask(&anyone, &[("x-forwarded-for", "198.51.100.2")]).await.expect(200);
    // Only the address that the proxy itself added, at the end, counts.
    ask(&anyone, &[("x-forwarded-for", "9.9.9.9, 198.51.100.2")]).await.expect(429);
    ask(&anyone, &[("forwarded", "for=\"[2001:db8::1]:4711\"")]).await.expect(200);
    let user = app.user("margarete").await;
    let proxied = [("x-forwarded-proto", "https"), ("x-forwarded-host", "recotem.example.com")];
    let root = user.raw(Method::GET, "/api/v1/", &proxied, "").await.expect(200).body;
    assert_eq!(root["project"], "https://recotem.example.com/api/project/");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_has_an_allowance_for_each_path_of_predictions() {
    let app = app(|settings| settings.throttle.inference.requests = 1).await;
    let user = app.user("margarete").await;
    let project = user.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let key = user.post("api_keys/", json!({ "project": project, "name": "k", "scopes": ["predict"] })).await.expect(201);
    let program = user.with_key(key.body["key"].as_str().unwrap());
    let body = json!({ "user_id": "u" });
    program.post("/inference/predict/1", body.clone()).await.expect(404);
    let refused = program.post("/inference/predict/1", body.clone()).await.expect(429);
    assert!(refused.body["error"].is_string() && refused.body.get("detail").is_none(), "{}", refused.body);
    assert!(!refused.header("retry-after").is_empty());
    program.post("/inference/predict/2", body.clone()).await.expect(404);
    user.with_key("rctm_no_such_key").post("/inference/predict/1", body).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_previews_of_models_share_an_allowance_of_their_own() {
    let app = app(|settings| settings.throttle.recommendation.requests = 4).await;
    let (prepared, model) = slots::with_waiting_model(&app, "margarete").await;
    let user = &prepared.user;
    let path = format!("trained_model/{model}/");
    let program = user.with_key(&prepared.key("k", "read").await);
    user.get(&format!("{path}recommendation/?user_id=007")).await.expect(409);
    program.get(&format!("{path}sample_recommendation_raw/")).await.expect(409);
    user.get(&format!("{path}sample_recommendation_metadata/1/")).await.expect(404);
    user.post(&format!("{path}recommend_using_profile_interaction/"), json!({ "item_ids": [], "cutoff": 1 })).await.expect(409);
    for action in ["recommendation/?user_id=007", "sample_recommendation_raw/", "sample_recommendation_metadata/1/"] {
        let refused = program.get(&format!("/api/{path}{action}")).await.expect(429);
        assert!(refused.body["detail"].is_string() && !refused.header("retry-after").is_empty(), "{action}");
    }
    user.get(&path).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_addresses_of_the_log_in_share_one_allowance() {
    let app = app(|settings| settings.throttle.login.requests = 2).await;
    let wrong = json!({ "username": "x", "password": "y" });
    app.anonymous().post("/api/v1/auth/login/", wrong.clone()).await.expect(400);
    app.anonymous().post("/api/auth/login/", wrong.clone()).await.expect(400);
    for path in ["/api/v1/auth/login/", "/api/auth/login/", "/api/v1/auth/login"] {
        assert!(!app.anonymous().post(path, wrong.clone()).await.expect(429).header("retry-after").is_empty(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_our_hosts_are_answered_for() {
    let app = app(|settings| settings.allowed_hosts = vec!["127.0.0.1".to_owned(), ".example.com".to_owned()]).await;
    let anyone = app.anonymous();
    anyone.get("ping/").await.expect(200);
    anyone.raw(Method::GET, "ping/", &[("host", "api.example.com:8000")], "").await.expect(200);
    let refused = anyone.raw(Method::GET, "ping/", &[("host", "evil.test")], "").await.expect(400);
    assert!(refused.body["detail"].is_string());
    assert_eq!(refused.header("content-type"), "application/json");
}

async fn preflight(app: &TestApp, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-api-key,authorization,x-csrftoken"),
    ];
    app.anonymous().raw(Method::OPTIONS, "project/", &headers, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_origins_may_call_with_credentials_and_with_a_key() {
    let origin = "https://shop.example.com";
    let app = app(|settings| settings.cors_allowed_origins = vec![origin.to_owned()]).await;
    let allowed = preflight(&app, origin).await.expect(200);
    assert_eq!(allowed.header("access-control-allow-origin"), origin);
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    assert_eq!(allowed.header("access-control-max-age"), "86400");
    assert!(allowed.header("access-control-allow-headers").to_lowercase().contains("x-api-key"));
    for method in ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"] {
        assert!(allowed.header("access-control-allow-methods").contains(method), "{method}");
    }
    let refused = preflight(&app, "https://evil.example.com").await.expect(400);
    assert!(refused.header("access-control-allow-origin").is_empty());
    // The page must be able to read errors as well.
    let answer = app.anonymous().raw(Method::GET, "project/", &[("origin", origin)], "").await.expect(401);
    assert_eq!(answer.header("access-control-allow-origin"), origin);
    assert!(answer.header("access-control-expose-headers").contains("retry-after"));
    assert!(answer.header("vary").to_lowercase().contains("origin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_origin_is_let_in_unless_it_is_listed() {
    let app = TestApp::start().await;
    let answer = app.anonymous().raw(Method::GET, "ping/", &[("origin", "https://shop.example.com")], "").await.expect(200);
    assert!(answer.header("access-control-allow-origin").is_empty());
    assert!(preflight(&app, "https://shop.example.com").await.header("access-control-allow-origin").is_empty());
}
