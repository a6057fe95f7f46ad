//! Tells whoever listens that something has happened, after it was committed. PostgreSQL lets what notifies commit
//! only one after the other, each with a write to the disk of its own: in the transaction that accepts something it
//! would keep the others waiting. Where this is cut short, whoever listens looks by itself after a while.

use std::{collections::BTreeSet, time::Duration};

use sqlx::PgPool;
use tokio::{sync::mpsc, time::sleep};
use uuid::Uuid;

use super::entries::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::clock::Backoff;

/// How many are told of at once.
const AT_ONCE: usize = 256;
/// After so many tries they are left to whoever looks.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct Teller(mpsc::UnboundedSender<Uuid>);

impl Teller {
    /// With what does so, as long as it runs.
    pub(super) fn of(pool: PgPool) -> (Self, impl Future<Output = ()>) {
        let (teller, waits) = mpsc::unbounded_channel();
        (Self(teller), run(pool, waits))
    }

    /// Something has happened in the conversation.
    pub(super) fn tell(&self, conversation: Uuid) {
        // It runs as long as the process does.
        self.0.send(conversation).ok();
    }
}

async fn run(pool: PgPool, mut waits: mpsc::UnboundedReceiver<Uuid>) {
    let mut all = Vec::new();
    while waits.recv_many(&mut all, AT_ONCE).await > 0 {
        let once: BTreeSet<Uuid> = all.drain(..).collect();
        let once: Vec<Uuid> = once.into_iter().collect();
        let (begun, mut backoff) =
            (tokio::time::Instant::now(), Backoff::new(FIRST_PAUSE, LONGEST_PAUSE));
        while let Err(error) = tell_all(&pool, &once).await {
            if begun.elapsed() > PATIENCE {
                tracing::warn!("nobody could be told what has happened: {error}");
                break;
            }
            sleep(backoff.pause()).await;
        }
    }
}

async fn tell_all(pool: &PgPool, conversations: &[Uuid]) -> Result<(), sqlx::Error> {
    // There is nothing in it that could be lost.
    sqlx::query(
        "SELECT set_config('synchronous_commit', 'off', true), pg_notify('relay', id::text)
        FROM unnest($1::uuid[]) AS id",
    )
    .bind(conversations)
    .execute(pool)
    .await
    .map(drop)
}
