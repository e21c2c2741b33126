//! Decisions about item metadata: what is accepted, how it is looked up, when its files go.

use diesel_async::AsyncConnection;
use serde_json::json;

use super::lookup::{self, Descriptions};
use super::model::{ItemMetaData, Stored};
use super::{preparation, store};
use crate::features::datasets::{DataError, Upload, blocking, in_turn, remove_files};
use crate::features::projects::Project;
use crate::platform::services::Services;

/// Stores an upload as new metadata of a project. Nothing is stored when it cannot be imported.
pub async fn add(services: &Services, project: &Project, maker: i64, upload: Upload) -> Result<ItemMetaData, DataError> {
    let stored = keep(services, project, upload).await?;
    let files = [stored.storage_key.clone(), stored.prepared_key.clone()].into_iter().flatten().collect();
    let mut connection = services.db.conn().await?;
    let added = store::insert(&mut connection, project.id, maker, stored).await;
    if added.is_err() {
        remove_files(services, files).await;
    }
    Ok(added?)
}

/// Puts another upload in the place of the one there was.
pub async fn replace(services: &Services, project: &Project, id: i64, upload: Upload) -> Result<ItemMetaData, DataError> {
    let stored = keep(services, project, upload).await?;
    let files = [stored.storage_key.clone(), stored.prepared_key.clone()].into_iter().flatten().collect();
    let mut connection = services.db.conn().await?;
    let replaced = connection
        .transaction(async move |connection| -> Result<_, DataError> {
            let before = store::lock(connection, id).await?;
            Ok((before, store::replace(connection, id, stored).await?))
        })
        .await;
    match replaced {
        Ok((before, after)) => {
            remove_files(services, before.files()).await;
            Ok(after)
        }
        Err(error) => {
            remove_files(services, files).await;
            Err(error)
        }
    }
}

/// Reads an upload and gives both of its forms their places.
async fn keep(services: &Services, project: &Project, upload: Upload) -> Result<Stored, DataError> {
    let (blobs, item_column) = (services.blobs.clone(), project.item_column.clone());
    let limits = preparation::Limits {
        largest_expanded: services.settings.max_expanded_bytes,
        largest_table: services.settings.item_cache_bytes,
    };
    let memory = services.memory().promise();
    in_turn(services, project.id, move || {
        let Upload { name, received } = upload;
        let path = received.file.path();
        let prepared = preparation::prepare(&blobs, path, &name, &item_column, received.size, &limits, &memory)?;
        let stem = uuid::Uuid::new_v4().simple().to_string();
        let (original, by_item) = (format!("metadata/{stem}"), format!("metadata/{stem}.items"));
        blobs.keep(received.file, &original)?;
        blobs.keep(prepared.file, &by_item)?;
        Ok(Stored {
            storage_key: Some(original),
            basename: Some(name),
            filesize: i64::try_from(received.size).ok(),
            sha256: Some(received.sha256),
            prepared_key: Some(by_item),
            valid_columns_list_json: Some(json!(prepared.columns)),
            report: Some(prepared.report),
        })
    })
    .await
}

/// Removes the files but keeps the row.
pub async fn unlink(services: &Services, id: i64) -> Result<ItemMetaData, DataError> {
    let mut connection = services.db.conn().await?;
    let (before, after) = connection
        .transaction(async move |connection| -> Result<_, DataError> {
            let before = store::lock(connection, id).await?;
            Ok((before, store::unlink(connection, id).await?))
        })
        .await?;
    remove_files(services, before.files()).await;
    Ok(after)
}

/// What is known about these items.
pub async fn descriptions(services: &Services, metadata: &ItemMetaData, items: Vec<String>) -> Result<Descriptions, DataError> {
    let gone = || DataError::NotUsable("The file of this item metadata has been removed. Upload it again.".to_owned());
    let (blobs, key) = (services.blobs.clone(), metadata.prepared_key.clone().ok_or_else(gone)?);
    blocking(move || {
        blobs.open_file(&key).and_then(|file| lookup::find(&file, &items)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => gone(),
            _ => error.into(),
        })
    })
    .await
}
