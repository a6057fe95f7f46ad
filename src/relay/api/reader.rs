//! Somebody who reads along: first what has happened since the position they name, then what happens. How it is put on
//! the wire is for [`Wire`].

use std::{borrow::Cow, collections::BTreeSet, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep_until, timeout},
};
use uuid::Uuid;

use super::{asked::Asked, conversations::picked, parts::uuid, problem::Problem};
use crate::relay::{
    Shared,
    keys::Term,
    tail::{Item, PAGE, Wanted},
};

/// How long something may wait before the reader counts as too slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks whether their key is still there: with how long one that was looked up counts, that is a beat.
const AGAIN: Duration = Duration::from_secs(10);
/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(15);

/// Why it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The connection is lost.
    Gone,
    /// They have taken their leave.
    Left,
    Slow,
    Silent,
    Database,
    Restarts,
    Expired,
    Removed,
    /// They have said something, where nothing can be said.
    Spoke,
    /// What they sent is no WebSocket.
    Broken,
}

impl End {
    /// What they are told.
    pub(super) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Gone | Self::Left => None,
            Self::Slow => Some("it reads more slowly than is written"),
            Self::Silent => Some("it answers no pings"),
            Self::Database => Some("the database does not answer"),
            Self::Restarts => Some("the relay ends or is restarted"),
            Self::Expired => Some("its token has expired"),
            Self::Removed => Some("its key was removed"),
            Self::Spoke => Some("only reading goes on here: say it with a request"),
            Self::Broken => Some("what it sends is not what a WebSocket sends"),
        }
    }
}

/// What leads to a reader.
pub(super) trait Wire {
    async fn item(&mut self, item: &Item) -> Result<(), End>;

    async fn beat(&mut self) -> Result<(), End>;

    /// Waits until they say something; nothing is lost where that is given up.
    async fn heard(&mut self) -> Result<(), End>;

    /// Answers what was heard.
    async fn answer(&mut self) -> Result<(), End>;

    /// The last words, and from where on to come again.
    async fn end(&mut self, why: End, resume: i64);
}

pub(super) struct Reader {
    shared: Arc<Shared>,
    wanted: Wanted,
    /// The conversations of the user that is wanted.
    theirs: BTreeSet<Uuid>,
    /// The last position that it has.
    at: i64,
    live: Receiver<Option<Arc<Item>>>,
    term: Term,
}

/// What a reader asks for.
pub(super) struct Asks {
    after: Option<i64>,
    /// The id or the slug of a conversation.
    which: Option<String>,
    user: Option<Uuid>,
    term: Term,
}

/// From where on, and which of it, as a request wants it.
pub(super) fn asks(asked: &Asked) -> Result<Asks, Problem> {
    let last = asked.head.headers.get("last-event-id");
    let after = match last.and_then(|it| it.to_str().ok()?.parse().ok()) {
        Some(last) => Some(last),
        None => asked.number("after")?,
    };
    let which = asked.query("conversation_id").map(Cow::into_owned);
    Ok(Asks { after, which, user: whose(asked)?, term: asked.key.term })
}

/// Whose conversations are wanted, where not all are. The token of a user names the same one as the address, where that
/// names one.
pub(super) fn whose(asked: &Asked) -> Result<Option<Uuid>, Problem> {
    match asked.own() {
        None => asked.query("user_id").map(|id| uuid("user_id", &id)).transpose(),
        own => Ok(own),
    }
}

/// Refuses a position after which something is no longer kept: nobody would know what is missing.
pub(super) async fn require_kept(shared: &Shared, after: i64) -> Result<(), Problem> {
    if after == 0 {
        return Ok(());
    }
    let (forgotten, last) = shared.tail.kept().await?;
    let (what, next) = if after < forgotten {
        (format!("what happened after {after} is no longer kept"), forgotten)
    } else if after > last {
        (format!("there is no position {after}, as after a restore"), last)
    } else {
        return Ok(());
    };
    let why = format!("{what}: read the messages of the conversations, and go on after {next}");
    Err(Problem::new(StatusCode::GONE, why).resuming(next))
}

