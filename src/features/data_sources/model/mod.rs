//! Rows of connections, sources and runs, the fields of bodies, and the payloads of jobs.

mod connection;
mod guards;
mod query;
mod run;
mod source;
mod structured;

pub use connection::{ConnectionFields, DataConnection, NewConnection, OfOrganisation, SealedSecret, SecretField};
pub use guards::{Guards, SchemaChange};
pub use query::{SourceAggregate, SourceQuery};
pub use run::{Cause, NewRun, RunChanges, RunState, SourceFile, SourceRun, Stage, StageName};
pub use source::{
    DataSource, FollowUp, Mode, NullCursor, NumbersToFill, PullSource, RecheckWindows, SourceFields, Target, TimesToFill,
};
