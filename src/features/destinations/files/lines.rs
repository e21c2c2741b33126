//! Lists as lines: an object for each list, or a row for each entry.

use std::io::{self, Write};

use super::{ListFormat, Naming};
use crate::ml::artifact::ListBlock;
use crate::ml::ids::Ids;

/// Encodes blocks as lines.
pub struct LineEncoder<'a> {
    format: ListFormat,
    naming: Naming<'a>,
    /// The items as they stand in a line.
    items: Vec<Box<[u8]>>,
}

impl<'a> LineEncoder<'a> {
    pub fn new(format: ListFormat, naming: Naming<'a>) -> Self {
        let items = quoted(format, naming.items);
        Self { format, naming, items }
    }

    /// Returns the first line; JSON Lines have none.
    pub fn header(&self) -> Vec<u8> {
        let [subject, item] = self.naming.columns();
        match self.format {
            ListFormat::Csv => format!("{subject},rank,{item},score\n").into_bytes(),
            _ => Vec::new(),
        }
    }

    pub fn encode(&self, block: &ListBlock<'_>) -> io::Result<Vec<u8>> {
        let [subject_column, item_column] = self.naming.columns();
        let mut out = Vec::with_capacity(block.lists.iter().map(|list| 32 + 32 * list.len()).sum());
        for (&number, list) in block.subjects.iter().zip(&block.lists) {
            let subject = quote(self.format, self.naming.subjects.get(number));
            if self.format == ListFormat::Csv {
                for (rank, (item, score)) in list.iter().enumerate() {
                    out.extend_from_slice(&subject);
                    write!(out, ",{},", rank + 1)?;
                    out.extend_from_slice(self.item(*item));
                    writeln!(out, ",{score}")?;
                }
                continue;
            }
            write!(out, "{{\"{subject_column}\":")?;
            out.extend_from_slice(&subject);
            out.extend_from_slice(b",\"items\":[");
            for (rank, (item, score)) in list.iter().enumerate() {
                write!(out, "{}{{\"{item_column}\":", if rank > 0 { "," } else { "" })?;
                out.extend_from_slice(self.item(*item));
                write!(out, ",\"score\":{score}}}")?;
            }
            out.extend_from_slice(b"]}\n");
        }
        Ok(out)
    }

    fn item(&self, item: u32) -> &[u8] {
        self.items.get(item as usize).map(|id| &**id).unwrap_or_default()
    }
}

fn quoted(format: ListFormat, ids: &Ids) -> Vec<Box<[u8]>> {
    ids.iter().map(|id| quote(format, id).into_boxed_slice()).collect()
}

/// Returns an id as it stands in a line.
fn quote(format: ListFormat, id: &str) -> Vec<u8> {
    if format == ListFormat::Jsonl {
        // A text is always JSON.
        return serde_json::to_vec(id).unwrap_or_default();
    }
    if !id.is_empty() && !id.contains([',', '"', '\n', '\r']) {
        return id.as_bytes().to_vec();
    }
    format!("\"{}\"", id.replace('"', "\"\"")).into_bytes()
}
