//! Opens the server of a connection, with its secret.

use super::error::SourceError;
use super::model::{DataConnection, DataSource};
use super::store::connections;
use super::{secrets, windows};
use crate::connectors::{ConnectionKind, Connector, ConnectorError, CursorKind, Local, Query, Settings};
use crate::features::accounts::Guarded;
use crate::features::datasets::DataError;
use crate::features::projects::Project;
use crate::platform::services::Services;

/// A source that is about to be read.
pub struct Opened {
    pub project: Project,
    pub connector: Connector,
    pub query: Query,
}

impl Opened {
    /// Returns where the next window of a source ends: a settle time before the server's clock, or after its newest row.
    pub async fn end_of_window(&self, source: &DataSource) -> Result<i64, SourceError> {
        Ok(match source.fields.cursor_kind {
            CursorKind::Time => windows::end_of_times(self.connector.now().await?, source.fields.settle_seconds),
            CursorKind::Integer => windows::end_of_numbers(self.connector.newest(&self.query).await?, source.position),
        })
    }
}

/// Opens the server of a connection.
pub async fn of_connection(services: &Services, row: &DataConnection) -> Result<Connector, SourceError> {
    let sealed = connections::sealed(&mut *services.db.conn().await?, row.id).await?;
    let secret = match sealed {
        Some(sealed) => Some(secrets::open(&services.vault()?, &sealed, row.id, row.organisation_id)?),
        None => None,
    };
    let settings = Settings::read(row.fields.kind, &row.fields.settings);
    let settings = settings.map_err(|fault| ConnectorError::InvalidSettings(fault.to_string()))?;
    let local = Local { folders: services.settings.sources.folders.clone(), scratch: services.blobs.desk().to_owned() };
    Ok(Connector::open_with(&settings, secret.as_ref(), &services.outbound, &local)?)
}

/// Opens the server of a connection for a look at rows: those of files are copied to this machine first, which needs room.
pub async fn to_look(services: &Services, row: &DataConnection) -> Result<Connector, SourceError> {
    if row.fields.kind.has_files() {
        services.disk().check().map_err(DataError::from)?;
    }
    of_connection(services, row).await
}

/// Opens the server of a connection for a project of its organisation.
pub async fn connector_of(services: &Services, id: i64, project: i64) -> Result<Connector, SourceError> {
    let gone = |what: &str| SourceError::NotUsable(format!("The {what} of this delivery has been deleted."));
    let mut connection = services.db.conn().await?;
    let (project, _) = Project::load(&mut connection, project).await?.ok_or_else(|| gone("project"))?;
    let row = connections::find(&mut connection, id).await?.ok_or_else(|| gone("connection"))?;
    drop(connection);
    if row.organisation_id != project.organisation_id {
        let text =
            "The connection of this destination belongs to another organisation than its project. Choose another connection.";
        return Err(SourceError::NotUsable(text.to_owned()));
    }
    of_connection(services, &row).await
}

/// Returns the schema of tables that are named without one: of most servers, the database.
fn default_schema(row: &DataConnection) -> &str {
    match row.fields.kind {
        ConnectionKind::Postgresql => "public",
        _ => row.fields.settings["database"].as_str().unwrap_or_default(),
    }
}

/// Opens the server of a source, and says what is read.
pub async fn of_source(services: &Services, source: &DataSource) -> Result<Opened, SourceError> {
    let gone = |what: &str| SourceError::NotUsable(format!("The {what} of this source has been deleted."));
    let mut connection = services.db.conn().await?;
    let (project, _) = Project::load(&mut connection, source.project_id).await?.ok_or_else(|| gone("project"))?;
    let row = connections::find(&mut connection, source.fields.connection_id).await?.ok_or_else(|| gone("connection"))?;
    drop(connection);
    if row.organisation_id != project.organisation_id {
        let text = "The connection of this source belongs to another organisation than its project. Choose another connection.";
        return Err(SourceError::NotUsable(text.to_owned()));
    }
    let query = source.fields.query();
    if query.files.is_some() != row.fields.kind.has_files() {
        let text = "The connection of this source leads to another kind of place: files or tables. Choose another connection.";
        return Err(SourceError::NotUsable(text.to_owned()));
    }
    if let Some(problem) = query.problem(&source.fields, &project.fields) {
        return Err(SourceError::NotUsable(problem));
    }
    let query = query.to_connector(default_schema(&row), &source.fields, &project.fields).map_err(SourceError::NotUsable)?;
    let connector = of_connection(services, &row).await?;
    Ok(Opened { project, connector, query })
}
