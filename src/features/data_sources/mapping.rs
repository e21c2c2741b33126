//! What a source asks of its server: the columns of the source under the names that the project's files have.

use super::model::{Mode, SourceAggregate, SourceFields, SourceQuery, Target};
use crate::connectors::{Aggregate, Cursor, FilesQuery, Mapped, Query, Source, Table};
use crate::features::projects::ProjectFields;

/// The roles whose meaning the program knows.
const USER: &str = "user";
const ITEM: &str = "item";
const TIME: &str = "time";
const EVENT: &str = "event";

impl SourceQuery {
    /// Returns the aggregation, if there is one.
    fn aggregate(&self) -> Option<&SourceAggregate> {
        self.aggregate.as_ref().filter(|aggregate| aggregate.pairs || aggregate.last_days.is_some())
    }

    /// Returns why a project cannot read it, as a sentence.
    pub fn problem(&self, fields: &SourceFields, project: &ProjectFields) -> Option<String> {
        let needed = needed_roles(fields.target, project);
        if let Some(role) = needed.iter().find(|role| !self.columns.contains_key(**role)) {
            return Some(format!("Say which column of the source is the {role}."));
        }
        let mut names: Vec<String> = self.mapped(fields.target, project).into_iter().map(|mapped| mapped.named).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Some(format!("Two columns would be called \"{}\". Give one of them another role.", twice[0]));
        }
        if self.files.is_some() != (fields.mode == Mode::Files) {
            return Some("The mode files is for files, and the others are for tables and statements.".to_owned());
        }
        match self.aggregate() {
            Some(_) if fields.target != Target::Interactions => Some("Only interactions can be aggregated.".to_owned()),
            Some(_) if fields.mode != Mode::Snapshot => {
                Some("What is aggregated is read as a whole each time: choose the mode snapshot.".to_owned())
            }
            Some(aggregate) if aggregate.last_days.is_some() && !self.columns.contains_key(TIME) => {
                Some("The last days need a column of times.".to_owned())
            }
            _ => None,
        }
    }

    /// Returns the columns that are read, under the names that the project's files have.
    fn mapped(&self, target: Target, project: &ProjectFields) -> Vec<Mapped> {
        // Of items and users, the column with the ids alone means all columns.
        if target != Target::Interactions && self.columns.len() <= 1 {
            return Vec::new();
        }
        let named = |role: &str| match role {
            USER => Some(project.user_column.clone()),
            ITEM => Some(project.item_column.clone()),
            TIME => project.time_column.clone(),
            EVENT => project.event_column.clone(),
            _ => None,
        };
        let mapped = |(role, column): (&String, &String)| Mapped {
            column: column.clone(),
            named: named(role).unwrap_or_else(|| role.clone()),
        };
        self.columns.iter().map(mapped).collect()
    }

    /// Returns the column of ids in files about items or users, if it is not called like that of the project.
    pub fn id_column(&self, target: Target, project: &ProjectFields) -> Option<String> {
        let (role, of_project) = match target {
            Target::Interactions => return None,
            Target::Items => (ITEM, &project.item_column),
            Target::Users => (USER, &project.user_column),
        };
        let named = if self.columns.len() <= 1 { self.columns.get(role)? } else { of_project };
        (named != of_project).then(|| named.clone())
    }

    /// Returns what is asked of the source. Tables that are named without a schema are in `default_schema`.
    pub fn to_connector(&self, default_schema: &str, fields: &SourceFields, project: &ProjectFields) -> Result<Query, String> {
        let key_role = if fields.target == Target::Items { ITEM } else { USER };
        let from = match (&self.table, &self.sql) {
            _ if self.files.is_some() => Source::Files(FilesQuery {
                pattern: self.files.as_ref().map(|files| files.pattern.clone()).unwrap_or_default(),
                format: self.files.as_ref().and_then(|files| files.format),
                key_column: self.columns.get(key_role).cloned().unwrap_or_default(),
            }),
            (Some(table), _) => Source::Table(Table::parse(table, default_schema).map_err(|error| error.to_string())?),
            (None, Some(sql)) => Source::Sql(sql.clone()),
            (None, None) => return Err("Name either a table or a statement (sql).".to_owned()),
        };
        let columns = self.mapped(fields.target, project);
        let cursor = fields.cursor_column.as_ref().filter(|_| fields.mode == Mode::Incremental).map(|column| Cursor {
            column: column.clone(),
            kind: fields.cursor_kind,
            with_nulls: fields.reads_null_cursors(),
        });
        let has_time = columns.iter().any(|mapped| Some(&mapped.named) == project.time_column.as_ref());
        let aggregate = self.aggregate().map(|aggregate| Aggregate {
            latest: project.time_column.iter().filter(|_| has_time).cloned().collect(),
            last_days: aggregate.last_days,
            ..Aggregate::default()
        });
        let query = Query { from, columns, cursor, aggregate };
        query.check().map_err(|error| error.to_string())?;
        Ok(query)
    }

    /// Returns the columns of the source that are read and whose disappearance matters; none for all.
    pub fn watched<'a>(&'a self, fields: &'a SourceFields) -> Vec<&'a str> {
        if fields.target != Target::Interactions && self.columns.len() <= 1 {
            return Vec::new();
        }
        self.columns.values().chain(&fields.cursor_column).map(String::as_str).collect()
    }
}

