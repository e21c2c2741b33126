//! Signing models anew after the install's secret has changed, so that the old secret can be dropped.

use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::artifacts;
use super::error::ModelError;
use super::signing::Keyring;
use super::store;
use crate::platform::services::Services;

/// What became of the models.
#[derive(Debug, Default)]
pub struct Resigned {
    /// Signed again, by the present key; in a dry run, what would be.
    pub renewed: usize,
    /// Signed by the present key before, and checked.
    pub present: usize,
    /// Left alone, since their files do not hold what was signed: ids and why.
    pub refused: Vec<(i64, ModelError)>,
}

/// What became of one model.
enum Outcome {
    Renewed,
    Present,
    Refused(ModelError),
    /// Deleted meanwhile.
    Gone,
}

/// Checks every file with whichever key signed it and signs with the present key what another one signed. Each model is a
/// transaction of its own; one that does not hold is left as it is. After an error or a stop the next call does the rest.
/// A dry run checks everything and changes nothing.
pub async fn resign(services: &Services, dry_run: bool) -> anyhow::Result<Resigned> {
    let mut connection = services.db.conn().await?;
    let mut resigned = Resigned::default();
    for id in store::with_file(&mut connection).await? {
        let services = services.clone();
        let outcome = connection.transaction(async move |connection| renew(connection, &services, id, dry_run).await).await?;
        match outcome {
            Outcome::Renewed => resigned.renewed += 1,
            Outcome::Present => resigned.present += 1,
            Outcome::Refused(error) => resigned.refused.push((id, error)),
            Outcome::Gone => {}
        }
    }
    Ok(resigned)
}

/// The row is written first and holds the signature that counts: a stop before the transaction ends leaves a model that
/// still loads, and that the next call takes up again.
async fn renew(connection: &mut AsyncPgConnection, services: &Services, id: i64, dry_run: bool) -> anyhow::Result<Outcome> {
    let Some(model) = store::lock(connection, id).await? else { return Ok(Outcome::Gone) };
    let (Some(place), Some(old)) = (model.storage_key.clone(), model.signature.clone()) else { return Ok(Outcome::Gone) };
    let (blobs, keys) = (services.blobs.clone(), Keyring::of(services));
    let checked = tokio::task::spawn_blocking(move || {
        let bytes = artifacts::read(&blobs, &keys, &model)?;
        Ok::<_, ModelError>(if keys.is_present(&old) { (true, old) } else { (false, keys.sign(&bytes)) })
    });
    let (present, signature) = match checked.await? {
        Ok(checked) => checked,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    if dry_run {
        return Ok(if present { Outcome::Present } else { Outcome::Renewed });
    }
    if !present {
        store::set_signature(connection, id, &signature).await?;
    }
    let blobs = services.blobs.clone();
    tokio::task::spawn_blocking(move || artifacts::keep_signature(&blobs, &place, &signature)).await??;
    Ok(if present { Outcome::Present } else { Outcome::Renewed })
}
