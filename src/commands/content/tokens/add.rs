//! `content add-registration-token`.

use jiff::Timestamp;
use rand::distr::{Alphanumeric, SampleString as _};
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
    matrix::admin::tokens::create,
    output::Sentence,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The token; without it one is made up
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// How many people may register with it; without it any number
    #[arg(long, value_name = "N")]
    pub(crate) uses: Option<u32>,
    /// Until when, or for how long: 2026-11-21T05:00:00Z, 12h, 7d; without it for ever
    #[arg(long, value_name = "TIME", value_parser = ahead)]
    pub(crate) expires: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Added {
    #[serde(flatten)]
    token: Token,
    existed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Added> {
    let operator = args.patience.operator(context)?;
    if let Some(token) = &args.token {
        match found(&operator, token).await {
            Ok(token) => return Ok(Reply::done_if(false, Added { token, existed: true })),
            Err(Stop::Absent(_)) => {}
            Err(stop) => return Err(stop),
        }
    }
    if !context.config()?.synapse.registration {
        context.warn(
            "nobody can register yet: `config set synapse.registration true` and `manage restart` allow it",
        );
    }
    context.would("make a registration token")?;
    // One that Synapse makes up may begin with `-`, and then be taken for an option.
    let token = args.token.unwrap_or_else(made_up);
    let request = create::Request {
        token: Some(token),
        uses_allowed: args.uses.map(u64::from),
        expiry_time: args.expires.map(ms),
    };
    let token = operator.send(request).await?.token.into();
    Ok(Reply::done(Added { token, existed: false }))
}

/// As long as Synapse's, of letters and digits alone.
fn made_up() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 16)
}

impl Sentence for Added {
    fn sentence(&self) -> String {
        let Self { token, existed } = self;
        let what = if *existed { "exists already:" } else { "made" };
        format!("{what} {} {}", token.token, token.bounds())
    }

    fn id(&self) -> &str {
        &self.token.token
    }
}
