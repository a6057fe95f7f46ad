//! Names and pictures of the application's users, told to the homeserver when they change, whether they say anything or
//! not. Who was not introduced to it yet is told of when they first speak ([`super::rooms`]).

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use sqlx::PgPool;
use tokio::{sync::Semaphore, task, time::sleep};
use uuid::Uuid;

use super::{
    entries::{FIRST_PAUSE, LONGEST_PAUSE},
    files::Files,
    homeserver::Homeserver,
    trouble::{Tries, Trouble},
    user::parsed,
};
use crate::{clock::Backoff, matrix};

/// How many are told of at once.
const AT_ONCE: usize = 8;

pub(super) struct Profiles {
    pool: PgPool,
    told: Homeserver,
    files: Rc<Files>,
    /// Those who are being told of, and whether they may have changed since that was looked for.
    busy: RefCell<BTreeMap<Uuid, bool>>,
    places: Semaphore,
}

/// What differs from what the homeserver was told.
struct Change {
    user: String,
    /// Only another name is told: who has none keeps the one they had.
    name: Option<String>,
    /// An empty one takes the picture away.
    avatar: Option<String>,
}

impl Profiles {
    pub(super) fn of(pool: PgPool, told: Homeserver, files: Rc<Files>) -> Rc<Self> {
        let places = Semaphore::new(AT_ONCE);
        Rc::new(Self { pool, told, files, busy: RefCell::default(), places })
    }

    /// Looks whether they changed.
    pub(super) fn wake(self: &Rc<Self>, user: Uuid) {
        if self.busy.borrow_mut().insert(user, true).is_none() {
            let profiles = Rc::clone(self);
            task::spawn_local(async move { profiles.tell(user).await });
        }
    }

    /// The same of all who were introduced.
    pub(super) async fn wake_all(self: &Rc<Self>) -> Result<(), sqlx::Error> {
        let changed: Vec<Uuid> = sqlx::query_scalar(
            "SELECT u.id FROM relay.users u, relay.settings s
            WHERE s.matrix AND u.is_ghost AND u.told_name IS NOT NULL
                AND (u.display_name <> u.told_name OR relay.looks_different(u))",
        )
        .fetch_all(&self.pool)
        .await?;
        for user in changed {
            self.wake(user);
        }
        Ok(())
    }

    /// Tries until nothing differs, or until it is refused for good.
    async fn tell(self: Rc<Self>, user: Uuid) {
        let _place = self.places.acquire().await;
        let (mut backoff, mut tries) = (Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), Tries::none());
        loop {
            self.busy.borrow_mut().insert(user, false);
            tries.another();
            match self.tell_once(user, &tries).await {
                Ok(()) => {
                    tries = Tries::none();
                    // Nobody can wake it between the two: all of this is one thread.
                    if self.busy.borrow().get(&user) == Some(&false) {
                        break;
                    }
                }
                Err(trouble) if trouble.is_final(&tries) => {
                    tracing::warn!("the user {user} keeps their name: {}", trouble.text());
                    break;
                }
                Err(trouble) => {
                    if tries.is_first() {
                        tracing::warn!("a change of the user {user} waits: {}", trouble.text());
                    }
                    let pause = backoff.pause();
                    sleep(match &trouble {
                        Trouble::Matrix(matrix::Error::Limited { wait }) => *wait,
                        _ => pause,
                    })
                    .await;
                }
            }
        }
        self.busy.borrow_mut().remove(&user);
    }

    async fn change(&self, user: Uuid) -> Result<Option<Change>, sqlx::Error> {
        let row: Option<(String, Option<String>, Option<String>)> = sqlx::query_as(
            "SELECT u.matrix_user_id, CASE WHEN u.display_name <> u.told_name THEN u.display_name END,
                CASE WHEN relay.looks_different(u) THEN coalesce(u.avatar_url, '') END
            FROM relay.users u, relay.settings s
            WHERE u.id = $1 AND s.matrix AND u.is_ghost AND u.told_name IS NOT NULL",
        )
        .bind(user)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(user, name, avatar)| Change { user, name, avatar }))
    }

    async fn tell_once(&self, id: Uuid, tries: &Tries) -> Result<(), Trouble> {
        let Some(change) = self.change(id).await? else { return Ok(()) };
        let Some(user) = parsed(&change.user) else { return Ok(()) };
        if let Some(name) = &change.name {
            self.told.profile(&user, "displayname", name).await?;
            sqlx::query("UPDATE relay.users SET told_name = $2 WHERE id = $1")
                .bind(id)
                .bind(name)
                .execute(&self.pool)
                .await?;
        }
        let Some(avatar) = &change.avatar else { return Ok(()) };
        let shown = if avatar.is_empty() {
            Ok(String::new())
        } else {
            self.files.picture(&self.told.user(&user), avatar).await
        };
        let query = match &shown {
            Ok(url) => {
                self.told.profile(&user, "avatar_url", url).await?;
                "UPDATE relay.users SET told_avatar = $2 WHERE id = $1 AND $3 IS NULL"
            }
            // It is said with the user, and not tried again before there is another one.
            Err(trouble) if trouble.is_final(tries) => {
                tracing::warn!("the user {id} has no other picture: {}", trouble.text());
                "UPDATE relay.users SET avatar_trouble = $3 WHERE id = $1 AND coalesce(avatar_url, '') = $2"
            }
            Err(_) => return shown.map(drop),
        };
        sqlx::query(query)
            .bind(id)
            .bind(avatar)
            .bind(shown.err().map(|trouble| trouble.text()))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
