//! The room a verb is about.

use ruma::{OwnedRoomAliasId, OwnedRoomId, RoomAliasId, ServerName};

use crate::{
    commands::offered,
    config::{nearest, sections::synapse::Mode},
    context::Context,
    error::Failure,
    matrix::{
        self,
        admin::rooms::list::{self, Room},
        client::Client,
        names, room,
    },
};

// No doc comments on the structs here: clap would show them as the help of each command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RoomArg {
    /// The room: id, alias, exact name, or @user for the direct room with them
    #[arg(add = offered::rooms())]
    room: String,
}

impl RoomArg {
    pub(crate) fn as_str(&self) -> &str {
        &self.room
    }

    /// The room that was meant, as this client finds it; that which took the place of one that was upgraded,
    /// unless its id was given.
    pub(crate) async fn resolve(
        &self,
        context: &Context,
        client: &Client,
    ) -> Result<OwnedRoomId, matrix::Error> {
        resolved(context, client, &self.room).await
    }

    /// The very room of that id, alias or name, upgraded or not: for what cannot be undone.
    pub(crate) async fn named(
        &self,
        context: &Context,
        client: &Client,
    ) -> Result<OwnedRoomId, matrix::Error> {
        reachable(context, client, &self.room)?;
        room::named(client, &self.room).await
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
    reachable(context, client, text)?;
    room::resolve(client, text).await
}

fn reachable(context: &Context, client: &Client, text: &str) -> Result<(), matrix::Error> {
    match names::room(text, client.server_name())? {
        names::Room::Alias(alias) => allowed(context, client, &alias),
        _ => Ok(()),
    }
}

/// Refuses an alias of another server where this one talks to no other.
pub(crate) fn allowed(
    context: &Context,
    client: &Client,
    alias: &RoomAliasId,
) -> Result<(), matrix::Error> {
    if alias.server_name() != client.server_name()
        && context.config().is_ok_and(|config| config.synapse.federation == Mode::Off)
    {
        return Err(matrix::Error::Elsewhere(alias.to_string()));
    }
    Ok(())
}

/// An alias of this server: another one has its own.
pub(crate) fn own_alias(alias: &str, server: &ServerName) -> Result<OwnedRoomAliasId, Failure> {
    let alias = names::alias(alias, server)?;
    if alias.server_name() != server {
        let message = format!("the alias `{alias}` is not one of `{server}`");
        return Err(Failure::request(message)
            .hinted("only the server of an alias makes it and takes it away"));
    }
    Ok(alias)
}

/// How many rooms are looked at for one that was meant.
const MOST: u32 = 500;

/// The error, and where it is about a room that is not there, the one that was most likely meant.
pub(crate) async fn explained(operator: &Client, error: matrix::Error) -> Failure {
    let text = if let matrix::Error::NoRoom(text) = &error { text.clone() } else { String::new() };
    let failure = Failure::from(error);
    if text.is_empty() || text.starts_with('!') {
        return failure;
    }
    let request = list::Request::by_name(0, MOST, None);
    let found = operator.send(request).await.map(|page| page.rooms).unwrap_or_default();
    match near(&text, &found, operator.server_name()) {
        Some(near) => failure.hinted(format!(
            "did you mean `{near}`? a shell wants it in quotes; `content list-rooms` lists those there are"
        )),
        None => failure,
    }
}

/// The alias or name that is most like a text, whatever its capitals, as it is typed.
fn near(text: &str, rooms: &[Room], server: &ServerName) -> Option<String> {
    let plain = |text: &str| text.trim_start_matches('#').to_lowercase();
    let mut known: Vec<(String, String)> = Vec::new();
    for room in rooms {
        let alias =
            room.canonical_alias.as_deref().and_then(|it| <&RoomAliasId>::try_from(it).ok());
        if let Some(alias) = alias.filter(|alias| alias.server_name() == server) {
            known.push((plain(alias.alias()), format!("#{}", alias.alias())));
        }
        let name = room.name.as_ref().filter(|name| !name.starts_with(['#', '!', '-']));
        // Several rooms of one name are not told apart by it.
        let is_one = |name: &&String| {
            rooms.iter().filter(|other| other.name.as_ref() == Some(*name)).count() == 1
        };
        if let Some(name) = name.filter(|it| is_one(it) && !it.contains(char::is_control)) {
            known.push((plain(name), name.clone()));
        }
    }
    let found = nearest(&plain(text), known.iter().map(|(plain, _)| plain.as_str()))?;
    known.into_iter().find(|(plain, _)| *plain == found).map(|(_, shown)| shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_nearest_room_is_found_whatever_its_capitals() {
        let room = |name: Option<&str>, alias: Option<&str>| -> Room {
            serde_json::from_value(json!({
                "room_id": "!r:x.org", "name": name, "canonical_alias": alias,
                "joined_members": 1, "joined_local_members": 1, "version": "12", "creator": "@a:x.org",
                "encryption": null, "federatable": true, "public": false, "join_rules": null,
                "room_type": null, "state_events": 1,
            }))
            .unwrap()
        };
        let rooms = [
            room(Some("Alerts"), None),
            room(None, Some("#builds:x.org")),
            room(None, Some("#elsewhere:other.org")),
            room(Some("Twice"), None),
            room(Some("Twice"), None),
        ];
        let server = <&ServerName>::try_from("x.org").unwrap();
        let near = |text: &str| near(text, &rooms, server);
        assert_eq!(near("ALERTS").as_deref(), Some("Alerts"));
        assert_eq!(near("#alert").as_deref(), Some("Alerts"));
        assert_eq!(near("#bilds").as_deref(), Some("#builds"));
        for none in ["Kitchen", "#elsewhere", "Twyce"] {
            assert_eq!(near(none), None, "{none}");
        }
    }
}
