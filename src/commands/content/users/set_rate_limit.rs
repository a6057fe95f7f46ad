//! `content set-rate-limit`.

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
    matrix::admin::users::override_ratelimit,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// How many messages a second, in the long run
    #[arg(long, value_name = "N", required_unless_present = "none", conflicts_with = "none",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) per_second: Option<u32>,
    /// How many at once
    #[arg(long, value_name = "N", required_unless_present = "none", conflicts_with = "none",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) burst: Option<u32>,
    /// No limit at all
    #[arg(long)]
    pub(crate) none: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Limit> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    let wanted = args.per_second.zip(args.burst).unwrap_or((0, 0));
    not_operator(&operator, &user_id)?;
    let _turn = turn(context, &user_id, "content set-rate-limit", args.patience).await;
    usable(&operator, &user_id).await?;
    let changed = now(&operator, &user_id).await? != Some(wanted);
    if changed {
        context.would(format_args!("give {user_id} a rate limit of its own"))?;
        let (messages_per_second, burst_count) = wanted;
        let target = user_id.clone().into();
        let request =
            override_ratelimit::Request { user_id: target, messages_per_second, burst_count };
        operator.send(request).await?;
    }
    Ok(Reply::done_if(changed, Limit::new(&user_id, Some(wanted), changed)))
}
