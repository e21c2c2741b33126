//! Reads a call: a multipart body with up to three files and some texts, in any order.

use std::collections::BTreeMap;

use actix_multipart::Multipart;
use actix_web::HttpRequest;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

use super::super::mapping::{Mapping, Part};
use super::super::service::Files;
use crate::features::accounts::Principal;
use crate::features::datasets::{Parts, Sent};
use crate::platform::http::body::Flag;
use crate::platform::http::request::Description;
use crate::platform::http::{ApiError, ApiResult, Body, Described, FieldReader};
use crate::platform::request_fields;
use crate::platform::services::Services;

/// The largest text, in bytes; a mapping may name a thousand columns.
const LONGEST_TEXT: usize = 48 << 10;

/// The part with the meaning of the columns.
const MAPPING: &str = "mapping";

/// Texts that are read; other parts are skipped.
const TEXTS: [&str; 6] = ["name", "organisation", "goal", "budget_seconds", "is_head", MAPPING];

request_fields! {
    /// How much of each file is sent.
    pub struct HeadField {
        /// Whether only the start of each file is sent, such as its first megabyte.
        pub is_head: bool = false => Flag,
    }
}

/// The files of a call, for the API document.
pub struct FileParts;

impl Described for FileParts {
    fn describe(description: &mut Description) {
        let file = || -> RefOr<Schema> {
            let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
            ObjectBuilder::new().schema_type(Type::String).format(Some(binary)).into()
        };
        let texts = [
            "What users did: one row for each interaction, with the ids of user and item.",
            "What items are: one row for each item, with its id.",
            "What users are: one row for each user, with their id.",
        ];
        for (part, text) in Part::ALL.iter().zip(texts) {
            description.value(part.wire(), file(), false, &[Some(text)]);
        }
    }
}

/// The meaning of the columns, for the API document.
pub struct MappingPart;

impl Described for MappingPart {
    fn describe(description: &mut Description) {
        let text = "The role of each column, as JSON: `{\"interactions\": {column: role}, \"items\": {column: role or {\"role\": \
                    \"feature\", \"kind\": kind}}, \"users\": …}`. Guessed where it is left out; columns that it does not name are ignored.";
        description.value(MAPPING, ObjectBuilder::new().schema_type(Type::String).into(), false, &[Some(text)]);
    }
}

/// A received call.
#[derive(Debug, Default)]
pub struct StudioForm {
    pub files: Files,
    pub mapping: Option<Mapping>,
    texts: Map<String, Value>,
    faults: BTreeMap<String, Vec<String>>,
}

impl StudioForm {
    /// Reads the whole body. Faults of single parts are kept, so that all of them are said at once.
    pub async fn read(request: &HttpRequest, body: Multipart, services: &Services, principal: &Principal) -> ApiResult<Self> {
        let mut parts = Parts::begin(request, body, services, principal, Part::ALL.len() as u64)?;
        let mut form = Self::default();
        while let Some(part) = parts.next().await? {
            let name = part.name().unwrap_or_default().to_owned();
            if let Some(file) = Part::ALL.iter().find(|file| file.wire() == name) {
                match parts.file(part, None).await? {
                    Sent::File(upload) => *form.files.of_mut(*file) = Some(upload),
                    Sent::Fault(fault) => form.fault(&name, fault),
                }
            } else if TEXTS.contains(&name.as_str()) {
                match parts.text(part, LONGEST_TEXT).await? {
                    Some(text) => form.take(&name, text),
                    None => form.fault(&name, format!("Send a text of at most {LONGEST_TEXT} bytes in UTF-8.")),
                }
            } else {
                parts.skip(part).await?;
            }
        }
        Ok(form)
    }

    fn take(&mut self, name: &str, text: String) {
        if name != MAPPING {
            self.texts.insert(name.to_owned(), Value::String(text));
            return;
        }
        match Mapping::read(&text) {
            Ok(mapping) => self.mapping = Some(mapping),
            Err(fault) => self.fault(name, fault),
        }
    }

    fn fault(&mut self, part: &str, message: impl Into<String>) {
        self.faults.insert(part.to_owned(), vec![message.into()]);
    }

    /// Starts reading the texts; the faults so far are among those of the reader.
    pub fn reader(&mut self) -> FieldReader {
        let mut fields = Body::of(std::mem::take(&mut self.texts)).reader();
        for (part, messages) in std::mem::take(&mut self.faults) {
            messages.into_iter().for_each(|message| fields.fault(&part, message));
        }
        fields
    }

    /// Fails unless a file was sent that can be learnt from.
    pub fn require_files(&self, fields: &mut FieldReader) {
        let has = |part: Part| self.files.of(part).is_some() || fields.is_faulty(part.wire());
        if !has(Part::Interactions) && !has(Part::Items) {
            fields.fault(Part::Interactions.wire(), "Send a file of interactions, a file of items, or both.");
        }
    }

    /// Fails unless any file was sent.
    pub fn require_any_file(&self) -> ApiResult<()> {
        match Part::ALL.iter().any(|part| self.files.of(*part).is_some()) {
            true => Ok(()),
            false => Err(ApiError::non_field("Send at least one of the files interactions, items and users.")),
        }
    }
}
