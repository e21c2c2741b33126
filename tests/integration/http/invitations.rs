//! Invitations, and signing up.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Jobs, TestApp};

const PASSWORD: &str = "quite another phrase";

struct Team {
    id: i64,
    owner: Caller,
}

impl Team {
    async fn new(app: &TestApp) -> Self {
        let owner = app.user("owner").await;
        let id = owner.post("organisation/", json!({ "name": "Team" })).await.expect(201).id();
        Self { id, owner }
    }

    async fn invite(&self, fields: Value) -> Answer {
        self.owner.post(&format!("organisation/{}/invitations/", self.id), fields).await
    }

    async fn token(&self, role: &str) -> String {
        self.invite(json!({ "role": role })).await.expect(201).body["token"].as_str().expect("a token").to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_shows_its_link_once_and_can_be_withdrawn() {
    let app = TestApp::start().await;
    let team = Team::new(&app).await;
    let made = team.invite(json!({ "role": "editor", "email": "new@example.com", "expires_in_days": 2 })).await.expect(201);
    let token = made.body["token"].as_str().expect("a token");
    assert_eq!(made.body["url"], format!("{}/invitation#token={token}", app.base));
    assert_eq!(made.body["invited_by"], "owner");
    let listed = team.owner.get(&format!("organisation/{}/invitations/", team.id)).await.expect(200).body;
    let keys: Vec<&String> = listed["results"][0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["id", "role", "email", "expires_at", "ins_datetime", "invited_by"]);
    let offer = app.anonymous().post("invitation/look_up/", json!({ "token": token })).await.expect(200).body;
    assert_eq!((&offer["organisation_name"], &offer["role"]), (&json!("Team"), &json!("editor")));
    assert_eq!((&offer["email"], &offer["invited_by"]), (&json!("new@example.com"), &json!("owner")));
    team.owner.delete(&format!("organisation/{}/invitations/{}/", team.id, made.id())).await.expect(204);
    team.owner.delete(&format!("organisation/{}/invitations/{}/", team.id, made.id())).await.expect(404);
    app.anonymous().post("invitation/look_up/", json!({ "token": token })).await.expect(404);
    for wrong in [
        json!({}),
        json!({ "role": "king" }),
        json!({ "role": "viewer", "email": "x" }),
        json!({ "role": "viewer", "expires_in_days": 0 }),
    ] {
        team.invite(wrong).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_an_account_joins_once_and_never_gets_less() {
    let app = TestApp::start().await;
    let team = Team::new(&app).await;
    let user = app.user("margarete").await;
    let token = team.token("editor").await;
    let joined = user.post("invitation/accept/", json!({ "token": token })).await.expect(200).body;
    assert_eq!((&joined["organisation"]["id"], &joined["organisation"]["role"]), (&json!(team.id), &json!("editor")));
    assert!(joined.get("access").is_none());
    user.post("invitation/accept/", json!({ "token": token })).await.expect(404);
    let lower = team.token("viewer").await;
    user.post("invitation/accept/", json!({ "token": lower })).await.expect(200);
    assert_eq!(user.get(&format!("organisation/{}/", team.id)).await.expect(200).body["role"], "editor");
    let higher = team.token("admin").await;
    user.post("invitation/accept/", json!({ "token": higher })).await.expect(200);
    assert_eq!(user.get(&format!("organisation/{}/", team.id)).await.expect(200).body["role"], "admin");
    app.anonymous().post("invitation/accept/", json!({ "token": team.token("viewer").await })).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_new_makes_an_account_and_is_logged_in() {
    let app = TestApp::start().await;
    let team = Team::new(&app).await;
    let made = team.invite(json!({ "role": "viewer", "email": "new@example.com" })).await.expect(201);
    let token = &made.body["token"];
    let anyone = app.anonymous();
    let taken = json!({ "token": token, "username": "owner", "password": PASSWORD });
    assert!(!anyone.post("invitation/accept/", taken).await.fault("username").is_empty());
    let weak = json!({ "token": token, "username": "margarete", "password": "margarete" });
    assert!(!anyone.post("invitation/accept/", weak).await.fault("password").is_empty());
    let without = json!({ "token": "nonsense", "username": "owner", "password": PASSWORD });
    anyone.post("invitation/accept/", without).await.expect(404);
    let fields = json!({ "token": token, "username": "margarete", "password": PASSWORD });
    let joined = anyone.post("invitation/accept/", fields.clone()).await.expect(200);
    assert_eq!(joined.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(joined.body["refresh"], "");
    assert_eq!(joined.body["user"]["email"], "new@example.com");
    anyone.post("invitation/accept/", fields).await.expect(404);
    let margarete = Caller::log_in(&app.base, "margarete", PASSWORD).await;
    assert_eq!(margarete.get("organisation/").await.expect(200).body["count"], 2, "the team and a personal one");
    assert_eq!(margarete.get(&format!("organisation/{}/", team.id)).await.expect(200).body["role"], "viewer");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_ends_with_its_time_and_with_the_right_of_who_made_it() {
    let app = TestApp::start().await;
    let team = Team::new(&app).await;
    let admin = app.user("admin").await;
    admin.post("invitation/accept/", json!({ "token": team.token("admin").await })).await.expect(200);
    let path = format!("organisation/{}/invitations/", team.id);
    admin.post(&path, json!({ "role": "owner" })).await.expect(403);
    let of_admin = admin.post(&path, json!({ "role": "admin" })).await.expect(201).body["token"].clone();
    let look_up =
        async |token: &Value| app.anonymous().post("invitation/look_up/", json!({ "token": token })).await.status.as_u16();
    assert_eq!(look_up(&of_admin).await, 200);
    app.execute("UPDATE memberships SET role = 'editor' WHERE role = 'admin'").await;
    assert_eq!(look_up(&of_admin).await, 404);
    let late = json!(team.token("viewer").await);
    assert_eq!(look_up(&late).await, 200);
    app.services.clock.advance(TimeDelta::days(8));
    assert_eq!(look_up(&late).await, 404);
    let user = app.user("late").await;
    user.post("invitation/accept/", json!({ "token": late })).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_invites_so_many_addresses_a_day_whatever_is_withdrawn() {
    let app = TestApp::start().await;
    let team = Team::new(&app).await;
    let mut fields = json!({ "role": "viewer", "email": "" });
    for number in 0..50 {
        fields["email"] = json!(format!("user{number}@example.com"));
        team.invite(fields.clone()).await.expect(201);
    }
    app.execute("DELETE FROM invitations").await;
    team.invite(fields.clone()).await.expect(429);
    team.invite(json!({ "role": "viewer" })).await.expect(201);
    app.services.clock.advance(TimeDelta::hours(25));
    let owner = app.log_in("owner").await;
    owner.post(&format!("organisation/{}/invitations/", team.id), fields).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_has_only_so_many_open_invitations() {
    let app = TestApp::start().await;
    let team = Team::new(&app).await;
    let made = team.invite(json!({ "role": "viewer" })).await.expect(201);
    app.execute(
        "INSERT INTO invitations (organisation_id, role, token_hash, invited_by, expires_at)
         SELECT organisation_id, role, sha256(n::text::bytea), invited_by, expires_at
         FROM invitations, generate_series(2, 200) AS n",
    )
    .await;
    let refused = team.invite(json!({ "role": "viewer" })).await.expect(429);
    assert_eq!(refused.body["code"], "too_many_invitations");
    team.owner.delete(&format!("organisation/{}/invitations/{}/", team.id, made.id())).await.expect(204);
    team.invite(json!({ "role": "viewer" })).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_used_once_however_many_try_at_once() {
    let app = TestApp::start().await;
    let team = Team::new(&app).await;
    let token = team.token("viewer").await;
    let mut callers = Vec::new();
    for number in 0..4 {
        callers.push(app.user(&format!("user{number}")).await);
    }
    let attempts = callers.iter().map(|caller| caller.post("invitation/accept/", json!({ "token": token })));
    let answers = futures_util::future::join_all(attempts).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| [200, 404].contains(&answer.status.as_u16())));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_up_by_themselves_unless_the_install_allows_it() {
    let fields = json!({ "username": "margarete", "email": "m@example.com", "password": PASSWORD });
    let closed = TestApp::start().await;
    assert_eq!(closed.anonymous().get("auth/options/").await.expect(200).body, json!({ "sign_up": false, "mail": false }));
    closed.anonymous().post("auth/sign_up/", fields.clone()).await.expect(403);
    let open = TestApp::start_with(Jobs::None, |settings| settings.self_sign_up = true).await;
    assert_eq!(open.anonymous().get("auth/options/").await.expect(200).body["sign_up"], true);
    let made = open.anonymous().post("auth/sign_up/", fields.clone()).await.expect(200);
    assert_eq!(made.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!((&made.body["user"]["username"], &made.body["user"]["is_staff"]), (&json!("margarete"), &json!(false)));
    assert!(!open.anonymous().post("auth/sign_up/", fields).await.fault("username").is_empty());
    let margarete = Caller::log_in(&open.base, "margarete", PASSWORD).await;
    margarete.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201);
    let mine = margarete.get("organisation/").await.expect(200).body;
    assert_eq!((&mine["count"], &mine["results"][0]["is_personal"]), (&json!(1), &json!(true)));
}
