//! Settings of the addresses for clients that were written for other programs.

use serde::{Deserialize, Serialize};

/// Which programs' clients are answered.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompatSettings {
    /// Whether clients of AiREC are, below `/airec`.
    pub airec: bool,
}
