//! The parts of a multipart body with files, which are streamed to disk.

use std::sync::Arc;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, DispositionParam};
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;

use crate::features::accounts::Principal;
use crate::features::datasets::error::DataError;
use crate::features::datasets::intake::{Intake, Received};
use crate::features::datasets::service::{self, Upload};
use crate::features::datasets::under_way::{Place, UploadsUnderWay};
use crate::features::projects::StoredBytes;
use crate::platform::http::{ApiError, ApiResult, bodies, client_network};
use crate::platform::services::Services;

/// Bytes of a body that are boundaries, headers and parts without a file.
pub const AROUND_THE_FILES: u64 = 64 << 10;

/// A multipart body being received. It counts as one upload in progress.
pub struct Parts<'a> {
    body: Multipart,
    services: &'a Services,
    place: Arc<Place>,
}

/// A part that should be a file.
#[derive(Debug)]
pub enum Sent {
    File(Upload),
    /// Why it is none that can be read.
    Fault(String),
}

impl<'a> Parts<'a> {
    /// Begins to receive a body with at most this many files. Refuses one whose declared length is too large, before it is read.
    pub fn begin(
        request: &HttpRequest,
        body: Multipart,
        services: &'a Services,
        principal: &Principal,
        most_files: u64,
    ) -> ApiResult<Self> {
        let limit = services.settings.max_upload_bytes;
        let largest = limit.saturating_mul(most_files).saturating_add(AROUND_THE_FILES);
        if content_length(request).is_some_and(|length| length > largest) {
            return Err(DataError::UploadTooLarge { limit }.into());
        }
        services.disk().check().map_err(DataError::from)?;
        let place = place_for(request, principal)?;
        // Data written to disk does not count as memory of the request.
        bodies::streams(request, largest);
        Ok(Self { body, services, place })
    }

    /// Returns the next part.
    pub async fn next(&mut self) -> ApiResult<Option<Field>> {
        let part = self.body.next().await;
        part.transpose().map_err(|error| self.unreadable(error))
    }

    /// Reads a part that should be a file. `stored` limits its size to what the organisation may still store, if that is known.
    pub async fn file(&self, part: Field, stored: Option<StoredBytes>) -> ApiResult<Sent> {
        let Some(sent_name) = file_name(&part) else {
            self.skip(part).await?;
            let fault = "The submitted data was not a file. Send it as a part with a file name.";
            return Ok(Sent::Fault(fault.to_owned()));
        };
        // Even if the name is invalid, the body is read to its end: a client that is still sending does not read an answer.
        match service::checked_name(&sent_name) {
            Err(error) => {
                self.skip(part).await?;
                Ok(Sent::Fault(error.to_string()))
            }
            Ok(name) => match self.receive(part, stored).await? {
                received if received.size == 0 => Ok(Sent::Fault("The submitted file is empty.".to_owned())),
                received => Ok(Sent::File(Upload { name, received })),
            },
        }
    }

    /// Reads a part that is a text of at most `longest` bytes; `None` if it is none.
    pub async fn text(&self, mut part: Field, longest: usize) -> ApiResult<Option<String>> {
        let mut value = Vec::new();
        while let Some(piece) = part.next().await {
            value.extend_from_slice(&piece.map_err(|error| self.unreadable(error))?);
            if value.len() > longest {
                self.skip(part).await?;
                return Ok(None);
            }
        }
        Ok(String::from_utf8(value).ok())
    }

    /// Reads a part that is not needed.
    pub async fn skip(&self, mut part: Field) -> ApiResult<()> {
        while let Some(piece) = part.next().await {
            piece.map_err(|error| self.unreadable(error))?;
        }
        Ok(())
    }

    async fn receive(&self, mut part: Field, stored: Option<StoredBytes>) -> ApiResult<Received> {
        let services = self.services;
        let limit = services.settings.max_upload_bytes;
        let mut intake = Intake::start(&services.blobs, services.disk(), limit, Arc::clone(&self.place), stored);
        while let Some(piece) = part.next().await {
            intake.push(piece.map_err(|error| self.unreadable(error))?).await?;
        }
        Ok(intake.finish().await?)
    }

    fn unreadable(&self, error: MultipartError) -> ApiError {
        match error {
            MultipartError::Payload(PayloadError::Overflow) => {
                DataError::UploadTooLarge { limit: self.services.settings.max_upload_bytes }.into()
            }
            MultipartError::ContentTypeMissing | MultipartError::ContentTypeParse | MultipartError::ContentTypeIncompatible => {
                ApiError::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send the file as multipart/form-data.")
            }
            error => ApiError::bad_request(format!("Multipart form parse error - {error}.")),
        }
    }
}

/// Returns the length of a body, where its client says it.
pub fn content_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reserves a place among the uploads in progress, before the body is read.
fn place_for(request: &HttpRequest, principal: &Principal) -> ApiResult<Arc<Place>> {
    let uploads = request.app_data::<web::Data<UploadsUnderWay>>();
    let uploads = uploads.ok_or_else(|| ApiError::internal(&"no uploads are taken here"))?;
    Ok(uploads.admit(principal.user.id, &client_network(request))?)
}

/// Returns the name of a file part; the extended form is exact, so it takes precedence over the plain one.
fn file_name(part: &Field) -> Option<String> {
    let disposition = part.content_disposition()?;
    let extended = disposition.parameters.iter().find_map(|parameter| match parameter {
        DispositionParam::FilenameExt(value) => String::from_utf8(value.value.clone()).ok(),
        _ => None,
    });
    extended.or_else(|| disposition.get_filename().map(str::to_owned))
}