impl Reader {
    pub(super) async fn of(shared: Arc<Shared>, asks: Asks) -> Result<Self, Problem> {
        let Asks { after, which, user, term } = asks;
        let wanted = Wanted { conversation: picked(&shared, which.as_deref()).await?, user };
        // Before what has happened is read, so that nothing is between the two.
        let live = shared.tail.subscribe();
        let at = after.unwrap_or_else(|| shared.tail.last());
        require_kept(&shared, at).await?;
        let theirs = match user {
            None => Vec::new(),
            Some(user) => sqlx::query_scalar(
                "SELECT conversation_id FROM relay.participants WHERE user_id = $1 AND left_at IS NULL",
            )
            .bind(user)
            .fetch_all(&shared.pool)
            .await?,
        };
        Ok(Self { shared, wanted, theirs: theirs.into_iter().collect(), at, live, term })
    }

    /// Until one of both ends it.
    pub(super) async fn run(mut self, wire: &mut impl Wire) {
        let Err(why) = self.read(wire).await else { return };
        wire.end(why, self.at).await;
    }

    async fn read(&mut self, wire: &mut impl Wire) -> Result<(), End> {
        in_time(wire.beat()).await?;
        let mut beat = Instant::now() + BEAT;
        let mut counts = self.counts();
        // What is told from now on is all that there is after the last position that was told.
        if self.at < self.shared.tail.last() {
            self.catch_up(&mut counts, wire).await?;
        }
        loop {
            tokio::select! {
                item = self.live.recv() => match item {
                    Ok(Some(item)) => self.take(&item, wire).await?,
                    Ok(None) => return Err(End::Restarts),
                    Err(RecvError::Lagged(_)) => return Err(End::Slow),
                    Err(RecvError::Closed) => return Err(End::Gone),
                },
                heard = wire.heard() => {
                    heard?;
                    in_time(wire.answer()).await?;
                }
                () = sleep_until(counts) => {
                    Box::pin(self.still()).await?;
                    counts = self.counts();
                }
                () = sleep_until(beat) => {
                    in_time(wire.beat()).await?;
                    beat = Instant::now() + BEAT;
                }
            }
        }
    }

    /// Until when their key or token counts, as was seen last.
    fn counts(&self) -> Instant {
        match self.term {
            Term::Until(end) => end,
            Term::WhileThere(_) => Instant::now() + AGAIN,
        }
    }

    /// Whether it goes on to do so.
    async fn still(&self) -> Result<(), End> {
        let Term::WhileThere(hash) = self.term else { return Err(End::Expired) };
        match self.shared.keys.of(hash).await {
            Ok(None) => Err(End::Removed),
            // Where nobody can say, it counts as before: nothing is told meanwhile.
            Ok(Some(_)) | Err(_) => Ok(()),
        }
    }

    /// In a place of its own, which is given back.
    async fn catch_up(&mut self, counts: &mut Instant, wire: &mut impl Wire) -> Result<(), End> {
        let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
        loop {
            let found = Box::pin(self.shared.tail.page(self.at, self.wanted, PAGE)).await;
            let found = found.map_err(|_| End::Database)?;
            for item in &found {
                // Who reads slowly may be at it for long.
                if Instant::now() >= *counts {
                    Box::pin(self.still()).await?;
                    *counts = self.counts();
                }
                self.take(item, wire).await?;
            }
            if found.len() < page {
                return Ok(());
            }
        }
    }

    /// Passes it on, where it is wanted and was not passed on before.
    async fn take(&mut self, item: &Item, wire: &mut impl Wire) -> Result<(), End> {
        if item.position.is_some_and(|position| position <= self.at) {
            return Ok(());
        }
        let member = item.member().filter(|(user, _)| self.wanted.user == Some(*user));
        if member.is_some() {
            self.theirs.insert(item.conversation);
        }
        let is_wanted = self.wanted.conversation.is_none_or(|it| it == item.conversation)
            && (self.wanted.user.is_none() || self.theirs.contains(&item.conversation));
        if is_wanted {
            in_time(wire.item(item)).await?;
        }
        if member.is_some_and(|(_, comes)| !comes) {
            self.theirs.remove(&item.conversation);
        }
        self.at = item.position.unwrap_or(self.at);
        Ok(())
    }
}

async fn in_time(given: impl Future<Output = Result<(), End>>) -> Result<(), End> {
    timeout(PATIENCE, given).await.unwrap_or(Err(End::Slow))
}
