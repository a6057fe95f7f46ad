//! `content get-rate-limit`.

use super::{
    rate_limit::{Limit, now},
    usable::usable,
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Limit> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    usable(&operator, &user_id).await?;
    let limit = now(&operator, &user_id).await?;
    Ok(Reply::done(Limit::new(&user_id, limit, false)))
}
