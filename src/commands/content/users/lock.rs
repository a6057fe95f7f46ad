//! `content lock-user`.

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::{not_operator, turn, usable};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::admin::users::put,
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
pub(crate) struct Locked {
    user_id: String,
    /// Always true.
    locked: bool,
    /// False where the account was locked before.
    changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Locked> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    not_operator(&operator, &user_id)?;
    let _turn = turn(context, &user_id, "content lock-user", args.patience).await;
    let found = usable(&operator, &user_id).await?;
    let changed = !found.locked;
    if changed {
        context.would(format_args!("lock {user_id}"))?;
        operator.send(put::Request::locked(&user_id, true)).await?;
    }
    Ok(Reply::done_if(changed, Locked { user_id: user_id.into(), locked: true, changed }))
}

impl Sentence for Locked {
    fn sentence(&self) -> String {
        let Self { user_id, changed, .. } = self;
        if *changed {
            format!(
                "locked {user_id}: it can neither log in nor use a session until `content unlock-user`"
            )
        } else {
            format!("{user_id} is already locked")
        }
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
