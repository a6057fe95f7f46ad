//! The file that was named: by its address, or by the message that shows it, which has what opens a sealed one.

use std::{slice, str::FromStr};

use ruma::OwnedEventId;

use super::mxc::Mxc;
use crate::{
    commands::content::arguments::{RoomArg, Sending},
    context::Context,
    error::Failure,
    matrix::{
        Error, attachment::Key, client::Client, download::named, media::Stored, names, room, sealed,
    },
    reply::Stop,
};

/// `mxc://SERVER/ID`, or the room of a message.
#[derive(Clone, Debug)]
pub(crate) enum Named {
    At(Mxc),
    In(RoomArg),
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("mxc:") {
            return text.parse().map(Self::At);
        }
        Ok(Self::In(text.into()))
    }
}

/// A file, and what its message says of it.
pub(super) struct Found {
    pub(super) mxc: Mxc,
    pub(super) key: Option<Key>,
    pub(super) name: Option<String>,
    pub(super) mimetype: Option<String>,
}

/// What was named.
pub(super) enum Wanted {
    At(Mxc),
    Of(RoomArg, OwnedEventId),
}

/// Refuses what names no file, before anything is asked.
pub(super) fn wanted(file: Named, event: Option<&str>) -> Result<Wanted, Failure> {
    let why = match (file, event) {
        (Named::At(mxc), None) => return Ok(Wanted::At(mxc)),
        (Named::In(room), Some(event)) => return Ok(Wanted::Of(room, names::event(event)?)),
        (Named::At(mxc), Some(_)) => format!("`{mxc}` is the address of a file, not a room"),
        (Named::In(room), None) => format!("`{}` is no address of a file", room.as_str()),
    };
    Err(Failure::request(why).hinted(
        "`content download-media MXC` fetches what has an address, `content download-media ROOM EVENT` what a message shows",
    ))
}

pub(super) async fn find(
    wanted: Wanted,
    sending: &Sending,
    context: &Context,
    client: &Client,
) -> Result<Found, Stop> {
    let (room, event) = match wanted {
        Wanted::At(mxc) => return Ok(Found { mxc, key: None, name: None, mimetype: None }),
        Wanted::Of(room, event) => (room, event),
    };
    let room = sending.room(context, client, &room).await?;
    let mut message = room::require_event(&sending.operator(context)?, &room, &event).await?;
    sealed::open(client, &room, slice::from_mut(&mut message)).await?;
    if let Some(why) = sealed::closed(&message) {
        let why = why.to_owned();
        return Err(Error::Closed { event: event.to_string(), why }.into());
    }
    let content = &message["content"];
    let stored = Stored::of(content, "url", "file")?;
    let Some((mxc, key)) = stored.and_then(|it| Some((it.url.parse().ok()?, it.key))) else {
        return Err(Failure::request(format!("the message `{event}` shows no file"))
            .hinted("`content read-messages ROOM --verbose` shows the messages with their ids")
            .into());
    };
    let name = content["filename"].as_str().or(content["body"].as_str()).and_then(named);
    let mimetype = content["info"]["mimetype"].as_str().map(str::to_owned);
    Ok(Found { mxc, key, name, mimetype })
}
