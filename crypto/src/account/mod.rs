//! One device of one account: its keys, what it knows of others, and its place in what the homeserver tells. It asks the
//! homeserver only when it is asked something itself: what was sent to it waits there.

mod backup;
mod decrypt;
mod devices;
mod encrypt;
mod error;
mod identity;
mod secrets;
mod sync;
mod verify;

use std::{collections::BTreeMap, fs::File};

pub(crate) use encrypt::Session;
pub(crate) use error::Error;
use matrix_sdk_crypto::{
    DecryptionSettings, OlmMachine, TrustRequirement,
    types::requests::{AnyOutgoingRequest, ToDeviceRequest},
};
use ruma::{
    OneTimeKeyAlgorithm, OwnedDeviceId, OwnedRoomId, OwnedUserId, TransactionId, UInt,
    api::client::{keys::get_keys, to_device::send_event_to_device},
};

use crate::{
    http::Http,
    room::Room,
    store::{self, Stores},
    wire::{self, Answer, Request},
};

pub(crate) struct Account {
    machine: OlmMachine,
    http: Http,
    since: Option<String>,
    /// What the homeserver said last of the device's own keys.
    own_keys: OwnKeys,
    rooms: BTreeMap<OwnedRoomId, Known>,
    /// How often it was asked.
    asked: u64,
    flows: verify::Flows,
    /// How the device is, and what was written of that last.
    state: wire::Device,
    noted: Option<wire::Device>,
    /// Whether it may have room keys that are in no backup.
    pub(crate) is_unsaved: bool,
    /// Whether somebody sees to that.
    pub(crate) will_save: bool,
    /// What the store is known by now.
    mark: String,
    /// As long as it is there, nobody else has the store.
    _lock: File,
}

/// Where the mark of a store is in it.
const MARK: &str = "mark";

/// How many one-time keys are left, and which fallback keys nobody has used.
type OwnKeys = Option<(BTreeMap<OneTimeKeyAlgorithm, UInt>, Option<Vec<OneTimeKeyAlgorithm>>)>;

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
        let mark = machine.store().get_custom_value(MARK).await?;
        let mark = mark.and_then(|mark| String::from_utf8(mark).ok());
        if !stores.is_latest((&user, &device), mark.as_deref())? {
            return Err(Error::Old(device));
        }
        let mark = mark.unwrap_or_default();
        let since = machine.store().next_batch_token().await?;
        let (rooms, asked, noted, will_save, own_keys, flows) = <_>::default();
        let ed25519 = machine.identity_keys().ed25519.to_base64();
        let state = wire::Device { ed25519, signed: false, one_time_keys: 0 };
        let mut it = Self {
            machine,
            http,
            since,
            own_keys,
            rooms,
            flows,
            asked,
            state,
            noted,
            is_unsaved: true,
            will_save,
            mark,
            _lock: lock,
        };
        it.require_own(is_new).await?;
        it.renew_mark(stores).await?;
        it.machine.update_tracked_users([&*user]).await?;
        it.outgoing().await?;
        it.sign(stores, &user).await?;
        it.inherit(stores).await?;
        Ok(it)
    }

    /// Gives the store another mark, so that a copy of it as it was is known for one: with each that is opened, and before
    /// anybody gets a key. Killed in between, it has one of the two that are expected.
    async fn renew_mark(&mut self, stores: &Stores) -> Result<(), Error> {
        let device = (self.machine.user_id(), self.machine.device_id());
        let mark = TransactionId::new().to_string();
        stores.expect(device, &[&self.mark, &mark])?;
        self.machine.store().set_custom_value(MARK, mark.clone().into_bytes()).await?;
        stores.expect(device, &[&mark])?;
        self.mark = mark;
        Ok(())
    }

    /// Takes up the room keys of the devices that were here before; their stores serve nobody then.
    async fn inherit(&mut self, stores: &Stores) -> Result<(), Error> {
        let (user, own) = (self.machine.user_id().to_owned(), self.machine.device_id().to_owned());
        for device in stores.devices(&user)?.into_iter().filter(|device| *device != own) {
            let left = async {
                let store::Opened { store, lock, .. } = stores.open(&user, &device).await?;
                let machine = OlmMachine::with_store(&user, &device, store, None).await?;
                let keys = machine.store().export_room_keys(|_| true).await?;
                self.machine.store().import_room_keys(keys, None, |_, _| ()).await?;
                drop((machine, lock));
                Ok::<_, Error>(stores.remove(&user, &device)?)
            };
            // One that is damaged stays, for `status` to name.
            if let Err(error) = left.await {
                eprintln!("the keys of the device {device} are not to be had: {error}");
            }
        }
        Ok(())
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
        let answer = self.answered(stores, request).await;
        if self.noted.as_ref() != Some(&self.state) {
            stores.note(self.machine.user_id(), self.machine.device_id(), &self.state)?;
            self.noted = Some(self.state.clone());
        }
        answer
    }

    async fn answered(&mut self, stores: &Stores, request: Request) -> Result<Answer, Error> {
        match request {
            Request::Encrypt { room_id, event_type, content, only_verified } => {
                let room = room(&room_id)?;
                self.encrypt(stores, &room, &event_type, &content, only_verified).await
            }
            Request::Decrypt { room_id, events } => {
                self.decrypt(stores, &room(&room_id)?, events).await
            }
            Request::BackUp => self.back_up(stores).await,
            Request::Restore { recovery_key } => self.restore(stores, recovery_key).await,
            Request::Export { passphrase } => self.export(passphrase).await,
            Request::Import { text, passphrase } => self.import_file(text, passphrase).await,
            Request::Verify(step) => self.verify(stores, step).await,
            Request::Device => {
                self.sync().await?;
                self.outgoing().await?;
                let user = self.machine.user_id().to_owned();
                self.sign(stores, &user).await?;
                Ok(Answer::Device(self.state.clone()))
            }
        }
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
                self.state.one_time_keys = left(&response.one_time_key_counts);
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
            // `speak` sends those.
            AnyOutgoingRequest::RoomMessage(_) => {}
        }
        Ok(())
    }
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
