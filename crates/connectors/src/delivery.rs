//! Rows that replace those of a table: what is written, and how it reaches the connection.

use std::io::Read;

use tokio::sync::mpsc;

use super::error::ConnectorError;
use super::query::Table;

/// What the name of the new table ends with until it replaces the present one.
const NEXT: &str = "_recotem_next";

/// What the name of the present table ends with once the new one has replaced it, until it is dropped.
const OLD: &str = "_recotem_old";

/// Pieces that wait for the connection while others are read.
const AHEAD: usize = 4;

/// The type of a column that is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveredType {
    Text,
    Integer,
    Real,
}

/// A column that is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveredColumn {
    pub name: &'static str,
    pub kind: DeliveredType,
}

/// The new rows of a table.
pub struct TableDelivery {
    pub table: Table,
    /// The columns of the table, of which there are no others. The table is searched by the first one.
    pub columns: Vec<DeliveredColumn>,
    /// What is said about the table, replaced together with its rows.
    pub comment: String,
    /// The rows as CSV, with a header.
    pub rows: Box<dyn Read + Send + Sync>,
}

/// The longest name of a delivered table, in bytes: PostgreSQL keeps 63 of a name, MySQL 64 characters, and the names beside the
/// table are never cut, since two tables would then share one.
const LONGEST_NAME: usize = 63 - NEXT.len();

/// The longest name of a schema, in bytes: PostgreSQL keeps 63, MySQL 64 characters.
const LONGEST_SCHEMA: usize = 64;

/// Returns why lists cannot be delivered to a table of this name.
pub fn refuse_name(table: &Table) -> Result<(), String> {
    let name = &table.table;
    for (what, name, longest) in [("schema", &table.schema, LONGEST_SCHEMA), ("table", name, LONGEST_NAME)] {
        if name.len() > longest {
            return Err(format!("The name of the {what} is too long. It may have at most {longest} bytes."));
        }
    }
    match [NEXT, OLD].into_iter().find(|ending| name.to_lowercase().ends_with(ending)) {
        Some(ending) => Err(format!("Names that end in {ending} are used while tables are replaced. Choose another name.")),
        None => Ok(()),
    }
}

/// Returns the name of the new table until it replaces the present one, and of the present one after that.
pub(super) fn staged_names(table: &str) -> [String; 2] {
    [NEXT, OLD].map(|ending| format!("{table}{ending}"))
}

/// Returns why a table cannot be replaced, if it is another one than the deliveries make.
pub(super) fn judge_shape(delivery: &TableDelivery, is_table: bool, found: &[String]) -> Result<(), ConnectorError> {
    let expected: Vec<&str> = delivery.columns.iter().map(|column| column.name).collect();
    if is_table && found == expected {
        return Ok(());
    }
    let Table { schema, table } = &delivery.table;
    let expected = expected.join(", ");
    Err(ConnectorError::OtherTable(format!("{schema}.{table} exists and is not a table with the columns {expected}")))
}

/// Reads pieces on a thread that may block, a few ahead of what takes them.
pub(super) fn read_ahead<T: Send + 'static>(
    mut next: impl FnMut() -> std::io::Result<Option<T>> + Send + 'static,
) -> mpsc::Receiver<std::io::Result<T>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        while let Some(piece) = next().transpose() {
            let is_over = piece.is_err();
            if sender.blocking_send(piece).is_err() || is_over {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tables_share_a_name_until_the_swap() {
        let named = |name: &str| Table { schema: "shop".to_owned(), table: name.to_owned() };
        assert_eq!(staged_names("lists"), ["lists_recotem_next", "lists_recotem_old"]);
        for name in ["lists", "recotem_next", &"é".repeat(25)] {
            assert_eq!(refuse_name(&named(name)), Ok(()));
            assert!(staged_names(name).iter().all(|name| name.len() <= 63));
        }
        for name in ["lists_recotem_next", "Lists_Recotem_OLD", &"é".repeat(26)] {
            assert!(refuse_name(&named(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_table_of_another_shape_is_refused() {
        let column = |name| DeliveredColumn { name, kind: DeliveredType::Text };
        let delivery = TableDelivery {
            table: Table { schema: "shop".to_owned(), table: "lists".to_owned() },
            columns: vec![column("user_id"), column("item_id")],
            comment: String::new(),
            rows: Box::new(std::io::empty()),
        };
        let judge = |is_table, found: &[&str]| {
            judge_shape(&delivery, is_table, &found.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert!(judge(true, &["user_id", "item_id"]).is_ok());
        for (is_table, found) in
            [(false, vec!["user_id", "item_id"]), (true, vec!["item_id", "user_id"]), (true, vec!["user_id"])]
        {
            let refusal = judge(is_table, &found).unwrap_err();
            assert!(refusal.to_string().contains("shop.lists exists and is not a table with the columns user_id, item_id"));
        }
    }

    #[tokio::test]
    async fn what_is_read_ahead_ends_at_an_error() {
        let mut pieces = vec![Ok(Some(1)), Err(std::io::Error::other("broken")), Ok(Some(2))].into_iter();
        let mut receiver = read_ahead(move || pieces.next().unwrap_or(Ok(None)));
        assert_eq!(receiver.recv().await.unwrap().unwrap(), 1);
        assert!(receiver.recv().await.unwrap().is_err());
        assert!(receiver.recv().await.is_none());
    }
}
