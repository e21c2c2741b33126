//! Settings of what data is read from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What of this machine sources may read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSettings {
    /// Folders whose files admins of organisations may read by connections of the kind `folder`, with all that is below them.
    pub folders: Vec<PathBuf>,
}
