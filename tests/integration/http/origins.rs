//! What browsers must not do, or store, for pages of other sites.

use recotem::platform::config::Settings;
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Caller, Jobs, TestApp};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const EVIL: (&str, &str) = ("origin", "https://evil.example");

/// Creates a project as a page in a browser does: with the cookie of a user who is logged in.
async fn from_page(app: &TestApp, user: &Caller, headers: &[(&str, &str)]) -> Answer {
    let cookie = format!("jwt-access={}", user.token());
    let all: Vec<(&str, &str)> = [("cookie", cookie.as_str()), FORM].into_iter().chain(headers.iter().copied()).collect();
    app.anonymous().raw(Method::POST, "project/", &all, "name=P&user_column=u&item_column=i").await
}

async fn start(change: impl FnOnce(&mut Settings)) -> (TestApp, Caller, String) {
    let app = TestApp::start_with(Jobs::None, change).await;
    let user = app.user("margarete").await;
    let host = app.base.trim_start_matches("http://").to_owned();
    (app, user, host)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_changes_nothing_with_the_cookies_of_its_visitor() {
    let (app, user, host) = start(|_| {}).await;
    let refused = from_page(&app, &user, &[EVIL]).await.expect(403);
    assert_eq!(refused.body["code"], "foreign_origin");
    for foreign in [("origin", "null"), ("origin", "http://127.0.0.1:1"), ("referer", "https://evil.example/127.0.0.1/")] {
        from_page(&app, &user, &[foreign]).await.expect(403);
    }
    // A browser sends such credentials automatically.
    from_page(&app, &user, &[EVIL, ("authorization", "Basic eDp5")]).await.expect(403);
    assert_eq!(user.get("project/").await.expect(200).body["count"], 0);
    // Programs name no origin; our own pages name ours, which a proxy may have left the port out of.
    from_page(&app, &user, &[]).await.expect(201);
    let ours = format!("http://{host}");
    app.execute("DELETE FROM projects").await;
    from_page(&app, &user, &[("origin", &ours)]).await.expect(201);
    app.execute("DELETE FROM projects").await;
    from_page(&app, &user, &[("host", "recotem.test"), ("origin", "http://recotem.test:8000")]).await.expect(201);
    from_page(&app, &user, &[("host", "recotem.test"), ("origin", "http://other.test:8000")]).await.expect(403);
    // The browser's header overrides the host.
    let other_port = [("host", "recotem.test"), ("origin", "https://recotem.test:9000"), ("sec-fetch-site", "same-site")];
    from_page(&app, &user, &other_port).await.expect(403);
    from_page(&app, &user, &[("sec-fetch-site", "cross-site")]).await.expect(403);
    app.execute("DELETE FROM projects").await;
    let same = [("host", "recotem.test"), ("origin", "https://recotem.test:8443"), ("sec-fetch-site", "same-origin")];
    from_page(&app, &user, &same).await.expect(201);
    // The browser decides about reading.
    user.raw(Method::GET, "project/", &[EVIL], "").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_cannot_log_its_visitor_in() {
    let (app, ..) = start(|_| {}).await;
    let credentials = json!({ "username": "margarete", "password": "a good long phrase" }).to_string();
    for path in ["auth/login/", "auth/logout/", "auth/token/refresh/", "auth/sign_up/"] {
        app.anonymous().raw(Method::POST, path, &[JSON, EVIL], credentials.clone()).await.expect(403);
    }
    let form = "username=margarete&password=a+good+long+phrase";
    let refused = app.anonymous().raw(Method::POST, "auth/login/", &[FORM, EVIL], form).await.expect(403);
    assert!(refused.header("set-cookie").is_empty());
    app.anonymous().raw(Method::POST, "auth/login/", &[FORM], form).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_keys_and_listed_origins_are_let_in_from_anywhere() {
    let (app, user, _) = start(|settings| {
        settings.cors_allowed_origins = vec!["https://shop.example.com".to_owned()];
        settings.public_url = Some("https://recotem.example.com".to_owned());
    })
    .await;
    let body = |name: &str| json!({ "name": name, "user_column": "u", "item_column": "i" }).to_string();
    let by_token = user.raw(Method::POST, "project/", &[JSON, EVIL], body("by token")).await.expect(201).id();
    let key = user.post("api_keys/", json!({ "project": by_token, "name": "k", "scopes": ["write"] })).await.expect(201);
    let program = user.with_key(key.body["key"].as_str().expect("a key"));
    let path = format!("project/{by_token}/");
    program.raw(Method::PATCH, &path, &[JSON, EVIL], json!({ "name": "by key" }).to_string()).await.expect(200);
    from_page(&app, &user, &[("origin", "https://recotem.example.com")]).await.expect(201);
    let elsewhere = [("host", "recotem.test"), ("origin", "http://recotem.test")];
    from_page(&app, &user, &elsewhere).await.expect(403);
    let listed = from_page(&app, &user, &[("origin", "https://shop.example.com")]).await;
    assert_ne!(listed.status, 403, "{}", listed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_to_name_the_type_of_a_body_that_is_json() {
    let (_app, user, host) = start(|_| {}).await;
    let body = json!({ "name": "P", "user_column": "u", "item_column": "i" }).to_string();
    let ours = format!("http://{host}");
    user.raw(Method::POST, "project/", &[("origin", &ours)], body.clone()).await.expect(415);
    user.raw(Method::POST, "project/", &[("origin", &ours), JSON], body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_browser_or_proxy_keeps_an_answer_about_a_person_or_a_project() {
    let (app, user, _) = start(|_| {}).await;
    let credentials = json!({ "username": "margarete", "password": "a good long phrase" });
    let project = user.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201);
    let personal = [
        user.post("api_keys/", json!({ "project": project.id(), "name": "k", "scopes": ["read"] })).await.expect(201),
        app.anonymous().post("auth/login/", credentials).await.expect(200),
        app.anonymous().post("auth/token/refresh/", json!({})).await.expect(401),
        user.get("auth/user/").await.expect(200),
        user.get("auth/sessions/").await.expect(200),
        user.get("organisation/").await.expect(200),
        project,
    ];
    for answer in personal {
        assert_eq!(answer.header("cache-control"), "no-store", "{}", answer.body);
    }
    for (open, cache) in [("ping/", ""), ("auth/options/", ""), ("schema/", "no-cache")] {
        assert_eq!(app.anonymous().get(open).await.expect(200).header("cache-control"), cache, "{open}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_cookies_go_over_https_only_browsers_are_told_to_stay_with_it() {
    let (app, ..) = start(|_| {}).await;
    assert!(app.anonymous().get("ping/").await.expect(200).header("strict-transport-security").is_empty());
    let (secure, ..) = start(|settings| settings.jwt_auth_secure = true).await;
    for path in ["ping/", "/", "/inference/health"] {
        let header = secure.anonymous().get(path).await.expect(200).header("strict-transport-security");
        assert_eq!(header, "max-age=31536000", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_does_not_lead_where_a_header_of_a_stranger_says() {
    let (app, ..) = start(|_| {}).await;
    let staff = app.staff("boss").await;
    let id = staff.get("auth/user/").await.expect(200).body["pk"].as_i64().expect("an id");
    let link = async |headers: &[(&str, &str)]| {
        let path = format!("users/{id}/password_reset_link/");
        let answer = staff.raw(Method::POST, &path, headers, "").await.expect(200);
        answer.body["url"].as_str().expect("a link").to_owned()
    };
    let ours = format!("{}/password-reset#", app.base);
    assert!(link(&[]).await.starts_with(&ours));
    assert!(link(&[("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")]).await.starts_with(&ours));
}
