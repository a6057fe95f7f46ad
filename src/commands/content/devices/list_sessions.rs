//! `content list-sessions`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{
        content::{
            arguments::{Patience, UserArg},
            users::usable::usable,
        },
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    matrix::admin::users::whois,
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) list: ListArgs<Session>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Each address and program that a user came with in the last weeks, the latest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Sessions {
    user_id: String,
}

impl Listed for Sessions {
    type Row = Session;
    const KEY: &'static str = "sessions";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Session {
    ip: Option<String>,
    /// What the program calls itself.
    user_agent: Option<String>,
    /// In milliseconds since 1970.
    last_seen_ms: Option<u64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Sessions>, Stop> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    usable(&operator, &user_id).await?;
    let found = operator.send(whois::Request { user_id: user_id.clone().into() }).await?;
    let sessions = found.devices.into_values().flat_map(|device| device.sessions);
    let connections = sessions.flat_map(|session| session.connections);
    let mut sessions: Vec<Session> = connections
        .map(|it| Session { ip: it.ip, user_agent: it.user_agent, last_seen_ms: it.last_seen })
        .collect();
    sessions.sort_by_key(|session| std::cmp::Reverse(session.last_seen_ms));
    Ok(List::of(args.list, Sessions { user_id: user_id.into() }, sessions))
}

impl Row for Session {
    const HEADING: &'static [&'static str] = &["FROM", "LAST SEEN", "WITH"];
    const HAS_ID: bool = false;

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let seen = self.last_seen_ms.map(clock::of_ms).unwrap_or_default();
        vec![text(&self.ip), seen, text(&self.user_agent)]
    }
}
