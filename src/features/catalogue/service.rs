//! Finds items and users of a project.

use std::sync::LazyLock;

use tokio_util::sync::CancellationToken;

use super::building::{self, Sources, open_rows};
use super::columns::{Shown, address_of, title_of};
use super::listing::Listing;
use super::model::{ListedItem, ListedUser, Query};
use crate::features::datasets::{self, DataError};
use crate::features::feature_sets;
use crate::features::item_metadata::{self, LARGEST_METADATA, Rows, Subject};
use crate::features::projects::Project;
use crate::platform::blobs::Blobs;
use crate::platform::computing::Computing;
use crate::platform::http::{ApiError, ApiResult, PageRequest};
use crate::platform::services::Services;

/// How often a file is looked for that is replaced meanwhile.
const TRIES: usize = 3;

/// The computing places of searches.
static SEARCHES: LazyLock<Computing> = LazyLock::new(Computing::of_machine);

/// One page of what was found, and how many there are in all.
type Found<T> = (i64, Vec<T>);

async fn sources_of(services: &Services, project: &Project) -> ApiResult<Sources> {
    let mut connection = services.db.conn().await?;
    Ok(Sources {
        tenant: project.tenant(&mut connection).await?,
        data: datasets::newest_ready(&mut connection, project.id).await?,
        metadata: item_metadata::newest(&mut connection, project.id, Subject::Item).await?,
        set: feature_sets::current(&mut connection, project.id).await?.map(|set| (set.id, set.spec)),
    })
}

/// Returns one page of the users that a query finds.
pub async fn users(services: &Services, project: &Project, query: Query, page: PageRequest) -> ApiResult<Found<ListedUser>> {
    let look = async |sources: Sources| {
        let listing = building::users(services, &sources).await?;
        let (query, page) = (query.clone(), page.clone());
        let work = move |_: &CancellationToken| -> ApiResult<Found<ListedUser>> {
            let (count, numbers) = numbers(&listing, &query, &page)?;
            let user = |number| {
                let (user_id, interactions) = listing.get(number);
                ListedUser { user_id: user_id.to_owned(), interactions }
            };
            Ok((count, numbers.into_iter().map(user).collect()))
        };
        SEARCHES.run(Some(sources.tenant.party()), work).await?
    };
    while_replaced(services, project, look).await
}

/// Returns one page of the items that a query finds.
pub async fn items(services: &Services, project: &Project, query: Query, page: PageRequest) -> ApiResult<Found<ListedItem>> {
    let look = async |sources: Sources| {
        let listing = building::items(services, &sources).await?;
        let (query, page, blobs, party) = (query.clone(), page.clone(), services.blobs.clone(), sources.tenant.party());
        let work = move |_: &CancellationToken| -> ApiResult<Found<ListedItem>> {
            let (count, numbers) = numbers(&listing, &query, &page)?;
            Ok((count, with_rows(&blobs, &sources, &listing, &numbers)?))
        };
        SEARCHES.run(Some(party), work).await?
    };
    while_replaced(services, project, look).await
}

/// Looks again if a file was replaced after its key was read.
async fn while_replaced<T>(services: &Services, project: &Project, look: impl AsyncFn(Sources) -> ApiResult<T>) -> ApiResult<T> {
    let mut tries = 0;
    loop {
        tries += 1;
        let sources = sources_of(services, project).await?;
        match look(sources).await {
            Err(error) if is_replaced(&error) && tries < TRIES => {}
            found => return found,
        }
    }
}

/// Returns whether an error is that of a file that is gone, which reads of prepared files answer with 409.
fn is_replaced(error: &ApiError) -> bool {
    error.status().as_u16() == 409
}

/// Returns how many a query finds, and the numbers of those on a page.
fn numbers(listing: &Listing, query: &Query, page: &PageRequest) -> ApiResult<(i64, Vec<u32>)> {
    let matches = listing.search(query);
    let count = i64::try_from(matches.count()).unwrap_or(i64::MAX);
    let part = |at: i64| usize::try_from(at).unwrap_or(usize::MAX);
    Ok((count, matches.part(part(page.offset(count)?), part(page.limit()))))
}

/// Returns items with what their rows say. Blocks.
fn with_rows(blobs: &Blobs, sources: &Sources, listing: &Listing, numbers: &[u32]) -> Result<Vec<ListedItem>, DataError> {
    let opened = sources.metadata.as_deref().map(|key| open_rows(blobs, key)).transpose()?;
    let rows = opened.map(|(_, rows)| (sources.shown(&rows), rows)).filter(|(shown, _)| *shown != Shown::default());
    let mut left = LARGEST_METADATA;
    let item = |number: &u32| {
        let (item_id, interactions) = listing.get(*number);
        let cells = match &rows {
            Some((shown, rows)) => cells_of(rows, *shown, item_id, &mut left)?,
            None => (None, None),
        };
        Ok(ListedItem { item_id: item_id.to_owned(), title: cells.0, image_url: cells.1, interactions })
    };
    numbers.iter().map(item).collect()
}

/// Returns the title and the picture in the row of an item. A row that is larger than what may still be read is left out.
fn cells_of(rows: &Rows, shown: Shown, item: &str, left: &mut usize) -> Result<(Option<String>, Option<String>), DataError> {
    let cells = match rows.find(item, *left) {
        Ok(cells) => cells.unwrap_or_default(),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => return Ok((None, None)),
        Err(error) => return Err(error.into()),
    };
    *left = left.saturating_sub(cells.iter().map(|cell| cell.as_str().map_or(8, str::len)).sum());
    let cell = |column: Option<usize>| column.and_then(|column| cells.get(column));
    Ok((cell(shown.title).and_then(title_of), cell(shown.image).and_then(address_of)))
}
