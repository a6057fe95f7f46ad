//! `content renew-account`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::usable::usable;

use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
        moment::{ahead, ms},
    },
    context::Context,
    error::Failure,
    matrix::{Error, admin::users::renew},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// Until when, or for how long from now: 2026-11-21T05:00:00Z, 90d; without it as long as Synapse's
    /// settings say
    #[arg(long, value_name = "TIME", value_parser = ahead)]
    pub(crate) until: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Renewed {
    user_id: String,
    /// When the account expires, in milliseconds since 1970.
    expires_ms: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Renewed> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    usable(&operator, &user_id).await?;
    context.would(format_args!("renew the account {user_id}"))?;
    let expiration_ts = args.until.map(ms);
    let request = renew::Request { user_id: user_id.clone(), expiration_ts };
    match operator.send(request).await {
        Ok(renewed) => {
            let expires_ms = renewed.expiration_ts;
            Ok(Reply::done(Renewed { user_id: user_id.into(), expires_ms }))
        }
        // Synapse stumbles over the length that it does not know.
        Err(error @ Error::Refused { status: 500, .. }) if expiration_ts.is_none() => {
            Err(Failure::request("the server does not know how long an account lasts")
                .because(error)
                .hinted("`--until TIME` says it for this account")
                .into())
        }
        Err(error) => Err(error.into()),
    }
}

impl Sentence for Renewed {
    fn sentence(&self) -> String {
        format!("{} expires at {}", self.user_id, clock::of_ms(self.expires_ms))
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
