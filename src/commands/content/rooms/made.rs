//! Rooms that are made once, however many want them.

use std::time::Duration;

use ruma::{OwnedRoomId, RoomAliasId};

use crate::{
    commands::content::arguments,
    context::Context,
    matrix::{Error, api::create_room, client::Client, new_room, room, sealed},
    process::Lock,
};

/// The room of an alias of this server, made where there is none: private, called like its alias, and `encrypted` or not.
/// True if it was there.
pub(in crate::commands::content) async fn ensure(
    context: &Context,
    client: &Client,
    alias: &RoomAliasId,
    encrypted: bool,
    timeout: Duration,
) -> Result<(OwnedRoomId, bool), Error> {
    let _turn = turn(context, alias, timeout).await;
    if let Some(room) = existing(client, alias).await? {
        return Ok((room, true));
    }
    let name = Some(alias.alias().to_owned());
    let request = create_room::Request {
        room_alias_name: name.clone(),
        name,
        initial_state: encrypted.then(new_room::encryption).into_iter().collect(),
        ..Default::default()
    };
    match client.send(request).await {
        Ok(made) => {
            if encrypted {
                // What others say there is read by whoever made it too.
                sealed::prepare(client).await;
            }
            Ok((made.room_id, false))
        }
        Err(error) if taken(&error) => Ok((room::resolve(client, alias.as_str()).await?, true)),
        Err(error) => Err(error),
    }
}

/// Synapse would keep a row of each room that it then refuses.
pub(in crate::commands::content) async fn turn(
    context: &Context,
    alias: &RoomAliasId,
    timeout: Duration,
) -> Option<Lock> {
    arguments::turn::turn(context, "rooms", alias.alias(), "content create-room", timeout).await
}

/// The room that has the alias, if one has.
pub(super) async fn existing(
    client: &Client,
    alias: &RoomAliasId,
) -> Result<Option<OwnedRoomId>, Error> {
    match room::resolve(client, alias.as_str()).await {
        Ok(room) => Ok(Some(room)),
        Err(Error::NoRoom(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the alias is in use: Synapse says so in two ways, the second where two came at once.
pub(super) fn taken(error: &Error) -> bool {
    error.is("M_ROOM_IN_USE") || matches!(error, Error::Refused { status: 409, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_taken_in_both_ways_that_the_server_says_it() {
        let refused = |status, errcode: &str| Error::Refused {
            status,
            errcode: errcode.into(),
            message: "Room alias #a:x.org already exists".into(),
            retry_after: None,
        };
        assert!(taken(&refused(409, "M_UNKNOWN")));
        assert!(taken(&refused(400, "M_ROOM_IN_USE")));
        assert!(!taken(&refused(400, "M_UNKNOWN")));
    }
}
