//! `/data_connection/`. Connections belong to an organisation, so API keys, which belong to a project, cannot use them.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::error::SourceError;
use super::super::model::{ConnectionFields, DataConnection, OfOrganisation, SecretField};
use super::super::opening;
use super::super::service::connections as service;
use super::super::store::connections as store;
use crate::connectors::{Connector, Entry, FilesQuery, Listing, Query, Sample, Source, TestStep, is_usable};
use crate::features::accounts::{Access, Admin, Editor, Organisation, Principal, Role};
use crate::platform::http::{ApiError, ApiResult, Body, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

/// Files that match a pattern and are shown.
const MATCHING: usize = 100;

/// Rows of a sample.
const SAMPLED: u32 = 50;

/// The secret of a connection, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DataConnectionSecret)]
struct SecretBody {
    is_set: bool,
    /// Always null: the end of a password would help to guess it.
    hint: Option<String>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    updated_at: Option<DateTime<Utc>>,
}

/// A connection in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DataConnection)]
pub struct ConnectionBody {
    id: i64,
    organisation: i64,
    #[serde(flatten)]
    fields: ConnectionFields,
    secret: SecretBody,
    #[serde(serialize_with = "timestamp::option::serialize")]
    last_test_at: Option<DateTime<Utc>>,
    /// What the last test found; null since the last change.
    #[schema(value_type = Option<Vec<TestStep>>)]
    last_test: Option<Value>,
    /// How many sources use it.
    sources: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
}

async fn to_bodies(services: &Services, rows: Vec<DataConnection>) -> ApiResult<Vec<ConnectionBody>> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let counts: HashMap<i64, i64> = store::counts(&mut *services.db.conn().await?, &ids).await?;
    let body = |row: DataConnection| ConnectionBody {
        id: row.id,
        organisation: row.organisation_id,
        fields: row.fields,
        secret: SecretBody { is_set: row.secret_changed_at.is_some(), hint: None, updated_at: row.secret_changed_at },
        last_test_at: row.last_test_at,
        last_test: row.last_test,
        sources: counts.get(&row.id).copied().unwrap_or_default(),
        ins_datetime: row.ins_datetime,
        updated_at: row.updated_at,
    };
    Ok(rows.into_iter().map(body).collect())
}

async fn to_one(services: &Services, row: DataConnection) -> ApiResult<ConnectionBody> {
    to_bodies(services, vec![row]).await?.pop().ok_or_else(ApiError::not_found)
}

type ConnectionRequest = RequestOf<((OfOrganisation, ConnectionFields), SecretField)>;

/// Lists the connections of the organisations that the caller edits, newest first.
#[utoipa::path(get, path = "/data_connection/", tag = "data_connection", operation_id = "list_data_connection",
    params(("organisation" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ConnectionBody>), (status = 400, description = "A filter is invalid")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<ConnectionBody>>> {
    principal.refuse_keys()?;
    let of = filters.id("organisation")?;
    let visible = principal.visible_organisations().map(|organisations| {
        organisations.into_iter().filter(|id| principal.role_in(*id).is_some_and(|role| role >= Role::Editor)).collect::<Vec<_>>()
    });
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, visible.as_deref(), of, &page).await?;
    drop(connection);
    Ok(web::Json(page.wrap(count, to_bodies(&services, rows).await?)?))
}

