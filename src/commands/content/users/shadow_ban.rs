//! `content shadow-ban-user`.

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::{not_operator, turn, usable};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::admin::users::shadow_ban,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Whether a user is heard now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ShadowBanned {
    pub(super) user_id: String,
    pub(super) shadow_banned: bool,
    /// False where it was so before.
    pub(super) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<ShadowBanned> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    not_operator(&operator, &user_id)?;
    let _turn = turn(context, &user_id, "content shadow-ban-user", args.patience).await;
    let changed = !usable(&operator, &user_id).await?.shadow_banned;
    if changed {
        context.would(format_args!("let nobody see what {user_id} writes"))?;
        operator.send(shadow_ban::Request { user_id: user_id.clone().into() }).await?;
    }
    let answer = ShadowBanned { user_id: user_id.into(), shadow_banned: true, changed };
    Ok(Reply::done_if(changed, answer))
}

impl Sentence for ShadowBanned {
    fn sentence(&self) -> String {
        let Self { user_id, shadow_banned, changed } = self;
        match (shadow_banned, changed) {
            (true, true) => format!(
                "nobody sees what {user_id} writes, and it is not told so, until `content lift-shadow-ban`"
            ),
            (true, false) => format!("{user_id} is already shadow-banned"),
            (false, true) => format!("{user_id} is no longer shadow-banned"),
            (false, false) => format!("{user_id} is not shadow-banned"),
        }
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
