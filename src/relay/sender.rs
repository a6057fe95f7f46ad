//! Tells the homeserver what is in the outbox: each conversation in its order, each of them once.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use serde_json::Value;
use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::Notify,
    task,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::{
    counts::Counts,
    entries::{Entries, FIRST_PAUSE, LONGEST_PAUSE},
    files::Files,
    homeserver::Homeserver,
    lane::{self, Means},
    profiles::Profiles,
    rooms::Rooms,
    turn,
    user::Naming,
};
use crate::{clock::Backoff, matrix::api};

/// Between two looks whether something waits that nobody has told of.
const LOOK: Duration = Duration::from_mins(1);
/// Between two looks whether it is our turn.
const TURN: Duration = Duration::from_secs(1);
/// Where it is heard what is not kept.
const ASIDE: &str = "relay_aside";
/// Where it is heard that a user has another name or picture.
const USER: &str = "relay_user";
/// How long somebody types unless they go on, in milliseconds.
const TYPES: u64 = 30_000;

pub(super) struct Sender {
    pool: PgPool,
    means: Rc<Means>,
    lanes: RefCell<BTreeMap<Uuid, Rc<Notify>>>,
    profiles: Rc<Profiles>,
}

impl Sender {
    /// It has to be made where tasks can be [spawned](task::spawn_local).
    fn of(
        pool: PgPool,
        told: Homeserver,
        files: Rc<Files>,
        naming: Naming,
        counts: Counts,
    ) -> Rc<Self> {
        let profiles = Profiles::of(pool.clone(), told.clone(), Rc::clone(&files));
        let rooms = Rooms { pool: pool.clone(), told, naming, counts: counts.clone() };
        let (entries, noting) = Entries::of(pool.clone());
        task::spawn_local(noting);
        let means = Rc::new(Means { entries, rooms, files, counts });
        Rc::new(Self { pool, means, lanes: RefCell::default(), profiles })
    }

    /// A lane of that conversation looks what there is.
    fn wake(self: &Rc<Self>, conversation: Uuid) {
        let mut lanes = self.lanes.borrow_mut();
        let wake = lanes.entry(conversation).or_insert_with(|| {
            let wake = Rc::new(Notify::new());
            let (sender, means) = (Rc::clone(self), Rc::clone(&self.means));
            let over = move || drop(sender.lanes.borrow_mut().remove(&conversation));
            task::spawn_local(lane::run(means, conversation, Rc::clone(&wake), over));
            wake
        });
        wake.notify_one();
    }

    async fn wake_all(self: &Rc<Self>) -> Result<(), sqlx::Error> {
        let waiting: Vec<Uuid> = sqlx::query_scalar(
            "SELECT DISTINCT conversation_id FROM relay.outbox WHERE refused_at IS NULL",
        )
        .fetch_all(&self.pool)
        .await?;
        for conversation in waiting {
            self.wake(conversation);
        }
        Ok(())
    }

    /// Waits for what is new.
    async fn listen(self: &Rc<Self>) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        // Another one tells the homeserver until it is gone.
        while !turn::is_ours(&mut listener).await? {
            sleep(TURN).await;
        }
        // Where it is connected again by itself it is no longer our turn.
        listener.eager_reconnect(false);
        listener.listen_all(["relay", ASIDE, USER]).await?;
        self.profiles.wake_all().await?;
        loop {
            // Before it listened nobody has told it of anything.
            self.wake_all().await?;
            while let Ok(told) = timeout(LOOK, listener.try_recv()).await {
                match told? {
                    Some(told) if told.channel() == ASIDE => {
                        let aside = serde_json::from_str(told.payload()).unwrap_or_default();
                        task::spawn_local(Rc::clone(self).aside(aside));
                    }
                    Some(told) if told.channel() == USER => {
                        drop(told.payload().parse().map(|it| self.profiles.wake(it)));
                    }
                    Some(told) => drop(told.payload().parse().map(|it| self.wake(it))),
                    None => return Ok(()),
                }
            }
        }
    }

    /// Tells the homeserver what is not worth another try: who is typing.
    async fn aside(self: Rc<Self>, aside: Value) {
        let id = |value: &Value| value.as_str().and_then(|id| id.parse().ok());
        let said = &aside["document"];
        let (Some(conversation), Some(user), Some(typing)) =
            (id(&aside["conversation_id"]), id(&said["user_id"]), said["typing"].as_bool())
        else {
            return;
        };
        if aside["tell"] != true {
            return;
        }
        let rooms = &self.means.rooms;
        let (Ok(Some(room)), Ok(Some(member))) =
            (rooms.known(conversation).await, rooms.find(user).await)
        else {
            return;
        };
        let request = api::typing::Request {
            room_id: room.into(),
            user_id: member.user.clone().into(),
            typing,
            timeout: typing.then_some(TYPES),
        };
        if member.is_ghost
            && let Err(error) = rooms.told.user(&member.user).send(request).await
        {
            tracing::debug!("who is typing was not told: {error}");
        }
    }
}

/// Tells the homeserver until the process is ended.
pub(super) async fn run(
    pool: PgPool,
    told: Homeserver,
    files: Rc<Files>,
    naming: Naming,
    counts: Counts,
) {
    let sender = Sender::of(pool, told, files, naming, counts);
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let begun = Instant::now();
        if let Err(error) = sender.listen().await {
            tracing::warn!("the relay's database does not answer: {error}");
        }
        if begun.elapsed() > LOOK {
            backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        }
        sleep(backoff.pause()).await;
    }
}
