//! `/studio/guess/`.

use actix_multipart::Multipart;
use actix_web::{HttpRequest, web};

use super::super::guess::Guesses;
use super::super::service;
use super::form::{FileParts, HeadField, StudioForm};
use crate::features::accounts::{Principal, personal_organisation};
use crate::platform::http::{ApiResult, RequestOf, Write};
use crate::platform::services::Services;

type GuessRequest = RequestOf<(HeadField, FileParts)>;

/// Returns what the columns of files probably mean, and what is wrong with the files. Nothing is stored.
#[utoipa::path(post, path = "/studio/guess/", tag = "studio", operation_id = "create_studio_guess",
    request_body(content = inline(GuessRequest), content_type = "multipart/form-data"),
    responses((status = 200, body = Guesses), (status = 400, description = "A part is invalid, or there is no file"),
        (status = 413, description = "A file is too large"), (status = 415, description = "The body is not multipart/form-data")))]
pub async fn create(
    principal: Principal,
    services: web::Data<Services>,
    request: HttpRequest,
    body: Multipart,
) -> ApiResult<web::Json<Guesses>> {
    principal.refuse_keys()?;
    let mut form = StudioForm::read(&request, body, &services, &principal).await?;
    let mut fields = form.reader();
    let HeadField { is_head } = HeadField::read(&mut fields, Write::Create);
    fields.finish()?;
    form.require_any_file()?;
    form.files.are_starts = is_head;
    let organisation = personal_organisation(&mut *services.db.conn().await?, principal.user.id).await?;
    let (_, _, guesses) = service::guessed(&services, organisation, form.files).await?;
    Ok(web::Json(guesses))
}
