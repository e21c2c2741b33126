//! Loading of guarded objects, for tables of projects.

/// Generates the function `load` of [`Guarded`](crate::features::accounts::Guarded) for a table whose rows belong to a project:
/// by their own `project_id`, or through the table that they refer to.
macro_rules! load_of_project {
    ($table:ident) => {
        $crate::features::accounts::load_of_project! { @joined $table, $crate::schema::projects::table }
    };
    ($table:ident, through $other:ident) => {
        $crate::features::accounts::load_of_project! {
            @joined $table,
            diesel::QueryDsl::inner_join($crate::schema::$other::table, $crate::schema::projects::table)
        }
    };
    (@joined $table:ident, $joined:expr) => {
        async fn load(
            connection: &mut diesel_async::AsyncPgConnection,
            id: i64,
        ) -> diesel::QueryResult<Option<(Self, $crate::features::accounts::Ownership)>> {
            use diesel::prelude::*;
            use diesel_async::RunQueryDsl;
            use $crate::schema::projects;

            let found: Option<(Self, i64, i64)> = $crate::schema::$table::table
                .inner_join($joined)
                .filter($crate::schema::$table::id.eq(id))
                .select((Self::as_select(), projects::organisation_id, projects::id))
                .first(connection)
                .await
                .optional()?;
            Ok(found.map(|(row, organisation_id, project_id)| {
                (row, $crate::features::accounts::Ownership { organisation_id, project_id: Some(project_id) })
            }))
        }
    };
}

pub(crate) use load_of_project;
