//! Signing models again after the secret of the installation has changed, so that the old secret can be removed.

use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::artifacts;
use super::error::ModelError;
use super::signing::Keyring;
use super::store;
use crate::platform::services::Services;

/// The results by model.
#[derive(Debug, Default)]
pub struct Resigned {
    /// Signed again with the present key; in a dry run, those that would be.
    pub renewed: usize,
    /// Signed with the present key before, and verified.
    pub present: usize,
    /// Left unchanged because their files do not match what was signed: ids and errors.
    pub refused: Vec<(i64, ModelError)>,
}

/// The result for one model.
enum Outcome {
    Renewed,
    Present,
    Refused(ModelError),
    /// The model was deleted meanwhile.
    Gone,
}

/// Verifies every file with the key that signed it, and signs files with the present key that another key signed. Each model is a
/// transaction of its own; one that cannot be verified is left as it is. After an error or a stop the next call does the rest. A
/// dry run verifies everything and changes nothing.
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

/// Signs one model. The row is written first and holds the valid signature: if the process stops before the transaction ends, the
/// model still loads, and the next call signs it.
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
