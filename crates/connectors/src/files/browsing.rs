//! Folders, files and columns.

use chrono::SecondsFormat;
use recotem_platform::objects::StoreSettings;
use recotem_tabular::{Stop, format_of};

use super::Files;
use super::listing::FileObject;
use crate::answers::{Entry, EntryKind, Listing};
use crate::error::ConnectorError;

/// The most entries of a folder that are listed.
const MOST_LISTED: usize = 1_000;

impl Files {
    /// Lists the folders and files below a path, or the columns of a file.
    pub async fn browse(&self, path: &[String]) -> Result<Listing, ConnectorError> {
        let key = path.join("/");
        if path.last().is_some_and(|name| format_of(name).is_ok()) {
            return self.columns_of(&key).await;
        }
        if matches!(self.settings, StoreSettings::Web(_)) {
            return Ok(Listing { entries: Vec::new(), is_cut: false });
        }
        let prefix = if key.is_empty() { String::new() } else { format!("{key}/") };
        let listed = self.objects.list(&prefix, true, MOST_LISTED).await?;
        let name = |key: &str| key.strip_prefix(&prefix).unwrap_or(key).trim_end_matches('/').to_owned();
        let folders = listed.prefixes.iter().map(|folder| Entry::named(name(folder), EntryKind::Folder));
        // A marker of the folder itself is no file in it.
        let files = listed.objects.iter().filter(|object| object.key.len() > prefix.len());
        let files = files.map(|object| Entry { name: name(&object.key), ..FileObject::from(object.clone()).into() });
        let entries = folders.chain(files).filter(|entry| !entry.name.is_empty()).collect();
        Ok(Listing { entries, is_cut: listed.is_cut })
    }

    async fn columns_of(&self, key: &str) -> Result<Listing, ConnectorError> {
        let object = self.objects.head(key).await?.into();
        let preview = self.first_rows(&object, None, 1, &Stop::default()).await?;
        let entries = preview.columns.into_iter().map(|name| Entry::named(name, EntryKind::Column)).collect();
        Ok(Listing { entries, is_cut: false })
    }
}

impl From<FileObject> for Entry {
    fn from(file: FileObject) -> Self {
        Self {
            bytes: file.size.and_then(|size| i64::try_from(size).ok()),
            modified: file.modified.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)),
            ..Self::named(file.key, EntryKind::File)
        }
    }
}
