//! `content get-user-activity`.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::usable::usable;

use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
        moment::{moment, ms},
    },
    context::Context,
    matrix::admin::users::{invites_sent, rooms_joined},
    output::{Report, fields},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// Count from this moment on: 2026-11-21T05:00:00Z, or how long ago: 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Activity {
    user_id: String,
    /// How many the user has invited.
    invites_sent: u64,
    /// How many rooms the user has joined, those left again included.
    rooms_joined: u64,
    /// From when on is counted, in milliseconds since 1970.
    since_ms: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Activity> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    usable(&operator, &user_id).await?;
    let from_ts = args.since.map(ms).unwrap_or_default();
    let target = user_id.clone().into();
    let invites = operator.send(invites_sent::Request { user_id: target, from_ts }).await?;
    let target = user_id.clone().into();
    let rooms = operator.send(rooms_joined::Request { user_id: target, from_ts }).await?;
    Ok(Reply::done(Activity {
        user_id: user_id.into(),
        invites_sent: invites.invite_count,
        rooms_joined: rooms.cumulative_joined_room_count,
        since_ms: from_ts,
    }))
}

impl Report for Activity {
    fn text(&self, page: &mut String) -> fmt::Result {
        let since = if self.since_ms > 0 { clock::of_ms(self.since_ms) } else { "ever".into() };
        let rows = [
            ("User", self.user_id.clone()),
            ("Since", since),
            ("Invites sent", self.invites_sent.to_string()),
            ("Rooms joined", self.rooms_joined.to_string()),
        ];
        fields(page, &rows)
    }
}
