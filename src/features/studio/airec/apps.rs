//! Apps with their keys.

use actix_web::{HttpResponse, web};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::store;
use crate::features::accounts::{Principal, Role};
use crate::features::projects::Project;
use crate::features::webhooks;
use crate::platform::http::body::{Id, Nullable, Text, TextOrBlank};
use crate::platform::http::{ApiError, ApiResult, Body, RequestOf, Write};
use crate::platform::request_fields;
use crate::platform::services::Services;

const LONGEST_NAME: usize = 200;
const LONGEST_URL: usize = 2_048;

/// The largest number of apps in a list.
const MOST_LISTED: i64 = 1_000;

request_fields! {
    /// A new app.
    struct AppFields {
        app_name: String => Text(LONGEST_NAME),
        /// Where the app is told what happens in the project; empty for nowhere.
        webhook_url: String = String::new() => TextOrBlank(LONGEST_URL),
        /// The project whose recommendations the app uses; by default the newest one of the caller that the studio created.
        project_id: Option<i64> = None => Nullable(Id),
    }
}

type AppRequest = RequestOf<AppFields>;

/// A new app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirecNewApp)]
struct NewApp {
    /// Returned only once.
    api_key: String,
    /// Signs what is sent to the address; null without one. Returned only once.
    webhook_secret: Option<String>,
    app_name: String,
    project_id: i64,
}

/// An app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirecApp)]
pub struct AppBody {
    app_name: String,
    project_id: i64,
    /// The first characters of the key after `rctm_`; the key itself is shown only once.
    api_key_prefix: Option<String>,
}

/// How much an app was used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AirecAppUsage)]
pub struct UsageBody {
    app_name: String,
    /// Requests in the last 30 days.
    usage_count: i64,
}

/// Creates an app with a key for the recommendations of a project.
#[utoipa::path(post, path = "/airec/api/apps/register", tag = "airec", operation_id = "create_airec_app",
    request_body = inline(AppRequest),
    responses((status = 201, body = inline(NewApp)), (status = 400, description = "A field is invalid, or there is no project yet"),
        (status = 409, description = "The project has as many keys or endpoints as one project may")))]
pub async fn register(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let mut fields = body.reader();
    let AppFields { app_name, webhook_url, project_id } = AppFields::read(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    let project = match project_id {
        Some(project) => Some(project),
        None => store::newest(&mut connection, &principal, 1).await?.first().map(|run| run.project_id),
    };
    match project {
        Some(project) => {
            let lookup = principal.load_referred::<Project>(&mut connection, "project_id", project, Role::Admin);
            fields.refer("project_id", lookup).await?;
        }
        None => fields.fault("project_id", "Create a project first."),
    }
    drop(connection);
    fields.finish()?;
    let project_id = project.unwrap_or_default();
    let url = Some(webhook_url).filter(|url| !url.is_empty());
    let created = webhooks::create_app(&services, (project_id, &principal.user), app_name.clone(), url).await;
    let secrets = created.map_err(by_sent_names)?;
    let api_key = secrets.key.expose_secret().to_owned();
    let webhook_secret = secrets.signing.map(|secret| secret.expose_secret().to_owned());
    Ok(HttpResponse::Created().json(NewApp { api_key, webhook_secret, app_name, project_id }))
}

/// Returns a refusal that names the fields as the caller sent them.
fn by_sent_names(error: ApiError) -> ApiError {
    let Some(faults) = error.by_field() else { return error };
    let sent = |field: String| match field.as_str() {
        "name" => "app_name".to_owned(),
        "url" => "webhook_url".to_owned(),
        _ => field,
    };
    ApiError::fields(faults.into_iter().map(|(field, messages)| (sent(field), messages)).collect())
}

/// Lists the apps of the projects that the caller may see, newest first, at most 1,000.
#[utoipa::path(get, path = "/airec/api/apps", tag = "airec", operation_id = "list_airec_apps",
    responses((status = 200, body = Vec<AppBody>)))]
pub async fn list(principal: Principal, services: web::Data<Services>) -> ApiResult<web::Json<Vec<AppBody>>> {
    let apps = webhooks::apps_of(&services, &principal, MOST_LISTED).await?;
    let body =
        |app: webhooks::UsedApp| AppBody { app_name: app.name, project_id: app.project_id, api_key_prefix: app.key_prefix };
    Ok(web::Json(apps.into_iter().map(body).collect()))
}

/// Lists how much each of these apps was used in the last 30 days.
#[utoipa::path(get, path = "/airec/api/apps/usage", tag = "airec", operation_id = "list_airec_apps_usage",
    responses((status = 200, body = Vec<UsageBody>)))]
pub async fn usage(principal: Principal, services: web::Data<Services>) -> ApiResult<web::Json<Vec<UsageBody>>> {
    let apps = webhooks::apps_of(&services, &principal, MOST_LISTED).await?;
    let body = |app: webhooks::UsedApp| UsageBody { app_name: app.name, usage_count: app.requests };
    Ok(web::Json(apps.into_iter().map(body).collect()))
}
