//! `content set-presence`.

use schemars::JsonSchema;
use serde::Serialize;

use super::presence::require_on;
use crate::{
    commands::{Answered, Reply, content::arguments::Sending},
    context::Context,
    matrix::api::presence::set,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What they are
    pub(crate) presence: Level,
    /// What they say of themselves
    #[arg(long, value_name = "TEXT")]
    pub(crate) status: Option<String>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Level {
    /// There
    Online,
    /// Not there
    Offline,
    /// There, and doing something else
    Unavailable,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    user_id: String,
    /// `online`, `offline` or `unavailable`.
    presence: &'static str,
    status: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { presence, status, sending } = args;
    require_on(context)?;
    let client = sending.client(context).await?;
    let (user, presence) = (client.user_id().to_owned(), presence.name());
    context.would(format_args!("say that {user} is {presence}"))?;
    let request = set::Request {
        user_id: user.clone().into(),
        presence: presence.to_owned(),
        status_msg: status.clone(),
    };
    client.send(request).await?;
    Ok(Reply::done(Set { user_id: user.into(), presence, status }))
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        format!("{} is {}", self.user_id, self.presence)
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
