//! `content allow-cross-signing-reset`.

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::usable;

use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::{Error, admin::users::allow_cross_signing_reset},
    output::Sentence,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Allowed {
    user_id: String,
    /// Until when, in milliseconds since 1970.
    until_ms: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Allowed> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    usable(&operator, &user_id).await?;
    context.would(format_args!("let {user_id} replace the key of its identity"))?;
    let request = allow_cross_signing_reset::Request { user_id: user_id.clone().into() };
    match operator.send(request).await {
        Ok(until) => {
            let until_ms = until.updatable_without_uia_before_ms;
            Ok(Reply::done(Allowed { user_id: user_id.into(), until_ms }))
        }
        Err(error @ Error::Refused { .. }) if error.is_not_found() => {
            Err(Stop::absent("cross-signing key of", "user_id", user_id))
        }
        Err(error) => Err(error.into()),
    }
}

impl Sentence for Allowed {
    fn sentence(&self) -> String {
        let until = clock::of_ms(self.until_ms);
        format!("until {until} {} may replace the key of its identity", self.user_id)
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
