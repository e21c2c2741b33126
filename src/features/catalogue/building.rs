//! Listings in memory: each is built once from prepared files, which never change, for any number of callers. Tenants share the
//! memory: the one with most makes room. A listing that is too large for it is built for each request.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use super::columns::{Shown, ShownNames, title_of};
use super::listing::Listing;
use crate::features::accounts::Tenant;
use crate::features::datasets::{DataError, PREVIEWS, TrainingData, blocking, load_log};
use crate::features::item_metadata::{Rows, each_row};
use crate::ml::features::{FeatureSpec, normal_form};
use crate::ml::interactions::InteractionLog;
use crate::platform::blobs::Blobs;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::memory::{Promise, Shortage};
use crate::platform::services::Services;
use crate::platform::shares::Shares;

/// The largest number of bytes of all listings in memory.
const BUDGET: usize = 256 << 20;
/// Bytes that a listing takes up besides its content.
const LISTING_BYTES: usize = 1_000;

/// Bytes of a row while its listing is built, besides its texts.
const ROW_BYTES: usize = 64;
/// How often a text is held while a listing is built: gathered, and in the listing.
const COPIES: usize = 2;
/// Bytes for which memory is promised at once.
const STEP: usize = 16 << 20;

/// The name of a listing: the prepared forms that it is built from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Users(String),
    Items { data: Option<String>, metadata: Option<(String, ShownNames, Option<i64>)> },
}

static LISTINGS: LazyLock<Shares<Key, Arc<Listing>>> = LazyLock::new(|| Shares::new(BUDGET));

/// The listings that are being built: other callers for one wait until it is there.
static TURNS: LazyLock<Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>> = LazyLock::new(Mutex::default);

/// What the listings of a project are built from.
#[derive(Debug, Clone)]
pub struct Sources {
    pub tenant: Tenant,
    /// The newest training data that is ready.
    pub data: Option<TrainingData>,
    /// The key of the prepared form of the item metadata in use.
    pub metadata: Option<String>,
    /// The columns that the project names.
    pub chosen: ShownNames,
    /// The feature set in use.
    pub set: Option<(i64, FeatureSpec)>,
}

impl Sources {
    /// Returns the columns to show of rows.
    pub fn shown(&self, rows: &Rows) -> Shown {
        Shown::of(rows.columns(), &self.chosen, self.set.as_ref().map(|(_, spec)| spec))
    }

    /// Returns the prepared training data, and its key.
    fn prepared(&self) -> Option<(&TrainingData, &String)> {
        self.data.as_ref().and_then(|data| Some((data, data.prepared_key.as_ref()?)))
    }

    fn key_of_items(&self) -> Key {
        let set = self.set.as_ref().map(|(id, _)| *id);
        let metadata = self.metadata.clone().map(|key| (key, self.chosen.clone(), set));
        Key::Items { data: self.prepared().map(|(_, key)| key.clone()), metadata }
    }
}

/// Returns the users of a project.
pub async fn users(services: &Services, sources: &Sources) -> ApiResult<Arc<Listing>> {
    let Some((data, key)) = sources.prepared() else { return Ok(Arc::default()) };
    match LISTINGS.get(&Key::Users(key.clone())) {
        Some(users) => Ok(users),
        None => Ok(counted(services, sources.tenant, data.clone(), key.clone()).await?.users),
    }
}

/// Returns the items of a project.
pub async fn items(services: &Services, sources: &Sources) -> ApiResult<Arc<Listing>> {
    let key = sources.key_of_items();
    if let Some(items) = LISTINGS.get(&key) {
        return Ok(items);
    }
    let counted = match sources.prepared() {
        Some((data, key)) => match LISTINGS.get(&Key::Items { data: Some(key.clone()), metadata: None }) {
            Some(items) => items,
            None => counted(services, sources.tenant, data.clone(), key.clone()).await?.items,
        },
        None => Arc::default(),
    };
    if sources.metadata.is_none() {
        return Ok(counted);
    }
    let (work, sources) = (services.clone(), sources.clone());
    in_turn(key.clone(), sources.tenant, async move {
        if let Some(items) = LISTINGS.get(&key) {
            return Ok(items);
        }
        let (tenant, promise) = (sources.tenant, work.memory().promise());
        let items = blocking(move || described(&work.blobs, &sources, &counted, &promise)).await?;
        Ok(put(tenant, key, items))
    })
    .await
}

/// Users and items of one upload.
struct Counted {
    users: Arc<Listing>,
    items: Arc<Listing>,
}

