//! A message for all who are in a room now.

use matrix_sdk_crypto::{
    CollectStrategy, EncryptionSettings, OlmError, SessionRecipientCollectionError,
    types::requests::ToDeviceRequest,
};
use ruma::{OwnedUserId, RoomId, events::AnyMessageLikeEventContent, serde::Raw};
use serde::Deserialize;
use serde_json::{Value, value::to_raw_value};

use super::{Account, Error, Known, to_device};
use crate::{store::Stores, wire::Answer};

/// A device that was told that it gets no key: its user, its id and the code.
type LeftOut = (String, String, String);

impl Account {
    pub(super) async fn encrypt(
        &mut self,
        stores: &Stores,
        id: &RoomId,
        event_type: &str,
        content: &Value,
        only_verified: bool,
    ) -> Result<Answer, Error> {
        let (strategy, only) = if only_verified {
            (CollectStrategy::OnlyTrustedDevices, Only::Verified)
        } else {
            (stores.share_with.clone(), Only::Anybody)
        };
        let ids = |users: Vec<OwnedUserId>| users.into_iter().map(Into::into).collect();
        match self.seal(stores, id, event_type, content, (strategy, only)).await {
            Ok((content, left_out)) => Ok(Answer::Encrypted { content, left_out }),
            Err(Error::Unverified(users)) => Ok(Answer::Unverified { users: ids(users) }),
            Err(Error::Olm(OlmError::SessionRecipientCollectionError(
                SessionRecipientCollectionError::VerifiedUserChangedIdentity(users),
            ))) => Ok(Answer::Changed { users: ids(users) }),
            Err(error) => Err(error),
        }
    }

    /// The content of an `m.room.encrypted`, and who gets no key of it. A session whose keys more devices have than now get
    /// them is replaced.
    pub(super) async fn seal(
        &mut self,
        stores: &Stores,
        id: &RoomId,
        event_type: &str,
        content: &Value,
        (strategy, only): (CollectStrategy, Only),
    ) -> Result<(Value, Vec<LeftOut>), Error> {
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
        if matches!(only, Only::Verified) {
            let unverified = self.unverified(&readers).await?;
            if !unverified.is_empty() {
                return Err(Error::Unverified(unverified));
            }
        }
        if let Some((request, claim)) = self.machine.get_missing_sessions(users()).await? {
            let response = self.http.send(claim).await?;
            self.machine.mark_request_as_sent(&request, &response).await?;
        }
        let mut left_out = Vec::new();
        for request in self.machine.share_room_key(id, users(), settings).await? {
            let response = self.http.send(to_device(&request)).await?;
            self.machine.mark_request_as_sent(&request.txn_id, &response).await?;
            left_out.extend(withheld(id, &request));
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
        Ok((content, left_out))
    }

    /// Who of these has devices and is not verified.
    async fn unverified(&self, users: &[OwnedUserId]) -> Result<Vec<OwnedUserId>, Error> {
        let mut unverified = Vec::new();
        for user in users.iter().filter(|user| *user != self.machine.user_id()) {
            let identity = self.machine.get_identity(user, None).await?;
            let devices = self.machine.get_user_devices(user, None).await?;
            let is_verified = identity.is_some_and(|it| it.is_verified())
                || devices.devices().any(|device| device.is_verified());
            if !is_verified && devices.devices().next().is_some() {
                unverified.push(user.clone());
            }
        }
        Ok(unverified)
    }
}

/// Who may be in the room.
#[derive(Clone, Copy)]
pub(super) enum Only {
    Anybody,
    Verified,
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

/// Who is told with this that they do not get a key; the log has it too.
fn withheld(room: &RoomId, request: &ToDeviceRequest) -> Vec<LeftOut> {
    #[derive(Deserialize)]
    struct Withheld {
        code: String,
    }
    let mut left_out = Vec::new();
    if request.event_type.to_string() != "m.room_key.withheld" {
        return left_out;
    }
    for (user, devices) in &request.messages {
        for (device, content) in devices {
            if let Ok(Withheld { code }) = serde_json::from_str(content.json().get()) {
                eprintln!("no keys of {room} for the device {device} of {user}: {code}");
                left_out.push((user.to_string(), device.to_string(), code));
            }
        }
    }
    left_out
}
