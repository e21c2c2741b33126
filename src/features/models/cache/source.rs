//! What a model in memory is made of, and what a request wants it to be made of.

use std::sync::Arc;

use super::super::model::TrainedModel;
use crate::features::accounts::Tenant;

/// The item metadata whose new items a model should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Items<'a> {
    /// That which it has.
    Any,
    /// That of this prepared form; `None` if its project has none.
    Of(Option<&'a Arc<str>>),
}

impl<'a> Items<'a> {
    /// Returns the key of the prepared form.
    pub fn key(self) -> Option<&'a Arc<str>> {
        match self {
            Items::Any => None,
            Items::Of(key) => key,
        }
    }
}

/// A model of a tenant, the signature of its artifact, and its new items.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub tenant: Tenant,
    pub id: i64,
    pub signature: &'a str,
    pub items: Items<'a>,
}

impl<'a> Wanted<'a> {
    /// Returns the model of a row with the new items of this item metadata; `None` if it has no file.
    pub fn of(row: &'a TrainedModel, tenant: Tenant, items: Items<'a>) -> Option<Self> {
        let signature = row.signature.as_deref().filter(|_| row.storage_key.is_some())?;
        Some(Self { tenant, id: row.id, signature, items })
    }
}

/// What a model is made of: its artifact, by its signature, and the prepared form of item metadata with its new items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub signature: String,
    pub items: Option<Arc<str>>,
}

impl Source {
    /// Creates what is wanted.
    pub fn of(wanted: &Wanted<'_>) -> Self {
        Self { signature: wanted.signature.to_owned(), items: wanted.items.key().cloned() }
    }

    /// Returns whether this is what is wanted. Item metadata matters only to models that take new items.
    pub fn is(&self, wanted: &Wanted<'_>, takes_new_items: bool) -> bool {
        let has_items = match wanted.items {
            Items::Of(items) if takes_new_items => self.items.as_ref() == items,
            _ => true,
        };
        self.signature == wanted.signature && has_items
    }
}
