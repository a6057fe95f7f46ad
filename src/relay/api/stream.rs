//! What happens, as it happens: server-sent events ([HTML]), each with its position as its id. Whoever comes again
//! says the last one they had, and misses nothing.
//!
//! [HTML]: https://html.spec.whatwg.org/multipage/server-sent-events.html

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::header;
use hyper::body::Frame;
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    asked::Asked,
    problem::Problem,
    reader::{End, Reader, Wire, asks},
};
use crate::relay::{Shared, keys::Scope, tail::Item};

/// How many may wait for one reader.
const WAITING: usize = 16;

/// The last words to a reader, after all that waits for it.
type LastWords = Arc<Mutex<Option<Bytes>>>;

/// The body of the answer.
struct Pieces {
    waiting: mpsc::Receiver<Bytes>,
    last: LastWords,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.waiting.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(piece)) => Some(piece),
            Poll::Ready(None) => self.last.lock().unwrap_or_else(PoisonError::into_inner).take(),
        };
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }
}

/// The other side of it.
struct Events {
    pieces: mpsc::Sender<Bytes>,
    last: LastWords,
}

impl Events {
    async fn give(&self, piece: Bytes) -> Result<(), End> {
        self.pieces.send(piece).await.map_err(|_| End::Gone)
    }
}

impl Wire for Events {
    async fn item(&mut self, item: &Item) -> Result<(), End> {
        let id = item.position.map(|position| format!("id: {position}\n")).unwrap_or_default();
        self.give(format!("{id}event: {}\ndata: {}\n\n", item.kind, item.text()).into()).await
    }

    async fn beat(&mut self) -> Result<(), End> {
        self.give(Bytes::from_static(b": here\n\n")).await
    }

    async fn heard(&mut self) -> Result<(), End> {
        self.pieces.closed().await;
        Err(End::Gone)
    }

    async fn answer(&mut self) -> Result<(), End> {
        Ok(())
    }

    async fn end(&mut self, why: End, resume: i64) {
        let Some(reason) = why.reason() else { return };
        let words = json!({ "type": "end", "reason": reason, "resume": resume });
        let words = format!("event: end\ndata: {words}\n\n");
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.into());
    }
}

pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::of(&shared, request, Scope::Read).await?;
    let reader = Reader::of(shared, asks(&asked)?).await?;
    let (pieces, waiting) = mpsc::channel(WAITING);
    let last = LastWords::default();
    let mut events = Events { pieces, last: Arc::clone(&last) };
    tokio::spawn(async move { reader.run(&mut events).await });
    let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((kind, Body::new(Pieces { waiting, last })).into_response())
}
