//! Who is taken out of a room or let in again: what the verbs for it have in common.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
        offered,
    },
    context::Context,
    error::Failure,
    matrix::{
        Error,
        api::{ban, kick, unban},
        leaders::Powers,
        names, room,
    },
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The user; one of another server as @user:server
    #[arg(add = offered::users())]
    pub(crate) user: String,
    /// Why; all in the room can read it
    #[arg(long)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Moderated {
    pub(crate) room_id: String,
    pub(crate) user_id: String,
    /// What they are in the room now: `leave` or `ban`.
    pub(crate) membership: &'static str,
    /// False where they were so before.
    pub(crate) changed: bool,
    #[serde(skip)]
    act: Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Kick,
    Ban,
    Unban,
}

impl Act {
    /// Whether there is something to do about who is this in the room.
    fn applies(self, membership: &str) -> bool {
        match self {
            Self::Kick => matches!(membership, "join" | "invite" | "knock"),
            Self::Ban => membership != "ban",
            Self::Unban => membership == "ban",
        }
    }

    fn plan(self) -> &'static str {
        match self {
            Self::Kick => "take {user} out of {room}",
            Self::Ban => "ban {user} from {room}",
            Self::Unban => "let {user} into {room} again",
        }
    }
}

pub(super) async fn run(args: Args, context: &Context, act: Act) -> Answered<Moderated> {
    let Args { room, user, reason, sending } = args;
    let operator = sending.operator(context)?;
    let user_id = names::anyone(&user, operator.server_name())?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    if client.user_id() == user_id {
        let message = format!("`{user_id}` is who acts here");
        return Err(Failure::request(message)
            .hinted("`content leave-room` leaves a room; `--as USER` acts as somebody else")
            .into());
    }
    let member = room::content(&operator, &room_id, "m.room.member", user_id.as_str()).await?;
    let changed = act.applies(member["membership"].as_str().unwrap_or("leave"));
    if changed {
        if act != Act::Unban && Powers::of(&operator, &room_id).await?.is_creator(user_id.as_str())
        {
            let message = format!("`{user_id}` made the room `{room_id}`, and nobody stands above");
            return Err(Failure::request(message)
                .hinted("`content remove-room ROOM` ends the room for all")
                .into());
        }
        let plan = act.plan().replace("{user}", user_id.as_str());
        context.would(plan.replace("{room}", room_id.as_str()))?;
        let act = async || {
            let (room_id, user_id) = (room_id.clone().into(), user_id.clone());
            let reason = reason.clone();
            match act {
                Act::Kick => {
                    client.send(kick::Request { room_id, user_id, reason }).await.map(drop)
                }
                Act::Ban => client.send(ban::Request { room_id, user_id, reason }).await.map(drop),
                Act::Unban => {
                    client.send(unban::Request { room_id, user_id, reason }).await.map(drop)
                }
            }
        };
        sending.with_power(&client, &room_id, context, act).await.map_err(unknown)?;
    }
    let membership = match (act, member["membership"].as_str()) {
        (Act::Ban, _) | (Act::Kick, Some("ban")) => "ban",
        (Act::Unban, Some(now)) if !changed => plain(now),
        _ => "leave",
    };
    let (room_id, user_id) = (room_id.into(), user_id.into());
    Ok(Reply::done_if(changed, Moderated { room_id, user_id, membership, changed, act }))
}

fn plain(membership: &str) -> &'static str {
    match membership {
        "join" => "join",
        "invite" => "invite",
        "knock" => "knock",
        _ => "leave",
    }
}

fn unknown(error: Error) -> Failure {
    let unknown = error.is_outcome_unknown();
    let failure = Failure::from(error);
    if unknown {
        failure.hinted("`content list-members ROOM` shows whether it was done")
    } else {
        failure
    }
}

impl Sentence for Moderated {
    fn sentence(&self) -> String {
        let Self { room_id, user_id, changed, act, .. } = self;
        match (act, changed) {
            (Act::Kick, true) => format!("took {user_id} out of {room_id}"),
            (Act::Kick, false) => format!("{user_id} is not in {room_id}"),
            (Act::Ban, true) => format!("banned {user_id} from {room_id}"),
            (Act::Ban, false) => format!("{user_id} is already banned from {room_id}"),
            (Act::Unban, true) => format!("{user_id} may enter {room_id} again"),
            (Act::Unban, false) => format!("{user_id} is not banned from {room_id}"),
        }
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_where_it_is_so_already() {
        let applies = |act: Act| ["join", "invite", "leave", "ban"].map(|it| act.applies(it));
        assert_eq!(applies(Act::Kick), [true, true, false, false]);
        assert_eq!(applies(Act::Ban), [true, true, true, false]);
        assert_eq!(applies(Act::Unban), [false, false, false, true]);
    }
}
