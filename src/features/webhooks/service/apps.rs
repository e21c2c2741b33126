//! Decisions about apps: an app that is switched on has one key of its own.

use std::collections::HashMap;

use chrono::{Days, NaiveDate};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use secrecy::SecretString;

use super::super::error::WebhookError;
use super::super::model::{App, AppFields, DayOfUse, EndpointFields, NewApp};
use super::super::store::apps as store;
use super::endpoints;
use crate::features::accounts::{Principal, Scope, User};
use crate::features::api_keys;
use crate::features::projects::Topic;
use crate::platform::db::{QueryError, is_duplicate, without_statement_timeout};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// Days whose requests are counted in lists.
const LISTED_DAYS: u64 = 30;

/// Creates an app with its key, whose text is shown once. An app that is switched off has none.
pub async fn create(services: &Services, project: i64, user: i64, fields: AppFields) -> ApiResult<(App, Option<SecretString>)> {
    let most = services.settings.max_api_keys_per_project;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            // Before its key, whose name would be taken as well.
            if store::is_named(connection, project, &fields.name).await? {
                return Err(name_taken());
            }
            let key = match fields.is_active {
                true => Some(key_of(connection, project, user, &fields.name, most).await?),
                false => None,
            };
            let api_key_id = key.as_ref().map(|(id, ..)| *id);
            let app = store::insert(connection, NewApp { project_id: project, api_key_id, fields }).await.map_err(named_twice)?;
            Ok((app, key.map(|(_, text)| text)))
        })
        .await
}

/// Creates the key of an app. Returns its id and its text.
async fn key_of(
    connection: &mut AsyncPgConnection,
    project: i64,
    user: i64,
    name: &str,
    most: u32,
) -> ApiResult<(i64, SecretString)> {
    let name = format!("App: {name}");
    let (key, text) = api_keys::create_for(connection, project, user, name, &[Scope::Predict], None, most).await?;
    Ok((key.id, text))
}

/// The secrets of an app that is told of its answers, shown once.
pub struct NewSecrets {
    pub key: SecretString,
    /// Signs what its endpoint gets; `None` without an endpoint.
    pub signing: Option<SecretString>,
}

/// Creates an app with its key and, if there is an address, an endpoint that is told of the lists that the app gets.
pub async fn create_told(
    services: &Services,
    (project, user): (i64, &User),
    name: String,
    url: Option<String>,
) -> ApiResult<NewSecrets> {
    let refusal = url.as_deref().and_then(|url| endpoints::refusal_of(services.outbound.policy(), url, user.is_staff));
    if let Some(refusal) = refusal {
        return Err(ApiError::field("url", refusal));
    }
    let fields = AppFields { name, allowed_origins: Vec::new(), is_active: true };
    let (app, key) = create(services, project, user.id, fields).await?;
    let key = key.ok_or_else(ApiError::not_found)?;
    let Some(url) = url else { return Ok(NewSecrets { key, signing: None }) };
    let endpoint = EndpointFields {
        url,
        app_id: Some(app.id),
        description: String::new(),
        topics: vec![Topic::RecommendationServed],
        is_active: true,
        rate_per_second: None,
    };
    match endpoints::create(services, project, endpoint).await {
        Ok((_, secret)) => Ok(NewSecrets { key, signing: Some(secret) }),
        Err(error) => {
            delete(services, app.id).await?;
            Err(error)
        }
    }
}

/// An app, and how much it was used in the last 30 days.
pub struct UsedApp {
    pub name: String,
    pub project_id: i64,
    pub key_prefix: Option<String>,
    pub requests: i64,
}

