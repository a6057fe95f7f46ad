//! `content suspend-user`.

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::{not_operator, turn, usable};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::admin::users::suspend,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Suspended {
    user_id: String,
    /// Always true.
    suspended: bool,
    /// False where the account was suspended before.
    changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Suspended> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    not_operator(&operator, &user_id)?;
    let _turn = turn(context, &user_id, "content suspend-user", args.patience).await;
    let changed = !usable(&operator, &user_id).await?.suspended;
    if changed {
        context.would(format_args!("suspend {user_id}"))?;
        let user_id = user_id.clone().into();
        operator.send(suspend::Request { user_id, suspend: true }).await?;
    }
    Ok(Reply::done_if(changed, Suspended { user_id: user_id.into(), suspended: true, changed }))
}

impl Sentence for Suspended {
    fn sentence(&self) -> String {
        let Self { user_id, changed, .. } = self;
        if *changed {
            format!("suspended {user_id}: it can read and not write until `content unlock-user`")
        } else {
            format!("{user_id} is already suspended")
        }
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
