//! Evaluates a filter to the items that match it.

use tokio_util::sync::CancellationToken;

use super::{Condition, Filter, Node};
use crate::features::item_metadata::ItemTable;
use crate::ml::ids::Ids;

/// Returns the numbers of a model's items that match a filter, ascending; `None` once `stop` is cancelled.
pub fn admitted(filter: &Filter, table: &ItemTable, items: &Ids, stop: &CancellationToken) -> Option<Vec<u32>> {
    let verdicts = verdicts(&filter.root, table, stop)?;
    let described = table.items();
    let (mut row, mut before) = (0, "");
    // Both are in the same order; the items that a model was not trained on follow the others in an order of their own.
    let admits = |item: &u32| {
        let id = items.get(*item);
        if id < std::mem::replace(&mut before, id) {
            row = 0;
        }
        while row < described.len() && described.get(row as u32) < id {
            row += 1;
        }
        let is_described = row < described.len() && described.get(row as u32) == id;
        verdicts[if is_described { row } else { described.len() }]
    };
    Some((0..items.len() as u32).filter(admits).collect())
}

/// Returns for each row whether it matches, and last the same for an item without a row; `None` once `stop` is cancelled, which
/// is checked before each condition is applied to all rows.
fn verdicts(node: &Node, table: &ItemTable, stop: &CancellationToken) -> Option<Vec<bool>> {
    if stop.is_cancelled() {
        return None;
    }
    let together = |parts: &[Node], start: bool, join: fn(bool, bool) -> bool| {
        let mut all = vec![start; table.items().len() + 1];
        for part in parts {
            all.iter_mut().zip(verdicts(part, table, stop)?).for_each(|(all, one)| *all = join(*all, one));
        }
        Some(all)
    };
    match node {
        Node::Field { name, condition } => Some(of_field(name, condition, table)),
        Node::All(parts) => together(parts, true, |a, b| a && b),
        Node::Any(parts) => together(parts, false, |a, b| a || b),
        Node::Not(part) => Some(verdicts(part, table, stop)?.into_iter().map(|admitted| !admitted).collect()),
    }
}

/// Evaluates a condition once per distinct value of a field, however many items have it.
fn of_field(name: &str, condition: &Condition, table: &ItemTable) -> Vec<bool> {
    let column = table.columns().iter().zip(0u32..).find(|(column, _)| *column == name).map(|(_, number)| number);
    let kind = column.and_then(|column| table.kinds().get(column as usize)).copied().unwrap_or_default();
    let condition = condition.for_column(kind);
    let missing = condition.holds(None);
    let mut known: Vec<Option<bool>> = vec![None; table.values().len()];
    let mut verdict = |row: u32| {
        let Some(number) = column.and_then(|column| table.cell(row, column)) else { return missing };
        let number = number as usize;
        *known[number].get_or_insert_with(|| condition.holds(Some(&table.values()[number])))
    };
    let mut verdicts: Vec<bool> = (0..table.items().len() as u32).map(&mut verdict).collect();
    verdicts.push(missing);
    verdicts
}
