//! Items and users in answers, and what callers look for.

use serde::Serialize;
use utoipa::ToSchema;

use crate::ml::features::normal_form;
use crate::platform::http::{ApiError, ApiResult, Filters, Page, PageRequest};

/// The largest number of characters that are looked for.
pub const LONGEST_QUERY: usize = 200;

/// An item of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProjectItem)]
pub struct ListedItem {
    pub item_id: String,
    /// From the column of titles of the item metadata; null without one, or without a row of the item.
    pub title: Option<String>,
    /// Address of a picture, from the column of pictures; null without one.
    pub image_url: Option<String>,
    /// Interactions in the newest training data that is ready.
    pub interactions: u32,
}

/// One page of items, and the columns of the item metadata that their titles and pictures are from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectItemPage)]
pub struct ItemPage {
    #[serde(flatten)]
    pub page: Page<ListedItem>,
    /// Null without item metadata, or without such a column.
    pub title_column: Option<String>,
    /// Null without item metadata, or without such a column.
    pub image_column: Option<String>,
}

/// A user of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProjectUser)]
pub struct ListedUser {
    pub user_id: String,
    /// Interactions in the newest training data that is ready.
    pub interactions: u32,
}

/// What a caller looks for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// As it was typed.
    pub text: String,
    /// In the form in which titles are compared.
    pub normal: String,
}

impl Query {
    /// Reads the query of a request; 400 if it has more characters than are looked for.
    pub fn read(filters: &Filters) -> ApiResult<Self> {
        let text = filters.text("q").unwrap_or_default();
        Self::of(&text).ok_or_else(|| ApiError::field("q", format!("Look for at most {LONGEST_QUERY} characters.")))
    }

    /// Creates the query of a text; `None` if it has more characters than are looked for.
    pub fn of(text: &str) -> Option<Self> {
        let is_short = text.chars().nth(LONGEST_QUERY).is_none();
        is_short.then(|| Self { text: text.to_owned(), normal: normal_form(text.trim()) })
    }

    /// Returns whether it finds everything.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// The part of what was found that a caller gets.
#[derive(Debug, Clone)]
pub enum Part {
    Page(PageRequest),
    /// After the first `skipped`, the next `most`.
    Range {
        skipped: usize,
        most: usize,
    },
}

impl Part {
    /// Returns how many to skip and how many to take, given how many there are; 404 when there is no such page.
    pub fn of(&self, count: i64) -> ApiResult<(usize, usize)> {
        let number = |at: i64| usize::try_from(at).unwrap_or(usize::MAX);
        match self {
            Self::Page(page) => Ok((number(page.offset(count)?), number(page.limit()))),
            Self::Range { skipped, most } => Ok((*skipped, *most)),
        }
    }
}
