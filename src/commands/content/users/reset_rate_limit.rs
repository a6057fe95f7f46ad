//! `content reset-rate-limit`.

use super::{
    rate_limit::{Limit, now},
    usable::{not_operator, turn, usable},
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::admin::users::reset_ratelimit,
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
    not_operator(&operator, &user_id)?;
    let _turn = turn(context, &user_id, "content reset-rate-limit", args.patience).await;
    usable(&operator, &user_id).await?;
    let changed = now(&operator, &user_id).await?.is_some();
    if changed {
        context.would(format_args!("give {user_id} the rate limits of everybody"))?;
        operator.send(reset_ratelimit::Request { user_id: user_id.clone().into() }).await?;
    }
    Ok(Reply::done_if(changed, Limit::new(&user_id, None, changed)))
}
