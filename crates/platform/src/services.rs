//! Services that every slice needs at run time, passed to handlers and jobs.

use std::sync::Arc;

use secrecy::SecretString;

use super::blobs::Blobs;
use super::clock::Clock;
use super::config::Settings;
use super::db::Database;
use super::disk::DiskReserve;
use super::memory::Memory;
use super::outbound::Outbound;
use super::vault::{Vault, VaultError};

/// The services of the running program. Cloning is cheap.
#[derive(Clone)]
pub struct Services {
    pub db: Database,
    pub clock: Clock,
    pub settings: Arc<Settings>,
    /// Secret that signs tokens and artifacts.
    pub secret: Arc<SecretString>,
    pub blobs: Blobs,
    /// The only way to other servers.
    pub outbound: Outbound,
}

impl Services {
    /// Returns the disk space that is kept free.
    pub fn disk(&self) -> DiskReserve {
        DiskReserve::new(&self.settings.data_dir, self.settings.min_free_disk_bytes)
    }

    /// Returns the vault that seals secrets for the database.
    pub fn vault(&self) -> Result<Vault, VaultError> {
        Vault::new(&self.secret, &self.settings.previous_secret_keys)
    }

    /// Returns the memory that the processes of this program share.
    pub fn memory(&self) -> Memory {
        Memory::shared_below(&self.settings.data_dir)
    }
}
