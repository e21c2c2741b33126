//! Reads an upload: a multipart body with a part `file` and a part `project`, in any order.

use std::collections::BTreeMap;

use actix_multipart::{Field, Multipart};
use actix_web::HttpRequest;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::parts::{AROUND_THE_FILES, Parts, Sent, content_length};
use crate::features::accounts::{Principal, Role};
use crate::features::datasets::error::DataError;
use crate::features::datasets::service::Upload;
use crate::features::projects::{self, Project, StoredBytes};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// The largest value of a part that is not a file, in bytes.
const LONGEST_VALUE: usize = 256;

/// A part of an upload that is read; others are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    File,
    Project,
}

impl Part {
    const ALL: [Self; 2] = [Self::File, Self::Project];

    /// Returns the name of the part, in bodies and in faults.
    const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Project => "project",
        }
    }

    fn schema(self) -> ObjectBuilder {
        let (one_type, format) = match self {
            Self::File => (Type::String, KnownFormat::Binary),
            Self::Project => (Type::Integer, KnownFormat::Int64),
        };
        ObjectBuilder::new().schema_type(one_type).format(Some(SchemaFormat::KnownFormat(format)))
    }

    fn of(field: &Field) -> Option<Self> {
        Self::ALL.into_iter().find(|part| field.name() == Some(part.name()))
    }
}

/// The parts of an upload, and which of them are required.
pub struct UploadOf<const FILE: bool, const PROJECT: bool>;

/// A file for a project.
pub type UploadRequest = UploadOf<true, true>;

/// Another file for the same project.
pub type FileRequest = UploadOf<true, false>;

/// Another file, or nothing.
pub type PartialUpload = UploadOf<false, false>;

impl<const FILE: bool, const PROJECT: bool> PartialSchema for UploadOf<FILE, PROJECT> {
    fn schema() -> RefOr<Schema> {
        let with = |object: ObjectBuilder, part: Part| {
            let object = object.property(part.name(), part.schema());
            let is_required = match part {
                Part::File => FILE,
                Part::Project => PROJECT,
            };
            if is_required { object.required(part.name()) } else { object }
        };
        let object = ObjectBuilder::new().description(Some("The parts of an upload."));
        Part::ALL.into_iter().fold(object, with).into()
    }
}

impl<const FILE: bool, const PROJECT: bool> ToSchema for UploadOf<FILE, PROJECT> {}

/// A received upload form.
#[derive(Debug, Default)]
pub struct UploadForm {
    pub project: Option<i64>,
    pub upload: Option<Upload>,
    faults: BTreeMap<String, Vec<String>>,
}

impl UploadForm {
    /// Reads the whole body. What is wrong with single parts is kept for [`UploadForm::finish`], so that all of it is said at once.
    /// An upload that takes the place of another names it in `replaced`.
    pub async fn read(
        request: &HttpRequest,
        body: Multipart,
        services: &Services,
        principal: &Principal,
        replaced: Option<Replaced>,
    ) -> ApiResult<Self> {
        let mut parts = Parts::begin(request, body, services, principal, 1)?;
        let mut room = Room { request, services, principal, replaced, stored: None };
        room.look_up(None).await?;
        let mut form = Self::default();
        while let Some(part) = parts.next().await? {
            match Part::of(&part) {
                Some(Part::File) => form.read_file(part, &parts, room.stored).await?,
                Some(Part::Project) => {
                    form.read_project(part, &parts).await?;
                    room.look_up(form.project).await?;
                }
                None => parts.skip(part).await?,
            }
        }
        Ok(form)
    }

    /// Returns the parts if they have no faults; a missing project is a fault only if `project_required`.
    pub fn finish(mut self, project_required: bool) -> ApiResult<(Option<i64>, Upload)> {
        if self.upload.is_none() {
            self.faults.entry(Part::File.name().to_owned()).or_insert_with(|| vec!["file is required.".to_owned()]);
        }
        if self.project.is_none() && project_required {
            self.faults.entry(Part::Project.name().to_owned()).or_insert_with(|| vec!["This field is required.".to_owned()]);
        }
        match self.upload {
            Some(upload) if self.faults.is_empty() => Ok((self.project, upload)),
            _ => Err(ApiError::fields(self.faults)),
        }
    }

