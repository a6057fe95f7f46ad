//! The webhook of a bot.

use std::path::PathBuf;

use ruma::UserId;
use schemars::JsonSchema;
use serde::Serialize;

use super::place::Place;
use crate::{
    commands::content::{arguments::room::resolved, hooks::are_proxied},
    context::Context,
    error::Failure,
    hooks::{
        self,
        registry::{self, Was, Wishes},
    },
    instance::lifecycle::{
        hooks::{Here, take_up},
        one::Taken,
    },
    matrix::{Error, client::Client, sealed},
    secret::Secret,
};

// No `Debug`: it may hold a token.
/// The address to which others post what the bot says in its room.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Hook {
    pub(super) id: String,
    pub(super) url: String,
    /// The address on this machine.
    pub(super) local_url: String,
    /// Shown when it is new, else masked, unless secrets are to be shown.
    pub(super) token: String,
    /// The file that holds the token.
    pub(super) file: PathBuf,
    /// Whether it was there already.
    pub(super) existed: bool,
    /// Whether it was there and its format, secret or template is another now.
    pub(super) changed: bool,
}

/// A secret as it is told: what is new is shown once.
pub(super) fn shown(context: &Context, secret: &Secret, existed: bool) -> String {
    if existed { context.masked(secret) } else { secret.expose().to_owned() }
}

pub(super) fn check_name(id: &str) -> Result<(), Failure> {
    if registry::is_name(id) {
        Ok(())
    } else {
        Err(hooks::Error::Name(id.escape_debug().to_string()).into())
    }
}

/// Refuses the name of a webhook that sends to another room or as another bot, before anything is made.
pub(super) async fn is_free(
    context: &Context,
    admin: &Client,
    id: &str,
    user_id: &UserId,
    text: &str,
) -> Result<(), Failure> {
    let Some(found) = registry::find(&context.data()?, id)? else { return Ok(()) };
    let room = match resolved(context, admin, text).await {
        Ok(room) => Some(room),
        Err(Error::NoRoom(_)) => None,
        Err(error) => return Err(error.into()),
    };
    if room.is_some_and(|room| found.is_of(user_id, &room, text)) {
        return Ok(());
    }
    Err(found.taken().into())
}

/// Makes sure that there is the webhook and that it is taken; `text` is the room as it was typed.
pub(super) async fn ensure(
    context: &Context,
    bot: &Client,
    id: &str,
    place: &Place,
    text: &str,
    wishes: Wishes,
) -> Result<Hook, Failure> {
    let room = &place.room;
    if place.encrypted {
        sealed::require(room)?;
    }
    let (data, user_id) = (context.data()?, bot.user_id().to_owned());
    let (hook, was) = registry::ensure(&data, id, &user_id, room.clone(), text, wishes)?;
    let existed = was != Was::Absent;
    let config = context.config()?;
    // Also for one that exists: the homeserver may have been away when it was made.
    if take_up(config).await? == Taken::Later {
        context.warn("webhooks are taken when `manage start` has started the homeserver");
    }
    let here = Here::of(config).await?;
    here.warning().into_iter().for_each(|warning| context.warn(warning));
    let proxied = are_proxied(context, config, &here).await?;
    Ok(Hook {
        url: config.hook_address(id, &here.url, proxied),
        local_url: format!("{}/hook/{id}", here.url),
        token: shown(context, &hook.token, existed),
        file: registry::file(&data, id),
        id: hook.id,
        existed,
        changed: was == Was::Other,
    })
}