/// Creates a connection of an organisation.
#[utoipa::path(post, path = "/data_connection/", tag = "data_connection", operation_id = "create_data_connection",
    request_body = inline(ConnectionRequest),
    responses((status = 201, body = ConnectionBody), (status = 400, description = "A field is invalid"),
        (status = 409, description = "The organisation has as many connections as it may")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let mut fields = body.reader();
    let OfOrganisation { organisation } = OfOrganisation::read(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Organisation>(&mut connection, "organisation", organisation, Role::Admin);
    fields.refer("organisation", lookup).await?;
    drop(connection);
    let mut wanted = ConnectionFields::read(&mut fields, Write::Create);
    let SecretField { secret } = SecretField::read(&mut fields, Write::Create);
    service::check_settings(&mut fields, &mut wanted);
    fields.finish()?;
    let of = (organisation, principal.user.id);
    let made = service::create(&services, of, wanted, secret.map(SecretString::from)).await?;
    Ok(HttpResponse::Created().json(to_one(&services, made).await?))
}

/// Returns a connection, without its secret.
#[utoipa::path(get, path = "/data_connection/{id}/", tag = "data_connection", operation_id = "read_data_connection",
    params(("id" = i64, Path)),
    responses((status = 200, body = ConnectionBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<DataConnection, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<ConnectionBody>> {
    Ok(web::Json(to_one(&services, access.object).await?))
}

/// Replaces the fields of a connection. Its secret stays if it is left out.
#[utoipa::path(put, path = "/data_connection/{id}/", tag = "data_connection", operation_id = "replace_data_connection",
    params(("id" = i64, Path)), request_body = inline(ConnectionRequest), responses((status = 200, body = ConnectionBody)))]
pub async fn replace(
    access: Access<DataConnection, Admin>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<ConnectionBody>> {
    save(access, &services, body, false).await
}

/// Changes some fields of a connection. Its secret stays if it is left out; another server needs it again.
#[utoipa::path(patch, path = "/data_connection/{id}/", tag = "data_connection", operation_id = "update_data_connection",
    params(("id" = i64, Path)), request_body = inline(ConnectionRequest), responses((status = 200, body = ConnectionBody)))]