    /// Returns the parts that were sent, if they have no faults.
    pub fn finish_partial(self) -> ApiResult<(Option<i64>, Option<Upload>)> {
        if self.faults.is_empty() { Ok((self.project, self.upload)) } else { Err(ApiError::fields(self.faults)) }
    }

    fn fault(&mut self, part: Part, message: impl Into<String>) {
        self.faults.insert(part.name().to_owned(), vec![message.into()]);
    }

    async fn read_file(&mut self, part: Field, parts: &Parts<'_>, stored: Option<StoredBytes>) -> ApiResult<()> {
        match parts.file(part, stored).await? {
            Sent::Fault(fault) => self.fault(Part::File, fault),
            Sent::File(upload) => self.upload = Some(upload),
        }
        Ok(())
    }

    async fn read_project(&mut self, part: Field, parts: &Parts<'_>) -> ApiResult<()> {
        let text = parts.text(part, LONGEST_VALUE).await?;
        match text.and_then(|text| text.trim().parse().ok()) {
            Some(project) => self.project = Some(project),
            None => self.fault(Part::Project, "Incorrect type. Expected an id."),
        }
        Ok(())
    }
}

/// What an upload takes the place of.
#[derive(Debug, Clone, Copy)]
pub struct Replaced {
    pub project: i64,
    /// What its files take up.
    pub stored_bytes: i64,
}

/// Finds out how much an upload may store as soon as its project is known, so that what does not fit is refused before it is read.
struct Room<'a> {
    request: &'a HttpRequest,
    services: &'a Services,
    principal: &'a Principal,
    replaced: Option<Replaced>,
    stored: Option<StoredBytes>,
}

impl Room<'_> {
    /// Looks up what the organisation of a project stores: that of the replaced upload or of the caller's key where there is one,
    /// otherwise the one that the body names. Fails if the body says itself that it does not fit. A project that the caller may not
    /// use is refused later, with everything else that is wrong.
    async fn look_up(&mut self, sent: Option<i64>) -> ApiResult<()> {
        let known = self.replaced.map(|replaced| replaced.project).or(self.principal.key_project());
        let Some(project) = known.or(sent).filter(|_| self.stored.is_none()) else { return Ok(()) };
        let allowed = self.services.settings.max_stored_bytes_per_organisation;
        if allowed == 0 {
            return Ok(());
        }
        let Ok(project) = project_for_upload(self.principal, self.services, project).await else { return Ok(()) };
        let mut connection = self.services.db.conn().await?;
        let Some(stored) = projects::stored_bytes(&mut connection, &project, allowed).await? else { return Ok(()) };
        let stored = stored.without(self.replaced.map_or(0, |replaced| replaced.stored_bytes.unsigned_abs()));
        let length = content_length(self.request).unwrap_or_default();
        stored.admit(length.saturating_sub(AROUND_THE_FILES)).map_err(DataError::from)?;
        self.stored = Some(stored);
        Ok(())
    }
}

/// Returns the project of an upload. Its connection is released before the upload, which may take an hour, is read.
pub async fn project_for_upload(principal: &Principal, services: &Services, id: i64) -> ApiResult<Project> {
    let mut connection = services.db.conn().await?;
    principal.load_referred(&mut connection, Part::Project.name(), id, Role::Editor).await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_document_requires_the_parts_that_are_missed() {
        fn required<S: PartialSchema>() -> Vec<String> {
            let schema = json!(S::schema());
            let names = schema["required"].as_array().into_iter().flatten();
            names.filter_map(Value::as_str).map(str::to_owned).collect()
        }
        let missed = |project_required: bool| {
            let refusal = UploadForm::default().finish(project_required).err().unwrap();
            refusal.body().as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(required::<UploadRequest>(), missed(true));
        assert_eq!(required::<FileRequest>(), missed(false));
        assert!(UploadForm::default().finish_partial().is_ok());
        assert!(required::<PartialUpload>().is_empty());
    }
}
