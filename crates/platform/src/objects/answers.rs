//! What is said of objects, and an object that is being read.

use std::ops::Range;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::error::ObjectError;

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    pub key: String,
    /// Bytes; `None` if a web server does not say.
    pub size: Option<u64>,
    pub etag: Option<String>,
    pub modified: Option<DateTime<Utc>>,
}

impl ObjectMeta {
    /// Returns a text that differs if the object has changed: its etag, or else when it was changed; with its size.
    pub fn version(&self) -> String {
        let size = self.size.map(|size| size.to_string()).unwrap_or_default();
        match (&self.etag, self.modified) {
            (Some(etag), _) => format!("{size} {}", plain(etag)),
            (None, Some(modified)) => format!("{size} {}", modified.to_rfc3339()),
            (None, None) => size,
        }
    }
}

/// Returns an etag as listings of some stores write it, without quotes.
pub(super) fn plain(etag: &str) -> &str {
    etag.trim_matches('"')
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// What is below, each with a slash at its end; only of a listing of one level.
    pub prefixes: Vec<String>,
    pub objects: Vec<ObjectMeta>,
    /// Whether there are more than are listed.
    pub is_cut: bool,
}

/// Which part and version of an object is read.
#[derive(Debug, Clone, Default)]
pub struct Get {
    /// Bytes to read; all of them if `None`.
    pub range: Option<Range<u64>>,
    /// The etag that the object must have.
    pub if_match: Option<String>,
}

/// An object that is being read.
pub struct Reading {
    pub meta: ObjectMeta,
    expected: Option<u64>,
    got: u64,
    pieces: BoxStream<'static, Result<Bytes, ObjectError>>,
}

impl Reading {
    pub(super) fn new(meta: ObjectMeta, expected: Option<u64>, pieces: BoxStream<'static, Result<Bytes, ObjectError>>) -> Self {
        Self { meta, expected, got: 0, pieces }
    }

    /// Returns the next piece, or `None` after the last one. An object that ends early is an error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
        match self.pieces.next().await {
            Some(piece) => {
                let piece = piece?;
                self.got += piece.len() as u64;
                if self.expected.is_some_and(|expected| self.got > expected) {
                    return Err(ObjectError::Changed(self.meta.key.clone()));
                }
                Ok(Some(piece))
            }
            None if self.expected.is_some_and(|expected| self.got < expected) => {
                Err(ObjectError::Interrupted(self.meta.key.clone()))
            }
            None => Ok(None),
        }
    }

    /// Reads at most `most` bytes from where it stands.
    pub async fn beginning(mut self, most: usize) -> Result<Vec<u8>, ObjectError> {
        let mut read = Vec::new();
        while read.len() < most {
            let Some(piece) = self.next().await? else { break };
            read.extend_from_slice(&piece[..piece.len().min(most - read.len())]);
        }
        Ok(read)
    }
}

/// Cuts a range out of a whole object.
pub(super) fn part_of(
    pieces: BoxStream<'static, Result<Bytes, ObjectError>>,
    range: Range<u64>,
) -> BoxStream<'static, Result<Bytes, ObjectError>> {
    let parts = futures_util::stream::try_unfold((pieces, 0_u64), move |(mut pieces, mut at)| {
        let range = range.clone();
        async move {
            while at < range.end {
                let Some(piece) = pieces.next().await.transpose()? else { break };
                let (start, end) = (at, at + piece.len() as u64);
                at = end;
                let (from, to) = (range.start.max(start), range.end.min(end));
                if from < to {
                    let part = piece.slice((from - start) as usize..(to - start) as usize);
                    return Ok(Some((part, (pieces, at))));
                }
            }
            Ok(None)
        }
    });
    parts.boxed()
}
