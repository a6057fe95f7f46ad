//! `content set-feature`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::{turn, usable};

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    error::Failure,
    matrix::admin::users::{features, set_features},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// The feature, as `get-features` shows it
    pub(crate) feature: String,
    /// Whether the user has it from now on
    #[arg(value_name = "on|off", value_parser = ["on", "off"])]
    pub(crate) switch: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    user_id: String,
    feature: String,
    /// Whether the user has it now.
    on: bool,
    /// False where it was so before.
    changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    let (feature, on) = (args.feature, args.switch == "on");
    let _turn = turn(context, &user_id, "content set-feature", args.patience).await;
    usable(&operator, &user_id).await?;
    let found = operator.send(features::Request { user_id: user_id.clone().into() }).await?;
    let Some(now) = found.features.get(&feature).copied() else {
        let names: Vec<String> = found.features.into_keys().collect();
        let message = format!("the server has no feature `{}` for users", feature.escape_debug());
        return Err(Failure::request(message)
            .hinted(format!("it has {}", names.join(", ")))
            .into());
    };
    let changed = now != on;
    if changed {
        context.would(format_args!("switch {feature} {} for {user_id}", args.switch))?;
        let features = BTreeMap::from([(feature.clone(), on)]);
        operator.send(set_features::Request { user_id: user_id.clone().into(), features }).await?;
    }
    Ok(Reply::done_if(changed, Set { user_id: user_id.into(), feature, on, changed }))
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { user_id, feature, on, changed } = self;
        let (on, when) = (if *on { "on" } else { "off" }, if *changed { "now" } else { "already" });
        format!("{feature} is {on} for {user_id} {when}")
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
