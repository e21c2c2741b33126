//! Reading from a PostgreSQL that is a database of the tests.

mod browsing;
mod command;
mod hostile;
mod pulling;
mod testing;
mod windows;

use std::io::Write;
use std::sync::{Arc, Mutex};

use recotem::connectors::{
    Connector, ConnectorError, Cursor, CursorKind, Mapped, PullLimits, Pulled, Query, Source as Origin, Stop, Table, Window,
};

/// A file in memory.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("the bytes").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    /// Returns the lines that were written, with the header.
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().expect("the bytes");
        let text = zstd::decode_all(&bytes[..]).expect("a complete file");
        String::from_utf8(text).expect("text").lines().map(str::to_owned).collect()
    }
}

fn table(name: &str) -> Table {
    Table { schema: "shop".to_owned(), table: name.to_owned() }
}

/// Returns the query of user, item and time of `shop.events`, by a cursor of times.
fn events() -> Query {
    let mapped = |column: &str, named: &str| Mapped { column: column.to_owned(), named: named.to_owned() };
    Query {
        columns: vec![mapped("who", "user_id"), mapped("what", "item_id"), mapped("at", "time")],
        cursor: Some(Cursor { column: "at".to_owned(), kind: CursorKind::Time, with_nulls: false }),
        ..Query::of_table(table("events"))
    }
}

fn sql(text: &str) -> Query {
    Query { from: Origin::Sql(text.to_owned()), ..Query::of_table(table("")) }
}

/// Pulls a window with other limits, and returns the lines below the header.
async fn pull_with(
    connector: &Connector,
    query: &Query,
    window: Option<Window>,
    limits: &PullLimits,
) -> Result<(Pulled, Vec<String>), ConnectorError> {
    let written = Written::default();
    let pulled = connector.pull(query, window, Box::new(written.clone()), limits, &|_, _| {}, &Stop::default()).await?;
    let lines = written.lines();
    assert_eq!(pulled.packed_bytes, written.0.lock().expect("the bytes").len() as u64);
    Ok((pulled, lines[1..].to_vec()))
}

async fn pull(connector: &Connector, query: &Query, window: Option<Window>) -> Result<(Pulled, Vec<String>), ConnectorError> {
    pull_with(connector, query, window, &PullLimits::default()).await
}

/// Returns the code of the error that a pull of everything ends with.
async fn refusal(connector: &Connector, query: &Query) -> &'static str {
    pull(connector, query, None).await.expect_err("an error").code()
}