pub async fn update(
    access: Access<DataConnection, Admin>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<ConnectionBody>> {
    save(access, &services, body, true).await
}

async fn save(
    access: Access<DataConnection, Admin>,
    services: &Services,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<ConnectionBody>> {
    let current = access.object;
    let mut fields = body.reader();
    let organisation =
        OfOrganisation::read(&mut fields, Write::Change(&OfOrganisation { organisation: current.organisation_id }));
    if organisation.organisation != current.organisation_id {
        fields.fault("organisation", "A connection cannot move to another organisation. Make a new one there.");
    }
    let mut wanted = ConnectionFields::read(&mut fields, Write::over(&current.fields, partial));
    if wanted.kind != current.fields.kind && !fields.is_faulty("kind") {
        fields.fault("kind", "The kind of a connection cannot change. Make a new one.");
    }
    service::check_settings(&mut fields, &mut wanted);
    let secret = secret_of(&mut fields, &current, &wanted);
    fields.finish()?;
    let saved = service::update(services, &current, wanted, secret).await?;
    Ok(web::Json(to_one(services, saved).await?))
}

/// Reads the secret, if one is sent. It has to be if it would be used for another server than before.
fn secret_of(fields: &mut FieldReader, current: &DataConnection, wanted: &ConnectionFields) -> Option<Option<SecretString>> {
    if fields.has("secret") {
        return Some(SecretField::read(fields, Write::Create).secret.map(SecretString::from));
    }
    let is_set = current.secret_changed_at.is_some();
    if is_set && service::changes_recipient(&current.fields.settings, &wanted.settings) && !fields.is_faulty("settings") {
        fields.fault("secret", "Enter the password again: it was entered for another server, or another way to it.");
    }
    None
}

/// Deletes a connection; refused while sources use it.
#[utoipa::path(delete, path = "/data_connection/{id}/", tag = "data_connection", operation_id = "delete_data_connection",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "Sources use it")))]
pub async fn delete(access: Access<DataConnection, Admin>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    service::delete(&services, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What a test of a connection found.
#[derive(Debug, Serialize, ToSchema)]
struct ConnectionTest {
    /// Whether no step failed.
    is_usable: bool,
    steps: Vec<TestStep>,
}

/// Tests a connection step by step: its address, encryption, log-in and rights. A role that may write gets a warning.
#[utoipa::path(post, path = "/data_connection/{id}/test/", tag = "data_connection", operation_id = "create_data_connection_test",
    params(("id" = i64, Path)),
    responses((status = 200, body = inline(ConnectionTest)), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn test(access: Access<DataConnection, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let is_staff = access.principal.user.is_staff;
    let steps = service::test(&services, &access.object, is_staff).await.map_err(|error| error.answer(is_staff))?;
    Ok(HttpResponse::Ok().json(ConnectionTest { is_usable: is_usable(&steps), steps }))
}

/// What is below a path on the server.
#[derive(Debug, Serialize, ToSchema)]
struct Browsed {
    path: String,
    entries: Vec<Entry>,
    /// Whether there are more entries than are listed.
    is_cut: bool,
    /// How many files match the pattern; null without one.
    matching: Option<usize>,
}

fn parts_of(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Lists the first of the files that match a pattern, and says how many do.
async fn matching(connector: &Connector, pattern: String) -> Result<(Listing, Option<usize>), SourceError> {
    let files = FilesQuery { pattern, format: None, key_column: String::new() };
    let found =
        connector.files(&Query { from: Source::Files(files), columns: Vec::new(), cursor: None, aggregate: None }).await?;
    let count = found.objects.len();
    let entries = found.objects.into_iter().take(MATCHING).map(Entry::from).collect();
    Ok((Listing { entries, is_cut: found.is_cut || count > MATCHING }, Some(count)))
}

/// Lists the schemas of a server, the tables of a schema, or the columns of a table, with what its statistics say. Of a place of files,
/// lists its folders and files, the columns of a file, or the first hundred files that match `pattern`.
#[utoipa::path(get, path = "/data_connection/{id}/browse/", tag = "data_connection", operation_id = "read_data_connection_browse",
    params(("id" = i64, Path), ("path" = Option<String>, Query), ("pattern" = Option<String>, Query)),
    responses((status = 200, body = inline(Browsed)), (status = 400, description = "The server cannot be read; `code` says why")))]
pub async fn browse(
    access: Access<DataConnection, Editor>,
    services: web::Data<Services>,
    filters: Filters,
) -> ApiResult<HttpResponse> {
    let path = filters.text("path").unwrap_or_default();
    let is_staff = access.principal.user.is_staff;
    let pattern = filters.text("pattern").filter(|pattern| !pattern.is_empty());
    let listing = async {
        let connector = opening::to_look(&services, &access.object).await?;
        match pattern {
            Some(pattern) => matching(&connector, pattern).await,
            None => Ok((connector.browse(&parts_of(&path)).await?, None)),
        }
    };
    let (listing, matching) = listing.await.map_err(|error: SourceError| error.answer(is_staff))?;
    Ok(HttpResponse::Ok().json(Browsed { path, entries: listing.entries, is_cut: listing.is_cut, matching }))
}

/// Returns the first rows of a table or a file, with cells of up to 200 characters.
#[utoipa::path(get, path = "/data_connection/{id}/sample/", tag = "data_connection", operation_id = "read_data_connection_sample",
    params(("id" = i64, Path), ("path" = String, Query)),
    responses((status = 200, body = inline(Sample)), (status = 400, description = "The table cannot be read; `code` says why")))]
pub async fn sample(
    access: Access<DataConnection, Editor>,
    services: web::Data<Services>,
    filters: Filters,
) -> ApiResult<HttpResponse> {
    let path = filters.text("path").unwrap_or_default();
    let parts = parts_of(&path);
    if parts.is_empty() || (parts.len() != 2 && !access.object.fields.kind.has_files()) {
        return Err(ApiError::field("path", "Name a table with its schema, such as public/events."));
    }
    let is_staff = access.principal.user.is_staff;
    let sample = async {
        let connector = opening::to_look(&services, &access.object).await?;
        Ok(connector.sample_at(&parts, SAMPLED).await?)
    };
    let sample = sample.await.map_err(|error: SourceError| error.answer(is_staff))?;
    Ok(HttpResponse::Ok().json(sample))
}
