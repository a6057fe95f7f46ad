//! The room of a bot.

use ruma::OwnedRoomAliasId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::content::{
        arguments::{
            Patience,
            room::{explained, resolved},
        },
        rooms,
    },
    config::sections::rooms::Encrypt,
    context::Context,
    error::Failure,
    matrix::{Error, client::Client, names, new_room, room},
};

/// Where a bot is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Place {
    #[serde(rename = "room_id")]
    #[schemars(with = "String")]
    pub(super) room: ruma::OwnedRoomId,
    /// Whether the room had to be made.
    pub(super) made: bool,
    /// Whether the bot was in it already.
    pub(super) existed: bool,
    /// Whether what is said there is encrypted.
    pub(super) encrypted: bool,
}

/// How a room is made that is not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// Whether it is encrypted, where that was said.
    pub(super) encrypted: Option<bool>,
    /// Whether it is this program that speaks there for the bot.
    pub(super) hooked: bool,
}

impl Wish {
    /// A program that uses the bot's token speaks for itself, and few of them can encrypt: by default it is spared that.
    fn is_encrypted(self, context: &Context) -> Result<bool, Failure> {
        Ok(match (self.encrypted, new_room::wanted(context.config()?)) {
            (Some(said), _) => said,
            (None, Encrypt::All) => true,
            (None, Encrypt::Private) => self.hooked,
            (None, Encrypt::Nothing) => false,
        })
    }
}

/// Refuses a room that is not there and that no bot's command makes.
pub(super) async fn check(context: &Context, admin: &Client, text: &str) -> Result<(), Failure> {
    match resolved(context, admin, text).await {
        Err(error @ Error::NoRoom(_)) => match own_alias(admin, text)? {
            Some(_) => Ok(()),
            None => Err(explained(admin, error).await),
        },
        Ok(room) if room::details(admin, &room).await?.is_none() => {
            Err(Error::NoRoom(text.to_owned()).into())
        }
        found => Ok(found.map(drop)?),
    }
}

/// The alias of this server that a text is, for which a room can be made.
fn own_alias(admin: &Client, text: &str) -> Result<Option<OwnedRoomAliasId>, names::Error> {
    match names::room(text, admin.server_name())? {
        names::Room::Alias(alias) if alias.server_name() == admin.server_name() => Ok(Some(alias)),
        _ => Ok(None),
    }
}

/// Lets the bot into the room, which is made if it is a `#name` of this server.
pub(super) async fn enter(
    context: &Context,
    admin: &Client,
    bot: &Client,
    text: &str,
    wish: Wish,
    patience: Patience,
) -> Result<Place, Failure> {
    let user_id = bot.user_id().to_owned();
    let (room, made) = match resolved(context, admin, text).await {
        Err(Error::NoRoom(name)) => match own_alias(admin, text)? {
            Some(alias) => {
                let (timeout, encrypted) = (patience.timeout(), wish.is_encrypted(context)?);
                let (room, existed) =
                    rooms::made::ensure(context, admin, &alias, encrypted, timeout).await?;
                (room, !existed)
            }
            None => return Err(Error::NoRoom(name).into()),
        },
        found => (found?, false),
    };
    let is_in = match room::membership(bot, &room, &user_id).await {
        Ok(membership) => membership.as_deref() == Some("join"),
        Err(error) if error.is("M_FORBIDDEN") || error.is_not_found() => false,
        Err(error) => return Err(error.into()),
    };
    if !is_in && room::admit(admin, &room, &user_id).await?.is_some() {
        context.warn(format!("the operator joined the room `{room}`"));
    }
    let encrypted = room::is_encrypted(bot, &room).await?;
    Ok(Place { room, made, existed: is_in, encrypted })
}
