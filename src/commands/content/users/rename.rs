//! `content rename-user`.

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::{turn, usable};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::{self, names},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// The new display name; an empty one takes it away
    #[arg(value_name = "DISPLAY_NAME")]
    pub(crate) display_name: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Renamed {
    user_id: String,
    display_name: String,
    /// False where it had this name before.
    changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Renamed> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    let display_name = args.display_name;
    names::display_name(&display_name)?;
    let _turn = turn(context, &user_id, "content rename-user", args.patience).await;
    let old = usable(&operator, &user_id).await?.displayname.unwrap_or_default();
    let changed = old != display_name;
    if changed {
        context.would(format_args!("call {user_id} `{display_name}`"))?;
        matrix::operator::rename(&operator, &user_id, &display_name).await?;
    }
    Ok(Reply::done_if(changed, Renamed { user_id: user_id.into(), display_name, changed }))
}

impl Sentence for Renamed {
    fn sentence(&self) -> String {
        let Self { user_id, display_name, changed } = self;
        match (changed, display_name.is_empty()) {
            (true, true) => format!("{user_id} has no display name any more"),
            (true, false) => format!("{user_id} is called {display_name} now"),
            (false, true) => format!("{user_id} has no display name"),
            (false, false) => format!("{user_id} is called {display_name} already"),
        }
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
