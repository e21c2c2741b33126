//! `GET /item/{item}/`: the row of an item, and whether the project's models can read it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix_web::web;
use moka::sync::Cache;

use super::artifacts;
use super::error::ModelError;
use super::model::TrainedModel;
use super::signing::Keyring;
use super::store;
use crate::features::accounts::Principal;
use crate::features::datasets::PREVIEWS;
use crate::features::item_metadata::{self, ItemRow};
use crate::features::projects;
use crate::ml::artifact::item_encoder;
use crate::ml::features::Encoder;
use crate::platform::http::{ApiResult, Filters};
use crate::platform::services::Services;

/// Bytes of all encoders in memory.
const MOST_BYTES: u64 = 64 << 20;

/// Bytes per unit of weight, as the cache's weights are 32 bits wide.
const UNIT: u64 = 1 << 10;

/// How long an encoder stays after its last use.
const KEPT: Duration = Duration::from_secs(300);

/// Encoders by the signature of the file that they were read from.
static ENCODERS: LazyLock<Cache<String, Arc<Encoder>>> = LazyLock::new(|| {
    let units = |encoder: &Encoder| encoder.heap_bytes().div_ceil(UNIT).max(1);
    let weigh = move |_: &String, encoder: &Arc<Encoder>| u32::try_from(units(encoder)).unwrap_or(u32::MAX);
    Cache::builder().weigher(weigh).max_capacity(MOST_BYTES / UNIT).time_to_idle(KEPT).build()
});

/// Registers the URL.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/item/{item}/").route(web::get().to(read)));
}

/// Returns the row of an item in the newest item metadata, or the change of it that was accepted last, and its problem.
#[utoipa::path(get, path = "/item/{item}/", tag = "item_meta_data", operation_id = "read_item",
    params(("item" = String, Path, description = "The id of the item"),
        ("project" = Option<i64>, Query, description = "Required without an API key, whose project is used otherwise")),
    responses((status = 200, body = ItemRow), (status = 404, description = "No such row, or the caller has no access to it")))]
pub async fn read(
    principal: Principal,
    services: web::Data<Services>,
    item: web::Path<String>,
    filters: Filters,
) -> ApiResult<web::Json<ItemRow>> {
    let (mut row, project) = item_metadata::read_row(&principal, &services, item.into_inner(), &filters).await?;
    if row.problem.is_none() {
        row.problem = problem_of(&services, project, &row).await?;
    }
    Ok(web::Json(row))
}

/// Returns why the newest model with item features leaves a row out; `None` if it does not, or if that cannot be found out now.
async fn problem_of(services: &Services, project: i64, row: &ItemRow) -> ApiResult<Option<String>> {
    let Some(values) = row.values.clone() else { return Ok(None) };
    let mut connection = services.db.conn().await?;
    let Some(model) = store::newest_with_item_features(&mut connection, project).await? else { return Ok(None) };
    let party = projects::tenant_of(&mut connection, project).await?.party();
    drop(connection);
    let (id, item, services) = (model.id, row.item_id.clone(), services.clone());
    let check = move |_: &tokio_util::sync::CancellationToken| {
        let encoder = encoder_of(&services, &model)?;
        Ok::<_, ModelError>(encoder.and_then(|encoder| encoder.fault_of(&item, &values)))
    };
    match PREVIEWS.run(Some(party), check).await {
        Ok(Ok(fault)) => {
            let problem =
                |fault| format!("Model {id} leaves this row out, so it does not recommend the item as a new one: {fault}.");
            Ok(fault.map(problem))
        }
        Ok(Err(error)) => {
            tracing::debug!(model = id, %error, "a row is not checked");
            Ok(None)
        }
        // Other work has all the places.
        Err(_) => Ok(None),
    }
}

/// Returns the encoder of a model. Blocks.
fn encoder_of(services: &Services, model: &TrainedModel) -> Result<Option<Arc<Encoder>>, ModelError> {
    let Some(signature) = &model.signature else { return Ok(None) };
    if let Some(encoder) = ENCODERS.get(signature) {
        return Ok(Some(encoder));
    }
    let memory = services.memory().promise();
    memory.raise_to(model.filesize.map_or(0, i64::unsigned_abs)).map_err(|_| ModelError::NoMemory)?;
    let bytes = artifacts::read(&services.blobs, &Keyring::of(services), model)?;
    let Some(encoder) = item_encoder(&bytes)?.map(Arc::new) else { return Ok(None) };
    ENCODERS.insert(signature.clone(), Arc::clone(&encoder));
    Ok(Some(encoder))
}
