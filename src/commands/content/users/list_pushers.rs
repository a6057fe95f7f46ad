//! `content list-pushers`.

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::usable;

use crate::{
    commands::{
        content::arguments::{Patience, UserArg},
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    matrix::admin::users::pushers,
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) list: ListArgs<Pusher>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Pushers {
    user_id: String,
}

impl Listed for Pushers {
    type Row = Pusher;
    const KEY: &'static str = "pushers";
}

/// Without its key, with which a device can be reached.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Pusher {
    app_id: String,
    app: String,
    device: String,
    /// `http` or `email`.
    kind: Option<String>,
    /// Where the server sends what is new.
    url: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Pushers>, Stop> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    usable(&operator, &user_id).await?;
    let found = operator.send(pushers::Request { user_id: user_id.clone().into() }).await?;
    let pushers: Vec<Pusher> = found.pushers.into_iter().map(Pusher::from).collect();
    Ok(List::of(args.list, Pushers { user_id: user_id.into() }, pushers))
}

impl From<pushers::Pusher> for Pusher {
    fn from(pusher: pushers::Pusher) -> Self {
        Self {
            app_id: pusher.app_id,
            app: pusher.app_display_name,
            device: pusher.device_display_name,
            kind: pusher.kind,
            url: pusher.data.url,
        }
    }
}

impl Row for Pusher {
    const HEADING: &'static [&'static str] = &["APP", "DEVICE", "KIND", "THROUGH"];
    const HAS_ID: bool = false;

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![self.app.clone(), self.device.clone(), text(&self.kind), text(&self.url)]
    }
}
