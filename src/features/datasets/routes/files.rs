//! The content of uploaded files in answers.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::features::datasets::error::DataError;
use crate::features::datasets::service;
use crate::platform::http::{ApiError, ApiResult, Filters};
use crate::platform::services::Services;
use crate::platform::tabular::TabularError;

const PREVIEW_ROWS: i64 = 50;
const MOST_PREVIEW_ROWS: i64 = 200;

/// The first rows of an upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct DataPreview {
    columns: Vec<String>,
    /// Texts, numbers, truth values, and null for missing values.
    rows: Vec<Vec<Value>>,
    /// The number of rows in the whole file if known, otherwise the number of rows returned.
    total_rows: u64,
    /// Whether the file has more rows than are returned.
    more: bool,
}

/// Why no rows are returned.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum PreviewRefused {
    /// The number of rows is negative.
    Sentences(Vec<String>),
    /// The number of rows is zero or no whole number.
    Fields(HashMap<String, Vec<String>>),
    /// The file cannot be read.
    Unreadable { columns: Vec<String>, rows: Vec<Vec<Value>>, total_rows: u64, error: String },
}

impl From<PreviewRefused> for ApiError {
    fn from(refused: PreviewRefused) -> Self {
        Self::with_body(StatusCode::BAD_REQUEST, json!(refused))
    }
}

/// Returns the first rows of a stored file of a project; `counted` is the number of rows in the whole file, if known.
pub async fn preview_of(
    services: &Services,
    project: i64,
    storage_key: Option<&str>,
    name: String,
    counted: Option<u64>,
    filters: &Filters,
) -> ApiResult<HttpResponse> {
    let n_rows = n_rows(filters)?;
    let key = storage_key.ok_or_else(file_removed)?.to_owned();
    match service::preview(services, project, key, name, n_rows).await? {
        Ok(preview) => {
            let total_rows = counted.unwrap_or(preview.rows.len() as u64);
            let answer = DataPreview { columns: preview.columns, rows: preview.rows, total_rows, more: preview.more };
            Ok(HttpResponse::Ok().json(answer))
        }
        Err(DataError::Unreadable(TabularError::Io(cause))) if cause.kind() == std::io::ErrorKind::NotFound => {
            Err(file_removed())
        }
        Err(error @ DataError::Unreadable(_)) if !error.is_passing() => {
            let (columns, rows) = (Vec::new(), Vec::new());
            Err(PreviewRefused::Unreadable { columns, rows, total_rows: 0, error: error.to_string() }.into())
        }
        Err(error) => Err(error.into()),
    }
}

fn n_rows(filters: &Filters) -> ApiResult<usize> {
    match filters.id("n_rows")?.unwrap_or(PREVIEW_ROWS) {
        // 1.x clients expect a bare list here.
        ..0 => Err(PreviewRefused::Sentences(vec!["The number of rows must not be negative.".to_owned()]).into()),
        0 => {
            let messages = vec!["Ensure this value is greater than or equal to 1.".to_owned()];
            Err(PreviewRefused::Fields(HashMap::from([("n_rows".to_owned(), messages)])).into())
        }
        n_rows => Ok(n_rows.min(MOST_PREVIEW_ROWS) as usize),
    }
}

/// Returns the error of a removed file; 1.x clients expect a list here.
pub fn file_removed() -> ApiError {
    ApiError::with_body(StatusCode::NOT_FOUND, json!({ "detail": ["The file has been removed."] }))
}
