//! `content upgrade-room`.

use ruma::{OwnedRoomId, OwnedUserId, RoomId};
use schemars::JsonSchema;
use serde::Serialize;

use super::version;
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending, turn::turn},
    },
    context::Context,
    error::Failure,
    matrix::{
        Error, admin,
        api::{invite, upgrade},
        client::Client,
        leaders::Powers,
        message, room,
    },
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The version of the new room; by default that of rooms the server makes now
    pub(crate) version: Option<String>,
    /// Take nobody along: members see where the room went on, and join by themselves
    #[arg(long)]
    pub(crate) no_members: bool,
    /// Also to an older version, in which nobody may be left who leads
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Upgraded {
    /// The room that was upgraded.
    pub(crate) room_id: String,
    /// The room that took its place, or the room itself where it has that version.
    pub(crate) successor_id: String,
    /// The version of that one.
    pub(crate) version: Option<String>,
    /// False where it was so before.
    pub(crate) changed: bool,
    /// Who was let into the new room.
    pub(crate) joined: Vec<String>,
    /// Who was invited to it.
    pub(crate) invited: Vec<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Upgraded> {
    let Args { room, version, no_members, force, sending } = args;
    let operator = sending.operator(context)?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let old = room::details(&operator, &room_id).await?;
    let old = old.ok_or_else(|| Error::NoRoom(room_id.to_string()))?;
    // Of several at once one does it, and the others find what took the room's place.
    let (purpose, timeout) = ("content upgrade-room", sending.timeout());
    let _turn = turn(context, "upgrades", room_id.as_str(), purpose, timeout).await;
    let before = room::successor(&operator, &room_id).await?;
    let mut changed = false;
    let successor = if let Some(successor) = before {
        successor
    } else {
        let version = version::wanted(&client, version.as_deref()).await?;
        if old.version.as_ref() == Some(&version) {
            let (room_id, successor_id) = (room_id.to_string(), room_id.into());
            let (joined, invited) = (Vec::new(), Vec::new());
            let version = Some(version);
            let answer = Upgraded { room_id, successor_id, version, changed, joined, invited };
            return Ok(Reply::done_if(false, answer));
        }
        if !force {
            require_newer(old.version.as_deref(), &version)?;
        }
        context.would(format_args!("upgrade {room_id} to version {version}"))?;
        changed = true;
        made(&sending, &client, &operator, context, &room_id, version).await?
    };
    let (mut joined, mut invited) = (Vec::new(), Vec::new());
    // Also of one that was upgraded before: the command may have been killed half-way.
    if !no_members && !context.dry_run {
        let progress = context.progress("taking the members along");
        for user in missing(&operator, &room_id, &successor).await? {
            let moved = {
                // Each has its whole time: there may be hundreds.
                let (client, operator) = (client.afresh(), operator.afresh());
                follow(&sending, &client, &operator, &successor, &user).await
            };
            match moved {
                Ok(true) => joined.push(user.to_string()),
                Ok(false) => invited.push(user.to_string()),
                Err(error) => context.warn(format!(
                    "{user} was not taken along: {error}; `content invite '{successor}' {user}` invites"
                )),
            }
        }
        drop(progress);
    }
    changed |= !joined.is_empty() || !invited.is_empty();
    let version = room::details(&operator, &successor).await?.and_then(|found| found.version);
    let (room_id, successor_id) = (room_id.into(), successor.into());
    let answer = Upgraded { room_id, successor_id, version, changed, joined, invited };
    Ok(Reply::done_if(changed, answer))
}

/// Refuses a step back: before version 12 creators have no power of their own, and nobody may be left who leads.
fn require_newer(old: Option<&str>, new: &str) -> Result<(), Failure> {
    let number = |version: &str| version.parse::<u32>().ok();
    match (old.and_then(number), number(new)) {
        (Some(old), Some(new)) if new < old => Err(Failure::request(format!(
            "the room has version {old}, and {new} is older"
        ))
        .hinted(
            "`--force` makes it all the same; look with `content list-members` who has power there",
        )),
        _ => Ok(()),
    }
}

/// Has a new room take the place of one.
async fn made(
    sending: &Sending,
    client: &Client,
    operator: &Client,
    context: &Context,
    room: &RoomId,
    new_version: String,
) -> Result<OwnedRoomId, Failure> {
    let joined = async || room::require_joined(client, room).await;
    sending.within(client, room, context, joined).await?;
    // Synapse makes the id of the new room first, and would keep it where it then refuses.
    let user = client.user_id();
    let may = async || {
        if Powers::of(operator, room).await?.may_set("m.room.tombstone", user) {
            return Ok(());
        }
        let (errcode, message) = ("M_FORBIDDEN".to_owned(), "too little power".to_owned());
        Err(Error::Refused { status: 403, errcode, message, retry_after: None })
    };
    let refused = |error: Error| {
        if !error.is("M_FORBIDDEN") {
            return Failure::from(error);
        }
        Failure::request(format!("`{user}` has too little power to upgrade the room `{room}`")).hinted(
            "`--as USER` acts as somebody who may: since room version 12 that is who made the room; `content list-members ROOM` shows who did",
        )
    };
    if sending.acting.is_some() {
        may().await.map_err(refused)?;
    } else {
        sending.with_power(client, room, context, may).await.map_err(refused)?;
    }
    let request = upgrade::Request { room_id: room.to_owned().into(), new_version };
    let upgraded = client.send(request).await;
    // What was seen of the old room does not hold any more, whatever the answer.
    message::forget(&context.data()?, room);
    match upgraded {
        Ok(made) => Ok(made.replacement_room),
        Err(error) if error.is_outcome_unknown() => {
            Err(Failure::from(error).hinted("run it again: it finds what was done"))
        }
        Err(error) => Err(refused(error)),
    }
}

/// Who is in the old room and has never been asked into the new one.
async fn missing(operator: &Client, old: &RoomId, new: &RoomId) -> Result<Vec<OwnedUserId>, Error> {
    let request = admin::rooms::members::Request { room_id: old.to_owned().into() };
    let mut members = operator.send(request).await?.members;
    let known = match room::states(operator, new, "m.room.member").await {
        Ok(known) => known,
        // The room is on another server, which alone can invite.
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    members.retain(|member| known.iter().all(|event| event["state_key"] != member.as_str()));
    Ok(members)
}

/// Lets a user of this server into the new room where the operator acts, and invites whoever else.
/// True where they are in it.
async fn follow(
    sending: &Sending,
    client: &Client,
    operator: &Client,
    new: &RoomId,
    user: &OwnedUserId,
) -> Result<bool, Error> {
    if sending.acting.is_none() && user.server_name() == client.server_name() {
        room::admit(operator, new, user).await?;
        return Ok(true);
    }
    let (room_id, user_id) = (new.to_owned().into(), user.clone());
    client.send(invite::Request { room_id, user_id }).await?;
    Ok(false)
}

impl Sentence for Upgraded {
    fn sentence(&self) -> String {
        let Self { room_id, successor_id, version, changed, joined, invited } = self;
        let version = version.as_deref().unwrap_or("another");
        if room_id == successor_id {
            return format!("{room_id} has version {version} already");
        }
        let people = match (joined.len(), invited.len()) {
            (0, 0) => String::new(),
            (0, invited) => format!(", {invited} invited"),
            (joined, 0) => format!(", {joined} joined"),
            (joined, invited) => format!(", {joined} joined and {invited} invited"),
        };
        if *changed {
            format!("{room_id} goes on as {successor_id} (version {version}{people})")
        } else {
            format!(
                "{room_id} was upgraded before: it goes on as {successor_id} (version {version}{people})"
            )
        }
    }

    fn id(&self) -> &str {
        &self.successor_id
    }
}
