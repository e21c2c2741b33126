//! Seals the secrets of connections again that an earlier secret of the installation sealed.

use super::model::SealedSecret;
use super::secrets;
use super::store::connections as store;
use crate::platform::services::Services;
use crate::platform::vault::{Vault, VaultError};

/// What was found, and what became of it.
#[derive(Debug, Default)]
pub struct Resealed {
    /// Secrets that the present key had sealed.
    pub present: usize,
    /// Secrets that the present key has sealed now.
    pub renewed: usize,
    /// Connections with a secret that cannot be opened.
    pub refused: Vec<(i64, VaultError)>,
}

/// Seals all secrets with the present key, unless this is a dry run. Safe to repeat.
pub async fn reseal(services: &Services, dry_run: bool) -> anyhow::Result<Resealed> {
    let vault = services.vault()?;
    let mut connection = services.db.conn().await?;
    let mut found = Resealed::default();
    for old in store::all_sealed(&mut connection).await? {
        match resealed(&vault, &old) {
            Ok(None) => found.present += 1,
            Ok(Some(sealed)) => {
                found.renewed += 1;
                if !dry_run {
                    store::replace_sealed(&mut connection, &old, sealed).await?;
                }
            }
            Err(error) => found.refused.push((old.id, error)),
        }
    }
    Ok(found)
}

/// Returns a secret sealed with the present key; `None` if it is.
fn resealed(vault: &Vault, old: &SealedSecret) -> Result<Option<Vec<u8>>, VaultError> {
    let sealed = old.secret_sealed.as_deref().unwrap_or_default();
    if vault.is_present(sealed) {
        return Ok(None);
    }
    let secret = secrets::open(vault, sealed, old.id, old.organisation_id)?;
    secrets::seal(vault, &secret, old.id, old.organisation_id).map(Some)
}
