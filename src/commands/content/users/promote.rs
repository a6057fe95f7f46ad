//! `content promote-user`.

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::{turn, usable};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::admin::users::set_admin,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Whether a user is a server admin now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Ranked {
    pub(super) user_id: String,
    pub(super) admin: bool,
    /// False where it was so before.
    pub(super) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Ranked> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    let _turn = turn(context, &user_id, "content promote-user", args.patience).await;
    let changed = !usable(&operator, &user_id).await?.admin;
    if changed {
        context.would(format_args!("make {user_id} a server admin"))?;
        let user_id = user_id.clone().into();
        operator.send(set_admin::Request { user_id, admin: true }).await?;
    }
    Ok(Reply::done_if(changed, Ranked { user_id: user_id.into(), admin: true, changed }))
}

impl Sentence for Ranked {
    fn sentence(&self) -> String {
        let Self { user_id, admin, changed } = self;
        let what = match (admin, changed) {
            (true, true) => "is a server admin now",
            (true, false) => "is a server admin already",
            (false, true) => "is no server admin any more",
            (false, false) => "is no server admin",
        };
        format!("{user_id} {what}")
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
