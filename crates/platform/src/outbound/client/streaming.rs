//! Answers that are too long to be kept, such as files.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use reqwest::header::HeaderMap;
use reqwest::{Request, StatusCode};
use tokio::time::Sleep;

use super::{Outbound, OutboundError, cause_of};

/// How long another server may take over an answer that is read piece by piece.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Time limit until the head of the answer.
    pub head: Duration,
    /// Time limit between two pieces of the body.
    pub between: Duration,
}

/// An answer whose body has not been read yet.
pub struct Streamed {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: StreamedBody,
}

/// A body that is read piece by piece. It fails if the next piece does not arrive in time.
pub struct StreamedBody {
    inner: reqwest::Body,
    between: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Outbound {
    /// Sends a request, and returns its answer of any status as soon as the head has arrived.
    pub async fn open(&self, request: Request, patience: Patience) -> Result<Streamed, OutboundError> {
        let client = self.client_for(request.url())?;
        let Ok(answer) = tokio::time::timeout(patience.head, client.execute(request)).await else {
            return Err(OutboundError::TimedOut(patience.head));
        };
        let mut answer = answer.map_err(|error| cause_of(&error, patience.head))?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let body = StreamedBody { inner: answer.into(), between: patience.between, pause: None };
        Ok(Streamed { status, headers, body })
    }
}

impl StreamedBody {
    /// Returns the next piece, or `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Bytes>, OutboundError> {
        while let Some(frame) = self.frame().await {
            if let Ok(piece) = frame?.into_data() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// Reads at most `most` bytes from the beginning, and discards the rest.
    pub async fn beginning(mut self, most: usize) -> Result<Vec<u8>, OutboundError> {
        let mut read = Vec::new();
        while let Some(piece) = self.next().await? {
            let room = most - read.len();
            read.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.len() >= room {
                break;
            }
        }
        Ok(read)
    }
}

impl Body for StreamedBody {
    type Data = Bytes;
    type Error = OutboundError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, OutboundError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            this.pause = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| cause_of(&error, this.between))));
        }
        // Only the time that this side waits counts, not the time that it takes to store what has arrived.
        let between = this.between;
        let pause = this.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(between)));
        pause.as_mut().poll(context).map(|()| Some(Err(OutboundError::TimedOut(between))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
