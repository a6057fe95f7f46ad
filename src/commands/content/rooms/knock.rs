//! `content knock`.

use ruma::OwnedServerName;
use schemars::JsonSchema;
use serde::Serialize;

use super::join::elsewhere;
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    error::Failure,
    matrix::{Error, api::knock::Request, room},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Why; those who may let in can read it
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Knock through this server, which is in the room; may be given again
    #[arg(long, value_name = "SERVER")]
    pub(crate) via: Vec<OwnedServerName>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Knocked {
    pub(crate) room_id: String,
    pub(crate) user_id: String,
    /// What they are in the room now: `knock`, or `join` or `invite` where they were so before.
    pub(crate) membership: String,
    /// False where there was nothing to ask for, or it was asked before.
    pub(crate) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Knocked> {
    let Args { room, reason, via, sending } = args;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let operator = sending.operator(context)?;
    let user_id = client.user_id().to_owned();
    let far = elsewhere(&room, &via, &room_id, &user_id);
    let now = match room::content(&operator, &room_id, "m.room.member", user_id.as_str()).await {
        Ok(member) => member["membership"].as_str().map(str::to_owned),
        // The server may not know the room yet; others do.
        Err(Error::NoRoom(_)) if far.is_some() => None,
        Err(error) => return Err(error.into()),
    };
    let before = now.filter(|now| matches!(now.as_str(), "join" | "invite" | "knock"));
    let changed = before.is_none();
    if changed {
        context.would(format_args!("have {user_id} knock at {room_id}"))?;
        let place = far.unwrap_or_else(|| room_id.to_string());
        let request = Request { room: place.into(), via, reason };
        if let Err(error) = client.send(request).await {
            let rule = room::content(&operator, &room_id, "m.room.join_rules", "").await;
            let rule = rule.ok().and_then(|rule| rule["join_rule"].as_str().map(str::to_owned));
            return Err(refused(error, room_id.as_str(), rule.as_deref()).into());
        }
    }
    let membership = before.unwrap_or_else(|| "knock".to_owned());
    let (room_id, user_id) = (room_id.into(), user_id.into());
    Ok(Reply::done_if(changed, Knocked { room_id, user_id, membership, changed }))
}

/// With what the room's rule says, where that is why.
fn refused(error: Error, room: &str, rule: Option<&str>) -> Failure {
    match rule {
        Some(rule) if error.is("M_FORBIDDEN") && !matches!(rule, "knock" | "knock_restricted") => {
            let message = format!("nobody knocks at `{room}`, whose join rule is `{rule}`");
            let hint = if rule == "public" {
                "anybody may join it: `content join-room ROOM`".to_owned()
            } else {
                format!("`content set-join-rule '{room}' knock` lets people knock")
            };
            Failure::request(message).hinted(hint)
        }
        _ => error.into(),
    }
}

impl Sentence for Knocked {
    fn sentence(&self) -> String {
        let Self { room_id, user_id, membership, changed } = self;
        match (membership.as_str(), changed) {
            (_, true) => format!("{user_id} knocked at {room_id}"),
            ("knock", false) => format!("{user_id} knocked at {room_id} already"),
            ("invite", false) => format!("{user_id} is invited to {room_id} already"),
            _ => format!("{user_id} is in {room_id} already"),
        }
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
