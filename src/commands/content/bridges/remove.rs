//! `content remove-bridge`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    bridges,
    commands::{Answered, Reply, content::arguments::Patience, offered},
    context::Context,
    instance::bridges::{Removed as Done, remove},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bridge
    #[arg(add = offered::bridges())]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Removed {
    Now {
        #[serde(flatten)]
        done: Done,
        /// Always true.
        removed: bool,
    },
    /// It was not there.
    Before {
        bridge: String,
        /// Always false.
        removed: bool,
    },
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Removed> {
    let config = context.config()?;
    let name = args.name;
    bridges::check_name(&name)?;
    if bridges::of(&config.data, &name).is_some() {
        context.would(format_args!("take the bridge {name} away"))?;
    }
    let timeout = args.patience.given().unwrap_or(config.supervision.start_timeout.0);
    let progress = context.progress(format!("taking the bridge {name} away"));
    let done = remove(config, &name, timeout, &mut |step| progress.now(step)).await?;
    Ok(match done {
        Some(done) => Reply::done(Removed::Now { done, removed: true }),
        None => Reply::done_if(false, Removed::Before { bridge: name, removed: false }),
    })
}

impl Sentence for Removed {
    fn sentence(&self) -> String {
        let Done { bridge, restarted, dropped } = match self {
            Self::Now { done, .. } => done,
            Self::Before { bridge, .. } => return format!("there is no bridge {bridge}"),
        };
        let mut text = format!("took the bridge {bridge} away");
        if let Some(database) = dropped {
            text += &format!("\ndropped the database {database}");
        }
        if !restarted.is_empty() {
            text += &format!("\nrestarted: {}", restarted.join(", "));
        }
        text
    }

    fn id(&self) -> &str {
        match self {
            Self::Now { done, .. } => &done.bridge,
            Self::Before { .. } => "",
        }
    }
}
