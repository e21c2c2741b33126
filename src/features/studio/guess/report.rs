//! Guesses as they are answered.

use serde::Serialize;
use utoipa::ToSchema;

use super::super::mapping::{Columns, Mapping, Meaning, Part, Role};
use crate::ml::features::FieldKind;
use crate::platform::wire_enum;

/// The least confidence with which a column is used without asking.
pub const SURE: f64 = 0.8;

wire_enum! {
    /// How bad a problem is.
    #[schema(as = StudioSeverity)]
    pub enum Severity {
        /// The file cannot be used like this.
        Error = "error",
        Warning = "warning",
    }
}

/// Something about a file that its owner should know.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = StudioProblem)]
pub struct Problem {
    /// Null if it is about the whole file.
    pub column: Option<String>,
    pub severity: Severity,
    pub text: String,
}

/// What a column probably means.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = StudioGuessedColumn)]
pub struct GuessedColumn {
    pub name: String,
    /// The first different values, at most 5.
    pub samples: Vec<String>,
    pub role: Role,
    /// `text`, `category`, `number`, `time` or `vector`, if it describes items or users.
    #[schema(value_type = Option<String>)]
    pub kind: Option<FieldKind>,
    /// From 0 to 1. A column below 0.8 has to be confirmed.
    pub confidence: f64,
    /// Why.
    pub reason: String,
    /// The kind of its values, which it has as a feature if a caller names none.
    #[serde(skip)]
    #[schema(ignore)]
    pub looks_like: Option<FieldKind>,
}

/// What the columns of a file probably mean.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = StudioGuessedFile)]
pub struct GuessedFile {
    /// The file name as sent by the client.
    pub name: String,
    /// The number of rows that the guesses are based on.
    pub rows_seen: u64,
    pub columns: Vec<GuessedColumn>,
    pub problems: Vec<Problem>,
}

impl GuessedFile {
    /// Returns the column of a role.
    pub fn column(&self, role: Role) -> Option<&GuessedColumn> {
        self.columns.iter().find(|column| column.role == role)
    }

    /// Adds a problem.
    pub fn problem(&mut self, column: Option<&str>, severity: Severity, text: impl Into<String>) {
        self.problems.push(Problem { column: column.map(str::to_owned), severity, text: text.into() });
    }

    /// Returns the first problem for which the file cannot be used.
    pub fn error(&self) -> Option<&str> {
        self.problems.iter().find(|problem| problem.severity == Severity::Error).map(|problem| problem.text.as_str())
    }

    /// Returns the columns as a mapping.
    pub fn mapping(&self) -> Columns {
        let meaning = |column: &GuessedColumn| {
            let kind = column.kind.filter(|_| matches!(column.role, Role::Feature | Role::Title));
            (column.name.clone(), Meaning { role: column.role, kind })
        };
        self.columns.iter().map(meaning).collect()
    }

    fn is_sure(&self, part: Part) -> bool {
        let is_known = |role: &Role| self.column(*role).is_some();
        let are_sure = self.columns.iter().all(|column| column.confidence >= SURE);
        self.error().is_none() && are_sure && part.needed().iter().all(is_known)
    }
}

/// The guesses by file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = StudioGuessedFiles)]
pub struct GuessedFiles {
    pub interactions: Option<GuessedFile>,
    pub items: Option<GuessedFile>,
    pub users: Option<GuessedFile>,
}

impl GuessedFiles {
    /// Returns the guesses about a file.
    pub fn of(&self, part: Part) -> Option<&GuessedFile> {
        match part {
            Part::Interactions => self.interactions.as_ref(),
            Part::Items => self.items.as_ref(),
            Part::Users => self.users.as_ref(),
        }
    }
}

/// What the columns of the files probably mean.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = StudioGuesses)]
pub struct Guesses {
    pub files: GuessedFiles,
    /// Whether a run can start without asking.
    pub is_sure: bool,
    /// What is wrong between the files.
    pub problems: Vec<String>,
}

impl Guesses {
    /// Takes the guesses about the files. `blocked` tells that they do not fit together.
    pub fn new(files: GuessedFiles, problems: Vec<String>, blocked: bool) -> Self {
        let is_sure = Part::ALL.iter().all(|part| files.of(*part).is_none_or(|file| file.is_sure(*part)));
        Self { files, is_sure: is_sure && !blocked, problems }
    }

    /// Returns the guesses as a mapping.
    pub fn mapping(&self) -> Mapping {
        let mut mapping = Mapping::default();
        for part in Part::ALL {
            *mapping.of_part_mut(*part) = self.files.of(*part).map(GuessedFile::mapping);
        }
        mapping
    }
}
