//! Finds items and users of a project.

use std::sync::LazyLock;

use tokio_util::sync::CancellationToken;

use super::building::{self, Sources, open_rows};
use super::columns::{Shown, ShownNames, address_of, title_of};
use super::listing::Listing;
use super::model::{ListedItem, ListedUser, Part, Query};
use crate::features::datasets::{self, DataError};
use crate::features::feature_sets;
use crate::features::item_metadata::{self, LARGEST_METADATA, Rows, Subject};
use crate::features::projects::Project;
use crate::platform::blobs::Blobs;
use crate::platform::computing::Computing;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// How often a file is looked for that is replaced meanwhile.
const TRIES: usize = 3;

/// How many titles are named that are like one that no item has.
const NEAR: usize = 5;

/// The computing places of searches.
static SEARCHES: LazyLock<Computing> = LazyLock::new(Computing::of_machine);

/// One page of what was found, and how many there are in all.
type Found<T> = (i64, Vec<T>);

/// One page of the items that were found, how many there are in all, and the columns that are shown of them.
pub struct FoundItems {
    pub count: i64,
    pub items: Vec<ListedItem>,
    pub columns: ShownNames,
}

async fn sources_of(services: &Services, project: &Project) -> ApiResult<Sources> {
    let mut connection = services.db.conn().await?;
    Ok(Sources {
        tenant: project.tenant(&mut connection).await?,
        data: datasets::newest_ready(&mut connection, project.id).await?,
        metadata: item_metadata::newest(&mut connection, project.id, Subject::Item).await?,
        chosen: ShownNames { title: project.fields.title_column.clone(), image: project.fields.image_column.clone() },
        set: feature_sets::current(&mut connection, project.id).await?.map(|set| (set.id, set.spec)),
    })
}

/// Returns one page of the users that a query finds.
pub async fn users(services: &Services, project: &Project, query: Query, part: Part) -> ApiResult<Found<ListedUser>> {
    let look = async |sources: Sources| {
        let listing = building::users(services, &sources).await?;
        let (query, part) = (query.clone(), part.clone());
        let work = move |_: &CancellationToken| -> ApiResult<Found<ListedUser>> {
            let (count, numbers) = numbers(&listing, &query, &part)?;
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
pub async fn items(services: &Services, project: &Project, query: Query, part: Part) -> ApiResult<FoundItems> {
    let look = async |sources: Sources| {
        let listing = building::items(services, &sources).await?;
        let (query, part, blobs, party) = (query.clone(), part.clone(), services.blobs.clone(), sources.tenant.party());
        let work = move |_: &CancellationToken| -> ApiResult<FoundItems> {
            let (count, numbers) = numbers(&listing, &query, &part)?;
            let rows = rows_of(&blobs, &sources)?;
            let columns = rows.as_ref().map(|(shown, rows)| shown.names(rows.columns())).unwrap_or_default();
            Ok(FoundItems { count, items: with_rows(rows.as_ref(), &listing, &numbers)?, columns })
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

/// Returns how many a query finds, and the numbers of a part of them.
fn numbers(listing: &Listing, query: &Query, part: &Part) -> ApiResult<(i64, Vec<u32>)> {
    let matches = listing.search(query);
    let count = i64::try_from(matches.count()).unwrap_or(i64::MAX);
    let (skipped, most) = part.of(count)?;
    Ok((count, matches.part(skipped, most)))
}

/// Returns the id of the item with a title, in any case and width, or with this id where no title is it; of several, the one with
/// most interactions. Without one, returns the titles most like it.
pub async fn item_titled(services: &Services, project: &Project, title: &str) -> ApiResult<Result<String, Vec<String>>> {
    let look = async |sources: Sources| {
        let listing = building::items(services, &sources).await?;
        let (title, blobs, party) = (title.to_owned(), services.blobs.clone(), sources.tenant.party());
        let work = move |_: &CancellationToken| -> ApiResult<Result<String, Vec<String>>> {
            if let Some(number) = listing.titled(&title) {
                return Ok(Ok(listing.get(number).0.to_owned()));
            }
            let rows = rows_of(&blobs, &sources)?;
            let near = with_rows(rows.as_ref(), &listing, &listing.titled_like(&title, NEAR))?;
            Ok(Err(near.into_iter().filter_map(|item| item.title).collect()))
        };
        SEARCHES.run(Some(party), work).await?
    };
    while_replaced(services, project, look).await
}

/// Returns the titles of items, in their order; `None` for those without one.
pub async fn titles_of(services: &Services, project: &Project, items: &[String]) -> ApiResult<Vec<Option<String>>> {
    let look = async |sources: Sources| {
        let (items, blobs, party) = (items.to_vec(), services.blobs.clone(), sources.tenant.party());
        let work = move |_: &CancellationToken| -> ApiResult<Vec<Option<String>>> {
            let rows = rows_of(&blobs, &sources)?;
            let mut left = LARGEST_METADATA;
            let title = |item: &String| Ok(cells_of(rows.as_ref(), item, &mut left)?.0);
            items.iter().map(title).collect()
        };
        SEARCHES.run(Some(party), work).await?
    };
    while_replaced(services, project, look).await
}

/// The rows of items, and the columns that are shown of them.
type ShownRows = (Shown, Rows);

/// Opens the item metadata in use; `None` if there is none with anything to show. Blocks.
fn rows_of(blobs: &Blobs, sources: &Sources) -> Result<Option<ShownRows>, DataError> {
    let opened = sources.metadata.as_deref().map(|key| open_rows(blobs, key)).transpose()?;
    Ok(opened.map(|(_, rows)| (sources.shown(&rows), rows)).filter(|(shown, _)| *shown != Shown::default()))
}

/// Returns items with what their rows say. Blocks.
fn with_rows(rows: Option<&ShownRows>, listing: &Listing, numbers: &[u32]) -> Result<Vec<ListedItem>, DataError> {
    let mut left = LARGEST_METADATA;
    let item = |number: &u32| {
        let (item_id, interactions) = listing.get(*number);
        let (title, image_url) = cells_of(rows, item_id, &mut left)?;
        Ok(ListedItem { item_id: item_id.to_owned(), title, image_url, interactions })
    };
    numbers.iter().map(item).collect()
}

/// Returns the title and the picture in the row of an item. A row that is larger than what may still be read is left out.
fn cells_of(rows: Option<&ShownRows>, item: &str, left: &mut usize) -> Result<(Option<String>, Option<String>), DataError> {
    let Some((shown, rows)) = rows else { return Ok((None, None)) };
    let cells = match rows.find(item, *left) {
        Ok(cells) => cells.unwrap_or_default(),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => return Ok((None, None)),
        Err(error) => return Err(error.into()),
    };
    *left = left.saturating_sub(cells.iter().map(|cell| cell.as_str().map_or(8, str::len)).sum());
    let cell = |column: Option<usize>| column.and_then(|column| cells.get(column));
    Ok((cell(shown.title).and_then(title_of), cell(shown.image).and_then(address_of)))
}
