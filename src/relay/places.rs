//! Places for the files that requests bring: few, as each file is held until it is stored, and given out so that nobody
//! keeps all others waiting.

use std::time::Duration;

use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    time::timeout,
};
use uuid::Uuid;

use super::each::Each;

/// Files that are held at once.
const ALL: usize = 8;
/// Of those, what all users with tokens have together, and what all programs with keys have: some are left for the others.
const OF_A_KIND: usize = 6;
/// What each user has.
const OF_A_USER: usize = 2;
/// How long somebody waits for one.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Places {
    all: Semaphore,
    users: Semaphore,
    keys: Semaphore,
    each: Each,
    patience: Duration,
}

/// It is free again once this is dropped.
pub(super) struct Place<'a> {
    _own: Option<OwnedSemaphorePermit>,
    _kind: SemaphorePermit<'a>,
    _all: SemaphorePermit<'a>,
}

impl Places {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            all: Semaphore::new(ALL),
            users: Semaphore::new(OF_A_KIND),
            keys: Semaphore::new(OF_A_KIND),
            each: Each::of(OF_A_USER),
            patience,
        }
    }

    /// One for this user, or else for a program; none where there is none for too long.
    pub(super) async fn take(&self, user: Option<Uuid>) -> Option<Place<'_>> {
        timeout(self.patience, self.wait(user)).await.ok()?.ok()
    }

    /// The scarcest first: who waits for that keeps none of the others.
    async fn wait(&self, user: Option<Uuid>) -> Result<Place<'_>, AcquireError> {
        let own = match user {
            Some(user) => Some(self.each.places(user).acquire_owned().await?),
            None => None,
        };
        let kind = if user.is_some() { &self.users } else { &self.keys };
        Ok(Place { _own: own, _kind: kind.acquire().await?, _all: self.all.acquire().await? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_has_all_places_and_who_finds_none_does_not_wait_for_ever() {
        let places = Places::new(Duration::from_millis(20));
        let user = |n| Some(Uuid::from_u128(n));
        let mut held = Vec::new();
        for n in [1, 1, 2, 2, 3, 3] {
            held.push(places.take(user(n)).await.unwrap());
        }
        // Neither a third one nor the seventh of all users; programs have theirs.
        assert!(places.take(user(1)).await.is_none());
        assert!(places.take(user(4)).await.is_none());
        let (first, second) = (places.take(None).await.unwrap(), places.take(None).await.unwrap());
        assert!(places.take(None).await.is_none());
        held.truncate(2);
        assert!(places.take(user(1)).await.is_none());
        assert!(places.take(user(4)).await.is_some());
        drop((first, second, held));
        assert!(places.take(user(1)).await.is_some());
    }
}
