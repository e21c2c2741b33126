//! Which objects match a pattern.

use chrono::{DateTime, Utc};
use recotem_platform::objects::{ObjectMeta, StoreSettings};
use recotem_tabular::format_of;

use super::Files;
use crate::error::ConnectorError;
use crate::pattern::{FileFormat, Pattern};
use crate::query::FilesQuery;

/// The most objects that a listing looks at.
const MOST_LOOKED_AT: usize = 1_000_000;

/// A version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileObject {
    pub key: String,
    /// Bytes; `None` if a web server does not say.
    pub size: Option<u64>,
    /// A text that differs if the object has changed.
    pub version: String,
    pub modified: Option<DateTime<Utc>>,
    pub(super) etag: Option<String>,
}

/// The objects that match a pattern, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub objects: Vec<FileObject>,
    /// Whether the place has more objects than were looked at.
    pub is_cut: bool,
}

impl From<ObjectMeta> for FileObject {
    fn from(found: ObjectMeta) -> Self {
        let version = found.version();
        Self { key: found.key, size: found.size, version, modified: found.modified, etag: found.etag }
    }
}

impl FileObject {
    /// Creates a version of an object of which nothing else is known.
    pub fn named(key: &str, version: &str) -> Self {
        Self { key: key.to_owned(), size: None, version: version.to_owned(), modified: None, etag: None }
    }

    /// Returns the name by which the format of the object is known.
    pub fn file_name(&self, format: Option<FileFormat>) -> String {
        let path = self.key.split('?').next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let Some(format) = format else { return name };
        let packing = ["gz", "zst", "bz2", "xz"].iter().find(|packing| name.ends_with(&format!(".{packing}")));
        packing.map_or_else(|| format!("file.{format}"), |packing| format!("file.{format}.{packing}"))
    }
}

impl Files {
    /// Lists the objects that match a pattern. A web server is asked for each of them by name.
    pub async fn found(&self, query: &FilesQuery) -> Result<Found, ConnectorError> {
        let pattern = Pattern::parse(&query.pattern)?;
        let mut found = match &self.settings {
            StoreSettings::Web(_) => self.named(&pattern).await?,
            _ => self.listed(&pattern).await?,
        };
        // What is not a table, such as a note beside the files, is not read, unless nothing else is there.
        let is_table = |object: &FileObject| format_of(&object.file_name(query.format)).is_ok();
        if found.objects.iter().any(is_table) {
            found.objects.retain(is_table);
        }
        found.objects.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        found.objects.dedup_by(|one, other| one.key == other.key);
        Ok(found)
    }

    async fn listed(&self, pattern: &Pattern) -> Result<Found, ConnectorError> {
        let mut found = Found { objects: Vec::new(), is_cut: false };
        for prefix in pattern.prefixes() {
            let listed = self.objects.list(prefix, false, MOST_LOOKED_AT).await?;
            found.is_cut |= listed.is_cut;
            let matching = listed.objects.into_iter().filter(|object| pattern.matches(&object.key));
            found.objects.extend(matching.map(FileObject::from));
        }
        Ok(found)
    }

    async fn named(&self, pattern: &Pattern) -> Result<Found, ConnectorError> {
        let Some(names) = pattern.names() else {
            let message =
                "A web server does not list its files: write the name of each on a line, without signs that stand for others.";
            return Err(ConnectorError::BadQuery(message.to_owned()));
        };
        let mut objects = Vec::new();
        for name in names {
            match self.objects.head(name).await {
                Ok(found) => objects.push(found.into()),
                Err(error) if error.code() == "not_found" => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Found { objects, is_cut: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_of_the_ending_or_the_one_that_is_said() {
        let object = |key: &str| FileObject::named(key, "");
        assert_eq!(object("a/b.csv.gz?token=a.b").file_name(None), "b.csv.gz");
        assert_eq!(object("a/part-0").file_name(Some(FileFormat::JsonLines)), "file.jsonl");
        assert_eq!(object("a/part-0.txt.gz").file_name(Some(FileFormat::Csv)), "file.csv.gz");
    }
}
