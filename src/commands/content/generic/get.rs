//! `content get`: the contract's word.

use std::{fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::{found, kind::Kind, one_of::one_of};
use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::Patience,
            hooks::list::{self, Hook},
            rooms, users,
        },
        listing::ListArgs,
        table::require_synapse,
    },
    context::Context,
    error::Failure,
    files,
    hooks::registry,
    output::{self, Report, Sentence},
    reply::{Outcome, Stop},
};

#[derive(clap::Args)]
#[command(
    override_usage = "resource-matrix-synapse content get [--type <TYPE>] --name <NAME> [OPTIONS]"
)]
pub(crate) struct Args {
    /// What it is: user, bot, room or hook; by default what has that name
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Its name
    #[arg(long)]
    pub(crate) name: String,
    /// Write the answer into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

one_of!(Got {
    User(users::get::Shown),
    Room(rooms::get::Details),
    Hook(ShownHook),
    Written(Written),
});

/// Where the answer is.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Written {
    file: PathBuf,
}

#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct ShownHook(Hook);

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Got> {
    let Args { kind, name, output: file, patience } = args;
    let kind = match (kind, Kind::of(&name)) {
        (Some(kind), _) => Kind::of_known(&kind)?,
        (None, Some(kind)) => kind,
        (None, None) => found::only(&name, patience, context).await?,
    };
    let reply = get(kind, name, patience, context).await?;
    let Some(file) = file.filter(|_| reply.outcome == Outcome::Done) else { return Ok(reply) };
    let page = output::rendered(&reply.answer, context.talk.take_warnings(), context.view())?;
    let page = format!("{}\n", page.trim_end_matches('\n'));
    files::write_atomically(&file, page.as_bytes(), files::PRIVATE)?;
    Ok(Reply::done(Got::from(Written { file })))
}

async fn get(kind: Kind, name: String, patience: Patience, context: &Context) -> Answered<Got> {
    if matches!(kind, Kind::User | Kind::Bot) {
        require_synapse(context, "get-user")?;
    }
    if kind == Kind::Bot {
        found::no_person(&name, patience, context).await?;
    }
    match kind {
        Kind::User | Kind::Bot => {
            let args = users::get::Args { user: name.into(), patience };
            Ok(users::get::run(args, context).await?.map(Got::from))
        }
        Kind::Room => {
            let args = rooms::get::Args { room: name.into(), patience };
            Ok(rooms::get::run(args, context).await?.map(Got::from))
        }
        Kind::Hook => {
            // The list leaves out one that is damaged.
            registry::find(&context.data()?, &name)?;
            let args = list::Args { filter: Some(name.clone()), list: ListArgs::default() };
            let hooks = list::run(args, context).await?.all().await?;
            let hook = hooks.into_iter().find(|hook| hook.id == name);
            let hook = hook.ok_or_else(|| Stop::absent("webhook", "id", name))?;
            Ok(Reply::done(Got::from(ShownHook(hook))))
        }
        Kind::Message => Err(Failure::request("messages are read room by room")
            .hinted("`content read-messages ROOM` shows them")
            .into()),
    }
}

impl Sentence for Written {
    fn sentence(&self) -> String {
        format!("written to {}", self.file.display())
    }

    fn id(&self) -> &str {
        self.file.to_str().unwrap_or_default()
    }
}

impl Report for ShownHook {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Hook { id, user_id, room, waiting, refused, url, format, .. } = &self.0;
        let rows = [
            ("Webhook", id.clone()),
            ("Bot", user_id.clone()),
            ("Room", room.clone()),
            ("Waiting", waiting.to_string()),
            ("Refused", refused.to_string()),
            ("Format", (*format).to_owned()),
            ("Address", url.clone()),
        ];
        output::fields(page, &rows)
    }

    fn id(&self) -> Option<&str> {
        Some(&self.0.id)
    }
}
