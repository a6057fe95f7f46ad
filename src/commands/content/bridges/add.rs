//! `content add-bridge`.

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use super::wanted::Args;
use super::wanted::wanted;
use crate::{
    bridges::Ping,
    commands::{Answered, Reply},
    config::values::shape::Words as _,
    context::Context,
    instance::bridges::{self, Added as Done},
    output::Sentence,
    reply::Outcome,
};

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
    for expression in &done.idle {
        context.warn(format!(
            "no user or alias of this homeserver can match `{expression}` of the registration"
        ));
    }
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
