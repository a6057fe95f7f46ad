//! `content get-account-data`.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::usable::usable;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::admin::users::account_data,
    output::Report,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// What the programs of a user keep on the server.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Kept {
    user_id: String,
    /// By type.
    global: BTreeMap<String, Value>,
    /// By room and type.
    rooms: BTreeMap<String, BTreeMap<String, Value>>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Kept> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    usable(&operator, &user_id).await?;
    let request = account_data::Request { user_id: user_id.clone().into() };
    let account_data::AccountData { global, rooms } = operator.send(request).await?.account_data;
    Ok(Reply::done(Kept { user_id: user_id.into(), global, rooms }))
}

impl Report for Kept {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.write_str(&serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?)
    }
}
