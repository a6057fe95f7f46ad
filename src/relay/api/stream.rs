//! What happens, as it happens: server-sent events ([HTML]), each with its position as its id. Whoever comes again
//! says the last one they had, and misses nothing.
//!
//! [HTML]: https://html.spec.whatwg.org/multipage/server-sent-events.html

use std::{
    collections::BTreeSet,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::header;
use hyper::body::Frame;
use serde_json::json;
use tokio::{
    sync::{broadcast, mpsc},
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{
    asked::{Asked, uuid},
    problem::Problem,
};
use crate::relay::{
    Shared,
    keys::Scope,
    tail::{Item, PAGE, Wanted},
};

/// How much may wait for one reader.
const WAITING: usize = 64;
/// How long that may wait before the reader counts as too slow.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(15);

/// The last words to a reader, after all that waits for it.
type LastWords = Arc<Mutex<Option<Bytes>>>;

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

/// Somebody who reads along.
struct Reader {
    shared: Arc<Shared>,
    wanted: Wanted,
    /// The conversations of the user that is wanted.
    theirs: BTreeSet<Uuid>,
    /// The last position that it has.
    at: i64,
    pieces: mpsc::Sender<Bytes>,
    last: LastWords,
}

/// Why it ends.
enum End {
    Gone,
    Slow,
    Database,
}

fn piece(item: &Item) -> Bytes {
    let id = item.position.map(|position| format!("id: {position}\n")).unwrap_or_default();
    format!("{id}event: {}\ndata: {}\n\n", item.kind, item.whole).into()
}

/// From where on, and which of it.
fn wanted(asked: &Asked) -> Result<(Option<i64>, Wanted), Problem> {
    let last = asked.head.headers.get("last-event-id");
    let after = match last.and_then(|it| it.to_str().ok()?.parse().ok()) {
        Some(last) => Some(last),
        None => asked.number("after")?,
    };
    let of = |name: &'static str| asked.query(name).map(|id| uuid(name, &id)).transpose();
    Ok((after, Wanted { conversation: of("conversation_id")?, user: of("user_id")? }))
}

pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::of(&shared, request, Scope::Read).await?;
    let (after, wanted) = wanted(&asked)?;
    // Before what has happened is read, so that nothing is between the two.
    let live = shared.tail.subscribe();
    let theirs = match wanted.user {
        None => Vec::new(),
        Some(user) => sqlx::query_scalar(
            "SELECT conversation_id FROM relay.participants WHERE user_id = $1 AND left_at IS NULL",
        )
        .bind(user)
        .fetch_all(&shared.pool)
        .await?,
    };
    let (pieces, waiting) = mpsc::channel(WAITING);
    let last = LastWords::default();
    let at = after.unwrap_or_else(|| shared.tail.last());
    let theirs = theirs.into_iter().collect();
    let reader = Reader { shared, wanted, theirs, at, pieces, last: Arc::clone(&last) };
    tokio::spawn(reader.run(live));
    let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((kind, Body::new(Pieces { waiting, last })).into_response())
}

impl Reader {
    async fn run(mut self, mut live: broadcast::Receiver<Arc<Item>>) {
        let why = match self.read(&mut live).await {
            End::Gone => return,
            End::Slow => "it reads more slowly than is written",
            End::Database => "the database does not answer",
        };
        let words = json!({ "reason": why, "resume": self.at });
        let words = format!("event: end\ndata: {words}\n\n");
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.into());
    }

    async fn read(&mut self, live: &mut broadcast::Receiver<Arc<Item>>) -> End {
        if self.give(": here\n\n".into()).await.is_err() {
            return End::Gone;
        }
        loop {
            let Ok(page) = self.shared.tail.page(self.at, self.wanted, PAGE).await else {
                return End::Database;
            };
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            for item in page {
                if let Err(end) = self.take(&item).await {
                    return end;
                }
            }
            if is_last {
                break;
            }
        }
        loop {
            let item = tokio::select! {
                item = live.recv() => item,
                () = self.pieces.closed() => return End::Gone,
                () = sleep(BEAT) => {
                    if let Err(end) = self.give(": here\n\n".into()).await {
                        return end;
                    }
                    continue;
                }
            };
            let said = match item {
                Ok(item) => self.take(&item).await,
                Err(broadcast::error::RecvError::Lagged(_)) => Err(End::Slow),
                Err(broadcast::error::RecvError::Closed) => Err(End::Gone),
            };
            if let Err(end) = said {
                return end;
            }
        }
    }

    /// Passes it on, where it is wanted and was not passed on before.
    async fn take(&mut self, item: &Item) -> Result<(), End> {
        if item.position.is_some_and(|position| position <= self.at) {
            return Ok(());
        }
        if let Some((user, comes)) = item.member()
            && self.wanted.user == Some(user)
        {
            self.theirs.insert(item.conversation);
            let said = self.give_if_wanted(item).await;
            if !comes {
                self.theirs.remove(&item.conversation);
            }
            return said;
        }
        self.give_if_wanted(item).await
    }

    async fn give_if_wanted(&mut self, item: &Item) -> Result<(), End> {
        let is_wanted = self.wanted.conversation.is_none_or(|it| it == item.conversation)
            && (self.wanted.user.is_none() || self.theirs.contains(&item.conversation));
        if is_wanted {
            self.give(piece(item)).await?;
        }
        self.at = item.position.unwrap_or(self.at);
        Ok(())
    }

    async fn give(&self, piece: Bytes) -> Result<(), End> {
        match timeout(PATIENCE, self.pieces.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Slow),
        }
    }
}