/// Returns the newest apps that a caller may see, at most `most`.
pub async fn apps_of(services: &Services, principal: &Principal, most: i64) -> ApiResult<Vec<UsedApp>> {
    let mut connection = services.db.conn().await?;
    let apps = store::newest(&mut connection, principal, most).await?;
    let (mut prefixes, requests) = described(&mut connection, &apps, services.clock.now().date_naive()).await?;
    let used = apps.into_iter().map(|app| UsedApp {
        project_id: app.project_id,
        key_prefix: app.api_key_id.and_then(|key| prefixes.remove(&key)),
        requests: requests.get(&app.id).copied().unwrap_or(0),
        name: app.fields.name,
    });
    Ok(used.collect())
}

/// Changes an app. Switching it off revokes its key.
pub async fn update(services: &Services, id: i64, fields: AppFields) -> ApiResult<App> {
    let now = services.clock.now();
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            let app = store::locked(connection, id).await?.ok_or_else(ApiError::not_found)?;
            if let (false, Some(key)) = (fields.is_active, app.api_key_id) {
                api_keys::revoke(connection, key).await?;
            }
            store::update(connection, id, fields, now).await.map_err(named_twice)
        })
        .await
}

/// Gives an app a new key in place of the one it had, and returns its text.
pub async fn renew_key(services: &Services, id: i64, user: i64) -> ApiResult<(App, SecretString)> {
    let (now, most) = (services.clock.now(), services.settings.max_api_keys_per_project);
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            let app = store::locked(connection, id).await?.ok_or_else(ApiError::not_found)?;
            if !app.fields.is_active {
                return Err(WebhookError::AppIsOff.into());
            }
            if let Some(key) = app.api_key_id {
                api_keys::delete(connection, key).await?;
            }
            let (key, text) = key_of(connection, app.project_id, user, &app.fields.name, most).await?;
            Ok((store::set_key(connection, id, key, now).await?, text))
        })
        .await
}

/// Deletes an app with its key, its endpoints and the count of its use.
pub async fn delete(services: &Services, id: i64) -> ApiResult<()> {
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            without_statement_timeout(connection).await?;
            let app = store::locked(connection, id).await?.ok_or_else(ApiError::not_found)?;
            store::delete(connection, id).await?;
            if let Some(key) = app.api_key_id {
                api_keys::delete(connection, key).await?;
            }
            Ok(())
        })
        .await
}

/// Returns the prefixes of the keys of apps, and how many requests each app has made in the last 30 days.
pub async fn described(
    connection: &mut AsyncPgConnection,
    apps: &[App],
    today: NaiveDate,
) -> ApiResult<(HashMap<i64, String>, HashMap<i64, i64>)> {
    let keys: Vec<i64> = apps.iter().filter_map(|app| app.api_key_id).collect();
    let ids: Vec<i64> = apps.iter().map(|app| app.id).collect();
    let prefixes = store::prefixes(connection, &keys).await?.into_iter().collect();
    let requests = store::requests_since(connection, &ids, first_of(today, LISTED_DAYS)).await?.into_iter().collect();
    Ok((prefixes, requests))
}

/// Returns the first of the last `days` days.
fn first_of(today: NaiveDate, days: u64) -> NaiveDate {
    today.checked_sub_days(Days::new(days.saturating_sub(1))).unwrap_or(today)
}

/// Returns the use of an app on each of the last `days` days, oldest first.
pub async fn used(services: &Services, app: i64, days: u64) -> ApiResult<Vec<DayOfUse>> {
    let today = services.clock.now().date_naive();
    let first = first_of(today, days);
    let mut connection = services.db.conn().await?;
    let kept = store::use_since(&mut connection, app, first).await?;
    let mut by_day: HashMap<NaiveDate, DayOfUse> = kept.into_iter().map(|used| (used.day, used)).collect();
    let of_day = |day| by_day.remove(&day).unwrap_or(DayOfUse { day, requests: 0, items: 0, errors: 0 });
    Ok(first.iter_days().take_while(|day| *day <= today).map(of_day).collect())
}

fn named_twice(error: QueryError) -> ApiError {
    if is_duplicate(&error) { name_taken() } else { error.into() }
}

fn name_taken() -> ApiError {
    ApiError::field("name", "This project already has an app with this name.")
}
