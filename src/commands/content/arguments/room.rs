//! The room a verb is about.

use ruma::OwnedRoomId;

use crate::{
    commands::offered,
    config::sections::synapse::Mode,
    context::Context,
    matrix::{self, client::Client, names, room},
};

// No doc comments on the structs here: clap would show them as the help of each command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RoomArg {
    /// The room: id, alias or exact name
    #[arg(add = offered::rooms())]
    room: String,
}

impl RoomArg {
    pub(crate) fn as_str(&self) -> &str {
        &self.room
    }

    /// The room that was meant, as this client finds it.
    pub(crate) async fn resolve(
        &self,
        context: &Context,
        client: &Client,
    ) -> Result<OwnedRoomId, matrix::Error> {
        resolved(context, client, &self.room).await
    }
}

impl<S: Into<String>> From<S> for RoomArg {
    fn from(room: S) -> Self {
        Self { room: room.into() }
    }
}

/// The room that a text means. Where this server talks to no other, the alias of another is refused
/// at once; only such an alias makes us read the settings.
pub(crate) async fn resolved(
    context: &Context,
    client: &Client,
    text: &str,
) -> Result<OwnedRoomId, matrix::Error> {
    let server = client.server_name().to_owned();
    if let names::Room::Alias(alias) = names::room(text, &server)?
        && alias.server_name() != server
        && context.config().is_ok_and(|config| config.synapse.federation == Mode::Off)
    {
        return Err(matrix::Error::Elsewhere(text.to_owned()));
    }
    room::resolve(client, text).await
}
