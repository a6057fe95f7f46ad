//! One device of one account: its keys, what it knows of others, and its place in what the homeserver tells. It asks the
//! homeserver only when it is asked something itself: what was sent to it waits there.

mod decrypt;
mod devices;
mod encrypt;
mod error;
mod identity;
mod sync;
mod verify;

use std::{collections::BTreeMap, fs::File};

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
    rooms: BTreeMap<OwnedRoomId, Known>,
    /// How often it was asked.
    asked: u64,
    /// How many one-time keys the homeserver has.
    one_time_keys: u64,
    flows: verify::Flows,
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
        let (rooms, asked, one_time_keys, flows) = <_>::default();
        let mut it = Self { machine, http, since, rooms, asked, one_time_keys, flows, _lock: lock };
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
            Request::Encrypt { room_id, event_type, content, only_verified } => {
                let room = room(&room_id)?;
                self.encrypt(stores, &room, &event_type, &content, only_verified).await
            }
            Request::Decrypt { room_id, events } => self.decrypt(&room(&room_id)?, events).await,
            Request::Verify(step) => self.verify(stores, step).await,
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
