//! `content get-features`.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::usable;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::admin::users::features,
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// The experimental features that the server can give a user, and whether the user has them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Features {
    user_id: String,
    features: BTreeMap<String, bool>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Features> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    usable(&operator, &user_id).await?;
    let found = operator.send(features::Request { user_id: user_id.clone().into() }).await?;
    Ok(Reply::done(Features { user_id: user_id.into(), features: found.features }))
}

impl Report for Features {
    fn text(&self, page: &mut String) -> fmt::Result {
        let word = |on: bool| (if on { "on" } else { "off" }).to_owned();
        let rows = self.features.iter().map(|(name, on)| vec![name.clone(), word(*on)]);
        table(page, &["FEATURE", ""], rows.collect())
    }
}
