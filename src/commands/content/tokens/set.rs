//! `content set-registration-token`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::shown::{Token, found};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::Patience,
        moment::{ahead, ms},
    },
    context::Context,
    matrix::admin::tokens::update,
    output::Sentence,
};

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
pub(crate) struct Args {
    /// The token
    pub(crate) token: String,
    /// How many people may register with it
    #[arg(long, value_name = "N", group = "what", conflicts_with = "any_uses")]
    pub(crate) uses: Option<u32>,
    /// Let any number of people register with it
    #[arg(long, group = "what")]
    pub(crate) any_uses: bool,
    /// Until when, or for how long from now: 2026-11-21T05:00:00Z, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = ahead, group = "what", conflicts_with = "no_expiry")]
    pub(crate) expires: Option<Timestamp>,
    /// Let it be used for ever
    #[arg(long, group = "what")]
    pub(crate) no_expiry: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    #[serde(flatten)]
    token: Token,
    /// False where it was so before.
    changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let operator = args.patience.operator(context)?;
    let old = found(&operator, &args.token).await?;
    let kept = |free: bool, old: Option<u64>| if free { None } else { old };
    let uses_allowed = args.uses.map(u64::from).or(kept(args.any_uses, old.uses_allowed));
    let expiry_time = args.expires.map(ms).or(kept(args.no_expiry, old.expires_ms));
    if (uses_allowed, expiry_time) == (old.uses_allowed, old.expires_ms) {
        return Ok(Reply::done_if(false, Set { token: old, changed: false }));
    }
    context.would(format_args!("change the registration token {}", args.token))?;
    let request = update::Request { token: args.token.into(), uses_allowed, expiry_time };
    let token = operator.send(request).await?.token.into();
    Ok(Reply::done(Set { token, changed: true }))
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { token, changed } = self;
        let when = if *changed { "is now" } else { "is already" };
        format!("{} {when} {}", token.token, token.bounds())
    }

    fn id(&self) -> &str {
        &self.token.token
    }
}
