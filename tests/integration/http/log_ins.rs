//! Guessing passwords is slow, and locks nobody else out.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::TestApp;

const PASSWORD: &str = "a good long phrase";

/// A server behind a proxy that says where requests come from.
async fn start() -> TestApp {
    TestApp::start_with(false, |settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await
}

async fn attempt(app: &TestApp, address: &str, name: &str, password: &str) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{}/api/v1/auth/login/", app.base)).header("x-forwarded-for", address);
    let response = request.json(&json!({ "username": name, "password": password })).send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(status == 429, response.headers().contains_key("retry-after"));
    (status, response.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_waits_ever_longer_after_failures_and_others_do_not_notice() {
    let app = start().await;
    app.user("margarete").await;
    for _ in 0..5 {
        assert_eq!(attempt(&app, "203.0.113.1", "margarete", "wrong").await.0, 400);
    }
    assert_eq!(attempt(&app, "203.0.113.1", "margarete", PASSWORD).await.0, 429);
    assert_eq!(attempt(&app, "203.0.113.1", "other", "wrong").await.0, 400, "it is about one name");
    assert_eq!(attempt(&app, "203.0.113.2", "margarete", PASSWORD).await.0, 200, "and about one address");
    app.services.clock.advance(TimeDelta::seconds(1));
    assert_eq!(attempt(&app, "203.0.113.1", "margarete", "wrong").await.0, 400);
    app.services.clock.advance(TimeDelta::seconds(1));
    assert_eq!(attempt(&app, "203.0.113.1", "margarete", "wrong").await.0, 429, "twice as long now");
    app.services.clock.advance(TimeDelta::seconds(1));
    assert_eq!(attempt(&app, "203.0.113.1", "margarete", PASSWORD).await.0, 200);
    for _ in 0..4 {
        assert_eq!(attempt(&app, "203.0.113.1", "margarete", "wrong").await.0, 400, "a success starts afresh");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_under_attack_from_everywhere_stays_open_to_its_owner_where_they_were_before() {
    let app = start().await;
    app.user("margarete").await;
    assert_eq!(attempt(&app, "198.51.100.7", "margarete", PASSWORD).await.0, 200);
    for stranger in 0..13 {
        for _ in 0..4 {
            attempt(&app, &format!("203.0.113.{stranger}"), "margarete", "wrong").await;
        }
    }
    assert_eq!(attempt(&app, "203.0.113.99", "margarete", "wrong").await.0, 429, "strangers wait together");
    assert_eq!(attempt(&app, "198.51.100.7", "margarete", PASSWORD).await.0, 200, "the owner does not");
    // Waiting tells nothing about whether there is such an account.
    for stranger in 0..13 {
        for _ in 0..4 {
            attempt(&app, &format!("203.0.113.{stranger}"), "nobody", "wrong").await;
        }
    }
    let (status, unknown) = attempt(&app, "203.0.113.99", "nobody", "wrong").await;
    assert_eq!(status, 429);
    assert_eq!(unknown, attempt(&app, "203.0.113.99", "margarete", "wrong").await.1);
    app.services.clock.advance(TimeDelta::minutes(61));
    assert_eq!(attempt(&app, "203.0.113.99", "margarete", PASSWORD).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_up_resets_and_invitations_share_the_limit_of_log_ins() {
    let app = TestApp::start_with(false, |settings| settings.throttle.login.requests = 5).await;
    let anyone = app.anonymous();
    anyone.post("auth/sign_up/", json!({})).await.expect(403);
    anyone.post("auth/password/reset/", json!({})).await.expect(400);
    anyone.post("auth/password/reset/confirm/", json!({})).await.expect(400);
    anyone.post("invitation/look_up/", json!({})).await.expect(400);
    anyone.post("invitation/accept/", json!({ "token": "x" })).await.expect(401);
    for path in [
        "auth/login/",
        "auth/sign_up/",
        "auth/password/reset/",
        "auth/password/reset/confirm/",
        "invitation/look_up/",
        "invitation/accept/",
    ] {
        anyone.post(path, json!({})).await.expect(429);
    }
    anyone.get("auth/options/").await.expect(200);
}
