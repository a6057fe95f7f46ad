//! A message for all who are in a room now.

use matrix_sdk_crypto::{EncryptionSettings, types::requests::ToDeviceRequest};
use ruma::{OwnedUserId, RoomId, events::AnyMessageLikeEventContent, serde::Raw};
use serde::Deserialize;
use serde_json::{Value, value::to_raw_value};

use super::{Account, Error, Known, to_device};
use crate::{store::Stores, wire::Answer};

impl Account {
    pub(super) async fn encrypt(
        &mut self,
        stores: &Stores,
        id: &RoomId,
        event_type: &str,
        content: &Value,
    ) -> Result<Answer, Error> {
        let strategy = stores.share_with.clone();
        self.look_at(id).await?;
        self.sync().await?;
        // It may have been left meanwhile: then the homeserver says so.
        self.look_at(id).await?;
        let Some(Known { room, .. }) = self.rooms.get_mut(id) else {
            return Err(Error::Plain(id.to_owned()));
        };
        if !room.is_known() {
            let algorithm = room.encryption.algorithm.to_string();
            return Err(Error::Algorithm { room: id.to_owned(), algorithm });
        }
        let settings =
            EncryptionSettings::new(room.encryption.clone(), room.visibility.clone(), strategy);
        let readers = room.readers();
        let new: Vec<OwnedUserId> = room.new.iter().cloned().collect();
        let users = || readers.iter().map(|user| &**user);
        self.machine.update_tracked_users(users()).await?;
        self.outgoing().await?;
        if !new.is_empty() {
            // While no room was shared with them, nobody told of their devices.
            self.query(&new).await?;
            if let Some(known) = self.rooms.get_mut(id) {
                known.room.new.retain(|user| !new.contains(user));
            }
        }
        if let Some((request, claim)) = self.machine.get_missing_sessions(users()).await? {
            let response = self.http.send(claim).await?;
            self.machine.mark_request_as_sent(&request, &response).await?;
        }
        for request in self.machine.share_room_key(id, users(), settings).await? {
            let response = self.http.send(to_device(&request)).await?;
            self.machine.mark_request_as_sent(&request.txn_id, &response).await?;
            say_left_out(id, &request);
            self.is_unsaved = true;
        }
        let content = Raw::<AnyMessageLikeEventContent>::from_json(to_raw_value(content)?);
        let sealed = self.machine.encrypt_room_event_raw(id, event_type, &content).await?;
        let content: Value = serde_json::from_str(sealed.content.json().get())?;
        let own = (self.machine.user_id(), self.machine.device_id());
        // Before anybody has it: what is sent with one key twice can be compared, and some take it for a replay.
        if let Some(used) = used(&content)
            && !stores.advance(own, id, used)?
        {
            return Err(Error::Old(own.1.to_owned()));
        }
        Ok(Answer::Encrypted { content })
    }
}

/// The session of a message and its place in it, which is the first of what is within: a byte for the version, then 8
/// and a number in groups of seven bits, the lowest first.
fn used(content: &Value) -> Option<(&str, u64)> {
    let message =
        matrix_sdk_crypto::vodozemac::base64_decode(content["ciphertext"].as_str()?).ok()?;
    let number = message.strip_prefix(&[3, 8])?;
    let mut place = 0;
    for (group, byte) in number.iter().take(5).enumerate() {
        place |= u64::from(byte & 127) << (7 * group);
        if *byte < 128 {
            return Some((content["session_id"].as_str()?, place));
        }
    }
    None
}

/// Who is told that they do not get a key is in the log.
fn say_left_out(room: &RoomId, request: &ToDeviceRequest) {
    #[derive(Deserialize)]
    struct Withheld {
        code: String,
    }
    if request.event_type.to_string() != "m.room_key.withheld" {
        return;
    }
    for (user, devices) in &request.messages {
        for (device, content) in devices {
            if let Ok(Withheld { code }) = serde_json::from_str(content.json().get()) {
                eprintln!("no keys of {room} for the device {device} of {user}: {code}");
            }
        }
    }
}
