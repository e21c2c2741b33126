//! Files of a folder, a web server, or an object store.
//!
//! | file | duty |
//! |---|---|
//! | `scratch` | an object on this machine's disk, while it is read |
//! | `listing` | which objects match a pattern |
//! | `first_rows` | the first rows of an object |
//! | `rows` | rows of files as lines of CSV or JSON |
//! | `pulling` | the rows of objects in one file |
//! | `browsing` | folders, files and columns |
//! | `testing` | the steps of a test |

mod browsing;
mod first_rows;
mod listing;
mod pulling;
mod rows;
mod scratch;
mod testing;

use std::path::{Path, PathBuf};

use recotem_platform::objects::{Objects, StoreSettings};
use recotem_platform::outbound::Outbound;
use secrecy::SecretString;

pub use listing::{FileObject, Found};
pub use pulling::PulledFiles;

use super::error::ConnectorError;

/// Reads files of one place.
pub struct Files {
    settings: StoreSettings,
    has_secret: bool,
    objects: Objects,
    /// Where objects are kept while they are read.
    scratch: PathBuf,
}

impl Files {
    pub fn open(
        settings: &StoreSettings,
        secret: Option<&SecretString>,
        outbound: &Outbound,
        (released, scratch): (&[PathBuf], &Path),
    ) -> Result<Self, ConnectorError> {
        let objects = Objects::open(settings, secret, outbound, released)?;
        Ok(Self { settings: settings.clone(), has_secret: secret.is_some(), objects, scratch: scratch.to_owned() })
    }
}
