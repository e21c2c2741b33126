//! Sessions: renewal, reuse of a stolen token, logging out.

use chrono::TimeDelta;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::support::TestApp;

const PASSWORD: &str = "a good long phrase";

/// A browser: it keeps the cookies that it receives.
#[derive(Clone, Default)]
struct Browser {
    base: String,
    access: String,
    refresh: String,
}

struct Shown {
    status: u16,
    body: Value,
}

impl Browser {
    fn new(app: &TestApp) -> Self {
        Self { base: app.base.clone(), ..Self::default() }
    }

    async fn logged_in(app: &TestApp, name: &str) -> Self {
        let mut browser = Self::new(app);
        let shown = browser.post("auth/login/", json!({ "username": name, "password": PASSWORD })).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        browser
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Shown {
        let cookies = format!("jwt-access={}; jwt-refresh={}", self.access, self.refresh);
        let response = request.header("cookie", cookies).header("user-agent", "Browser").send().await.unwrap();
        self.keep(response.headers());
        Shown { status: response.status().as_u16(), body: response.json().await.unwrap_or_default() }
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            match name {
                "jwt-access" => self.access = value.to_owned(),
                _ => self.refresh = value.to_owned(),
            }
        }
    }

    async fn post(&mut self, path: &str, body: Value) -> Shown {
        let request = reqwest::Client::new().post(format!("{}/api/v1/{path}", self.base)).json(&body);
        self.send(request).await
    }

    async fn get(&mut self, path: &str) -> Shown {
        let request = reqwest::Client::new().get(format!("{}/api/v1/{path}", self.base));
        self.send(request).await
    }

