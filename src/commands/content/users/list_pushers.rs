//! `content list-pushers`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::usable::usable;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
    },
    context::Context,
    matrix::admin::users::pushers,
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Pushers {
    user_id: String,
    pushers: Vec<Pusher>,
    total: usize,
}

/// Without its key, with which a device can be reached.
#[derive(Debug, Serialize, JsonSchema)]
struct Pusher {
    app_id: String,
    app: String,
    device: String,
    /// `http` or `email`.
    kind: Option<String>,
    /// Where the server sends what is new.
    url: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Pushers> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    usable(&operator, &user_id).await?;
    let found = operator.send(pushers::Request { user_id: user_id.clone().into() }).await?;
    let pushers: Vec<Pusher> = found.pushers.into_iter().map(Pusher::from).collect();
    Ok(Reply::done(Pushers { user_id: user_id.into(), total: pushers.len(), pushers }))
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

impl Report for Pushers {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |pusher: &Pusher| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let Pusher { app, device, kind, url, .. } = pusher;
            vec![app.clone(), device.clone(), text(kind), text(url)]
        };
        table(page, &["APP", "DEVICE", "KIND", "THROUGH"], self.pushers.iter().map(row).collect())
    }
}
