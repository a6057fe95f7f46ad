//! One device of one account: its keys, what it knows of others, and its place in what the homeserver tells. It asks the
//! homeserver only when it is asked something itself: what was sent to it waits there.

use std::{collections::BTreeMap, fs::File, time::Duration};

use matrix_sdk_crypto::{
    CryptoStoreError, DecryptionSettings, EncryptionSettings, EncryptionSyncChanges, MegolmError,
    OlmError, OlmMachine, SecretImportError, SignatureError, TrustRequirement,
    types::{
        events::room::encrypted::EncryptedEvent,
        requests::{AnyIncomingResponse, AnyOutgoingRequest, ToDeviceRequest},
    },
    vodozemac::megolm::DecryptionError,
};
use ruma::{
    OneTimeKeyAlgorithm, OwnedDeviceId, OwnedRoomId, OwnedUserId, RoomId, TransactionId, UInt,
    UserId,
    api::client::{
        filter::{Filter as Listed, FilterDefinition, RoomEventFilter, RoomFilter},
        keys::{get_keys, upload_signing_keys},
        membership::get_member_events,
        state::get_state_event_for_key,
        sync::sync_events,
        to_device::send_event_to_device,
    },
    events::{
        AnyMessageLikeEventContent, StateEventType,
        room::{
            encryption::RoomEncryptionEventContent,
            history_visibility::{HistoryVisibility, RoomHistoryVisibilityEventContent},
        },
    },
    presence::PresenceState,
    serde::Raw,
};
use serde::Deserialize;
use serde_json::{Value, value::to_raw_value};

use crate::{
    http::{self, Http, Refused},
    room::Room,
    store::{self, Stores},
    wire::{self, Answer, Failed, Fault, Opened, Request},
};

