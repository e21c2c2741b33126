//! All kinds of callers, and what each should get.

use chrono::TimeDelta;
use recotem::features::accounts::Role;
use serde_json::json;

use super::table::{Row, Rule};
use crate::support::world::Ids;
use crate::support::{Caller, TestApp};

/// A kind of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Anonymous,
    Outsider,
    Member(Role),
    Staff,
    ReadKey,
    WriteKey,
    PredictKey,
    /// A key with all scopes, of another project of the same owner.
    ForeignKey,
    /// A key with all scopes, of a project of another organisation, made by staff.
    StaffKey,
    /// An owner of an organisation that the tenant's owner, who created everything here, is a viewer of.
    Acquaintance,
    Deactivated,
    Expired,
}

pub const KINDS: [Kind; 15] = [
    Kind::Anonymous,
    Kind::Outsider,
    Kind::Member(Role::Viewer),
    Kind::Member(Role::Editor),
    Kind::Member(Role::Admin),
    Kind::Member(Role::Owner),
    Kind::Staff,
    Kind::ReadKey,
    Kind::WriteKey,
    Kind::PredictKey,
    Kind::ForeignKey,
    Kind::StaffKey,
    Kind::Acquaintance,
    Kind::Deactivated,
    Kind::Expired,
];

/// Creates a caller of a kind, towards the tenant whose owner is called `owner_name`.
pub async fn caller(app: &TestApp, kind: Kind, owner: &Caller, owner_name: &str, ids: &Ids) -> Caller {
    let name = format!("{owner_name}-caller");
    match kind {
        Kind::Anonymous => app.anonymous(),
        Kind::Outsider => app.user(&name).await,
        Kind::Member(role) => {
            let caller = app.user(&name).await;
            app.join(&name, owner_name, role.wire()).await;
            caller
        }
        Kind::Staff => app.staff(&name).await,
        Kind::ReadKey => key(owner, ids["project"], &["read"]).await,
        Kind::WriteKey => key(owner, ids["project"], &["write"]).await,
        Kind::PredictKey => key(owner, ids["project"], &["predict"]).await,
        Kind::ForeignKey => key_elsewhere(owner).await,
        Kind::StaffKey => key_elsewhere(&app.staff(&name).await).await,
        Kind::Acquaintance => {
            let caller = app.user(&name).await;
            app.join(owner_name, &name, "viewer").await;
            caller
        }
        Kind::Deactivated => {
            let caller = app.user(&name).await;
            app.join(&name, owner_name, "owner").await;
            app.execute(&format!("UPDATE users SET is_active = FALSE WHERE username = '{name}'")).await;
            caller
        }
        Kind::Expired => {
            let caller = app.user(&name).await;
            app.join(&name, owner_name, "owner").await;
            // For all callers.
            app.services.clock.advance(TimeDelta::days(400));
            caller
        }
    }
}

/// Creates a key with all scopes of a new project.
async fn key_elsewhere(owner: &Caller) -> Caller {
    let other = json!({ "name": "other", "user_column": "u", "item_column": "i" });
    let other = owner.post("project/", other).await.expect(201).id();
    key(owner, other, &["read", "write", "predict"]).await
}

async fn key(owner: &Caller, project: i64, scopes: &[&str]) -> Caller {
    let made = owner.post("api_keys/", json!({ "project": project, "name": "caller", "scopes": scopes })).await.expect(201);
    owner.with_key(made.body["key"].as_str().expect("a key"))
}

/// Returns the one status that a kind of caller should get.
pub fn expected(kind: Kind, row: &Row) -> u16 {
    if row.rule == Rule::Public {
        return row.done;
    }
    if row.rule == Rule::Prediction {
        return match kind {
            Kind::PredictKey => row.done,
            // AiREC's clients learn nothing of projects that are not theirs.
            Kind::ForeignKey | Kind::StaffKey if row.path.starts_with("/airec/") => 404,
            Kind::ReadKey | Kind::WriteKey | Kind::ForeignKey | Kind::StaffKey => 403,
            _ => 401,
        };
    }
    match kind {
        Kind::Anonymous | Kind::Deactivated | Kind::Expired => 401,
        Kind::Outsider | Kind::Acquaintance => to_outsider(row),
        Kind::Member(role) => to_member(role, row),
        Kind::Staff => row.done,
        // The creator of a key makes no difference.
        Kind::StaffKey => to_key(Kind::ForeignKey, row),
        Kind::ReadKey | Kind::WriteKey | Kind::PredictKey | Kind::ForeignKey => to_key(kind, row),
    }
}

fn to_outsider(row: &Row) -> u16 {
    match row.rule {
        Rule::Staff | Rule::Reporting(_) => 403,
        Rule::Object(_) | Rule::ObjectForPeople(_) | Rule::Organisation(_) | Rule::Event(_) => 404,
        Rule::Below(_) | Rule::BelowForPeople(_) => 400,
        Rule::Public | Rule::Anybody | Rule::People | Rule::List | Rule::ListForPeople | Rule::Events | Rule::Prediction => {
            row.done
        }
    }
}

fn to_member(role: Role, row: &Row) -> u16 {
    match row.rule {
        Rule::Staff => 403,
        Rule::Object(needed)
        | Rule::ObjectForPeople(needed)
        | Rule::Below(needed)
        | Rule::BelowForPeople(needed)
        | Rule::Organisation(needed)
        | Rule::Event(needed)
        | Rule::Reporting(needed)
            if role < needed =>
        {
            403
        }
        _ => row.done,
    }
}

fn to_key(kind: Kind, row: &Row) -> u16 {
    let reads = row.method == "GET";
    let of_events = matches!(row.rule, Rule::Events | Rule::Event(_) | Rule::Reporting(_));
    let scoped = match kind {
        Kind::ReadKey => reads && !of_events,
        Kind::WriteKey => !reads && !of_events,
        Kind::PredictKey => of_events,
        _ => true,
    };
    match row.rule {
        // Any key may read who it acts for.
        Rule::People | Rule::Staff | Rule::ListForPeople => 403,
        _ if !scoped => 403,
        // An organisation is more than a project.
        Rule::Organisation(_) => 404,
        // Refused before or after the look-up: neither reveals anything.
        Rule::ObjectForPeople(_) | Rule::BelowForPeople(_) if kind == Kind::ForeignKey && row.path.contains("{id}") => 404,
        Rule::ObjectForPeople(_) | Rule::BelowForPeople(_) => 403,
        Rule::Object(_) | Rule::Event(_) if kind == Kind::ForeignKey => 404,
        Rule::Reporting(_) if kind == Kind::ForeignKey => 403,
        Rule::Below(_) if kind == Kind::ForeignKey => 400,
        _ => row.done,
    }
}
