//! Errors of the engine, in words that tell the reader what to change.

/// Result of everything in the engine that can fail.
pub type MlResult<T> = Result<T, MlError>;

/// A failure of the engine.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MlError {
    /// The algorithm name is neither a class name nor a short form.
    #[error("there is no algorithm {name:?}; known ones are {}", known.join(", "))]
    UnknownAlgorithm {
        /// The requested name.
        name: String,
        /// Class names of the registry.
        known: Vec<String>,
    },
    /// A parameter that the algorithm does not have.
    #[error("{algorithm} has no parameter {name:?}; it takes {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    UnknownParameter {
        /// Class name of the algorithm.
        algorithm: String,
        /// The parameter given.
        name: String,
        /// Parameters it has.
        known: Vec<String>,
    },
    /// A parameter whose value is outside its domain.
    #[error("{algorithm}: parameter {name:?} {reason}")]
    BadParameter {
        /// Class name of the algorithm.
        algorithm: String,
        /// The parameter.
        name: String,
        /// The rule that its value breaks.
        reason: String,
    },
    /// A split by time of interactions without times.
    #[error("this split needs a time for every interaction; choose a time column or split at random (RG)")]
    MissingTime,
    /// Empty input.
    #[error("{0}")]
    EmptyInput(String),
    /// The work exceeds the memory budget; nothing was allocated.
    #[error(
        "{what} needs about {} MB but only {} MB are allowed",
        needed_bytes.div_ceil(1 << 20),
        budget_bytes >> 20
    )]
    MemoryBudget {
        /// Estimate of the peak, in bytes.
        needed_bytes: u64,
        /// Budget of the context, in bytes.
        budget_bytes: u64,
        /// The refused work.
        what: String,
    },
    /// Other work holds the memory at present; nothing was allocated.
    #[error(
        "{what} needs about {} MB and {} MB are free until other work has ended",
        needed_bytes.div_ceil(1 << 20),
        available_bytes >> 20
    )]
    MemoryInUse {
        /// Estimate of the peak, in bytes.
        needed_bytes: u64,
        /// Free memory, in bytes.
        available_bytes: u64,
        /// The refused work.
        what: String,
    },
    /// The caller cancelled the work.
    #[error("cancelled")]
    Cancelled,
    /// The time limit was reached.
    #[error("the time limit was reached")]
    TimedOut,
    /// An inconsistent model or prepared file.
    #[error("unusable artifact: {0}")]
    BadArtifact(String),
    /// An invalid split configuration.
    #[error("split configuration: {0}")]
    BadSplit(String),
    /// A computation produced a number that is not finite.
    #[error("{0} produced numbers that are not finite; try stronger regularisation")]
    NotFinite(String),
    /// An argument that does not match its model or matrix.
    #[error("{0}")]
    BadInput(String),
}

impl MlError {
    /// Creates the error of a parameter outside its domain.
    pub fn bad_parameter(algorithm: &str, name: &str, reason: impl Into<String>) -> Self {
        MlError::BadParameter { algorithm: algorithm.to_owned(), name: name.to_owned(), reason: reason.into() }
    }
}
