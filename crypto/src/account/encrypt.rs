//! A message for all who are in a room now.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

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

/// How many messages a session is for, where a room does not say it.
const MESSAGES: u64 = 100;
/// The most that one is for, whatever a room says.
const MOST: u64 = 10_000;
/// No session is older, unless it was looked at anew: whatever a room says, one lasts an hour at least.
const SHORTEST: Duration = Duration::from_mins(50);

/// What is known of the session of a room, so that it need not be looked at anew for each message.
#[derive(Default)]
pub(crate) struct Session {
    /// Whether all who are in the room have its key, as far as anything was heard since.
    pub(crate) is_shared: bool,
    /// Whether somebody had no key to make a session with: they may have some at any time, and nobody says so.
    is_short: bool,
    begun: Option<Begun>,
}

impl Session {
    fn goes_on(&self) -> bool {
        let is_good = |Begun { at, every, used }: &Begun| {
            // Also where the clock went back.
            used < every && at.elapsed().is_ok_and(|age| age < SHORTEST)
        };
        self.is_shared && !self.is_short && self.begun.as_ref().is_some_and(is_good)
    }

    /// Counts a message at this place of it.
    fn used(&mut self, place: u64, every: u64) {
        if place == 0 {
            let every = every.clamp(1, MOST);
            self.begun = Some(Begun { at: SystemTime::now(), every, used: 0 });
        }
        if let Some(begun) = &mut self.begun {
            begun.used = place + 1;
        }
    }
}

/// How a session began.
struct Begun {
    at: SystemTime,
    /// For how many messages it is, as the room said then.
    every: u64,
    used: u64,
}

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
        let own = self.machine.user_id().server_name().to_owned();
        let Some(Known { room, .. }) = self.rooms.get_mut(id) else {
            return Err(Error::Plain(id.to_owned()));
        };
        room.ask_for_guests(&own);
        if !room.is_known() {
            let algorithm = room.encryption.algorithm.to_string();
            return Err(Error::Algorithm { room: id.to_owned(), algorithm });
        }
        // What everybody has who is given keys goes on; others get another, and nobody's is another's.
        let is_usual = matches!(only, Only::Anybody) && strategy == stores.share_with;
        let mut left_out = Vec::new();
        if !is_usual || !room.session.goes_on() {
            left_out = self.share(stores, id, strategy, only).await?;
        }
        if !is_usual && let Some(known) = self.rooms.get_mut(id) {
            known.room.session.is_shared = false;
        }
        let content = Raw::<AnyMessageLikeEventContent>::from_json(to_raw_value(content)?);
        let sealed = self.machine.encrypt_room_event_raw(id, event_type, &content).await?;
        let content: Value = serde_json::from_str(sealed.content.json().get())?;
        let own = (self.machine.user_id(), self.machine.device_id());
        let used = used(&content);
        if used.is_some_and(|(_, place)| place == 0) {
            // Also where nobody else got its key.
            self.is_unsaved = true;
        }
        // Before anybody has it: what is sent with one key twice can be compared, and some take it for a replay.
        if let Some(used) = used
            && !stores.advance(own, id, used)?
        {
            return Err(Error::Old(own.1.to_owned()));
        }
        if let Some(Known { room, .. }) = self.rooms.get_mut(id) {
            let every = room.encryption.rotation_period_msgs.map_or(MESSAGES, u64::from);
            if let Some((_, place)) = used {
                room.session.used(place, every);
            }
        }
        Ok((content, left_out))
    }

    /// Has a session that all who are in the room now have the key of, and nobody else.
    async fn share(
        &mut self,
        stores: &Stores,
        id: &RoomId,
        strategy: CollectStrategy,
        only: Only,
    ) -> Result<Vec<LeftOut>, Error> {
        let mut left_out = Vec::new();
        let Some(known) = self.rooms.get_mut(id) else { return Ok(left_out) };
        // Until it is done, it is not.
        known.room.session.is_shared = false;
        let settings = EncryptionSettings::new(
            known.room.encryption.clone(),
            known.room.visibility.clone(),
            strategy,
        );
        let readers = known.room.readers();
        let new: Vec<OwnedUserId> = known.room.new.iter().cloned().collect();
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
        let mut is_short = None;
        if let Some((request, claim)) = self.machine.get_missing_sessions(users()).await? {
            let asked: usize = claim.one_time_keys.values().map(BTreeMap::len).sum();
            let response = self.http.send(claim).await?;
            let found: usize = response.one_time_keys.values().map(BTreeMap::len).sum();
            is_short = Some(found < asked);
            self.machine.mark_request_as_sent(&request, &response).await?;
        }
        let requests = self.machine.share_room_key(id, users(), settings).await?;
        if !requests.is_empty() {
            self.renew_mark(stores).await?;
        }
        for request in requests {
            let response = self.http.send(to_device(&request)).await?;
            self.machine.mark_request_as_sent(&request.txn_id, &response).await?;
            left_out.extend(withheld(id, &request));
            self.is_unsaved = true;
        }
        if let Some(Known { room, .. }) = self.rooms.get_mut(id) {
            room.session.is_shared = true;
            room.session.is_short = is_short.unwrap_or(room.session.is_short);
            // Each session tells it anew.
            left_out.retain(|device| room.told.insert(device.clone()));
        }
        Ok(left_out)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_until_its_last_message_and_only_where_its_beginning_was_seen() {
        let mut session = Session { is_shared: true, ..Session::default() };
        session.used(5, 3);
        assert!(!session.goes_on());
        session.used(0, 3);
        assert!(session.goes_on());
        session.used(1, 3);
        assert!(session.goes_on());
        session.used(2, 3);
        assert!(!session.goes_on());
        session.used(0, 1);
        assert!(!session.goes_on());
        session.used(0, 100);
        session.is_short = true;
        assert!(!session.goes_on());
    }
}
