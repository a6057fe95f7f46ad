//! What the programs of a user keep on the server: reading it, and changing a part of it while others do
//! the same.

use std::time::Duration;

use ruma::RoomId;
use serde_json::Value;
use tokio::time::Instant;

use super::{Error, api::account_data, client::Client};
use crate::{data_dir::DataDir, files, process::Lock};

/// How long another command may change the same.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is kept under a type, of a room or of all; nothing where there is nothing.
pub(crate) async fn get(
    client: &Client,
    room: Option<&RoomId>,
    event_type: &str,
) -> Result<Option<Value>, Error> {
    let (user_id, event_type) = (client.user_id().to_owned().into(), event_type.to_owned().into());
    let found = if let Some(room) = room {
        let room_id = room.to_owned().into();
        let request = account_data::get_of_room::Request { user_id, room_id, event_type };
        client.send(request).await.map(|found| found.content)
    } else {
        let request = account_data::get::Request { user_id, event_type };
        client.send(request).await.map(|found| found.content)
    };
    match found {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps something under a type, in the place of what is there.
pub(crate) async fn put(
    client: &Client,
    room: Option<&RoomId>,
    event_type: &str,
    content: Value,
) -> Result<(), Error> {
    let (user_id, event_type) = (client.user_id().to_owned().into(), event_type.to_owned().into());
    if let Some(room) = room {
        let room_id = room.to_owned().into();
        let request = account_data::put_of_room::Request { user_id, room_id, event_type, content };
        client.send(request).await.map(drop)
    } else {
        let request = account_data::put::Request { user_id, event_type, content };
        client.send(request).await.map(drop)
    }
}

/// Changes what is kept under a type. `change` is given what is there, and gives what is to be there instead;
/// nothing where it is so already. True if something changed.
pub(crate) async fn change(
    data: &DataDir,
    client: &Client,
    room: Option<&RoomId>,
    event_type: &str,
    change: impl FnOnce(Option<Value>) -> Option<Value>,
) -> Result<bool, Error> {
    // The server replaces the whole: of two that add to the same, one would be lost.
    files::private_folder(&data.run())?;
    let (name, until) = (client.user_id().as_str(), Instant::now() + PATIENCE);
    let why = "a change of account data";
    let _turn = Lock::of_name(&data.run(), "account-data", name, why, until, &mut |_| ()).await;
    match change(get(client, room, event_type).await?) {
        Some(content) => put(client, room, event_type, content).await.map(|()| true),
        None => Ok(false),
    }
}
