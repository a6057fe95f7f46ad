//! `content get-presence`.

use std::fmt;

use ruma::{OwnedUserId, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use super::presence::require_on;
use crate::{
    commands::{Answered, Reply, content::arguments::Sending, offered},
    context::Context,
    error::Failure,
    matrix::{api::presence::get, client::Client, names, operator},
    output::{Report, fields},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The user
    #[arg(add = offered::users())]
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Presence {
    user_id: String,
    /// `online`, `offline` or `unavailable`.
    presence: String,
    /// What they say of themselves.
    status: Option<String>,
    /// How long ago they did something, in milliseconds.
    last_active_ago_ms: Option<u64>,
    /// Whether that was just now.
    currently_active: Option<bool>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Presence> {
    require_on(context)?;
    let client = args.sending.client(context).await?;
    let user = names::anyone(&args.user, client.server_name())?;
    let found = asked(&args, context, &client, &user).await?;
    Ok(Reply::done(Presence {
        user_id: user.into(),
        // Dendrite says nothing of who never was there.
        presence: if found.presence.is_empty() { "offline".into() } else { found.presence },
        status: found.status_msg.filter(|status| !status.is_empty()),
        last_active_ago_ms: found.last_active_ago,
        currently_active: found.currently_active,
    }))
}

/// The server says it only to those who share a room with them: where the operator does not, they are asked
/// themselves.
async fn asked(
    args: &Args,
    context: &Context,
    client: &Client,
    user: &OwnedUserId,
) -> Result<get::Response, Failure> {
    let request = |user: &UserId| get::Request { user_id: user.to_owned().into() };
    let refused = match client.send(request(user)).await {
        Err(error) if error.is("M_FORBIDDEN") => error,
        said => return Ok(said?),
    };
    if args.sending.acting.is_some() || user.server_name() != client.server_name() {
        return Err(refused.into());
    }
    let (data, timeout) = (context.data()?, args.sending.timeout());
    let own = operator::act_as(&data, client, user, timeout).await?;
    Ok(own.send(request(user)).await?)
}

impl Report for Presence {
    fn text(&self, page: &mut String) -> fmt::Result {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let ago = self.last_active_ago_ms.map(|ms| format!("{} s ago", ms / 1000));
        let rows = [
            ("User", self.user_id.clone()),
            ("Presence", self.presence.clone()),
            ("Status", text(&self.status)),
            ("Last active", text(&ago)),
        ];
        fields(page, &rows)
    }

    fn id(&self) -> Option<&str> {
        Some(&self.presence)
    }
}
