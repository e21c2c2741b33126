//! Reading an upload: a multipart body with a part `file` and a part `project`, in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, DispositionParam};
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;
use utoipa::ToSchema;

use crate::features::accounts::{Principal, Role};
use crate::features::datasets::error::DataError;
use crate::features::datasets::intake::{Intake, Received};
use crate::features::datasets::service::{self, Upload};
use crate::features::datasets::under_way::{Place, UploadsUnderWay};
use crate::features::projects::Project;
use crate::platform::http::{ApiError, ApiResult, bodies, client_network};
use crate::platform::services::Services;

/// Longest value of a part that is not a file.
const LONGEST_VALUE: usize = 256;

/// The parts of an upload.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
pub struct UploadRequest {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    project: i64,
}

/// What was sent.
#[derive(Debug, Default)]
pub struct UploadForm {
    pub project: Option<i64>,
    pub upload: Option<Upload>,
    faults: BTreeMap<String, Vec<String>>,
}

impl UploadForm {
    /// Reads the whole body. What is wrong with single parts is kept for [`UploadForm::finish`], so that all of it is said at once.
    pub async fn read(request: &HttpRequest, mut body: Multipart, services: &Services, principal: &Principal) -> ApiResult<Self> {
        refuse_oversized(request, services)?;
        services.disk().check().map_err(DataError::from)?;
        let place = place_for(request, principal)?;
        // What is written to disk takes no memory.
        bodies::streams(request);
        let mut form = Self::default();
        while let Some(part) = body.next().await {
            let part = part.map_err(unreadable)?;
            match part.name().unwrap_or_default() {
                "file" => form.read_file(part, services, &place).await?,
                "project" => form.read_project(part).await?,
                _ => skip(part).await?,
            }
        }
        Ok(form)
    }

    /// The parts, once nothing is wrong with them; a project is missed only when `project_required`.
    pub fn finish(mut self, project_required: bool) -> ApiResult<(Option<i64>, Upload)> {
        if self.upload.is_none() {
            self.faults.entry("file".to_owned()).or_insert_with(|| vec!["file is required.".to_owned()]);
        }
        if self.project.is_none() && project_required {
            self.faults.entry("project".to_owned()).or_insert_with(|| vec!["This field is required.".to_owned()]);
        }
        match self.upload {
            Some(upload) if self.faults.is_empty() => Ok((self.project, upload)),
            _ => Err(ApiError::fields(self.faults)),
        }
    }

    /// The parts there are, once nothing is wrong with them.
    pub fn finish_partial(self) -> ApiResult<(Option<i64>, Option<Upload>)> {
        if self.faults.is_empty() { Ok((self.project, self.upload)) } else { Err(ApiError::fields(self.faults)) }
    }

    fn fault(&mut self, part: &str, message: impl Into<String>) {
        self.faults.insert(part.to_owned(), vec![message.into()]);
    }

    async fn read_file(&mut self, part: Field, services: &Services, place: &Arc<Place>) -> ApiResult<()> {
        let Some(sent_name) = file_name(&part) else {
            self.fault("file", "The submitted data was not a file. Send it as a part with a file name.");
            return skip(part).await;
        };
        // Whatever the name is, the body is read to its end: a client that is still sending does not listen.
        match service::checked_name(&sent_name) {
            Err(error) => {
                self.fault("file", error.to_string());
                skip(part).await
            }
            Ok(name) => match receive(part, services, Arc::clone(place)).await? {
                received if received.size == 0 => {
                    self.fault("file", "The submitted file is empty.");
                    Ok(())
                }
                received => {
                    self.upload = Some(Upload { name, received });
                    Ok(())
                }
            },
        }
    }

    async fn read_project(&mut self, mut part: Field) -> ApiResult<()> {
        let mut value = Vec::new();
        while let Some(piece) = part.next().await {
            value.extend_from_slice(&piece.map_err(unreadable)?);
            if value.len() > LONGEST_VALUE {
                self.fault("project", "Incorrect type. Expected an id.");
                return skip(part).await;
            }
        }
        match std::str::from_utf8(&value).ok().and_then(|text| text.trim().parse().ok()) {
            Some(project) => self.project = Some(project),
            None => self.fault("project", "Incorrect type. Expected an id."),
        }
        Ok(())
    }
}

async fn receive(mut part: Field, services: &Services, place: Arc<Place>) -> ApiResult<Received> {
    let mut intake = Intake::start(&services.blobs, services.disk(), services.settings.max_upload_bytes, place);
    while let Some(piece) = part.next().await {
        intake.push(piece.map_err(unreadable)?).await?;
    }
    Ok(intake.finish().await?)
}

/// A place among the uploads under way, before any of the body is read.
fn place_for(request: &HttpRequest, principal: &Principal) -> ApiResult<Arc<Place>> {
    let uploads = request.app_data::<web::Data<UploadsUnderWay>>();
    let uploads = uploads.ok_or_else(|| ApiError::internal(&"no uploads are taken here"))?;
    Ok(uploads.admit(principal.user.id, &client_network(request))?)
}

/// The name of a file part; the extended form is exact, so it counts before the plain one.
fn file_name(part: &Field) -> Option<String> {
    let disposition = part.content_disposition()?;
    let extended = disposition.parameters.iter().find_map(|parameter| match parameter {
        DispositionParam::FilenameExt(value) => String::from_utf8(value.value.clone()).ok(),
        _ => None,
    });
    extended.or_else(|| disposition.get_filename().map(str::to_owned))
}

async fn skip(mut part: Field) -> ApiResult<()> {
    while let Some(piece) = part.next().await {
        piece.map_err(unreadable)?;
    }
    Ok(())
}

fn unreadable(error: MultipartError) -> ApiError {
    match error {
        MultipartError::ContentTypeMissing | MultipartError::ContentTypeParse | MultipartError::ContentTypeIncompatible => {
            ApiError::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send the file as multipart/form-data.")
        }
        error => ApiError::bad_request(format!("Multipart form parse error - {error}.")),
    }
}

/// Refuses a body that says itself that it is too large, before any of it is read.
fn refuse_oversized(request: &HttpRequest, services: &Services) -> ApiResult<()> {
    /// Boundaries, headers and the other parts.
    const AROUND_THE_FILE: u64 = 64 << 10;
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length: Option<u64> = length.and_then(|value| value.to_str().ok()?.parse().ok());
    let limit = services.settings.max_upload_bytes;
    match length {
        Some(length) if length > limit.saturating_add(AROUND_THE_FILE) => Err(DataError::UploadTooLarge { limit }.into()),
        _ => Ok(()),
    }
}

/// The project an upload goes to. Lends no connection longer than this: the upload before it may take an hour.
pub async fn project_for_upload(principal: &Principal, services: &Services, id: i64) -> ApiResult<Project> {
    let mut connection = services.db.conn().await?;
    principal.load_referred(&mut connection, "project", id, Role::Editor).await
}
