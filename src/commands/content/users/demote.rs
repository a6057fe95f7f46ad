//! `content demote-user`.

use super::{
    promote::Ranked,
    usable::{not_operator, turn, usable},
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::admin::users::set_admin,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Ranked> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    not_operator(&operator, &user_id)?;
    let _turn = turn(context, &user_id, "content demote-user", args.patience).await;
    let changed = usable(&operator, &user_id).await?.admin;
    if changed {
        context.would(format_args!("make {user_id} a server admin no longer"))?;
        let user_id = user_id.clone().into();
        operator.send(set_admin::Request { user_id, admin: false }).await?;
    }
    Ok(Reply::done_if(changed, Ranked { user_id: user_id.into(), admin: false, changed }))
}
