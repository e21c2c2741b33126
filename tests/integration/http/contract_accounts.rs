//! Sections 1.4 and 2 of the contract over HTTP: credentials, tokens, one's own account, users.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use recotem::features::accounts::first_user;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Jobs, TestApp};

const PASSWORD: &str = "a good long phrase";
const NEW: &str = "quite another phrase";
const JSON: (&str, &str) = ("content-type", "application/json");

async fn log_in(app: &TestApp, name: &str) -> Answer {
    app.anonymous().post("auth/login/", json!({ "username": name, "password": PASSWORD })).await.expect(200)
}

/// Returns the header that sets a cookie, as it was sent.
fn cookie_line(answer: &Answer, name: &str) -> String {
    let lines = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let found = lines.map(str::to_owned).find(|line| line.starts_with(&format!("{name}=")));
    found.unwrap_or_else(|| panic!("no cookie {name} in {:?}", answer.headers))
}

/// Returns the value that a cookie is set to.
fn cookie(answer: &Answer, name: &str) -> String {
    let line = cookie_line(answer, name);
    line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair").1.to_owned()
}

/// Returns one of the JSON parts of a token.
fn part(token: &str, number: usize) -> Value {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(number).expect("a part")).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn keys(body: &Value) -> Vec<&str> {
    body.as_object().expect("an object").keys().map(String::as_str).collect()
}