/// Reads the training data under a key, which both listings are made of.
async fn counted(services: &Services, tenant: Tenant, data: TrainingData, prepared: String) -> ApiResult<Counted> {
    let of_users = Key::Users(prepared.clone());
    let of_items = Key::Items { data: Some(prepared), metadata: None };
    let services = services.clone();
    in_turn(of_users.clone(), tenant, async move {
        if let (Some(users), Some(items)) = (LISTINGS.get(&of_users), LISTINGS.get(&of_items)) {
            return Ok(Counted { users, items });
        }
        let log = load_log(&services, &data).await?;
        let (users, items) = blocking(move || count(&log)).await?;
        Ok(Counted { users: put(tenant, of_users, users), items: put(tenant, of_items, items) })
    })
    .await
}

fn count(log: &InteractionLog) -> Result<(Listing, Listing), DataError> {
    let users = Listing::counted(&log.users, &log.user_codes).map_err(DataError::Damaged)?;
    let items = Listing::counted(&log.items, &log.item_codes).map_err(DataError::Damaged)?;
    Ok((users, items))
}

fn put(tenant: Tenant, key: Key, listing: Listing) -> Arc<Listing> {
    let (bytes, listing) = (listing.heap_bytes() + LISTING_BYTES, Arc::new(listing));
    LISTINGS.put(tenant.party(), key, Arc::clone(&listing), bytes);
    listing
}

/// Adds the titles of the item metadata to the items of training data. Blocks.
fn described(blobs: &Blobs, sources: &Sources, items: &Listing, memory: &Promise) -> Result<Listing, DataError> {
    let Some((file, rows)) = sources.metadata.as_deref().map(|key| open_rows(blobs, key)).transpose()? else {
        return items.described(Vec::new()).map_err(DataError::Damaged);
    };
    let titles = titles_of(&file, sources.shown(&rows).title, memory)?;
    items.described(titles).map_err(DataError::Damaged)
}

/// Opens a prepared form of item metadata; not usable if it was replaced or removed meanwhile. Blocks.
pub fn open_rows(blobs: &Blobs, key: &str) -> Result<(File, Rows), DataError> {
    let open = || {
        let file = blobs.open_file(key)?;
        Ok((file.try_clone()?, Rows::open(file)?))
    };
    open().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => DataError::NotUsable("The item metadata was replaced or removed meanwhile.".to_owned()),
        _ => error.into(),
    })
}

/// Reads all items with their titles in normal form, empty without one.
fn titles_of(file: &File, column: Option<usize>, memory: &Promise) -> Result<Vec<(String, String)>, DataError> {
    let (mut titles, mut bytes, mut promised) = (Vec::new(), 0, 0);
    let read = each_row(file, |item, cells| {
        let cell = cells.iter().rfind(|(at, _)| Some(*at as usize) == column);
        let title = cell.and_then(|(_, cell)| title_of(cell)).map(|title| normal_form(&title)).unwrap_or_default();
        bytes += ROW_BYTES + COPIES * (item.len() + title.len());
        if bytes > promised {
            promised = bytes + STEP;
            memory.raise_to(promised as u64).map_err(io::Error::other)?;
        }
        titles.push((item.to_owned(), title));
        Ok(())
    });
    let in_words = |error: io::Error| match error.downcast::<Shortage>() {
        Ok(shortage) => {
            DataError::Memory { what: "The items cannot be listed now", shortage, waits_for_others: memory.waits_for_others() }
        }
        Err(error) => error.into(),
    };
    read.map(|()| titles).map_err(in_words)
}

/// Runs work that makes a listing: one piece at a time for the same one, in a computing place of the tenant, and in a task of its
/// own, so that a caller who leaves wastes no work.
async fn in_turn<T: Send + 'static>(
    key: Key,
    tenant: Tenant,
    work: impl Future<Output = Result<T, DataError>> + Send + 'static,
) -> ApiResult<T> {
    let task = tokio::spawn(async move {
        let turn = Arc::clone(turns().entry(key.clone()).or_default());
        let done = {
            let _alone = turn.lock().await;
            match PREVIEWS.admit(Some(tenant.party())).await {
                Ok(_place) => work.await.map_err(ApiError::from),
                Err(busy) => Err(busy.into()),
            }
        };
        let mut turns = turns();
        drop(turn);
        // The last caller for the listing forgets its turn.
        if turns.get(&key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&key);
        }
        done
    });
    task.await.map_err(|error| ApiError::internal(&error))?
}

fn turns() -> MutexGuard<'static, HashMap<Key, Arc<tokio::sync::Mutex<()>>>> {
    TURNS.lock().unwrap_or_else(PoisonError::into_inner)
}
