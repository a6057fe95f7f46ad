//! `content list-sessions`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::{
            arguments::{Patience, UserArg},
            users::usable::usable,
        },
    },
    context::Context,
    matrix::admin::users::whois,
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Each address and program that a user came with in the last weeks, the latest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Sessions {
    user_id: String,
    sessions: Vec<Session>,
    total: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Session {
    ip: Option<String>,
    /// What the program calls itself.
    user_agent: Option<String>,
    /// In milliseconds since 1970.
    last_seen_ms: Option<u64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Sessions> {
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
    Ok(Reply::done(Sessions { user_id: user_id.into(), total: sessions.len(), sessions }))
}

impl Report for Sessions {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |session: &Session| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let seen = session.last_seen_ms.map(clock::of_ms).unwrap_or_default();
            vec![text(&session.ip), seen, text(&session.user_agent)]
        };
        table(page, &["FROM", "LAST SEEN", "WITH"], self.sessions.iter().map(row).collect())
    }
}