async fn key_of(user: &Caller, scope: &str) -> String {
    let project = json!({ "name": scope, "user_column": "u", "item_column": "i" });
    let project = user.post("project/", project).await.expect(201).id();
    let key = json!({ "project": project, "name": "k", "scopes": [scope] });
    user.post("api_keys/", key).await.expect(201).body["key"].as_str().expect("a key").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_have_the_claims_and_cookies_the_attributes_that_clients_know() {
    for secure in [false, true] {
        let app = TestApp::start_with(Jobs::None, |settings| settings.jwt_auth_secure = secure).await;
        let user = app.user("margarete").await;
        let id = user.get("auth/user/").await.body["pk"].to_string();
        let answer = log_in(&app, "margarete").await;
        assert_eq!(keys(&answer.body), ["access", "refresh", "user"]);
        let now = app.services.clock.now().timestamp();
        for (name, kind, life) in [("jwt-access", "access", 300), ("jwt-refresh", "refresh", 86_400)] {
            let line = cookie_line(&answer, name);
            for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", &format!("Max-Age={life}")] {
                assert!(line.split("; ").any(|one| one == attribute), "{attribute}: {line}");
            }
            assert_eq!(line.contains("Secure"), secure, "{line}");
            let token = cookie(&answer, name);
            assert_eq!(part(&token, 0)["alg"], "HS256");
            let claims = part(&token, 1);
            assert_eq!((&claims["token_type"], &claims["user_id"]), (&json!(kind), &json!(id)), "the id is a text");
            assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(now), Some(now + life)));
            let number = claims["jti"].as_str().expect("a text");
            assert!(number.len() == 32 && number.bytes().all(|byte| byte.is_ascii_hexdigit()), "{number}");
        }
        assert_eq!(answer.body["access"], cookie(&answer, "jwt-access"));
        let out = app.anonymous().post("auth/logout/", json!({})).await.expect(200);
        assert!(out.body["detail"].is_string());
        for name in ["jwt-access", "jwt-refresh"] {
            let line = cookie_line(&out, name);
            assert!(line.starts_with(&format!("{name}=;")) && line.contains("Max-Age=0"), "{line}");
        }
        app.anonymous().get("auth/logout/").await.expect(405);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_that_lacks_something_says_what() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    for (fields, fault) in [
        (json!({ "password": PASSWORD }), "non_field_errors"),
        (json!({ "username": "margarete" }), "password"),
        (json!({ "username": "margarete", "password": "" }), "password"),
        (json!({ "username": "margarete", "password": null }), "password"),
        (json!({}), "password"),
    ] {
        app.anonymous().post("auth/login/", fields).await.fault(fault);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_count_in_order_and_bad_ones_are_never_passed_over() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let key = key_of(&ada, "read").await;
    let (of_bob, of_ada) = (format!("Bearer {}", bob.token()), format!("jwt-access={}", ada.token()));
    let ask = async |headers: &[(&str, &str)]| app.anonymous().raw(Method::GET, "auth/user/", headers, "").await;
    for (headers, name) in [
        (vec![("x-api-key", key.as_str()), ("authorization", of_bob.as_str())], "ada"),
        (vec![("x-api-key", "not one of ours"), ("authorization", of_bob.as_str())], "bob"),
        (vec![("authorization", of_bob.as_str()), ("cookie", of_ada.as_str())], "bob"),
        (vec![("authorization", "Basic YTpi"), ("cookie", of_ada.as_str())], "ada"),
        (vec![("authorization", "Token abc"), ("cookie", of_ada.as_str())], "ada"),
    ] {
        assert_eq!(ask(&headers).await.expect(200).body["username"], name, "{headers:?}");
    }
    let none = ask(&[]).await.expect(401);
    assert_eq!((keys(&none.body), none.header("www-authenticate").as_str()), (vec!["detail"], "X-API-Key"));
    // A key of our form that is not valid is not replaced by a good token.
    for wrong in ["rctm_short", "rctm_", &format!("rctm_{}", "x".repeat(64))] {
        assert_eq!(keys(&ask(&[("x-api-key", wrong), ("authorization", of_bob.as_str())]).await.expect(401).body), ["detail"]);
    }
    for malformed in ["Bearer", "Bearer a b"] {
        let answer = ask(&[("authorization", malformed), ("cookie", of_ada.as_str())]).await.expect(401);
        assert_eq!(answer.body["code"], "bad_authorization_header", "{malformed}");
    }
    let refresh = cookie(&log_in(&app, "ada").await, "jwt-refresh");
    for wrong in ["x", "a.b.c", &refresh] {
        for headers in [
            vec![("authorization", format!("Bearer {wrong}")), ("cookie", of_ada.clone())],
            vec![("cookie", format!("jwt-access={wrong}"))],
        ] {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let refused = ask(&headers).await.expect(401).body;
            assert_eq!((&refused["code"], refused["detail"].is_string()), (&json!("token_not_valid"), true), "{refused}");
            assert_eq!(keys(&refused["messages"][0]), ["token_class", "token_type", "message"]);
            app.anonymous().raw(Method::GET, "project/", &headers, "").await.expect(401);
            app.anonymous().raw(Method::GET, "ping/", &headers, "").await.expect(200);
            app.anonymous().raw(Method::GET, "schema/", &headers, "").await.expect(200);
        }
    }
    app.services.clock.advance(TimeDelta::seconds(301));
    assert_eq!(bob.get("project/").await.expect(401).body["code"], "token_not_valid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_enough_to_write_and_needs_no_further_token() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let cookie = format!("jwt-access={}", user.token());
    let project = json!({ "name": "P", "user_column": "u", "item_column": "i" }).to_string();
    app.anonymous().raw(Method::POST, "project/", &[("cookie", &cookie), JSON], project).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_and_looked_at_as_clients_ask() {
    let app = TestApp::start().await;
    app.user("margarete").await;
    app.user("gone").await;
    let (session, of_gone) = (log_in(&app, "margarete").await, log_in(&app, "gone").await);
    let (access, refresh) = (cookie(&session, "jwt-access"), cookie(&session, "jwt-refresh"));
    let anyone = app.anonymous();
    // A browser sends an empty body and its cookie; a program sends the token.
    let of_browser = format!("jwt-refresh={refresh}");
    let in_cookie = anyone.raw(Method::POST, "auth/token/refresh/", &[("cookie", &of_browser), JSON], "").await;
    let in_body = anyone.post("auth/token/refresh/", json!({ "refresh": refresh })).await;
    for renewed in [in_cookie.expect(200), in_body.expect(200)] {
        assert_eq!(keys(&renewed.body), ["access", "access_expiration"]);
        assert_eq!(renewed.body["access"], cookie(&renewed, "jwt-access"));
        let until: DateTime<Utc> = renewed.body["access_expiration"].as_str().expect("a text").parse().expect("a moment");
        assert_eq!(until, app.services.clock.now() + TimeDelta::seconds(300));
    }
    for wrong in [json!({}), json!({ "refresh": "" }), json!({ "refresh": "x" }), json!({ "refresh": access })] {
        let refused = anyone.post("auth/token/refresh/", wrong.clone()).await.expect(401).body;
        assert_eq!((keys(&refused), &refused["code"]), (vec!["detail", "code"], &json!("token_not_valid")), "{wrong}");
    }
    for good in [&access, &cookie(&of_gone, "jwt-refresh")] {
        assert_eq!(anyone.post("auth/token/verify/", json!({ "token": good })).await.expect(200).body, json!({}));
    }
    let refused = anyone.post("auth/token/verify/", json!({ "token": "x" })).await.expect(401).body;
    assert_eq!((keys(&refused), &refused["code"]), (vec!["detail", "code"], &json!("token_not_valid")));
    anyone.post("auth/token/verify/", json!({})).await.fault("token");
    app.execute("UPDATE users SET is_active = FALSE WHERE username = 'gone'").await;
    let refused = anyone.post("auth/token/refresh/", json!({ "refresh": cookie(&of_gone, "jwt-refresh") })).await.expect(401);
    assert!(refused.body["detail"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_account_is_shown_to_keys_that_may_read_and_changed_by_its_owner() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    app.user("other").await;
    let shown = user.get("auth/user/").await.expect(200).body;
    assert_eq!(keys(&shown), ["pk", "username", "email", "first_name", "last_name", "is_superuser", "is_staff"]);
    assert!(shown["pk"].is_i64() && shown["is_staff"] == false);
    let reader = user.with_key(&key_of(&user, "read").await);
    assert_eq!(reader.get("auth/user/").await.expect(200).body, shown);
    user.with_key(&key_of(&user, "predict").await).get("auth/user/").await.expect(403);
    // 1.x let any key change the owner's profile, and their password without the old one.
    let program = user.with_key(&key_of(&user, "write").await);
    program.patch("auth/user/", json!({ "first_name": "Mallory" })).await.expect(403);
    program.post("auth/password/change/", json!({ "new_password1": NEW, "new_password2": NEW })).await.expect(403);

    let fields = json!({ "username": "grete", "first_name": "Grete", "last_name": "", "pk": 99, "email": "x@example.com",
        "is_staff": true, "is_superuser": true });
    let changed = user.patch("auth/user/", fields).await.expect(200).body;
    assert_eq!((&changed["username"], &changed["first_name"]), (&json!("grete"), &json!("Grete")));
    for untouched in ["pk", "email", "is_staff", "is_superuser"] {
        assert_eq!(changed[untouched], shown[untouched], "{untouched}");
    }
    user.put("auth/user/", json!({ "first_name": "A" })).await.fault("username");
    assert_eq!(user.put("auth/user/", json!({ "username": "margarete" })).await.expect(200).body["username"], "margarete");
    for wrong in ["other", "a b", "", &"x".repeat(151)] {
        user.patch("auth/user/", json!({ "username": wrong })).await.fault("username");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_have_the_fields_and_the_limits_of_1x() {
    let app = TestApp::start().await;
    let staff = app.staff("boss").await;
    let made = |name: &str, password: &str| json!({ "username": name, "password": password, "email": "ada@example.com" });
    for wrong in ["x".repeat(151), "a/b".to_owned(), String::new(), "boss".to_owned()] {
        staff.post("users/", made(&wrong, PASSWORD)).await.fault("username");
    }
    for wrong in ["", "short", "2718281828459", "password123", "ada@example", "boundless"] {
        let answer = staff.post("users/", made("boundles", wrong)).await;
        assert!(!answer.fault("password").is_empty(), "{wrong}");
    }
    staff.post("users/", json!({ "username": "a" })).await.fault("password");
    staff.post("users/", json!({ "username": "a", "password": PASSWORD, "email": "a@" })).await.fault("email");
    staff.post("users/", json!({ "username": format!("A.b@c-d_e+{}", "9".repeat(140)), "password": PASSWORD })).await.expect(201);

    let fields = json!({ "username": "helper", "password": PASSWORD, "email": "", "is_staff": true, "is_superuser": true });
    let helper = staff.post("users/", fields).await.expect(201).body;
    assert_eq!((&helper["is_staff"], &helper["is_active"], &helper["email"]), (&json!(true), &json!(true), &json!("")));
    let path = format!("users/{}/", helper["id"]);
    let short = staff.patch(&path, json!({ "is_staff": false, "is_active": false, "username": "x" })).await.expect(200).body;
    assert_eq!(keys(&short), ["id", "username", "email", "is_staff", "is_active"]);
    assert_eq!((&short["username"], &short["is_staff"]), (&json!("helper"), &json!(false)));
    for action in ["activate", "deactivate", "activate"] {
        let shown = staff.post(&format!("{path}{action}/"), json!({})).await.expect(200).body;
        assert_eq!((keys(&shown), &shown["is_active"]), (keys(&helper), &json!(action == "activate")));
    }
    staff.post(&format!("{path}reset_password/"), json!({})).await.fault("new_password");
    let reset = staff.post(&format!("{path}reset_password/"), json!({ "new_password": NEW })).await.expect(200).body;
    assert_eq!(keys(&reset), ["detail"]);
    let helper = Caller::log_in(&app.base, "helper", NEW).await;
    helper.post("users/change_password/", json!({ "new_password": PASSWORD })).await.fault("old_password");
    helper.post("users/change_password/", json!({ "old_password": NEW })).await.fault("new_password");
    let change = json!({ "old_password": NEW, "new_password": PASSWORD });
    assert_eq!(keys(&helper.post("users/change_password/", change).await.expect(200).body), ["detail"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_without_users_gets_its_admin_once() {
    for configured in [Some(PASSWORD.to_owned()), None] {
        let app =
            TestApp::start_with(Jobs::None, |settings| settings.default_admin_password = configured.clone().map(Into::into))
                .await;
        let random = match first_user::ensure(&app.services).await.unwrap() {
            first_user::Made::WithRandom(password) => Some(password.expose_secret().to_owned()),
            _ => None,
        };
        assert_eq!(random.as_ref().map(|password| password.chars().count()), configured.is_none().then_some(12));
        let admin = Caller::log_in(&app.base, "admin", &configured.or(random).expect("one of them")).await;
        assert_eq!(admin.get("auth/user/").await.expect(200).body["is_superuser"], true);
        app.execute("UPDATE users SET username = 'root'").await;
        assert!(matches!(first_user::ensure(&app.services).await.unwrap(), first_user::Made::NoUser));
        assert_eq!(app.count("SELECT count(*) FROM users").await, 1);
    }
}