    async fn refresh(&mut self) -> u16 {
        self.post("auth/token/refresh/", json!({})).await.status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_replaces_the_refresh_token() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    let mut browser = Browser::logged_in(&app, "margarete").await;
    let (access, refresh) = (browser.access.clone(), browser.refresh.clone());
    app.services.clock.advance(TimeDelta::seconds(225));
    let shown = browser.post("auth/token/refresh/", json!({})).await;
    assert_eq!(shown.status, 200);
    assert!(shown.body["access"].is_string() && shown.body["access_expiration"].is_string());
    assert_eq!(shown.body.as_object().unwrap().len(), 2);
    assert!(browser.access != access && browser.refresh != refresh);
    app.services.clock.advance(TimeDelta::seconds(225));
    assert_eq!(browser.refresh().await, 200);
    assert_eq!(browser.get("auth/user/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_comes_back_later_ends_the_whole_session() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    let mut victim = Browser::logged_in(&app, "margarete").await;
    let mut elsewhere = Browser::logged_in(&app, "margarete").await;
    let mut thief = victim.clone();
    assert_eq!(victim.refresh().await, 200);
    app.services.clock.advance(TimeDelta::seconds(31));
    assert_eq!(thief.refresh().await, 401);
    assert_eq!(victim.get("auth/user/").await.status, 401, "the access token is of the same session");
    assert_eq!(victim.refresh().await, 401);
    assert_eq!(elsewhere.refresh().await, 200, "other log-ins go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_that_renew_at_once_both_succeed_and_stay_logged_in() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    let first = Browser::logged_in(&app, "margarete").await;
    let mut tabs = [first.clone(), first.clone(), first];
    let renewals = tabs.iter_mut().map(Browser::refresh);
    assert_eq!(futures_util::future::join_all(renewals).await, [200, 200, 200]);
    app.services.clock.advance(TimeDelta::seconds(200));
    // The tabs share their cookies, so one of the new tokens is the one that stays valid.
    assert_eq!(tabs[1].refresh().await, 200);
    app.services.clock.advance(TimeDelta::seconds(31));
    assert_eq!(tabs[2].refresh().await, 401, "another one is as good as stolen");
    assert_eq!(tabs[1].refresh().await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_the_session_on_the_server_and_never_fails() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    let mut browser = Browser::logged_in(&app, "margarete").await;
    let mut stolen = browser.clone();
    assert_eq!(browser.post("auth/logout/", json!({})).await.status, 200);
    assert!(browser.access.is_empty() && browser.refresh.is_empty());
    assert_eq!(stolen.get("auth/user/").await.status, 401);
    assert_eq!(stolen.refresh().await, 401);
    let access = stolen.access.clone();
    assert_eq!(Browser::new(&app).post("auth/token/verify/", json!({ "token": access })).await.status, 401);
    for (access, refresh) in [("", ""), ("rubbish", "rubbish"), (&stolen.access, &stolen.refresh)] {
        let mut browser = Browser { base: app.base.clone(), access: access.to_owned(), refresh: refresh.to_owned() };
        assert_eq!(browser.post("auth/logout/", json!({})).await.status, 200);
        let login = json!({ "username": "margarete", "password": PASSWORD });
        let mut stale = Browser { base: app.base.clone(), access: access.to_owned(), refresh: refresh.to_owned() };
        assert_eq!(stale.post("auth/login/", login).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_session_outlives_one_refresh_token_but_not_a_month() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    let mut browser = Browser::logged_in(&app, "margarete").await;
    for day in 0..32 {
        app.services.clock.advance(TimeDelta::hours(22));
        assert_eq!(browser.refresh().await, 200, "{day}");
    }
    app.services.clock.advance(TimeDelta::hours(22));
    assert_eq!(browser.refresh().await, 401);
    let mut idle = Browser::logged_in(&app, "margarete").await;
    app.services.clock.advance(TimeDelta::hours(25));
    assert_eq!(idle.refresh().await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sees_and_ends_ones_own_sessions_only() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    app.user("other").await;
    let mut laptop = Browser::logged_in(&app, "margarete").await;
    let mut phone = Browser::logged_in(&app, "margarete").await;
    let mut other = Browser::logged_in(&app, "other").await;
    let shown = laptop.get("auth/sessions/").await;
    let rows = shown.body.as_array().expect("an array").clone();
    // Two browsers, and the log-in of the fixture.
    assert_eq!(rows.len(), 3, "{}", shown.body);
    assert_eq!(rows.iter().filter(|row| row["current"] == true).count(), 1);
    assert_eq!(rows[0]["user_agent"], "Browser");
    assert_eq!(rows[0]["address"], "127.0.0.1");
    let of_phone = phone.get("auth/sessions/").await.body;
    let phone_id = of_phone.as_array().unwrap().iter().find(|row| row["current"] == true).unwrap()["id"].clone();
    let end = |browser: &Browser| {
        let request = reqwest::Client::new().delete(format!("{}/api/v1/auth/sessions/{phone_id}/", app.base));
        request.header("cookie", format!("jwt-access={}", browser.access)).send()
    };
    assert_eq!(end(&other).await.unwrap().status(), 404);
    assert_eq!(phone.get("auth/user/").await.status, 200);
    assert_eq!(end(&laptop).await.unwrap().status(), 204);
    assert_eq!(end(&laptop).await.unwrap().status(), 404);
    assert_eq!(phone.get("auth/user/").await.status, 401);
    assert_eq!(other.get("auth/sessions/").await.body.as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_does_not_open_doors_and_an_access_token_does_not_renew() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    let browser = Browser::logged_in(&app, "margarete").await;
    let mut swapped = Browser { access: browser.refresh.clone(), refresh: browser.access.clone(), ..browser.clone() };
    assert_eq!(swapped.get("auth/user/").await.status, 401);
    assert_eq!(swapped.refresh().await, 401);
    let mut sent = Browser::new(&app);
    let shown = sent.post("auth/token/refresh/", json!({ "refresh": browser.refresh })).await;
    assert_eq!(shown.status, 200);
    assert!(!sent.refresh.is_empty());
}
