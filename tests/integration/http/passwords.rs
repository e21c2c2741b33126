//! New passwords: changed by their owner, by a mailed link, by a link from staff.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::mail::{letter, mail_server};
use crate::support::{Caller, Jobs, TestApp};

const OLD: &str = "a good long phrase";
const NEW: &str = "quite another phrase";

/// Returns the two secrets of a link.
fn parts(text: &str) -> (String, String) {
    let fragment = text.split("/password-reset#").nth(1).expect("a link").split_whitespace().next().unwrap();
    let (uid, token) = fragment.split_once('&').unwrap();
    (uid.trim_start_matches("uid=").to_owned(), token.trim_start_matches("token=").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailed_link_sets_a_new_password_once_and_within_an_hour() {
    let (url, mut mail) = mail_server().await;
    let app = TestApp::start_with(Jobs::None, |settings| {
        settings.smtp_url = Some(url.into());
        settings.public_url = Some("https://recotem.example.com/".to_owned());
    })
    .await;
    let user = app.user("margarete").await;
    app.execute("UPDATE users SET email = 'Margarete@example.com'").await;
    let anyone = app.anonymous();
    assert_eq!(anyone.get("auth/options/").await.expect(200).body["mail"], true);
    let known = anyone.post("auth/password/reset/", json!({ "email": "margarete@EXAMPLE.com" })).await.expect(200).body;
    let unknown = anyone.post("auth/password/reset/", json!({ "email": "nobody@example.com" })).await.expect(200).body;
    assert_eq!(known, unknown);
    let text = letter(&mut mail).await;
    assert!(text.contains("To: Margarete@example.com") && text.contains("https://recotem.example.com/password-reset#"), "{text}");
    let (uid, token) = parts(&text);
    let confirm = async |uid: &str, token: &str, one: &str, two: &str| {
        let fields = json!({ "uid": uid, "token": token, "new_password1": one, "new_password2": two });
        app.anonymous().post("auth/password/reset/confirm/", fields).await
    };
    assert!(!confirm(&uid, "nonsense", NEW, NEW).await.fault("token").is_empty());
    assert!(!confirm("999", &token, NEW, NEW).await.fault("token").is_empty());
    assert!(!confirm(&uid, &token, NEW, "something else").await.fault("new_password2").is_empty());
    assert!(!confirm(&uid, &token, "margarete1", "margarete1").await.fault("new_password2").is_empty());
    confirm(&uid, &token, NEW, NEW).await.expect(200);
    assert!(!confirm(&uid, &token, OLD, OLD).await.fault("token").is_empty());
    user.get("auth/user/").await.expect(401);
    Caller::log_in(&app.base, "margarete", NEW).await;
    // Other clients cannot fill the mailbox.
    for _ in 0..6 {
        anyone.post("auth/password/reset/", json!({ "email": "margarete@example.com" })).await.expect(200);
    }
    let late = parts(&letter(&mut mail).await);
    letter(&mut mail).await;
    letter(&mut mail).await;
    app.services.clock.advance(TimeDelta::minutes(61));
    assert!(!confirm(&late.0, &late.1, OLD, OLD).await.fault("token").is_empty());
    assert!(mail.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_mailed_too() {
    let (url, mut mail) = mail_server().await;
    let app = TestApp::start_with(Jobs::None, |settings| {
        settings.smtp_url = Some(url.into());
        settings.public_url = Some("https://recotem.example.com".to_owned());
    })
    .await;
    let owner = app.user("owner").await;
    let id = owner.post("organisation/", json!({ "name": "Team" })).await.expect(201).id();
    let fields = json!({ "role": "viewer", "email": "new@example.com" });
    let made = owner.post(&format!("organisation/{id}/invitations/"), fields).await.expect(201);
    assert!(letter(&mut mail).await.contains(made.body["url"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_hand_out_a_link_where_no_mail_is_sent() {
    let app = TestApp::start().await;
    let staff = app.staff("boss").await;
    let user = app.user("margarete").await;
    let id = user.get("auth/user/").await.expect(200).body["pk"].as_i64().unwrap();
    app.anonymous().post("auth/password/reset/", json!({ "email": "x@example.com" })).await.expect(200);
    let link = staff.post(&format!("users/{id}/password_reset_link/"), json!({})).await.expect(200);
    assert!(link.body["expires_at"].is_string());
    let url = link.body["url"].as_str().unwrap();
    assert!(url.starts_with(&app.base));
    let (uid, token) = parts(url);
    assert_eq!(uid, id.to_string());
    assert_eq!(app.count("SELECT count(*) FROM password_resets WHERE token_hash IS NOT NULL").await, 1);
    let fields = json!({ "uid": uid, "token": token, "new_password1": NEW, "new_password2": NEW });
    // A stale cookie does no harm.
    user.post("auth/password/reset/confirm/", fields).await.expect(200);
    Caller::log_in(&app.base, "margarete", NEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_a_password_takes_the_old_one_and_ends_sessions_and_keys() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let project = user.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let key = async |user: &Caller, name: &str| {
        let fields = json!({ "project": project, "name": name, "scopes": ["read", "write"] });
        let made = user.post("api_keys/", fields).await.expect(201);
        user.with_key(made.body["key"].as_str().unwrap())
    };
    let program = key(&user, "first").await;
    let fields = |old: &str, one: &str, two: &str| json!({ "old_password": old, "new_password1": one, "new_password2": two });
    program.post("auth/password/change/", fields(OLD, NEW, NEW)).await.expect(403);
    program.post("users/change_password/", json!({ "old_password": OLD, "new_password": NEW })).await.expect(403);
    let path = "auth/password/change/";
    assert!(!user.post(path, json!({ "new_password1": NEW, "new_password2": NEW })).await.fault("old_password").is_empty());
    assert!(!user.post(path, fields("wrong", NEW, NEW)).await.fault("old_password").is_empty());
    assert!(!user.post(path, fields(OLD, NEW, OLD)).await.fault("new_password2").is_empty());
    let weak = user.post(path, fields("wrong", "1234567", "1234567")).await;
    assert_eq!(weak.body["new_password2"].as_array().unwrap().len(), 2);
    assert!(!weak.fault("old_password").is_empty(), "all faults at once");
    user.post(path, fields(OLD, NEW, NEW)).await.expect(200);
    user.get("auth/user/").await.expect(401);
    program.get("project/").await.expect(401);
    let user = Caller::log_in(&app.base, "margarete", NEW).await;
    let program = key(&user, "second").await;
    let kept = json!({ "old_password": NEW, "new_password": OLD, "keep_api_keys": true });
    user.post("users/change_password/", kept).await.expect(200);
    user.get("auth/user/").await.expect(401);
    program.get("project/").await.expect(200);
}
