//! Seals the secrets of endpoints again that an earlier secret of the installation sealed.

use super::secrets::{self, Kept};
use super::store::endpoints::{self as store, Sealed};
use crate::platform::services::Services;
use crate::platform::vault::{Vault, VaultError};

/// What was found, and what became of it.
#[derive(Debug, Default)]
pub struct Resealed {
    /// Secrets that the present key had sealed.
    pub present: usize,
    /// Secrets that the present key has sealed now.
    pub renewed: usize,
    /// Endpoints with a secret that cannot be opened.
    pub refused: Vec<(i64, VaultError)>,
}

/// Seals all secrets with the present key, unless this is a dry run. Safe to repeat.
pub async fn reseal(services: &Services, dry_run: bool) -> anyhow::Result<Resealed> {
    let vault = services.vault()?;
    let mut connection = services.db.conn().await?;
    let mut found = Resealed::default();
    for sealed in store::all_sealed(&mut connection).await? {
        let present = resealed(&vault, &sealed.secret_sealed, Kept::Present, &sealed);
        let previous =
            sealed.previous_secret_sealed.as_ref().map(|old| resealed(&vault, old, Kept::Previous, &sealed)).transpose();
        match (present, previous) {
            (Ok(None), Ok(None | Some(None))) => found.present += 1,
            (Ok(present), Ok(previous)) => {
                found.renewed += 1;
                if !dry_run {
                    store::replace_sealed(&mut connection, &sealed, present, previous.flatten()).await?;
                }
            }
            (Err(error), _) | (_, Err(error)) => found.refused.push((sealed.id, error)),
        }
    }
    Ok(found)
}

/// Returns a secret sealed with the present key; `None` if it is.
fn resealed(vault: &Vault, old: &[u8], kept: Kept, of: &Sealed) -> Result<Option<Vec<u8>>, VaultError> {
    if vault.is_present(old) {
        return Ok(None);
    }
    let secret = secrets::open(vault, old, kept, of.id, of.project_id)?;
    secrets::seal(vault, &secret, kept, of.id, of.project_id).map(Some)
}
