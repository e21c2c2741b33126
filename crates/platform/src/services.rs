//! What every slice needs at run time, passed to handlers and jobs alike.

use std::sync::Arc;

use secrecy::SecretString;

use super::blobs::Blobs;
use super::clock::Clock;
use super::config::Settings;
use super::db::Database;
use super::memory::Memory;

/// The running program's means. Cloning is cheap.
#[derive(Clone)]
pub struct Services {
    pub db: Database,
    pub clock: Clock,
    pub settings: Arc<Settings>,
    /// Signs tokens and artifacts.
    pub secret: Arc<SecretString>,
    pub blobs: Blobs,
}

impl Services {
    /// Returns the memory that this program's processes share.
    pub fn memory(&self) -> Memory {
        Memory::shared_below(&self.settings.data_dir)
    }
}
