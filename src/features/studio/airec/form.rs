//! Reads the call that creates a project: a multipart body with files and texts, in any order.

use std::collections::BTreeMap;

use actix_multipart::Multipart;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use serde_json::json;

use super::super::mapping::{Mapping, Part};
use super::super::service::Files;
use super::schema::columns_of;
use crate::features::accounts::Principal;
use crate::features::datasets::{Parts, Sent};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// The largest text, in bytes.
const LONGEST_TEXT: usize = 48 << 10;

/// The files with the parts that hold them and their schemas.
const FILES: [(Part, &str, &str); 2] =
    [(Part::Items, "content_file", "content_schema_json"), (Part::Interactions, "interaction_file", "interaction_schema_json")];

/// A received call.
#[derive(Debug, Default)]
pub struct ProjectForm {
    pub name: String,
    pub files: Files,
    /// `None` if no schema was sent.
    pub mapping: Option<Mapping>,
    faults: BTreeMap<String, Vec<String>>,
}

impl ProjectForm {
    /// Reads the whole body. Fails with 422 and all faults if it cannot be used.
    pub async fn read(request: &HttpRequest, body: Multipart, services: &Services, principal: &Principal) -> ApiResult<Self> {
        let mut parts = Parts::begin(request, body, services, principal, FILES.len() as u64)?;
        let mut form = Self::default();
        while let Some(part) = parts.next().await? {
            let name = part.name().unwrap_or_default().to_owned();
            if let Some((file, ..)) = FILES.iter().find(|(_, file, _)| *file == name) {
                match parts.file(part, None).await? {
                    Sent::File(upload) => *form.files.of_mut(*file) = Some(upload),
                    Sent::Fault(fault) => form.fault(&name, fault),
                }
            } else if name == "project_name" || FILES.iter().any(|(.., schema)| *schema == name) {
                match parts.text(part, LONGEST_TEXT).await? {
                    Some(text) => form.take(&name, text),
                    None => form.fault(&name, format!("Send a text of at most {LONGEST_TEXT} bytes in UTF-8.")),
                }
            } else {
                parts.skip(part).await?;
            }
        }
        form.checked()
    }

    fn take(&mut self, name: &str, text: String) {
        let Some((part, ..)) = FILES.iter().find(|(.., schema)| *schema == name) else {
            self.name = text;
            return;
        };
        match columns_of(*part, &text) {
            Ok(columns) if columns.is_empty() => {}
            Ok(columns) => *self.mapping.get_or_insert_default().of_part_mut(*part) = Some(columns),
            Err(fault) => self.fault(name, fault),
        }
    }

    fn fault(&mut self, part: &str, message: impl Into<String>) {
        self.faults.insert(part.to_owned(), vec![message.into()]);
    }

    fn checked(mut self) -> ApiResult<Self> {
        if self.name.trim().is_empty() {
            self.fault("project_name", "Name the project.");
        }
        if FILES.iter().all(|(part, file, _)| self.files.of(*part).is_none() && !self.faults.contains_key(*file)) {
            self.fault("content_file", "Send a content_file, an interaction_file, or both.");
        }
        if self.faults.is_empty() {
            Ok(self)
        } else {
            Err(ApiError::with_body(StatusCode::UNPROCESSABLE_ENTITY, json!(self.faults)))
        }
    }
}
