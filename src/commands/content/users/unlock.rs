//! `content unlock-user`.

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::{turn, usable};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::admin::users::{put, suspend},
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
pub(crate) struct Unlocked {
    user_id: String,
    /// Whether it was locked before.
    was_locked: bool,
    /// Whether it was suspended before.
    was_suspended: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Unlocked> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    let _turn = turn(context, &user_id, "content unlock-user", args.patience).await;
    let found = usable(&operator, &user_id).await?;
    let (was_locked, was_suspended) = (found.locked, found.suspended);
    if was_locked || was_suspended {
        context.would(format_args!("let {user_id} do all again"))?;
    }
    if was_locked {
        operator.send(put::Request::locked(&user_id, false)).await?;
    }
    if was_suspended {
        let user_id = user_id.clone().into();
        operator.send(suspend::Request { user_id, suspend: false }).await?;
    }
    let answer = Unlocked { user_id: user_id.into(), was_locked, was_suspended };
    Ok(Reply::done_if(was_locked || was_suspended, answer))
}

impl Sentence for Unlocked {
    fn sentence(&self) -> String {
        let Self { user_id, was_locked, was_suspended } = self;
        let was = match (was_locked, was_suspended) {
            (true, true) => "is no longer locked or suspended",
            (true, false) => "is no longer locked",
            (false, true) => "is no longer suspended",
            (false, false) => "is neither locked nor suspended",
        };
        format!("{user_id} {was}")
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
