//! The items of a list in an answer: always id and score, and the explanation and metadata if requested.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::exploration::Slate;
use crate::features::item_metadata::ItemTable;
use crate::features::models::ReadyModel;
use crate::ml::artifact::Reasons;
use crate::ml::error::MlResult;
use crate::ml::ids::Ids;

/// An item of a list; scores are comparable within one list only.
#[derive(Debug, Clone, ToSchema)]
pub struct ListedItem {
    // Index among the items of the model; a [`List`] writes the id.
    #[schema(rename = "item_id", value_type = String)]
    pub number: u32,
    pub score: f32,
    /// True for an item that the model was not trained on: it is recommended for its metadata. Left out for all others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub cold: bool,
    /// The items of the user that contribute most to this one, at most 3, largest share first; none for popular items. Present
    /// only if `explain` was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Vec<Reason>>,
    /// The metadata of the item by column, from the project's newest item metadata; null where it has none. Present only if
    /// `with_metadata` was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Description>,
}

/// Bytes of a written item, with an id of typical length.
const BYTES_OF_ITEM: usize = 64;

/// The items of a list with their model: ids are written straight from its dictionary, without copies.
#[derive(Clone)]
pub struct List {
    model: Arc<ReadyModel>,
    items: Vec<ListedItem>,
    /// The lists that it was drawn from, if new items could take places.
    slate: Option<Slate>,
}

impl List {
    /// Creates a list of items of a model.
    pub fn new(model: &Arc<ReadyModel>, mut items: Vec<ListedItem>) -> Self {
        let n_trained = model.n_trained_items();
        items.iter_mut().for_each(|item| item.cold = item.number as usize >= n_trained);
        Self { model: Arc::clone(model), items, slate: None }
    }

    /// Returns the list with the lists that it was drawn from.
    pub fn drawn_from(self, slate: Option<Slate>) -> Self {
        Self { slate, ..self }
    }

    /// Returns whether new items could take places.
    pub fn is_drawn(&self) -> bool {
        self.slate.is_some()
    }

    /// Returns the probability that a request that gets this list is shown an item at a place.
    pub fn chance(&self, place: usize, id: &str) -> f64 {
        let Some(number) = self.model.items().find(id) else { return 0.0 };
        match &self.slate {
            Some(slate) => slate.chance(place, number),
            None => f64::from(u8::from(self.items.get(place).is_some_and(|item| item.number == number))),
        }
    }

    /// Returns the approximate number of bytes of the written list, without explanations and metadata.
    pub fn bytes(&self) -> usize {
        self.items.len() * BYTES_OF_ITEM
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns the ids of the items with their scores, in their order.
    pub fn scored(&self) -> impl Iterator<Item = (&str, f32)> {
        self.ids().zip(self.items.iter().map(|item| item.score))
    }

    /// Returns the ids of the items, in their order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|item| self.model.items().get(item.number))
    }
}

/// An item in the format of answers.
#[derive(Serialize)]
struct Written<'a> {
    item_id: &'a str,
    score: f32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cold: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<&'a [Reason]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Description>,
}

impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = |(item_id, item)| {
            let ListedItem { score, cold, because, metadata, .. }: &ListedItem = item;
            Written { item_id, score: *score, cold: *cold, because: because.as_deref(), metadata: metadata.as_ref() }
        };
        serializer.collect_seq(self.ids().zip(&self.items).map(written))
    }
}

/// A row of item metadata, serialised only when the answer is.
#[derive(Debug, Clone, Default)]
pub struct Description(Option<(Arc<ItemTable>, u32)>);

impl Serialize for Description {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((table, row)) = &self.0 else { return serializer.serialize_none() };
        let value = |column: u32| table.cell(*row, column).and_then(|number| table.values().get(number as usize));
        serializer.collect_map(table.columns().iter().zip(0..).map(|(name, column)| (name, value(column))))
    }
}

/// An item that a user has interacted with, and how much it contributes to another.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Reason {
    pub item_id: String,
    /// Its share of the other item's score, from 0 to 1.
    pub share: f32,
}

/// Returns a list without explanations and metadata.
pub fn plain(list: Vec<(u32, f32)>) -> Vec<ListedItem> {
    list.into_iter().map(|(number, score)| ListedItem { number, score, cold: false, because: None, metadata: None }).collect()
}

/// Adds to each item which items of the user contribute to it; `shares` returns these contributions for the ids of `items`.
pub fn explain(
    list: &mut [ListedItem],
    items: &Ids,
    shares: impl FnOnce(&mut dyn Iterator<Item = &str>) -> MlResult<Vec<Reasons>>,
) {
    let shares = shares(&mut list.iter().map(|item| items.get(item.number)));
    let shares = shares.unwrap_or_else(|error| {
        // The list is still useful.
        tracing::warn!(%error, "a list could not be explained");
        Vec::new()
    });
    let reason = |(item_id, share)| Reason { item_id, share };
    let mut reasons = shares.into_iter().map(|shares| shares.into_iter().map(reason).collect());
    list.iter_mut().for_each(|item| item.because = Some(reasons.next().unwrap_or_default()));
}

/// Leaves out the items that a model was not trained on, numbered from `n_trained`, and that have no row in the item metadata.
pub fn leave_out_withdrawn(list: &mut Vec<ListedItem>, n_trained: usize, items: &Ids, table: Option<&ItemTable>) {
    let has_row = |item: &ListedItem| table.is_some_and(|table| table.items().find(items.get(item.number)).is_some());
    list.retain(|item| (item.number as usize) < n_trained || has_row(item));
}

/// Adds the metadata to each item. `room` is the number of bytes of metadata that the answer may still take; returns `None` if
/// these items need more.
pub fn describe(table: Option<&Arc<ItemTable>>, list: &mut [ListedItem], items: &Ids, room: &mut usize) -> Option<()> {
    for item in list {
        let row = table.and_then(|table| Some((Arc::clone(table), table.items().find(items.get(item.number))?)));
        if let Some((table, row)) = &row {
            *room = room.checked_sub(size_of_row(table, *row))?;
        }
        item.metadata = Some(Description(row));
    }
    Some(())
}

/// Returns the approximate number of bytes of a row in an answer.
fn size_of_row(table: &ItemTable, row: u32) -> usize {
    let names: usize = table.columns().iter().map(|name| name.len() + AROUND_A_VALUE).sum();
    let value = |number: u32| table.values().get(number as usize).map_or(0, size_of_value);
    names + table.cells(row).iter().map(|(_, number)| value(*number)).sum::<usize>()
}

/// Quotation marks, colon, comma and `null`.
const AROUND_A_VALUE: usize = 8;

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(|entry| size_of_value(entry) + AROUND_A_VALUE).sum(),
        Value::Object(fields) => fields.iter().map(|(name, entry)| name.len() + size_of_value(entry) + AROUND_A_VALUE).sum(),
        _ => AROUND_A_VALUE,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn new_items_without_a_row_are_left_out_and_others_stay() {
        let items = Ids::from_sorted(["a", "b", "x", "y"]).unwrap();
        let table = ItemTable::of(&["colour"], vec![("x", vec![(0, json!("red"))])]);
        let left = |table: Option<&ItemTable>| {
            let mut list = plain(vec![(3, 0.9), (0, 0.8), (2, 0.7), (1, 0.6)]);
            leave_out_withdrawn(&mut list, 2, &items, table);
            list.into_iter().map(|item| item.number).collect::<Vec<_>>()
        };
        assert_eq!((left(Some(&table)), left(None)), (vec![0, 2, 1], vec![0, 1]));
    }
}
