//! Pages of tables whose rows belong to a project.

/// Reads one page of a table, newest first: of the rows that a caller may see, in all projects or in one, and in braces what is
/// filtered by if the caller says so. `by` names the column that newest goes by, before the id.
macro_rules! page_of_project {
    (
        $table:ident as $row:ty, by $newest:ident, $connection:expr, $principal:expr, $project:expr, $page:expr
        $(, only $always:expr)? $(, { $($option:ident => $filter:expr),* $(,)? })?
    ) => {{
        let query = || {
            let visible = $table::project_id.eq_any($crate::features::projects::visible_projects($principal, $project));
            let query = $table::table.filter(visible).into_boxed();
            $(let query = query.filter($always);)?
            $($(
                let query = match $option {
                    Some($option) => query.filter($filter),
                    None => query,
                };
            )*)?
            query
        };
        let newest_first = query().order(($table::$newest.desc(), $table::id.desc())).select(<$row>::as_select());
        $crate::platform::http::paginate($connection, $page, query().count(), newest_first).await
    }};
}
pub(crate) use page_of_project;