/// Returns the roles without which files of a target cannot be imported.
fn needed_roles(target: Target, project: &ProjectFields) -> Vec<&'static str> {
    match target {
        Target::Items => vec![ITEM],
        Target::Users => vec![USER],
        Target::Interactions => {
            let time = project.time_column.as_ref().map(|_| TIME);
            let event = project.event_column.as_ref().map(|_| EVENT);
            [Some(USER), Some(ITEM), time, event].into_iter().flatten().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::features::projects::UnknownUsers;

    fn project(time: Option<&str>) -> ProjectFields {
        ProjectFields {
            name: "P".to_owned(),
            user_column: "user_id".to_owned(),
            item_column: "item_id".to_owned(),
            time_column: time.map(str::to_owned),
            event_column: None,
            event_weights: json!({}),
            half_life_days: None,
            unknown_user: UnknownUsers::Fallback,
            logged_share: None,
            new_item_share: 0.0,
            title_column: None,
            image_column: None,
        }
    }

    fn source(body: serde_json::Value) -> SourceFields {
        let mut fields = crate::platform::http::Body::of(body.as_object().cloned().unwrap()).reader();
        let read = SourceFields::read(&mut fields, crate::platform::http::Write::Create);
        fields.finish().unwrap();
        read
    }

    fn problem(body: serde_json::Value, time: Option<&str>) -> Option<String> {
        let fields = source(body);
        fields.query().problem(&fields, &project(time))
    }

    #[test]
    fn columns_get_the_names_of_the_project() {
        let columns = json!({ "user": "customer", "item": "sku", "time": "at", "rating": "stars" });
        let fields = source(json!({ "connection": 1, "name": "s", "query": { "table": "shop.orders", "columns": columns },
            "cursor_column": "at", "null_cursor": "with_every_run" }));
        let query = fields.query().to_connector("public", &fields, &project(Some("when"))).unwrap();
        let mut named: Vec<(&str, &str)> = query.columns.iter().map(|one| (one.column.as_str(), one.named.as_str())).collect();
        named.sort_unstable();
        assert_eq!(named, [("at", "when"), ("customer", "user_id"), ("sku", "item_id"), ("stars", "rating")]);
        assert!(query.cursor.is_some_and(|cursor| cursor.with_nulls && cursor.column == "at"));
        assert_eq!(fields.query().problem(&fields, &project(Some("when"))), None);
    }

    #[test]
    fn what_is_missing_is_said() {
        let columns =
            |columns: serde_json::Value| json!({ "connection": 1, "name": "s", "query": { "table": "t", "columns": columns } });
        assert!(problem(columns(json!({ "user": "u" })), None).is_some_and(|text| text.contains("is the item")));
        let both = columns(json!({ "user": "u", "item": "i" }));
        assert_eq!(problem(both.clone(), None), None);
        assert!(problem(both, Some("when")).is_some_and(|text| text.contains("is the time")));
        let twice = columns(json!({ "user": "u", "item": "i", "item_id": "x" }));
        assert!(problem(twice, None).is_some_and(|text| text.contains("\"item_id\"")));
        let pairs = json!({ "connection": 1, "name": "s", "mode": "incremental",
            "query": { "table": "t", "columns": { "user": "u", "item": "i" }, "aggregate": { "pairs": true } } });
        assert!(problem(pairs, None).is_some_and(|text| text.contains("snapshot")));
    }

    #[test]
    fn all_columns_of_items_are_read_unless_some_are_named() {
        let items = |columns: serde_json::Value| {
            source(json!({ "connection": 1, "name": "s", "target": "items", "mode": "snapshot",
                "query": { "table": "products", "columns": columns } }))
        };
        let all = items(json!({ "item": "sku" }));
        let query = all.query().to_connector("public", &all, &project(None)).unwrap();
        assert!(query.columns.is_empty());
        assert_eq!(all.query().id_column(Target::Items, &project(None)).as_deref(), Some("sku"));
        let some = items(json!({ "item": "sku", "title": "name" }));
        let query = some.query().to_connector("public", &some, &project(None)).unwrap();
        assert_eq!(query.columns.len(), 2);
        assert_eq!(some.query().id_column(Target::Items, &project(None)), None);
    }
}
