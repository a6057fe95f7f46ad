//! `content lift-shadow-ban`.

use super::{
    shadow_ban::ShadowBanned,
    usable::{turn, usable},
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::admin::users::lift_shadow_ban,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<ShadowBanned> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    let _turn = turn(context, &user_id, "content lift-shadow-ban", args.patience).await;
    let changed = usable(&operator, &user_id).await?.shadow_banned;
    if changed {
        context.would(format_args!("let others see again what {user_id} writes"))?;
        operator.send(lift_shadow_ban::Request { user_id: user_id.clone().into() }).await?;
    }
    let answer = ShadowBanned { user_id: user_id.into(), shadow_banned: false, changed };
    Ok(Reply::done_if(changed, answer))
}
