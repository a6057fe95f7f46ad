//! `content get-account-data`.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::usable::usable;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            Patience, UserArg,
            room::{explained, resolved},
        },
        offered,
    },
    context::Context,
    matrix::admin::users::account_data,
    output::{Report, harmless},
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// Only what is kept under this type, such as m.direct
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// Only what is kept of this room
    #[arg(long, value_name = "ROOM", add = offered::rooms())]
    pub(crate) room: Option<String>,
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
    let room = match &args.room {
        None => None,
        Some(text) => match resolved(context, &operator, text).await {
            Ok(room) => Some(room.to_string()),
            Err(error) => return Err(explained(&operator, error).await.into()),
        },
    };
    let request = account_data::Request { user_id: user_id.clone().into() };
    let found = operator.send(request).await?.account_data;
    let account_data::AccountData { mut global, mut rooms } = found;
    if let Some(room) = room {
        global.clear();
        rooms.retain(|known, _| *known == room);
    }
    if let Some(wanted) = args.event_type {
        global.retain(|kind, _| *kind == wanted);
        for kept in rooms.values_mut() {
            kept.retain(|kind, _| *kind == wanted);
        }
        rooms.retain(|_, kept| !kept.is_empty());
        if global.is_empty() && rooms.is_empty() {
            return Err(Stop::absent("account data of the type", "type", wanted));
        }
    }
    Ok(Reply::done(Kept { user_id: user_id.into(), global, rooms }))
}

impl Report for Kept {
    fn text(&self, page: &mut String) -> fmt::Result {
        harmless::document(page, self)
    }
}
