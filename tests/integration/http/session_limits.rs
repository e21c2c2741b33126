//! Limits of a session on calls that are not counted by user or address, and calls that are refused without a query.

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Caller, Jobs, TestApp};

async fn app(of_session: usize) -> TestApp {
    TestApp::start_with(Jobs::Stay, |settings| settings.throttle.session.requests = of_session).await
}

fn refresh_token(answer: &Answer) -> String {
    let cookies = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let mut tokens = cookies.filter_map(|cookie| cookie.strip_prefix("jwt-refresh=")?.split(';').next());
    tokens.next().expect("a refresh token").to_owned()
}

async fn log_in(app: &TestApp) -> String {
    let credentials = json!({ "username": "margarete", "password": "a good long phrase" });
    refresh_token(&app.anonymous().post("auth/login/", credentials).await.expect(200))
}

async fn renew(app: &TestApp, token: &str) -> Answer {
    app.anonymous().post("auth/token/refresh/", json!({ "refresh": token })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_has_one_successor_however_often_it_is_sent() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    let token = log_in(&app).await;
    let stored = async || app.count("SELECT count(*) FROM refresh_tokens").await;
    let before = stored().await;
    let renewed = join_all((0..20).map(|_| renew(&app, &token))).await;
    let mut successors: Vec<String> = renewed.into_iter().map(|answer| refresh_token(&answer.expect(200))).collect();
    app.services.clock.advance(TimeDelta::seconds(20));
    successors.push(refresh_token(&renew(&app, &token).await.expect(200)));
    successors.dedup();
    assert_eq!(successors.len(), 1);
    assert_eq!(stored().await, before + 1);
    renew(&app, &successors[0]).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_are_counted_by_session() {
    let app = app(3).await;
    app.user("margarete").await;
    let (token, other) = (log_in(&app).await, log_in(&app).await);
    let mut newest = token;
    for _ in 0..3 {
        newest = refresh_token(&renew(&app, &newest).await.expect(200));
    }
    assert_eq!(renew(&app, &newest).await.expect(429).header("retry-after"), "60");
    renew(&app, &other).await.expect(200);
    app.services.clock.advance(TimeDelta::seconds(61));
    renew(&app, &newest).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_outs_beyond_the_limit_of_a_session_are_answered_all_the_same() {
    let app = app(1).await;
    let user = app.user("margarete").await;
    for _ in 0..3 {
        user.post("auth/logout/", json!({})).await.expect(200);
    }
    user.get("auth/user/").await.expect(401);
}

async fn open_socket(app: &TestApp, user: &Caller) -> Answer {
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let path = format!("/ws/job/1/status/?token={}", user.token());
    app.anonymous().raw(Method::GET, &path, &headers, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn live_updates_are_opened_so_often_by_each_session() {
    let app = app(2).await;
    let (user, other) = (app.user("margarete").await, app.user("other").await);
    for _ in 0..2 {
        open_socket(&app, &user).await.expect(404);
    }
    assert!(!open_socket(&app, &user).await.expect(429).header("retry-after").is_empty());
    open_socket(&app, &other).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_session_that_has_ended_do_not_keep_the_database_busy() {
    let app = app(2).await;
    let user = app.user("margarete").await;
    user.post("auth/logout/", json!({})).await.expect(200);
    for _ in 0..2 {
        user.get("project/").await.expect(401);
    }
    user.get("project/").await.expect(429);
    app.log_in("margarete").await.get("project/").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_the_limit_of_a_user_is_refused_without_the_database() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.throttle.user.requests = 1).await;
    let user = app.user("margarete").await;
    user.get("project/").await.expect(200);
    app.services.db.close();
    user.get("project/").await.expect(429);
}
