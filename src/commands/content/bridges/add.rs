//! `content add-bridge`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::wanted::wanted;
use crate::{
    bridges::Ping,
    commands::{Answered, Reply, content::arguments::Patience, offered},
    config::values::shape::Words as _,
    context::Context,
    instance::bridges::{self, Added as Done},
    output::Sentence,
    reply::Outcome,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// irc, telegram, slack, discord, hookshot, or custom for one that brings its registration
    pub(crate) kind: String,
    /// What it is called; without it as its kind. Its users are NAME_…
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// User who controls the bridge; otherwise the operator
    #[arg(long, value_name = "USER", add = offered::users())]
    pub(crate) owner: Option<String>,
    /// The bridge's program, for slack, discord and hookshot
    #[arg(long, value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,
    /// The registration that a custom bridge wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) registration: Option<PathBuf>,
    /// Keep this command of a custom bridge running; without it that is somebody else's business
    #[arg(long, value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// The port it listens on; otherwise one that is free
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// The number that Telegram gave out for this bridge
    #[arg(long, value_name = "NUMBER")]
    pub(crate) api_id: Option<u32>,
    /// Read what belongs to that number from this file; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) api_hash_file: Option<PathBuf>,
    /// Read the token of a Telegram bot from this file; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) bot_token_file: Option<PathBuf>,
    /// Install its packages from this folder of wheels
    #[arg(long, value_name = "FOLDER")]
    pub(crate) offline: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Added {
    Now(Done),
    /// The answer to a dry run where the bridge is there already.
    Before {
        /// Always true.
        existed: bool,
        #[serde(skip)]
        name: String,
    },
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Added> {
    let config = context.config()?;
    let timeout = args.patience.given().unwrap_or(config.supervision.start_timeout.0);
    let wanted = wanted(args, config)?;
    if context.dry_run {
        if bridges::check(config, &wanted).await? {
            context.would(format_args!("add the bridge {}", wanted.name))?;
        }
        let before = Added::Before { existed: true, name: wanted.name };
        return Ok(Reply::done_if(false, before));
    }
    let progress = context.progress(format!("adding the bridge {}", wanted.name));
    let done = bridges::add(config, &wanted, timeout, &mut |step| progress.now(step)).await;
    drop(progress);
    let done = done?;
    let silent = done.ping.as_ref().is_some_and(|ping| !ping.ok);
    if let Some(Ping { message: Some(message), .. }) = &done.ping {
        let verb = if silent { "does not answer" } else { "was not asked" };
        context.warn(format!("the bridge `{}` {verb}: {message}", done.bridge));
    }
    let outcome = match &done {
        Done { service: Some(_), .. } if silent => Outcome::Unwell,
        Done { existed: true, .. } => Outcome::Moot,
        _ => Outcome::Done,
    };
    Ok(Reply { outcome, answer: Added::Now(done) })
}

impl Sentence for Added {
    fn sentence(&self) -> String {
        let done = match self {
            Self::Now(done) => done,
            Self::Before { name, .. } => return format!("exists already: the bridge {name}"),
        };
        let verb = if done.existed { "exists already: the bridge" } else { "added the bridge" };
        let port = done.port.map(|port| format!(", port {port}")).unwrap_or_default();
        let mut text = format!("{verb} {} ({}{port})", done.bridge, done.kind.word());
        if !done.restarted.is_empty() {
            text += &format!("\nrestarted: {}", done.restarted.join(", "));
        }
        if let Some(milliseconds) = done.ping.as_ref().and_then(|ping| ping.milliseconds) {
            text += &format!("\nit answers through Synapse after {milliseconds} ms");
        }
        if !done.running {
            text += "\nthe homeserver does not run: the next `manage start` brings it up";
        }
        text
    }

    fn id(&self) -> &str {
        match self {
            Self::Now(done) => &done.bridge,
            Self::Before { name, .. } => name,
        }
    }
}