/// Rooms whose members are known between two questions; the one that was asked for longest ago goes.
const ROOMS: usize = 50;
/// What a homeserver tells of at once.
const PAGE: u32 = 100;
/// What it gives at most of what was sent to a device, in one answer.
const TO_DEVICE: usize = 100;
const STATE: [&str; 3] = ["m.room.member", "m.room.encryption", "m.room.history_visibility"];

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{0}` is no id")]
    Id(String),
    #[error("the room `{0}` is not encrypted")]
    Plain(OwnedRoomId),
    #[error("the room `{room}` is encrypted by `{algorithm}`, which is not known here")]
    Algorithm { room: OwnedRoomId, algorithm: String },
    #[error("the homeserver knows the device `{0}` with other keys than are here")]
    Lost(OwnedDeviceId),
    #[error("the keys of the device `{0}` are older than what it has sent")]
    Old(OwnedDeviceId),
    #[error(transparent)]
    Http(#[from] http::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the store cannot be used")]
    Keys(#[from] CryptoStoreError),
    #[error("the keys cannot be used")]
    Olm(#[from] OlmError),
    #[error("the message cannot be encrypted")]
    Megolm(#[from] MegolmError),
    #[error("the device cannot be signed")]
    Signature(#[from] SignatureError),
    #[error("the identity that was kept cannot be used")]
    Identity(#[from] SecretImportError),
    #[error("it is no JSON")]
    Json(#[from] serde_json::Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Id(_) | Error::Json(_) => Fault::Question,
            Error::Plain(_) => Fault::Plain,
            Error::Algorithm { .. } => Fault::Algorithm,
            Error::Lost(_) | Error::Old(_) => Fault::Lost,
            Error::Http(http::Error::Refused(Refused { status: 429 | 502..=504, .. })) => {
                Fault::Away
            }
            Error::Http(http::Error::Refused(Refused { code, .. }))
                if code == "M_UNKNOWN_TOKEN" =>
            {
                Fault::Token
            }
            Error::Http(http::Error::Away(_)) => Fault::Away,
            Error::Http(_) => Fault::Refused,
            _ => Fault::Store,
        };
        let refusal = match &error {
            Error::Http(http::Error::Refused(Refused { status, code, .. })) => {
                Some((*status, code.clone()))
            }
            _ => None,
        };
        let mut what = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(now) = cause {
            what = format!("{what}: {now}");
            cause = now.source();
        }
        Self { kind, refusal, what }
    }
}

pub(crate) struct Account {
    machine: OlmMachine,
    http: Http,
    since: Option<String>,
    rooms: BTreeMap<OwnedRoomId, Known>,
    /// How often it was asked.
    asked: u64,
    /// How many one-time keys the homeserver has.
    one_time_keys: u64,
    /// As long as it is there, nobody else has the store.
    _lock: File,
}

struct Known {
    room: Room,
    asked: u64,
}

impl Account {
    pub(crate) async fn open(stores: &Stores, account: &wire::Account) -> Result<Self, Error> {
        let bad = || Error::Id(account.user_id.clone());
        let user = OwnedUserId::try_from(account.user_id.as_str()).map_err(|_| bad())?;
        let device = OwnedDeviceId::from(account.device_id.as_str());
        let http = Http::new(&account.url, &account.access_token)?;
        let store::Opened { store, is_new, lock } = stores.open(&user, &device).await?;
        let machine = OlmMachine::with_store(&user, &device, store, None).await?;
        let since = machine.store().next_batch_token().await?;
        let (rooms, asked, one_time_keys) = <_>::default();
        let mut it = Self { machine, http, since, rooms, asked, one_time_keys, _lock: lock };
        it.require_own(is_new).await?;
        it.machine.update_tracked_users([&*user]).await?;
        it.outgoing().await?;
        it.sign(stores, &user).await?;
        Ok(it)
    }

    /// Goes on with another token or address, where that is what is asked with now.
    pub(crate) fn speaks_as(&mut self, account: &wire::Account) -> Result<(), Error> {
        if !self.http.is(&account.url, &account.access_token) {
            self.http = Http::new(&account.url, &account.access_token)?;
        }
        Ok(())
    }

    pub(crate) async fn answer(
        &mut self,
        stores: &Stores,
        request: Request,
    ) -> Result<Answer, Error> {
        self.asked += 1;
        match request {
            Request::Encrypt { room_id, event_type, content } => {
                self.encrypt(stores, &room(&room_id)?, &event_type, &content).await
            }
            Request::Decrypt { room_id, events } => self.decrypt(&room(&room_id)?, events).await,
            Request::Device => {
                self.sync().await?;
                self.outgoing().await?;
                let user = self.machine.user_id().to_owned();
                self.sign(stores, &user).await?;
                let device = self.own_device().await?;
                Ok(Answer::Device(wire::Device {
                    ed25519: self.machine.identity_keys().ed25519.to_base64(),
                    signed: device.is_some_and(|it| it.is_cross_signed_by_owner()),
                    one_time_keys: self.one_time_keys,
                }))
            }
        }
    }

    async fn own_device(&self) -> Result<Option<matrix_sdk_crypto::Device>, Error> {
        let (user, device) = (self.machine.user_id(), self.machine.device_id());
        Ok(self.machine.get_device(user, device, None).await?)
    }

    /// Refuses to take the place of a device whose keys are elsewhere: the homeserver would change them without a word,
    /// and whoever has sent to it would find that nobody reads it.
    async fn require_own(&mut self, is_new: bool) -> Result<(), Error> {
        let (user, device) =
            (self.machine.user_id().to_owned(), self.machine.device_id().to_owned());
        let mut request = get_keys::v3::Request::new();
        request.device_keys = [(user.clone(), vec![device.clone()])].into();
        let known = self.http.send(request).await?;
        let keys = known.device_keys.get(&user).and_then(|devices| devices.get(&device));
        let Some(keys) = keys else {
            // One that was there and is no more has been removed, or is from after what the homeserver knows now.
            let was_there = !is_new && self.since.is_some();
            return if was_there { Err(Error::Lost(device)) } else { Ok(()) };
        };
        #[derive(Deserialize)]
        struct Keys {
            keys: BTreeMap<String, String>,
        }
        let Keys { keys } = serde_json::from_str(keys.json().get())?;
        let own = self.machine.identity_keys().ed25519.to_base64();
        let is_own = keys.get(&format!("ed25519:{device}")).is_some_and(|key| *key == own);
        if is_own { Ok(()) } else { Err(Error::Lost(device)) }
    }

    /// Has the account an identity of its own, and the device signed by it, so that others trust it without having
    /// compared anything. An identity that was made elsewhere stays as it is.
    async fn sign(&mut self, stores: &Stores, user: &UserId) -> Result<(), Error> {
        let is_signed = async |it: &Self| {
            Ok::<_, Error>(it.own_device().await?.is_some_and(|it| it.is_cross_signed_by_owner()))
        };
        if is_signed(self).await? {
            return Ok(());
        }
        let is_public = self.machine.get_identity(user, None).await?.is_some();
        if !self.machine.cross_signing_status().await.is_complete() && is_public {
            let Some(kept) = stores.identity(user)? else { return Ok(()) };
            self.machine.import_cross_signing_keys(kept).await?;
            if !self.machine.cross_signing_status().await.is_complete() {
                return Ok(());
            }
        }
        let requests = self.machine.bootstrap_cross_signing(false).await?;
        if let Some(keys) = self.machine.export_cross_signing_keys().await? {
            stores.keep_identity(user, &keys)?;
        }
        if let Some(keys) = requests.upload_keys_req {
            self.send(keys.request_id(), keys.request()).await?;
        }
        if !is_public {
            let made = requests.upload_signing_keys_req;
            let mut upload = upload_signing_keys::v3::Request::new();
            upload.master_key = made.master_key.map(|key| key.to_raw());
            upload.self_signing_key = made.self_signing_key.map(|key| key.to_raw());
            upload.user_signing_key = made.user_signing_key.map(|key| key.to_raw());
            let response = self.http.send(upload).await?;
            let response = AnyIncomingResponse::SigningKeysUpload(&response);
            self.machine.mark_request_as_sent(&TransactionId::new(), response).await?;
        }
        self.http.send(requests.upload_signatures_req).await?;
        self.query(&[user.to_owned()]).await
    }

    /// Asks for the devices of these, whatever is known of them.
    async fn query(&mut self, users: &[OwnedUserId]) -> Result<(), Error> {
        let users = users.iter().map(|user| &**user);
        let (id, request) = self.machine.query_keys_for_users(users);
        self.send(&id, &AnyOutgoingRequest::KeysQuery(request)).await
    }

    /// Makes all requests that the keys ask for.
    async fn outgoing(&mut self) -> Result<(), Error> {
        for request in self.machine.outgoing_requests().await? {
            self.send(request.request_id(), request.request()).await?;
        }
        Ok(())
    }

    async fn send(
        &mut self,
        id: &TransactionId,
        request: &AnyOutgoingRequest,
    ) -> Result<(), Error> {
        let (http, machine) = (&mut self.http, &self.machine);
        match request {
            AnyOutgoingRequest::KeysUpload(request) => {
                let response = http.send(request.clone()).await?;
                self.one_time_keys = left(&response.one_time_key_counts);
                machine.mark_request_as_sent(id, &response).await?;
            }
            AnyOutgoingRequest::KeysQuery(request) => {
                let mut query = get_keys::v3::Request::new();
                query.device_keys = request.device_keys.clone();
                let response = http.send(query).await?;
                machine.mark_request_as_sent(id, &response).await?;
            }
            AnyOutgoingRequest::KeysClaim(request) => {
                let response = http.send(request.clone()).await?;
                machine.mark_request_as_sent(id, &response).await?;
            }
            AnyOutgoingRequest::ToDeviceRequest(request) => {
                let response = http.send(to_device(request)).await?;
                machine.mark_request_as_sent(id, &response).await?;
            }
            AnyOutgoingRequest::SignatureUpload(request) => {
                let response = http.send(request.clone()).await?;
                machine.mark_request_as_sent(id, &response).await?;
            }
            // Nobody is verified in a room here.
            AnyOutgoingRequest::RoomMessage(_) => {}
        }
        Ok(())
    }

    /// Takes up what has happened since: what was sent to the device, whose devices are others, who came and went.
    async fn sync(&mut self) -> Result<(), Error> {
        loop {
            let was_first = self.since.is_none();
            let response = self.http.send(self.sync_request()).await?;
            let changes = EncryptionSyncChanges {
                to_device_events: response.to_device.events,
                changed_devices: &response.device_lists,
                one_time_keys_counts: &response.device_one_time_keys_count,
                unused_fallback_keys: response.device_unused_fallback_key_types.as_deref(),
                next_batch_token: Some(response.next_batch.clone()),
            };
            let is_full = changes.to_device_events.len() >= TO_DEVICE;
            self.one_time_keys = left(&response.device_one_time_keys_count);
            self.machine.receive_sync_changes(changes, &decryption()).await?;
            self.since = Some(response.next_batch);
            for (id, joined) in response.rooms.join {
                let Some(known) = self.rooms.get_mut(&id) else { continue };
                if let sync_events::v3::State::Before(state) = &joined.state {
                    state.events.iter().for_each(|event| known.room.change(event));
                }
                joined.timeline.events.iter().for_each(|event| known.room.change(event));
            }
            for id in response.rooms.leave.keys() {
                self.rooms.remove(id);
            }
            // The first answer of all may be two minutes old.
            if !is_full && !was_first {
                return Ok(());
            }
        }
    }

    fn sync_request(&self) -> sync_events::v3::Request {
        let kinds = || Some(STATE.map(str::to_owned).to_vec());
        let mut state = RoomEventFilter::empty();
        state.types = kinds();
        let mut timeline = RoomEventFilter::empty();
        timeline.types = kinds();
        timeline.limit = Some(PAGE.into());
        let mut room = RoomFilter::empty();
        room.rooms = Some(self.rooms.keys().cloned().collect());
        (room.state, room.timeline) = (state, timeline);
        (room.account_data, room.ephemeral) =
            (RoomEventFilter::ignore_all(), RoomEventFilter::ignore_all());
        let mut filter = FilterDefinition::empty();
        (filter.account_data, filter.presence) = (Listed::ignore_all(), Listed::ignore_all());
        filter.room = room;
        let mut request = sync_events::v3::Request::new();
        request.filter = Some(sync_events::v3::Filter::FilterDefinition(filter));
        request.since.clone_from(&self.since);
        request.timeout = Some(Duration::ZERO);
        request.set_presence = PresenceState::Offline;
        request
    }

    /// What is known of a room, which is all of it once the homeserver has been asked for what has happened since.
    async fn look_at(&mut self, id: &RoomId) -> Result<(), Error> {
        if let Some(known) = self.rooms.get_mut(id) {
            known.asked = self.asked;
            return Ok(());
        }
        let of = |kind: StateEventType| {
            get_state_event_for_key::v3::Request::new(id.to_owned(), kind, String::new())
        };
        let encryption = match self.http.send(of(StateEventType::RoomEncryption)).await {
            Err(error) if error.is_missing() => return Err(Error::Plain(id.to_owned())),
            found => found?,
        };
        // Whatever it holds, it is encrypted.
        let encryption = serde_json::from_str(encryption.event_or_content.get()).or_else(|_| {
            let unknown = r#"{"algorithm":""}"#;
            serde_json::from_str::<RoomEncryptionEventContent>(unknown)
        })?;
        let visibility = match self.http.send(of(StateEventType::RoomHistoryVisibility)).await {
            Err(error) if error.is_missing() => HistoryVisibility::Shared,
            found => serde_json::from_str(found?.event_or_content.get())
                .map_or(HistoryVisibility::Shared, |it: RoomHistoryVisibilityEventContent| {
                    it.history_visibility
                }),
        };
        let members = self.http.send(get_member_events::v3::Request::new(id.to_owned())).await?;
        let mut room = Room::new(encryption, visibility);
        members.chunk.iter().for_each(|event| room.change(event));
        if self.rooms.len() >= ROOMS
            && let Some(oldest) =
                self.rooms.iter().min_by_key(|(_, known)| known.asked).map(|(id, _)| id.clone())
        {
            self.rooms.remove(&oldest);
        }
        self.rooms.insert(id.to_owned(), Known { room, asked: self.asked });
        Ok(())
    }

    async fn encrypt(
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

    async fn decrypt(&mut self, id: &RoomId, events: Vec<Value>) -> Result<Answer, Error> {
        let mut opened = Vec::with_capacity(events.len());
        let mut is_told = false;
        for event in events {
            let raw = Raw::<EncryptedEvent>::from_json(to_raw_value(&event)?);
            let mut found = self.machine.decrypt_room_event(&raw, id, &decryption()).await;
            if matches!(found, Err(MegolmError::MissingRoomKey(_))) && !is_told {
                // Its key may wait at the homeserver.
                self.sync().await?;
                self.outgoing().await?;
                is_told = true;
                found = self.machine.decrypt_room_event(&raw, id, &decryption()).await;
            }
            opened.push(match found {
                Ok(found) => Opened::Clear(serde_json::from_str(found.event.json().get())?),
                Err(MegolmError::Store(error)) => return Err(error.into()),
                Err(error) => Opened::Closed(self.why(&event, &error)),
            });
        }
        Ok(Answer::Decrypted { events: opened })
    }

    /// Why an event stays closed.
    fn why(&self, event: &Value, error: &MegolmError) -> String {
        let code = match error {
            MegolmError::MissingRoomKey(code) => code,
            MegolmError::Decryption(DecryptionError::UnknownMessageIndex(..)) => {
                return "it was sent before this device was given its key".to_owned();
            }
            error => return error.to_string(),
        };
        let since = u64::from(self.machine.device_creation_time().0);
        match code {
            Some(code) => format!("its sender withheld the key: {code}"),
            None if event["origin_server_ts"].as_u64().is_some_and(|sent| sent < since) => {
                "it was sent before this device was there".to_owned()
            }
            None => "its key was never sent to this device".to_owned(),
        }
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

/// How many one-time keys are left of those that a homeserver counts.
fn left(counts: &BTreeMap<OneTimeKeyAlgorithm, UInt>) -> u64 {
    counts.get(&OneTimeKeyAlgorithm::SignedCurve25519).map_or(0, |left| u64::from(*left))
}

fn room(id: &str) -> Result<OwnedRoomId, Error> {
    OwnedRoomId::try_from(id).map_err(|_| Error::Id(id.to_owned()))
}

/// What is sent by devices that nobody has verified is read too.
fn decryption() -> DecryptionSettings {
    DecryptionSettings { sender_device_trust_requirement: TrustRequirement::Untrusted }
}

fn to_device(request: &ToDeviceRequest) -> send_event_to_device::v3::Request {
    send_event_to_device::v3::Request::new_raw(
        request.event_type.clone(),
        request.txn_id.clone(),
        request.messages.clone(),
    )
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
