//! `content list-members`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::get::found;
use crate::{
    commands::{
        content::arguments::{Patience, RoomArg},
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    matrix::{leaders::Powers, room},
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Also those who left
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs<Member>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Members {
    pub(crate) room_id: String,
}

impl Listed for Members {
    type Row = Member;
    const KEY: &'static str = "members";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Member {
    pub(crate) user_id: String,
    /// `join`, `invite`, `knock`, `ban` or `leave`.
    pub(crate) membership: String,
    /// Their power level; that of somebody above all numbers is none.
    pub(crate) power: Option<i64>,
    /// Whether they made a room of version 12 or later, and stand above all numbers.
    pub(crate) creator: bool,
    /// What they are called in the room.
    pub(crate) name: Option<String>,
    /// Why they were kicked or banned, want to come in, or left.
    pub(crate) reason: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Members>, Stop> {
    let operator = args.patience.operator(context)?;
    let (room_id, _) = found(context, &operator, &args.room).await?;
    let powers = Powers::of(&operator, &room_id).await?;
    let mut members = Vec::new();
    for event in room::states(&operator, &room_id, "m.room.member").await? {
        let text = |text: &str| Some(event.pointer(text)?.as_str()?.to_owned());
        let Some(user_id) = text("/state_key") else { continue };
        let membership = text("/content/membership").unwrap_or_default();
        if membership == "leave" && !args.all {
            continue;
        }
        let creator = powers.is_creator(&user_id);
        let power = (!creator).then(|| powers.level_of(&user_id));
        let name = text("/content/displayname");
        let reason = text("/content/reason");
        members.push(Member { user_id, membership, power, creator, name, reason });
    }
    members.sort_by_cached_key(|member| {
        let rank =
            ["join", "invite", "knock", "ban"].iter().position(|it| member.membership == *it);
        let power = std::cmp::Reverse(member.power.unwrap_or(i64::MAX));
        (rank.unwrap_or(usize::MAX), power, member.user_id.clone())
    });
    Ok(List::of(args.list, Members { room_id: room_id.into() }, members))
}

impl Row for Member {
    const HEADING: &'static [&'static str] = &["USER", "MEMBERSHIP", "POWER", "NAME", "REASON"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.user_id.clone(),
            self.membership.clone(),
            self.power.map_or_else(|| "creator".to_owned(), |power| power.to_string()),
            self.name.clone().unwrap_or_default(),
            self.reason.clone().unwrap_or_default(),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.user_id.as_str().into()
    }
}
